"""The search builder at 100,000 listings: what each change of the form costs, as the browser waits for it.

    make bench-builder                      about two minutes
    make bench-builder args="--homes 20000 --rounds 5"

Every figure is a whole answer of the app (view, queries, template) in milliseconds, asked through its own client:
preview  the count, the newest, what is skipped as unknown, the 30 days, the sentence: after each change
points   the map's 500 points
places   the places offered while typing
The goal is 300 ms from a change to its count, 120 of which the form waits for the next letter.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from math import cos, pi, sin
from typing import Any

import psycopg
from flask.testing import FlaskClient
from psycopg import sql

from app.domain.listings.areas import area_ids, micro_degrees
from app.domain.listings.carried import PLACE_COLUMNS
from app.domain.listings.words import words_of
from app.domain.models import AreaKind, Contact, Office, User
from app.extensions import db
from benchmarks._ground import plain, scratch_app
from benchmarks._market import City, Market
from benchmarks._report import report, say

SEED = 20261120
DAYS = 60
"""Of the log: the backtest reads the newest 30."""
A_DAY = 0.02
"""Homes with news on a day, of all."""
WORDS = (
    "fireplace",
    "sea view",
    "porch",
    "garden",
    "fixer",
    "garage",
    "quiet street",
    "new roof",
    "corner lot",
    "pool",
)
SAME = (
    *("standard_status", "list_price", "property_type", "property_sub_type", "bedrooms_total", "baths_equivalent"),
    *("living_area", "lot_size_square_feet", "year_built", "remarks_words"),
)
Row = dict[str, Any]


def fill(connection: psycopg.Connection[Any], office: int, market: Market, homes: int) -> None:
    """The office's listings and its log, by COPY."""
    rnd = random.Random(SEED)
    rows = [
        home | {"remarks": f"Near the {rnd.choice(WORDS)} with {rnd.choice(WORDS)}."} for home in market.homes(homes)
    ]
    areas = area_ids(office, {(kind, home[kind.value]) for home in rows for kind in AreaKind if home.get(kind.value)})
    db.session.commit()
    now = datetime.now(UTC)
    for home in rows:
        home["remarks_words"] = words_of(home["remarks"])
        home |= {column: areas.get((kind, home.get(kind.value) or "")) for column, kind in PLACE_COLUMNS.items()}
    columns = ("id", "office_id", "listing_key", "originating_system_name", "originating_system_key", "listing_id")
    named = ("city", "postal_code", "county_or_parish", "subdivision_name", "latitude", "longitude")
    _copy(
        connection,
        "listing",
        (*columns, *SAME, *PLACE_COLUMNS, *named, "public_remarks", "unparsed_address", "on_market_timestamp"),
        (
            (
                *(n, office, f"l{n}", "bench", f"{n}", f"MLS{n}"),
                *(home[name] for name in (*SAME, *PLACE_COLUMNS, *named)),
                *(home["remarks"], f"{n} Bench Road", now - timedelta(minutes=n)),
            )
            for n, home in enumerate(rows, 1)
        ),
    )
    _copy(
        connection,
        "listing_event",
        (
            *("office_id", "listing_id", "change_type", "kinds", "changes", "origin", "alertable", "occurred_at"),
            *("recorded_at", *SAME, *PLACE_COLUMNS, "latitude_e6", "longitude_e6"),
        ),
        (
            (
                *(office, n + 1, "New Listing", home["kinds"], "{}", "live_sync", True, at, at),
                *(home[name] for name in (*SAME, *PLACE_COLUMNS)),
                *(micro_degrees(home["latitude"]), micro_degrees(home["longitude"])),
            )
            for n, home, at in _news(rnd, rows, now)
        ),
    )
    for table in ("listing", "listing_event", "area"):
        connection.execute(f"VACUUM ANALYZE {table}")  # type: ignore[arg-type]


def _news(rnd: random.Random, rows: list[Row], now: datetime) -> Iterator[tuple[int, Row, datetime]]:
    """In the order in which it happened."""
    count = int(len(rows) * A_DAY * DAYS)
    for number in range(count):
        n = rnd.randrange(len(rows))
        yield n, rows[n], now - timedelta(days=DAYS * (count - number) / count)


