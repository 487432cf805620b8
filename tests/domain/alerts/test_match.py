"""Matching, held against a brute-force oracle on worlds made to be awkward."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.alerts import match
from app.domain.models import AlertMatch, ListingEvent, MatchBatch
from app.domain.searches.criteria import Criteria
from tests.domain.searches import worlds


def a_batch(db, seqs) -> MatchBatch:
    batch = MatchBatch(found_on=worlds.NOW.date(), event_seqs=seqs)
    db.session.add(batch)
    db.session.flush()
    return batch


def rows_of(db, world) -> list[tuple[int, list[int]]]:
    """(subscription number, home numbers) as they were written."""
    rows = db.session.query(AlertMatch).filter(AlertMatch.alert_subscription_id.in_(world.subscription_ids))
    return [
        (world.subscription_ids.index(row.alert_subscription_id), [world.seqs.index(seq) for seq in row.event_seqs])
        for row in rows
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rnd=worlds.SEEDS, young=st.booleans())
def test_pa_13_pairs_are_the_oracles_each_once_and_a_second_run_changes_nothing(db, rnd, young):
    world = worlds.a_world(rnd, young=young)
    batch = a_batch(db, world.seqs)
    counts = match.match_one_batch(worlds.NOW)
    found = [(s, h) for s, hs in rows_of(db, world) for h in hs]
    wanted = world.wanted()
    assert sorted(found) == sorted(wanted)
    matched, events = len({h for _, h in wanted}), len(world.homes)
    expected = {"matched_events": matched, "unmatched_events": events - matched, "pairs": len(wanted)}
    assert counts == {"events": events, **expected}

    assert match.match_one_batch(worlds.NOW) is None
    before = rows_of(db, world)
    reopen = text("UPDATE match_batch SET done_at = NULL, matched_events = NULL WHERE id = :id")
    db.session.execute(reopen, {"id": batch.id})
    assert match.match_one_batch(worlds.NOW) == counts
    assert rows_of(db, world) == before
    db.session.rollback()


def test_other_offices_homes_are_never_news(db):
    home = dict.fromkeys(worlds.VALUES) | {
        "standard_status": "Active", "kinds": 1, "city": "Port Ellery", "postal_code": "", "county_or_parish": "",
        "subdivision_name": "", "mls_area_major": "", "point": (43_660_000, -70_255_000),
    }  # fmt: skip
    wish = Criteria.parse({"city": ["Port Ellery"], "box": worlds.BOXES[0]})
    ours, theirs = worlds.settle([home], [(wish, 7)]), worlds.settle([home], [(wish, 7)])
    a_batch(db, ours.seqs)
    assert match.match_one_batch(worlds.NOW)["pairs"] == 1
    assert rows_of(db, theirs) == []


def test_the_day_is_that_of_the_moment_in_utc(db, make):
    event = make.event(make.listing(make.office()), xid="5")
    db.session.execute(text("UPDATE match_cursor SET snapshot = '1:1:'"))
    late = datetime(2026, 11, 20, 22, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert match.take_batches(late, job_run_id=17) == 1
    batch = db.session.query(MatchBatch).one()
    assert (batch.event_seqs, batch.found_on, batch.taken_at) == ([event.seq], date(2026, 11, 21), late)
    assert batch.job_run_id == 17
    match.match_one_batch(late)
    db.session.expire_all()
    assert (batch.done_at, batch.matched_events, batch.unmatched_events, batch.pairs) == (late, 0, 1, 0)


def test_events_that_may_alert_nobody_are_passed_by(db, make):
    listing = make.listing(make.office())
    make.event(listing, xid="5", alertable=False, not_alertable_reason="backfill")
    db.session.execute(text("UPDATE match_cursor SET snapshot = '1:1:'"))
    assert match.take_batches(worlds.NOW) == 0
    assert db.session.query(MatchBatch).count() == 0
    assert db.session.scalar(text("SELECT pg_snapshot_xmax(snapshot) > '5' FROM match_cursor"))


def test_many_events_become_batches_of_a_thousand_in_their_order(db, make):
    listing = make.listing(make.office())
    event = make.event(listing, xid="5")
    columns = ", ".join(c.key for c in ListingEvent.__table__.columns if c.key != "seq")
    db.session.execute(
        text(
            f"INSERT INTO listing_event ({columns}) SELECT {columns}"
            " FROM listing_event, generate_series(1, 2100) WHERE seq = :seq"
        ),
        {"seq": event.seq},
    )
    db.session.execute(text("UPDATE match_cursor SET snapshot = '1:1:'"))
    assert match.take_batches(worlds.NOW) == 3
    batches = db.session.query(MatchBatch).order_by(MatchBatch.id).all()
    assert [len(batch.event_seqs) for batch in batches] == [1000, 1000, 101]
    every = [seq for batch in batches for seq in batch.event_seqs]
    assert every == sorted(set(every))
