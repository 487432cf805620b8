"""Waiting matches become one digest per person, and say what became of each of them."""

from __future__ import annotations

import threading
import time as clock
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, func, select, text

from app.domain.digests.build import build_some
from app.domain.digests.cadence import queries as cadence
from app.domain.digests.decide import DropReason
from app.domain.digests.look import MOST_FAILING, matches_of
from app.domain.digests.queries import FACTS_OF_PAIRS, facts_of_pairs
from app.domain.models import (
    AlertMatch,
    BuyerListing,
    Contact,
    DigestItem,
    Listing,
    Office,
    OutboundMessage,
    SavedSearch,
    SavedSearchVersion,
)
from app.domain.models.lookups import ReasonActiveOrDisabled
from app.domain.searches.saved import edit, resume
from app.extensions import db as database
from tests.domain.digests.world import NOON, build, crowd, digests, items, messages, news, outcomes, subscribe

BUILT = {"digest", "digest_item"}
EVERYTHING_SEEN = "999999999:999999999:"


@pytest.fixture
def buyer(make, office):
    return make.contact(office, email="amelia@example.com")


def test_a_match_becomes_a_line_a_digest_and_one_message(make, office, buyer):
    subscription = subscribe(buyer)
    home, event_ = news(office)
    waiting = make.match(subscription, event_)
    assert build() == {
        "recipients": 1,
        "digests": 1,
        "empty": 0,
        "messages": 1,
        "shown": 1,
        "merged": 0,
        "dropped": 0,
        "waiting": 0,
    }
    [digest], [message], [item] = digests(), messages(), items()
    assert (digest.state, digest.recipient, digest.items_shown, digest.window_end) == (
        "built",
        "amelia@example.com",
        1,
        NOON,
    )
    assert (item.kind, item.fingerprint, item.price_shown, item.search_version) == ("New", "1", home.list_price, 1)
    assert message.digest_id == digest.id
    assert message.state == "queued"
    assert message.dedupe_key == f"alert:{office.id}:amelia@example.com:2026-11-20T17:00:00.000000Z"
    assert message.expires_at == NOON + timedelta(hours=4)
    database.session.refresh(waiting)
    assert waiting.digest_id == digest.id


def test_a_second_run_of_the_same_window_finds_nothing_to_do(make, office, buyer):
    make.match(subscribe(buyer), news(office)[1])
    assert build() is not None
    assert build() is None
    assert len(messages()) == 1


def test_a_match_that_comes_after_its_window_was_built_waits_for_the_next(make, office, buyer):
    subscription = subscribe(buyer)
    make.match(subscription, news(office)[1])
    build()
    make.match(subscription, news(office)[1])
    assert build() is None
    assert build(NOON + timedelta(minutes=15))["shown"] == 1
    assert len(messages()) == 2


def test_t5_a_home_that_matches_three_searches_is_one_line_and_absent_from_the_daily(make, office, buyer):
    instant = subscribe(buyer, "Now", original_entry_timestamp=NOON)
    dailies = [
        subscribe(buyer, f"Daily {n}", schedule_type="Daily", send_time=time(18), next_send_timestamp=NOON)
        for n in range(2)
    ]
    for daily in dailies:
        daily.next_send_timestamp = NOON + timedelta(hours=6)
    _, event_ = news(office)
    for subscription in (instant, *dailies):
        make.match(subscription, event_)
    assert build()["shown"] == 1
    [line] = items()
    assert line.alert_subscription_id == instant.id
    assert build(NOON + timedelta(hours=6)) | {"recipients": 1} == {
        "recipients": 1,
        "digests": 1,
        "empty": 1,
        "messages": 0,
        "shown": 0,
        "merged": 0,
        "dropped": 2,
        "waiting": 0,
    }
    assert outcomes() == ["already_told", "already_told", "shown"]
    assert len(messages()) == 1