def _copy(
    connection: psycopg.Connection[Any], table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]
) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def searches(market: Market) -> dict[str, Row]:
    """Forms as a browser posts them, from the common to the costly."""
    large, middle, small = market.cities[0], market.cities[10], market.cities[40]
    family = {"price_high": "600k", "price_low": "250k", "beds": "3", "living_low": "1500"}
    return {
        "town": {"city": small.name, **family},
        "two_towns": {"city": [middle.name, small.name], **family},
        "large_town": {"city": large.name, "price_high": "450k", "property_sub_type": "Condominium"},
        "large_town_all": {"city": large.name},
        "postal_code": {"postal_code": large.postal(1), **family},
        "subdivision": {"subdivision_name": large.hood(1)},
        "county": {"county_or_parish": large.county, **family},
        "county_all": {"county_or_parish": large.county},
        "circle": {"radius_latitude": f"{large.latitude:.4f}", "radius_longitude": f"{large.longitude:.4f}", "radius_miles": "2"} | family,
        "box": _box(large) | family,
        "polygon": {"polygons": _ring(large, 40, 0.02), **family},
        "polygon_large": {"polygons": _ring(large, 180, 0.2)},
        "polygon_crossed_out": {"city": large.name, "not_polygons": _ring(large, 12, 0.02), **family},
        "words": {"city": large.name, "keywords_any": "sea view, porch", "keywords_none": "fixer", **family},
        "no_place": family,
    }  # fmt: skip


def _box(city: City) -> Row:
    return {
        "box_south": f"{city.latitude - 0.02:.4f}",
        "box_north": f"{city.latitude + 0.02:.4f}",
        "box_west": f"{city.longitude - 0.03:.4f}",
        "box_east": f"{city.longitude + 0.03:.4f}",
    }


def _ring(city: City, corners: int, reach: float) -> str:
    """A star that no box can stand for."""
    points = []
    for n in range(corners):
        far = reach * (1 if n % 2 else 0.7)
        points.append(
            f"{city.latitude + far * sin(2 * pi * n / corners):.6f},"
            f" {city.longitude + 1.4 * far * cos(2 * pi * n / corners):.6f}"
        )
    return "; ".join(points)


def times(ask: Callable[[], Any], rounds: int) -> list[float]:
    """Milliseconds of each round; the first of all is not counted."""
    return [_milliseconds(ask) for _ in range(rounds + 1)][1:]


def _milliseconds(ask: Callable[[], Any]) -> float:
    began = time.perf_counter()
    answer = ask()
    taken = (time.perf_counter() - began) * 1_000
    assert answer.status_code == 200, answer.get_data(as_text=True)[:400]
    return taken


def at(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def run(
    client: FlaskClient, market: Market, contact: int, rounds: int
) -> tuple[dict[str, float], dict[str, list[float]]]:
    samples: dict[str, list[float]] = {}
    always = {"contact": str(contact), "standard_status": "Active", "kind": ["New", "Price drop", "Back on market"]}
    always |= {"schedule": "daily", "send_time": "07:00"}
    for name, asked in searches(market).items():
        form = always | asked
        for path in ("preview", "points"):
            samples[f"{path}_{name}"] = times(partial(client.post, f"/searches/{path}", data=form), rounds)
        middles = [at(samples[f"{path}_{name}"], 0.5) for path in ("preview", "points")]
        say(f"{name:>22}  preview {middles[0]:6.1f} ms   points {middles[1]:6.1f} ms")
    for typed in ("c", "city 1", "040", "hood 12", "county", "nowhere"):
        ask = partial(client.get, "/searches/places", query_string={"place": typed})
        samples[f"places_{typed.replace(' ', '_')}"] = times(ask, rounds)
    figures = {}
    for path in ("preview", "points", "places"):
        every = [value for name, values in samples.items() if name.startswith(f"{path}_") for value in values]
        figures |= {f"{path}_p50_ms": at(every, 0.5), f"{path}_p95_ms": at(every, 0.95), f"{path}_most_ms": max(every)}
        figures[f"{path}_slowest_p50_ms"] = max(at(v, 0.5) for n, v in samples.items() if n.startswith(f"{path}_"))
    return figures, samples


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-builder")
    parser.add_argument("--homes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    market = Market(SEED)
    with scratch_app("builder") as app:
        app.config["WTF_CSRF_ENABLED"] = False
        office = Office(office_key="bench", office_name="Bench")
        db.session.add(office)
        db.session.flush()
        contact = Contact(office_id=office.id, contact_key="c", full_name="Ann Bench", email="ann@example.com")
        user = User(office_id=office.id, email="b@example.com", full_name="Bo Bench", role="staff", password_hash="-")
        db.session.add_all([contact, user])
        db.session.commit()
        office_id, contact_id, user_id = office.id, contact.id, user.get_id()
        say(f"{asked.homes:,} listings, {int(asked.homes * A_DAY * DAYS):,} events in {DAYS} days")
        with psycopg.connect(plain(app.config["SQLALCHEMY_DATABASE_URI"]), autocommit=True) as connection:
            fill(connection, office_id, market, asked.homes)
        client = app.test_client()
        with client.session_transaction() as session:
            session["_user_id"], session["_fresh"] = user_id, True
        figures, samples = run(client, market, contact_id, asked.rounds)
    report(
        "builder",
        data={"homes": asked.homes, "events": int(asked.homes * A_DAY * DAYS), "rounds": asked.rounds, "seed": SEED},
        figures=figures,
        samples=samples,
    )


if __name__ == "__main__":
    main()
