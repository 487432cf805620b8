"""Which searches an event is news for where that depends on what the home was before (T1), on the real path from a
write to alert_match."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.domain.alerts.match import match_one_batch
from app.domain.listings.record import record
from app.domain.models import AlertMatch, AlertSubscription, ListingEvent, MatchBatch
from app.domain.models.lookups import Origin
from app.domain.searches.saved import create

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
NEW, DROP, BACK, MATCHES, STATUS = 1, 2, 4, 8, 32
TELL_ALL = 63


@pytest.fixture
def say(db, office):
    """Write what the source says of one home, minutes after what it said last."""
    said = {
        "originating_system_key": "A-1",
        "standard_status": "Active",
        "list_price": Decimal(510_000),
        "property_type": "Residential",
        "bedrooms_total": 3,
        "city": "Port Ellery",
        "on_market_timestamp": NOW - timedelta(days=40),
    }
    steps = iter(range(100))

    def write(origin=Origin.LIVE_SYNC, **values) -> ListingEvent:
        said.update(values)
        record(office.id, "Coast MLS", [said], origin=origin, now=NOW + timedelta(minutes=next(steps)))
        return db.session.scalars(select(ListingEvent).order_by(ListingEvent.seq.desc())).first()

    write(origin=Origin.BACKFILL)
    return write


@pytest.fixture
def search(make, office):
    def made(kinds=TELL_ALL, **criteria):
        wish = {"city": ["Port Ellery"]} | criteria
        return create(office.id, make.contact(office).id, "", wish, schedule_type="ASAP", kinds=kinds, now=NOW).id

    return made


@pytest.fixture
def matched(db):
    """The searches that an event was matched with, and the batch's counts."""

    def searches(event: ListingEvent) -> set[int]:
        db.session.execute(  # seen from inside one transaction everything is older than the subscriptions
            AlertSubscription.__table__.update().values(since_snapshot="1:1:")
        )
        batch = MatchBatch(found_on=NOW.date(), event_seqs=[event.seq])
        db.session.add(batch)
        db.session.flush()
        counts = match_one_batch(NOW)
        rows = db.session.execute(
            select(AlertSubscription.saved_search_id, AlertMatch.event_seqs)
            .join(AlertMatch, AlertMatch.alert_subscription_id == AlertSubscription.id)
            .where(AlertMatch.batch_id == batch.id)
        ).all()
        assert all(seqs == [event.seq] for _, seqs in rows), "each event once"
        assert counts == {
            "events": 1,
            "matched_events": 1 if rows else 0,
            "unmatched_events": 0 if rows else 1,
            "pairs": len(rows),
        }
        return {search_id for search_id, _ in rows}

    return searches


def test_t1_a_drop_into_range_keeps_what_the_home_was_before(say):
    event = say(list_price=Decimal(499_000))
    assert (event.kinds, event.before) == (DROP | MATCHES, {"list_price": "510000.00"})


def test_t1_a_drop_is_matched_with_who_took_the_home_before_and_who_takes_it_now(say, search, matched):
    before, now, neither = (
        search(list_price={"le": 600_000}),
        search(list_price={"le": 500_000}),
        search(list_price={"le": 400_000}),
    )
    assert matched(say(list_price=Decimal(499_000))) == {before, now}
    assert neither


def test_an_offer_that_fell_through_is_news_only_for_who_did_not_take_the_home_under_contract(say, search, matched):
    active, both = search(), search(standard_status=["Active", "Active Under Contract"])
    under_contract = say(standard_status="Active Under Contract")
    assert under_contract.kinds == MATCHES | STATUS
    assert matched(under_contract) == {active, both}, "who watched it may have asked for changes of its status"
    again = say(standard_status="Active")
    assert again.kinds == MATCHES
    assert again.before == {"standard_status": "Active Under Contract"}
    assert matched(again) == {active}


def test_a_detail_entered_late_is_news_only_for_who_asked_for_it(say, search, matched):
    any_size, three_beds, in_shape = (
        search(),
        search(bedrooms_total={"ge": 3}),
        search(city=[], box={"south": 43, "west": -71, "north": 44, "east": -70}),
    )
    fresh = {"on_market_timestamp": NOW - timedelta(days=3)}
    say(bedrooms_total=None, **fresh)
    event = say(bedrooms_total=4)
    assert (event.kinds, event.before) == (MATCHES, {"bedrooms_total": None})
    assert matched(event) == {three_beds}
    moved = say(latitude=Decimal("43.5"), longitude=Decimal("-70.5"))
    assert moved.before == {"latitude_e6": None, "longitude_e6": None}
    assert matched(moved) == {in_shape}
    assert any_size


def test_a_home_that_moves_within_a_drawn_shape_is_no_news(say, search, matched):
    search(city=[], box={"south": 43, "west": -71, "north": 44, "east": -70})
    search(city=[], radius={"latitude": 43.5, "longitude": -70.5, "miles": 10})
    say(latitude=Decimal("43.5"), longitude=Decimal("-70.5"), on_market_timestamp=NOW - timedelta(days=3))
    assert matched(say(latitude=Decimal("43.51"))) == set()


def test_a_change_of_status_is_matched_with_who_took_the_home_on_the_market_and_asked_for_it(say, search, matched):
    asked, did_not, elsewhere = search(), search(kinds=31), search(list_price={"le": 400_000})
    pending = say(standard_status="Pending")
    assert (pending.kinds, pending.alertable) == (STATUS, True)
    assert matched(pending) == {asked}
    assert matched(say(standard_status="Closed")) == {asked}
    assert did_not
    assert elsewhere


def test_a_change_of_two_kinds_names_its_event_once(say, search, matched):
    both = search(standard_status=["Active", "Active Under Contract"])
    event = say(standard_status="Active Under Contract", list_price=Decimal(490_000))
    assert event.kinds == DROP | MATCHES | STATUS
    assert matched(event) == {both}


@pytest.mark.parametrize("origin", [Origin.CORRECTION, Origin.BACKFILL, Origin.REPLAY])
def test_what_only_the_origin_stops_keeps_its_before_for_who_asks_why_pa_02(say, origin):
    event = say(origin=origin, list_price=Decimal(499_000))
    assert (event.alertable, event.kinds, event.before) == (False, DROP | MATCHES, {"list_price": "510000.00"})


def test_other_events_carry_no_before(say):
    assert say(public_remarks="Sunny.").before is None
    assert say(list_price=Decimal(520_000)).before is None
    assert say(standard_status="Withdrawn").before is None