def test_pa_07_no_address_is_told_the_same_twice_across_searches(make, office, buyer, db):
    _, event_ = news(office)
    for n in range(3):
        make.match(subscribe(buyer, f"Search {n}"), event_)
        build(NOON + timedelta(minutes=15 * n))
    assert outcomes() == ["already_told", "already_told", "shown"]
    twice = (
        select(DigestItem.recipient, DigestItem.listing_id, DigestItem.kind, DigestItem.fingerprint)
        .where(DigestItem.outcome == "shown")
        .group_by(DigestItem.recipient, DigestItem.listing_id, DigestItem.kind, DigestItem.fingerprint)
        .having(func.count() > 1)
    )
    assert db.session.execute(twice).all() == []


def test_t4_a_home_sold_before_the_batch_is_not_mailed(make, office, buyer, db):
    home, event_ = news(office)
    make.match(subscribe(buyer), event_)
    home.standard_status = "Closed"
    db.session.commit()
    assert build()["empty"] == 1
    assert outcomes() == ["sold_before_send"]
    assert messages() == []
    assert digests()[0].state == "empty"


def test_t2_drops_accumulate_to_one_that_counts(make, office, buyer, db):
    subscription = subscribe(buyer, criteria={"city": ["Port Ellery"]})
    home = make.listing(office, list_price=500_000)
    db.session.add(
        BuyerListing(contact_id=buyer.id, listing_id=home.id, last_price_shown=500_000, listing_sent_timestamp=NOON)
    )
    told = []
    for step, price in enumerate((497_000, 494_000, 500_000, 494_000), 1):
        was, home.list_price = home.list_price, price
        if price < was:
            make.match(subscription, make.event(home, 2, previous_list_price=was))
        build(NOON + timedelta(hours=step))
        for item in items():
            if item.outcome == "shown" and (item.price_before, item.price_shown) not in told:
                told.append((item.price_before, item.price_shown))
                shown = db.session.get(BuyerListing, (buyer.id, home.id))
                shown.last_price_shown = item.price_shown  # as a sent message does
                db.session.commit()
    assert told == [(Decimal(500_000), Decimal(494_000))]
    assert outcomes() == ["below_threshold", "no_net_change", "shown"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"active_yn": False, "reason_active_or_disabled": "Client Disabled"}, "unsubscribed"),
        ({"active_yn": False, "reason_active_or_disabled": "Agent Disabled"}, "paused"),
        ({"since_snapshot": EVERYTHING_SEEN}, "before_subscription"),
        ({"kinds": 2}, "not_wanted"),
    ],
)
def test_what_a_subscription_does_not_want_is_dropped_with_its_reason(make, office, buyer, change, reason):
    make.match(subscribe(buyer, **change), news(office)[1])
    assert build()["dropped"] == 1
    assert outcomes() == [reason]
    assert messages() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"internet_entire_listing_display_yn": False}, "hidden"),
        ({"standard_status": "Withdrawn"}, "no_longer_available"),
        ({"city": "Elsewhere"}, "no_longer_matches"),
        ({"list_price": 900_000}, "no_longer_matches"),
    ],
)
def test_what_a_home_has_become_since_is_judged(make, buyer, db, change, reason):
    home, event_ = news(db.session.get(Office, buyer.office_id))
    make.match(subscribe(buyer), event_)
    for name, value in change.items():
        setattr(home, name, value)
    db.session.commit()
    build()
    assert outcomes() == [reason]


def test_a_person_without_an_address_has_a_digest_that_says_so(make, office):
    for _ in range(2):
        make.match(subscribe(make.contact(office, email="")), news(office)[1])
    assert build() == {
        "recipients": 2,
        "digests": 2,
        "empty": 2,
        "messages": 0,
        "shown": 0,
        "merged": 0,
        "dropped": 2,
        "waiting": 0,
    }
    assert outcomes() == ["no_address", "no_address"]


