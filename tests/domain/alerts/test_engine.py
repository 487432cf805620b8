"""The matcher in memory: to the last pair what the SQL and the oracle say, whatever changed since it was read."""

from __future__ import annotations

import random
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.alerts import match
from app.domain.alerts.engine import blocks, shapes, warm
from app.domain.alerts.match import Way
from app.domain.models import AlertMatch, MatchBatch
from app.domain.models.lookups import ReasonActiveOrDisabled
from app.domain.searches import saved
from tests.domain.searches import worlds

quick = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _nothing_held():
    warm.forget()
    yield
    warm.forget()


@contextmanager
def a_try(db):
    """What one drawn world leaves is gone before the next."""
    try:
        yield
    finally:
        warm.forget()
        db.session.rollback()


def matched(db, seqs, way: Way) -> tuple[dict[str, int], dict[int, list[int]]]:
    """The counts of one batch of these events, and its rows: the events of each subscription, in order."""
    batch = MatchBatch(found_on=worlds.NOW.date(), event_seqs=list(seqs))
    db.session.add(batch)
    db.session.flush()
    counts = match.match_one_batch(worlds.NOW, way=way)
    assert counts.pop("in_memory", 0) == (way is Way.MEMORY)
    rows = db.session.query(AlertMatch).filter_by(batch_id=batch.id).all()
    assert len({row.alert_subscription_id for row in rows}) == len(rows)
    return counts, {row.alert_subscription_id: sorted(row.event_seqs) for row in rows}


def pairs_of(world, rows: dict[int, list[int]]) -> set[tuple[int, int]]:
    ours = {subscription: number for number, subscription in enumerate(world.subscription_ids)}
    return {(ours[s], world.seqs.index(seq)) for s, seqs in rows.items() if s in ours for seq in seqs}


@quick
@given(rnd=worlds.SEEDS, young=st.booleans(), few=st.sampled_from((1, 7, 25_000)))
def test_pa_01_memory_sql_and_the_oracle_agree_to_the_last_pair(db, monkeypatch, rnd, young, few):
    monkeypatch.setattr(blocks.blocks, "__defaults__", (few,))
    monkeypatch.setattr(blocks, "CANDIDATES", rnd.choice((1, 64, 1 << 16)))
    with a_try(db):
        world = worlds.a_world(rnd, young=young)
        in_sql = matched(db, world.seqs, Way.SQL)
        in_memory = matched(db, world.seqs, Way.MEMORY)
        assert in_memory == in_sql
        assert pairs_of(world, in_memory[1]) == set(world.wanted())


BECAME = text(
    """
    UPDATE listing_event SET kinds = :kinds, before = (
        SELECT jsonb_object_agg(key, value) FROM listing_event AS other, jsonb_each(to_jsonb(other))
        WHERE other.seq = :other AND key = ANY (:columns)
    ) WHERE seq = :seq
    """
)
COLUMNS = (
    "standard_status", "list_price", "property_type", "property_sub_type", "bedrooms_total", "baths_equivalent",
    "living_area", "lot_size_square_feet", "year_built", "city_area_id", "postal_code_area_id", "county_area_id",
    "subdivision_area_id", "latitude_e6", "longitude_e6",
)  # fmt: skip


@quick
@given(rnd=worlds.SEEDS)
def test_t1_what_a_home_was_before_and_a_change_of_status_count_the_same_in_memory(db, rnd):
    with a_try(db):
        world = worlds.a_world(rnd)
        db.session.execute(text("UPDATE search_key SET triggers = triggers | (63 << 11) WHERE id % 3 > 0"))
        for seq in world.seqs:
            asked = {"kinds": rnd.choice((1, 8, 8, 8, 9, 32, 40, 16)), "other": rnd.choice(world.seqs), "seq": seq}
            db.session.execute(BECAME, asked | {"columns": rnd.sample(COLUMNS, rnd.choice((0, 1, 2, 15)))})
        assert matched(db, world.seqs, Way.MEMORY) == matched(db, world.seqs, Way.SQL)


@quick
@given(rnd=worlds.SEEDS)
def test_what_is_held_follows_every_change_of_a_search(db, monkeypatch, rnd):
    monkeypatch.setattr(warm, "CHANGED_TOO_MUCH", rnd.choice((0.1, 10)))
    with a_try(db):
        world = worlds.a_world(rnd)
        other = worlds.a_world(rnd, homes=5, searches=10)
        seqs = world.seqs + other.seqs
        warm.refresh()
        for _ in range(3):
            for subscription in rnd.sample(world.subscription_ids, 4):
                other_one = rnd.choice(other.subscription_ids)
                db.session.execute(
                    text("DELETE FROM search_key WHERE alert_subscription_id = :id"), {"id": subscription}
                )
                if rnd.random() < 0.6:  # its keys and shape become another's
                    db.session.execute(
                        text(
                            """
                            INSERT INTO search_key (key, price_hi, price_lo, living_lo, living_hi, lot_lo, sub_types, triggers,
                                year_lo, year_hi, beds_lo, baths_lo, flags, alert_subscription_id, saved_search_id)
                            SELECT key, price_hi, price_lo, living_lo, living_hi, lot_lo, sub_types, triggers, year_lo,
                                year_hi, beds_lo, baths_lo, flags, :id, saved_search_id
                            FROM search_key WHERE alert_subscription_id = :other
                            """
                        ),
                        {"id": subscription, "other": other_one},
                    )
            assert matched(db, seqs, Way.MEMORY) == matched(db, seqs, Way.SQL)


