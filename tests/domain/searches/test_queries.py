"""Criteria in SQL say what Criteria.matches says, on listings and on events."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text

from app.domain.models import KIND_BITS, AlertKind
from app.domain.searches import queries
from app.domain.searches.criteria import MAY_BE_UNKNOWN, Criteria
from tests.domain.searches import worlds


def strongest(kinds: int) -> AlertKind:
    return next(kind for kind in AlertKind if KIND_BITS[kind] & kinds)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rnd=worlds.SEEDS)
def test_pa_06_the_list_the_count_and_the_backtest_are_the_oracles(db, rnd):
    db.session.rollback()  # what an example before left when it failed
    world = worlds.a_world(rnd, searches=20)
    for criteria, kinds in zip(world.criteria, world.kinds, strict=True):
        expected = {n for n, home in enumerate(world.homes) if worlds.takes(criteria.as_dict(), home)}
        assert expected == {n for n, home in enumerate(world.homes) if criteria.matches(home)}
        listed = db.session.scalars(queries.matching(world.office_id, criteria)).all()
        assert sorted(listing.id for listing in listed) == sorted(world.listing_ids[n] for n in expected)
        assert queries.count_matching(world.office_id, criteria, 3) == min(len(expected), 3)

        told = Counter()
        for n in expected:
            if kinds & world.homes[n]["kinds"]:
                # Event n was recorded n % 3 days and n hours before 10:00 in New York.
                recorded = worlds.NOW - timedelta(days=n % 3, hours=n)
                told[(recorded - timedelta(hours=5)).date(), strongest(kinds & world.homes[n]["kinds"])] += 1
        sent = queries.backtest(world.office_id, criteria, kinds, now=worlds.NOW)
        assert {(day.day, day.kind): day.homes for day in sent} == told


@pytest.fixture
def world(db):
    home = dict.fromkeys(worlds.VALUES) | {
        "standard_status": "Active", "kinds": 2, "city": "Port Ellery", "postal_code": "", "county_or_parish": "",
        "subdivision_name": "", "mls_area_major": "", "point": None, "list_price": 489_000,
    }  # fmt: skip
    return worlds.settle([home] * 4, [(Criteria.parse({"city": ["Port Ellery"]}), 7)])


def backtest(world, kinds: int = 7, **changes):
    return queries.backtest(world.office_id, world.criteria[0], kinds, **({"now": worlds.NOW} | changes))


def alter(db, world, number: int, **columns) -> None:
    names = ", ".join(f"{name} = :{name}" for name in columns)
    statement = text(f"UPDATE listing_event SET {names} WHERE seq = :seq")
    db.session.execute(statement, columns | {"seq": world.seqs[number]})


def test_pa_07_a_backtest_counts_one_price_of_one_home_once(db, world):
    assert sum(day.homes for day in backtest(world)) == 4
    for number in (1, 2):
        alter(db, world, number, listing_id=world.listing_ids[0])
    assert sum(day.homes for day in backtest(world)) == 2
    alter(db, world, 2, list_price=479_000)
    assert sum(day.homes for day in backtest(world)) == 3


def test_a_backtest_leaves_out_what_could_alert_nobody_and_what_is_older(db, world):
    alter(db, world, 0, alertable=False, not_alertable_reason="backfill")
    alter(db, world, 1, recorded_at=worlds.NOW - timedelta(days=31))
    alter(db, world, 2, recorded_at=worlds.NOW + timedelta(seconds=1))
    (day,) = backtest(world)
    assert (day.kind, day.homes) == (AlertKind.PRICE_DROP, 1)
    assert backtest(world, kinds=5) == []


def test_pa_08_a_backtest_names_the_strongest_kind_that_is_asked_for(db, world):
    for number in range(4):
        alter(db, world, number, kinds=6)
    assert {day.kind for day in backtest(world)} == {AlertKind.BACK_ON_MARKET}
    assert {day.kind for day in backtest(world, kinds=3)} == {AlertKind.PRICE_DROP}


def test_days_of_a_backtest_are_those_of_the_office(db, world):
    for number in range(4):
        alter(db, world, number, recorded_at=datetime(2026, 11, 20, 3, 0, tzinfo=UTC))
    assert [day.day for day in backtest(world)] == [date(2026, 11, 19)]


def test_the_listing_an_office_does_not_have_is_not_listed(db, world):
    elsewhere = {"city": "Elsewhere", "point": None, "kinds": 1} | {
        name: value
        for name, value in world.homes[0].items()
        if name not in {"city", "latitude", "longitude", "kinds", "listing_key"}
    }
    other = worlds.settle([elsewhere], [(world.criteria[0], 7)])
    assert queries.count_matching(other.office_id, world.criteria[0], 10) == 0
    assert queries.count_matching(world.office_id, world.criteria[0], 10) == 4


def test_pa_06_homes_that_would_come_in_with_the_unknown_are_counted_for_each_field(db):
    home = {"standard_status": "Active", "kinds": 1, "city": "Port Ellery", "pool_private_yn": True, "living_area": 900}
    dry, unsaid = {"pool_private_yn": False}, {"pool_private_yn": None}
    near = {"point": (43_660_000, -70_260_000)}
    world = worlds.settle(
        [
            home | near | {"public_remarks": "Sea view"},
            *[home | near | unsaid | {"public_remarks": "Sea view"}] * 2,
            home | unsaid | {"living_area": 100, "public_remarks": "Sea view"},
            *[home | near | {"public_remarks": " -- "}] * 3,
            home | near | dry,
            home | {"public_remarks": "Sea view", "city": ""},
        ],
        [],
    )
    asked = {"pool_private_yn": True, "living_area": {"ge": 900}, "keywords_any": ["sea view"]}
    asked |= {"city": ["Port Ellery"], "polygons": worlds.POLYGONS[:1]}

    def skipped(**more):
        return queries.skipped_unknown(world.office_id, Criteria.parse(asked | more))

    assert skipped() == {"pool_private_yn": 2, "keywords_any": 3, "place": 1}
    assert skipped(include_unknown=["pool_private_yn", "place"]) == {"keywords_any": 3}
    assert skipped(keywords_any=[]) == {"pool_private_yn": 2, "place": 1}
    assert queries.skipped_unknown(world.office_id, Criteria.parse({"city": ["Alder Glen"]})) == {"place": 1}


def test_the_worlds_are_awkward_in_every_field():
    """Each is asked often enough, and had, not had and unknown: or the oracle would prove little."""
    rnd, seen = random.Random(17), Counter()
    for _ in range(25):
        homes = [worlds.values_of(worlds.BLANK | worlds.a_home(rnd)) for _ in range(40)]
        for _ in range(30):
            criteria, _ = worlds.a_search(rnd, [home["listing_key"] for home in homes])
            for home in homes:
                seen.update(worlds.judged(criteria.as_dict(), home))
                seen["taken"] += worlds.takes(criteria.as_dict(), home)
    always_known = {"standard_status", "excluded_listing_keys"}
    for field in {*MAY_BE_UNKNOWN, *always_known}:
        for verdict in (True, False) if field in always_known else (True, False, None):
            assert seen[field, verdict] > 50, (field, verdict, seen[field, verdict])
    assert seen["taken"] > 500


def test_t1_what_only_comes_to_match_would_be_sent_to_who_did_not_take_it_before(db, office):
    from app.domain.listings.record import record
    from app.domain.models.lookups import Origin

    now = worlds.NOW
    row = {
        "originating_system_key": "A-1", "standard_status": "Active", "list_price": Decimal(450_000),
        "city": "Port Ellery", "bedrooms_total": None,
    }  # fmt: skip
    record(office.id, "MLS", [row], origin=Origin.BACKFILL, now=now - timedelta(days=5))
    record(office.id, "MLS", [row | {"bedrooms_total": 3}], origin=Origin.LIVE_SYNC, now=now - timedelta(days=1))
    three, any_size = ({"city": ["Port Ellery"], "bedrooms_total": {"ge": 3}}, {"city": ["Port Ellery"]})
    sent = [queries.backtest(office.id, Criteria.parse(wish), 31, now=now) for wish in (three, any_size)]
    assert [[(day.kind.value, day.homes) for day in days] for days in sent] == [[("Now matches", 1)], []]