@pytest.mark.parametrize("status", ["Inactive", "Deleted", "On Vacation"])
def test_a_contact_who_is_not_active_is_not_mailed(make, office, status):
    make.match(subscribe(make.contact(office, contact_status=status)), news(office)[1])
    build()
    assert outcomes() == ["contact_inactive"]


@pytest.mark.parametrize(
    ("scope", "reason"), [("address", "suppressed"), ("stream", "suppressed"), ("subscription", "unsubscribed")]
)
def test_a_suppressed_address_is_not_mailed_whatever_the_scope_pa_24(make, office, buyer, scope, reason):
    subscription = subscribe(buyer)
    extra = {"alert_subscription_id": subscription.id} if scope == "subscription" else {}
    make.suppression(office, buyer.email, scope=scope, **extra)
    make.match(subscription, news(office)[1])
    build()
    assert outcomes() == [reason]


@pytest.mark.parametrize(
    "values",
    [
        {"lifted_at": NOON},
        {"expires_at": NOON - timedelta(seconds=1)},
        {"recipient": "somebody.else@example.com"},
    ],
)
def test_a_suppression_that_is_not_in_force_stops_nothing(make, office, buyer, values):
    make.suppression(office, values.pop("recipient", buyer.email), **values)
    make.match(subscribe(buyer), news(office)[1])
    build()
    assert outcomes() == ["shown"]


def test_an_edited_search_drops_what_it_no_longer_asks_for_pa_15(make, office, buyer, db):
    subscription = subscribe(buyer)
    make.match(subscription, news(office)[1])
    search = db.session.get(SavedSearch, subscription.saved_search_id)
    search.criteria, search.version = {"city": ["Port Ellery"], "list_price": {"le": 400_000}}, 2
    after = datetime.now(UTC) + timedelta(seconds=1)
    db.session.add(SavedSearchVersion(saved_search_id=search.id, version=2, criteria=search.criteria, created_at=after))
    db.session.commit()
    build()
    assert outcomes() == ["search_changed"]


def test_a_search_that_cannot_be_read_drops_its_own_matches_only_pa_18(make, office, buyer):
    _, event_ = news(office)
    make.match(subscribe(buyer, criteria={"no_such_field": 1}), event_)
    make.match(subscribe(buyer), event_)
    build()
    assert outcomes() == ["search_failing", "shown"]


def test_a_search_that_cannot_be_read_is_switched_off_alone_and_mended_by_saving_it_anew_pa_18(make, office, buyer, db):
    _, event_ = news(office)
    failing, sound = subscribe(buyer, criteria={"no_such_field": 1}), subscribe(buyer)
    make.match(failing, event_)
    make.match(sound, event_)
    build()
    assert (failing.active_yn, failing.reason_active_or_disabled) == (False, ReasonActiveOrDisabled.SEARCH_FAILING)
    assert sound.active_yn
    mended = edit(failing.saved_search_id, office_id=office.id, version=1, criteria={"city": ["Port Ellery"]}, now=NOON)
    assert mended.version == 2
    resume(failing.id, NOON)
    assert failing.active_yn


@pytest.mark.parametrize("throwing", [1, MOST_FAILING, MOST_FAILING + 1])
def test_a_search_that_throws_fails_alone_and_many_are_a_fault_of_ours_that_drops_nothing_pa_18(
    make, office, buyer, throwing
):
    _, event_ = news(office)
    pairs = [(subscribe(buyer).id, event_.seq, buyer.id) for _ in range(MOST_FAILING + 2)]
    facts = facts_of_pairs(pairs, NOON)
    for fact in facts[:throwing]:
        fact.past = [{}]
    with pytest.raises(KeyError):
        matches_of(facts)
    if throwing > MOST_FAILING:
        with pytest.raises(KeyError):
            matches_of(facts, set())
        return
    failing: set[int] = set()
    reasons = [match.reason for match in matches_of(facts, failing)]
    assert reasons == [DropReason.SEARCH_FAILING] * throwing + [None] * (len(facts) - throwing)
    assert failing == {fact.saved_search_id for fact in facts[:throwing]}