@quick
@given(rnd=worlds.SEEDS)
@example(rnd=random.Random(7))
def test_points_and_shapes_are_decided_as_the_shapes_themselves_do(rnd):
    drawn = [criteria.shape for criteria, _ in (worlds.a_search(rnd) for _ in range(60)) if criteria.shape]
    held = shapes.Shapes({2 * n: shape.numbers for n, shape in enumerate(drawn)})
    asked = [(rnd.randrange(-1, 2 * len(drawn) + 2), rnd.choice(worlds.POINTS)) for _ in range(500)]
    searches, points = zip(*asked, strict=True)
    found = held.hold(np.array(searches), *(np.array(values) for values in zip(*points, strict=True)))
    wanted = [
        search % 2 == 0 and 0 <= search // 2 < len(drawn) and drawn[search // 2].contains(*point)
        for search, point in asked
    ]
    assert found.tolist() == wanted


def test_a_market_without_a_search_is_matched_too(db, make):
    event = make.event(make.listing(make.office()), standard_status="Active", kinds=1)
    counts, rows = matched(db, [event.seq], Way.MEMORY)
    assert (counts["events"], counts["unmatched_events"], counts["pairs"], rows) == (1, 1, 0, {})


def test_a_reopened_batch_is_matched_in_sql_and_keeps_its_rows(db):
    world = worlds.a_world(random.Random(5))
    counts, rows = matched(db, world.seqs, Way.MEMORY)
    db.session.execute(text("UPDATE match_batch SET done_at = NULL, matched_events = NULL WHERE pairs IS NOT NULL"))
    assert rows
    assert match.match_one_batch(worlds.NOW, way=Way.MEMORY) == counts
    assert db.session.query(AlertMatch).count() == len(rows)


@pytest.mark.committed
def test_a_search_that_is_committed_late_or_stopped_is_known_at_the_next_batch(db, make, app):
    """Two transactions that end in another order than they began; the matcher was brought up to date between them."""
    office = make.office()
    contact = make.contact(office)
    db.session.commit()

    def a_search(name: str) -> int:
        search = saved.create(office.id, contact.id, name, {"city": ["Port Ellery"]}, schedule_type="ASAP", judge=False)
        subscriptions = text("SELECT id FROM alert_subscription WHERE saved_search_id = :id")
        return db.session.scalar(subscriptions, {"id": search.id})

    def known() -> set[int]:
        with app.app_context():
            held = warm.refresh()
            every = [*held.blocks, *([held.fresh] if held.fresh else [])]
            taking = [block.local[block.columns["price_lo"] < blocks.INT_HIGH] for block in every]
            return {int(block.subscriptions[n]) for block, rows in zip(every, taking, strict=True) for n in rows}

    first = a_search("The first, which numbers the place")
    db.session.commit()
    assert known() == {first}
    late = a_search("Late")
    with app.app_context():
        early = a_search("Early")
        db.session.commit()
    assert known() == {first, early}
    db.session.commit()
    assert known() == {first, early, late}
    saved.stop(early, ReasonActiveOrDisabled.CLIENT_DISABLED)
    assert known() == {first, early, late}
    db.session.commit()
    assert known() == {first, late}


def test_what_was_read_from_another_server_is_read_again(db):
    world = worlds.a_world(random.Random(4))
    held = warm.refresh()
    assert warm.refresh() is held
    held.server = "the one before the restore"
    held.blocks.clear()
    assert matched(db, world.seqs, Way.MEMORY) == matched(db, world.seqs, Way.SQL)


@pytest.mark.parametrize(
    ("rows", "events", "held", "chosen"),
    [
        (10_000, 10, True, False),
        (800_000, 10, True, False),
        (800_000, 1_000, True, True),
        (800_000, 1_000, False, False),
        (800_000, 20_000, False, True),
        (8_000_000, 100, True, True),
        (2_000, 20_000, False, True),
    ],
)
def test_memory_is_chosen_where_it_costs_less(rows, events, held, chosen):
    assert warm.pays(key_rows=rows, events=events, is_held=held) == chosen


def test_what_does_not_fit_is_matched_in_sql(db, app):
    assert warm.fits(8_000_000, 1024)
    assert not warm.fits(9_000_000, 1024)
    assert not warm.fits(0, 0)
    world = worlds.a_world(random.Random(3))
    warm.refresh()
    assert match.batch_size() == match.LARGE_BATCH
    batch = MatchBatch(found_on=worlds.NOW.date(), event_seqs=world.seqs)
    db.session.add(batch)
    db.session.flush()
    assert "in_memory" not in match.match_one_batch(worlds.NOW)