def test_more_than_the_mail_holds_counts_as_shown_and_keeps_its_place_pa_11(make, office, buyer):
    events = [news(office)[1] for _ in range(37)]
    make.match(subscribe(buyer), *events)
    assert build()["shown"] == 37
    assert [item.position for item in items()] == list(range(1, 38))
    assert [item.event_seq for item in items()] == [one.seq for one in reversed(events)]


def test_a_daily_search_waits_for_its_hour_and_moves_to_the_next_day(make, office, buyer, db):
    daily = subscribe(buyer, schedule_type="Daily", send_time=time(18), next_send_timestamp=NOON + timedelta(hours=6))
    make.match(daily, news(office)[1])
    assert build(NOON) is None
    assert build(NOON + timedelta(hours=6))["shown"] == 1
    db.session.refresh(daily)
    assert daily.next_send_timestamp == datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
    assert messages()[0].expires_at == NOON + timedelta(hours=26)


def test_a_daily_search_without_a_match_moves_on_too(office, buyer, db):
    daily = subscribe(buyer, schedule_type="Daily", send_time=time(12), next_send_timestamp=NOON)
    assert build()["digests"] == 0
    db.session.refresh(daily)
    assert daily.next_send_timestamp == NOON + timedelta(days=1)
    assert build() is None


def test_a_window_that_comes_days_late_sends_once_and_not_for_each_day(make, office, buyer, db):
    daily = subscribe(buyer, schedule_type="Daily", send_time=time(12), next_send_timestamp=NOON - timedelta(days=3))
    make.match(daily, news(office)[1])
    build()
    db.session.refresh(daily)
    assert len(messages()) == 1
    assert daily.next_send_timestamp == NOON + timedelta(days=1)


def test_two_offices_with_one_address_mail_it_apart(make):
    for _ in range(2):
        office = make.office()
        make.match(subscribe(make.contact(office, email="amelia@example.com")), news(office)[1])
    assert build()["messages"] == 2
    assert {message.recipient for message in messages()} == {"amelia@example.com"}


def test_a_chunk_costs_the_same_statements_whatever_its_size_and_is_quick(make, office, db):
    homes = [news(office)[1] for _ in range(5)]
    crowd(office, 300, homes)
    sent: list[str] = []
    listen = lambda *call: sent.append(call[2])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", listen)
    began = clock.process_time()  # of ours alone: what else the machine does is not under test
    try:
        built = build_some(NOON, NOON, None, 300)
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
    took = clock.process_time() - began
    assert (built["messages"], built["shown"]) == (300, 1500)
    assert len(sent) <= 11
    assert took < 5
    assert build_some(NOON, NOON, None, 300) is None


def test_the_last_people_of_a_window_look_at_no_more_rows_than_the_first(make, office, db):
    """What was built already must not be compared with what waits: a run would cost the square of its people."""
    crowd(office, 80, [news(office)[1]])
    assert build_some(NOON, NOON, None, 60)["shown"] == 60
    database.session.execute(text("ANALYZE digest, digest_item"))
    database.session.execute(text("SET LOCAL enable_seqscan = off"))  # it reads a few rows whole, and many not
    window = {"window_end": NOON}
    left = cadence.lock_due(NOON, 60)
    rows = cadence.waiting(left, NOON)
    pairs = {
        "subscriptions": [row.alert_subscription_id for row in rows],
        "seqs": [row.event_seqs[0] for row in rows],
        "readers": [row.contact_id for row in rows],
        "since": [None] * len(rows),
        "digest_id": 0,
        "now": NOON,
    }
    assert len(rows) == 20
    for statement, values, joins in [
        (cadence.LOCK_DUE, window | {"limit": 60, "reach": 1200}, "off"),
        (cadence.WAITING, window | {"contacts": left}, "off"),
        (FACTS_OF_PAIRS, pairs | {"contacts": left}, "on"),
    ]:
        database.session.execute(text(f"SET LOCAL enable_nestloop = {joins}"))  # off: as it joins what is large
        [[plan]] = database.session.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}"), values)
        assert rows_of_digests(plan[0]["Plan"]) <= 20, statement.text


def rows_of_digests(node: dict) -> int:
    """How many rows were read of what was built before, or compared with it."""
    parts = node.get("Plans", ())
    mine = 0
    if node.get("Relation Name") in BUILT:
        mine = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    if any(part.get("Relation Name") in BUILT for part in parts):
        mine += node.get("Rows Removed by Join Filter", 0)
    return mine * node["Actual Loops"] + sum(rows_of_digests(part) for part in parts)


@pytest.mark.committed
def test_two_builders_share_the_people_and_never_take_one_twice(app, db, make, office):
    crowd(office, 60, [news(office)[1]])
    problems: list[Exception] = []
    start = threading.Barrier(3)

    def work() -> None:
        with app.app_context():
            try:
                start.wait()
                while build_some(NOON, NOON, None, 7) is not None:
                    database.session.commit()
            except Exception as error:  # shown below
                problems.append(error)
            finally:
                database.session.remove()

    builders = [threading.Thread(target=work) for _ in range(3)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert problems == []
    build()  # what a locked chunk hid from the last of them
    assert db.session.scalar(select(func.count()).select_from(OutboundMessage)) == 60
    assert db.session.scalar(select(func.count()).select_from(AlertMatch).where(AlertMatch.digest_id.is_(None))) == 0
    assert db.session.scalar(select(func.count()).select_from(DigestItem).where(DigestItem.outcome == "shown")) == 60


@pytest.mark.committed
def test_what_was_there_when_the_search_began_is_not_news_pa_13(db, make, office):
    """With real transactions: the snapshot of a subscription sees what was committed before it, and only that."""
    buyer = make.contact(office)
    _, before = news(office)
    subscription = subscribe(buyer, since_snapshot=func.pg_current_snapshot())
    _, after = news(office)
    make.match(subscription, before, after)
    build()
    assert {item.event_seq: item.drop_reason for item in items()} == {
        before.seq: "before_subscription",
        after.seq: None,
    }


@pytest.mark.committed
def test_what_another_transaction_tells_a_moment_earlier_is_dropped_not_failed_pa_07(db, make, office):
    """The unique key decides between a builder and whoever else tells the same at that moment."""
    buyer = make.contact(office, email="amelia@example.com")
    _, event_ = news(office)
    subscription = subscribe(buyer)
    other = subscribe(buyer, "Another")
    make.match(subscription, event_)
    build(NOON - timedelta(hours=1))
    told = items()[0]
    told.fingerprint = "being changed"  # so that the reader below does not see it
    db.session.commit()
    make.match(other, event_)

    def tell(*call) -> None:
        statement = call[2]
        if statement.startswith("\nINSERT INTO digest_item") and not told_meanwhile:
            told_meanwhile.append(True)
            with db.engine.begin() as elsewhere:
                elsewhere.execute(
                    DigestItem.__table__.update().where(DigestItem.digest_id == told.digest_id).values(fingerprint="1")
                )

    told_meanwhile: list[bool] = []
    event.listen(db.engine, "before_cursor_execute", tell)
    try:
        built = build()
    finally:
        event.remove(db.engine, "before_cursor_execute", tell)
    assert told_meanwhile
    assert (built["shown"], built["dropped"], built["messages"]) == (0, 1, 0)
    assert outcomes() == ["already_told", "shown"]
    assert [digest.state for digest in digests()] == ["built", "empty"]


def test_the_same_home_of_another_office_has_nothing_to_do_with_it(make, office, buyer, db):
    make.match(subscribe(buyer), news(office)[1])
    news(make.office())
    build()
    assert db.session.scalar(select(func.count()).select_from(Listing)) == 2
    assert db.session.scalar(select(func.count()).select_from(Contact)) == 1
    assert len(items()) == 1
