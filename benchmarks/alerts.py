"""Listing changes to durable matches: the app's two ways against a floor and against the naive way.

    make bench-alerts                 100,000 searches, then a million: about ten minutes on an idle machine
    make bench-alerts args="--searches 10000 --rounds 5"

sql     take_batches and match_one_batch with their commits: what the alerts job runs, matched by PostgreSQL
engine  the same, matched in memory by a program that holds the searches: what the alerts job runs for many changes
floor   binary COPY of the same pairs, flat, sorted by the primary key of the table they go to, one transaction: nothing
        that stores pairs one row each can be quicker
naive   one query for each search over the changed rows, inserting its pairs, all in one transaction; run for a sample
        of the searches and scaled to all of them
All four write the same pairs, which is checked in every round.

A million searches are a hundred thousand, each ten times: as many key rows, comparisons and pairs as if each were
another. They are matched in a program of their own, whose largest memory is reported; floor and naive are left out.
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from app.domain.alerts import match
from app.domain.listings.areas import area_ids, micro_degrees
from app.domain.listings.carried import PLACE_COLUMNS
from app.domain.models import AreaKind
from app.domain.searches.criteria import Criteria
from app.domain.searches.keys import Key, explode
from app.extensions import db
from benchmarks._ground import plain, scratch_app
from benchmarks._market import Market
from benchmarks._report import ROOT, median, report, say, seconds

SEED = 20261120
EVENTS = 1_000
MANY_EVENTS = 10_000
COPIES = 10
LOG = 100_000
"""Older events, of which nothing is told."""
ROUNDS = 7
SAMPLE = 400
"""Searches the naive way is run for in a round."""
SIZES = {10_000: "10k", 100_000: "100k", 1_000_000: "1m"}


class Bench:
    """One size: a database full of searches, and rounds of the three ways over the same events."""

    def __init__(self, connection: psycopg.Connection[Any], searches: int) -> None:
        self.connection = connection
        self.searches = searches
        self.now = datetime.now(UTC)
        market = Market(SEED)
        self.homes = list(market.homes(EVENTS))
        self.criteria = [Criteria.parse(wish) for wish in market.wishes(searches)]
        self.office = self._one("INSERT INTO office (office_key, office_name) VALUES ('bench', 'Bench') RETURNING id")
        named = {area for criteria in self.criteria for area in criteria.areas}
        named |= {(kind, home[kind.value]) for home in self.homes for kind in AreaKind if home[kind.value]}
        self.areas = area_ids(self.office, named)
        db.session.commit()
        self.keys = 0
        self._fill()
        self.pairs: list[tuple[int, int]] = []

    def _one(self, statement: str, values: list[Any] | None = None) -> Any:
        row = self.connection.execute(statement, values).fetchone()
        assert row
        return row[0]

    def _copy(self, table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def _fill(self) -> None:
        """Searches, their subscriptions and the keys that the app's own exploder makes of them."""
        ids = range(1, self.searches + 1)
        buyers = self.searches // 2 + 1
        self._copy(
            "contact",
            ("id", "office_id", "contact_key", "full_name", "email"),
            ((n, self.office, f"c{n}", f"Buyer {n}", f"buyer{n}@example.com") for n in range(1, buyers + 1)),
        )
        self._copy(
            "saved_search",
            ("id", "office_id", "contact_id", "saved_search_key", "saved_search_name", "criteria", "shape"),
            (
                (
                    n,
                    self.office,
                    n % buyers + 1,
                    f"s{n}",
                    f"Search {n}",
                    psycopg.types.json.Jsonb(c.as_dict()),
                    list(c.shape.numbers) if c.shape else None,
                )
                for n, c in zip(ids, self.criteria, strict=True)
            ),
        )
        self._copy(
            "alert_subscription",
            ("id", "office_id", "prospecting_key", "saved_search_id", "contact_id", "token"),
            ((n, self.office, f"p{n}", n, n % buyers + 1, f"t{n}") for n in ids),
        )
        # Nobody holds them yet who would have to be told.
        self.connection.execute("ALTER TABLE search_key DISABLE TRIGGER USER")
        self._copy("search_key", Key._fields, self._all_keys(ids))
        self.connection.execute("ALTER TABLE search_key ENABLE TRIGGER USER")
        self._copy(
            "listing",
            ("id", "office_id", "listing_key", "originating_system_name", "originating_system_key", "standard_status"),
            ((n, self.office, f"l{n}", "bench", f"{n}", "Active") for n in range(1, EVENTS + 1)),
        )
        # A log that has grown: a poll must not feel it. One transaction, as a first load is.
        self.connection.execute(
            "INSERT INTO listing_event (office_id, listing_id, change_type, changes, origin, alertable,"
            " not_alertable_reason, occurred_at, standard_status) SELECT %s, n %% %s + 1, 'New Listing', '{}', 'backfill',"
            " false, 'backfill', now(), 'Active' FROM generate_series(1, %s) AS n",
            [self.office, EVENTS, LOG],
        )
        for table in ("contact", "saved_search", "alert_subscription", "search_key", "listing"):
            self.connection.execute(f"VACUUM ANALYZE {table}")  # type: ignore[arg-type]

    def _all_keys(self, ids: range) -> Iterator[tuple[Any, ...]]:
        for n, criteria in zip(ids, self.criteria, strict=True):
            for key in explode(
                criteria, office_id=self.office, areas=self.areas, kinds=7, subscription_id=n, search_id=n
            ):
                self.keys += 1
                yield key

    def change(self, times: int = 1) -> int:
        """A thousand alertable events, or some times as many, committed; the seq before the first of them."""
        before = self._one("SELECT coalesce(max(seq), 0) FROM listing_event")
        carried = (
            "list_price", "property_type", "property_sub_type", "bedrooms_total", "baths_equivalent", "living_area",
            "lot_size_square_feet", "year_built",
        )  # fmt: skip
        rows = (
            (
                self.office,
                number,
                "New Listing",
                home["kinds"],
                "{}",
                "live_sync",
                True,
                self.now,
                home["standard_status"],
                *(home[name] for name in carried),
                *(self.areas.get((kind, home[kind.value])) for kind in PLACE_COLUMNS.values()),
                micro_degrees(home["latitude"]),
                micro_degrees(home["longitude"]),
            )
            for number, home in [*enumerate(self.homes, 1)] * times
        )
        places = tuple(PLACE_COLUMNS)
        self._copy(
            "listing_event",
            (
                "office_id",
                "listing_id",
                "change_type",
                "kinds",
                "changes",
                "origin",
                "alertable",
                "occurred_at",
                "standard_status",
                *carried,
                *places,
                "latitude_e6",
                "longitude_e6",
            ),
            rows,
        )
        self.connection.execute("ANALYZE listing_event")
        return before

    # The ways

    def ours(self, way: match.Way) -> None:
        match.take_batches(self.now)
        db.session.commit()
        while found := match.match_one_batch(self.now, way=way):
            assert found.get("in_memory", 0) == (way is match.Way.MEMORY)
            db.session.commit()
        db.session.commit()

    def floor(self, body: bytes) -> None:
        statement = "COPY flat FROM STDIN (FORMAT binary)"
        with self.connection.transaction(), self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for start in range(0, len(body), 1 << 18):
                copy.write(body[start : start + (1 << 18)])

    def naive(self, sample: list[int], after: int) -> None:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            for number in sample:
                statement, values = self._naive_statement(number, after)
                cursor.execute(statement, values)

    def _naive_statement(self, number: int, after: int) -> tuple[str, list[Any]]:
        """What one would write without an index of searches: this search's conditions over the changed rows."""
        criteria = self.criteria[number - 1]
        conditions, values = ["seq > %s", "alertable", "kinds & 7 <> 0"], [number, after]
        for field in ("standard_status", "property_type", "property_sub_type"):
            if wanted := getattr(criteria, field):
                conditions.append(f"{field} = ANY (%s)")
                values.append(list(wanted))
        for field in ("list_price", "bedrooms_total", "baths_equivalent", "living_area", "year_built"):
            if bounds := getattr(criteria, field):
                for side, sign in (("ge", ">="), ("le", "<=")):
                    if (bound := getattr(bounds, side)) is not None:
                        conditions.append(f"{field} {sign} %s")
                        values.append(bound)
        places = []
        columns = {kind: column for column, kind in PLACE_COLUMNS.items()}
        for kind, column in columns.items():
            if names := getattr(criteria, kind.value):
                places.append(f"{column} = ANY (%s)")
                values.append([self.areas[kind, name] for name in names])
        if box := criteria.box:
            places.append("latitude_e6 BETWEEN %s AND %s AND longitude_e6 BETWEEN %s AND %s")
            values += [box.south, box.north, box.west, box.east]
        if circle := criteria.radius:
            places.append(
                "(latitude_e6 - %s::bigint) ^ 2 + ((abs(longitude_e6 - %s::bigint) * %s::bigint) >> 20) ^ 2 <= %s"
            )
            values += [circle.latitude, circle.longitude, circle.cosine, circle.reach**2]
        conditions.append(f"({' OR '.join(places)})")
        return (
            "INSERT INTO naive SELECT seq, %s FROM listing_event WHERE " + " AND ".join(conditions),
            values,
        )

    # Rounds

    def round(self, number: int) -> dict[str, float]:
        took = {}
        ways = [("sql", match.Way.SQL), ("engine", match.Way.MEMORY)]
        found = {}
        for name, way in ways if number % 2 else reversed(ways):
            after = self.change()
            took[name] = seconds(lambda way=way: self.ours(way))  # type: ignore[misc]
            self.pairs = self._written(after)
            found[name] = [(seq - after, subscription) for seq, subscription in self.pairs]
        assert found["sql"] == found["engine"]
        body = _binary(self.pairs)
        sample = random.Random(number).sample(range(1, self.searches + 1), SAMPLE)
        for name in ("flat", "naive"):
            self.connection.execute(f"DROP TABLE IF EXISTS {name}")
            self.connection.execute(
                f"CREATE TABLE {name} (event_seq bigint, alert_subscription_id bigint,"
                " PRIMARY KEY (event_seq, alert_subscription_id))"
            )
        others: list[tuple[str, Callable[[], None]]] = [
            ("floor", lambda: self.floor(body)),
            ("naive", lambda: self.naive(sample, after)),
        ]
        for name, other in others if number % 2 else reversed(others):
            took[name] = seconds(other)
        took["naive"] *= self.searches / SAMPLE
        self._check(after, sample)
        return took

    def _written(self, after: int) -> list[tuple[int, int]]:
        rows = self.connection.execute(
            "SELECT unnest(event_seqs) AS seq, alert_subscription_id FROM alert_match WHERE batch_id IN"
            " (SELECT id FROM match_batch WHERE event_seqs[1] > %s) ORDER BY 1, 2",
            [after],
        )
        return rows.fetchall()  # type: ignore[return-value]

    def _check(self, after: int, sample: list[int]) -> None:
        """The same pairs every way: all of them in the floor, the sample's in the naive way."""
        assert self._one("SELECT sum(pairs) FROM match_batch WHERE event_seqs[1] > %s", [after]) == len(self.pairs)
        assert self._one("SELECT count(*) FROM flat") == len(set(self.pairs)) == len(self.pairs)
        chosen = set(sample)
        expected = sorted(pair for pair in self.pairs if pair[1] in chosen)
        assert self.connection.execute("SELECT * FROM naive ORDER BY 1, 2").fetchall() == expected

    def idle(self) -> list[float]:
        """Milliseconds of a poll with nothing new."""
        times = []
        for _ in range(200):
            times.append(seconds(lambda: match.take_batches(self.now)) * 1000)
            db.session.commit()
        return times

    def multiply(self) -> None:
        """Every search and its keys COPIES times."""
        names = ("search_key_cover_idx", "search_key_subscription_idx")
        indexes = [self._one("SELECT pg_get_indexdef(to_regclass(%s))", [name]) for name in names]
        for statement in (
            "ALTER TABLE search_key DISABLE TRIGGER USER",
            f"DROP INDEX {', '.join(names)}",
            self._again("saved_search", numbers=("id",), words=("saved_search_key",)),
            self._again("alert_subscription", numbers=("id", "saved_search_id"), words=("prospecting_key", "token")),
            self._again("search_key", numbers=("alert_subscription_id", "saved_search_id"), leave=("id",)),
            *indexes,
            "ALTER TABLE search_key ENABLE TRIGGER USER",
            "VACUUM ANALYZE search_key",
        ):
            self.connection.execute(statement)
        self.searches *= COPIES
        self.keys *= COPIES

    def _again(
        self, table: str, *, numbers: tuple[str, ...], words: tuple[str, ...] = (), leave: tuple[str, ...] = ()
    ) -> str:
        """The statement that adds all rows of a table another COPIES - 1 times."""
        rows = self.connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
            " AND is_generated = 'NEVER'",
            [table],
        )
        columns = [name for (name,) in rows if name not in leave]
        moved = {name: f"{name} + n * {self.searches}" for name in numbers} | {
            name: f"{name} || '-' || n" for name in words
        }
        values = ", ".join(moved.get(name, name) for name in columns)
        return (
            f"INSERT INTO {table} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE"
            f" SELECT {values} FROM {table}, generate_series(1, {COPIES - 1}) AS n"
        )

    def of_a_program(self, url: str) -> dict[str, float]:
        """What a program that holds the searches needs for a thousand events, and for ten thousand in one batch."""
        found: dict[str, float] = {}
        for times, most, name in ((1, match.BATCH, "1k"), (MANY_EVENTS // EVENTS, match.LARGE_BATCH, "10k")):
            self.change(times)
            match.take_batches(self.now, most=most)
            db.session.commit()
            answer = subprocess.run(
                [sys.executable, "-m", "benchmarks._matcher", url], cwd=ROOT, capture_output=True, text=True, check=True
            )
            measured = json.loads(answer.stdout.splitlines()[-1])
            say(f"{EVENTS * times:,} events: {measured}")
            pairs = self._one("SELECT pairs FROM match_batch ORDER BY id DESC LIMIT 1")
            assert (
                pairs
                == measured.pop("pairs")
                == self._one(
                    "SELECT sum(cardinality(event_seqs)) FROM alert_match"
                    " WHERE batch_id = (SELECT max(id) FROM match_batch)"
                )
            )
            found |= {f"{key}_{name}": value for key, value in measured.items()} | {f"pairs_{name}": pairs}
        return found


def _binary(pairs: list[tuple[int, int]]) -> bytes:
    """PostgreSQL's binary COPY format, made before the clock runs."""
    row = struct.Struct("!hiqiq")
    body = b"".join(row.pack(2, 8, seq, 8, subscription) for seq, subscription in pairs)
    return b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0) + body + struct.pack("!h", -1)


Found = tuple[dict[str, Any], dict[str, float], dict[str, list[float]]]
"""Data, figures, samples."""


def run(searches: int, rounds: int, *, and_a_million: bool) -> Found:
    with scratch_app("alerts"):
        url = str(db.engine.url.render_as_string(hide_password=False))
        with psycopg.connect(plain(url), autocommit=True) as connection:
            say(f"{searches:,} searches: filling …")
            bench = Bench(connection, searches)
            say(f"{bench.keys:,} key rows; a round to warm up …")
            found = in_turns(bench, rounds)
            if and_a_million:
                say(f"{searches * COPIES:,} searches: filling …")
                bench.multiply()
                for whole, part in zip(found, at_a_million(bench, url), strict=True):
                    whole.update(part)
    return found


def in_turns(bench: Bench, rounds: int) -> Found:
    size = SIZES.get(bench.searches, str(bench.searches))
    bench.round(0)
    took: dict[str, list[float]] = {"sql": [], "engine": [], "floor": [], "naive": []}
    for number in range(1, rounds + 1):
        for name, value in bench.round(number).items():
            took[name].append(value)
        say("  ".join(f"{name} {values[-1]:.3f}s" for name, values in took.items()))
    idle = bench.idle()
    middle = {name: median(values) for name, values in took.items()}
    figures = {f"idle_poll_ms_{size}": median(idle)}
    for name in ("sql", "engine"):
        figures |= {
            f"{name}_vs_floor_{size}_1k": middle[name] / middle["floor"],
            f"{name}_vs_naive_{size}_1k": middle["naive"] / middle[name],
            f"{name}_seconds_{size}_1k": middle[name],
        }
    samples = {f"{name}_seconds_{size}_1k": values for name, values in took.items()} | {f"idle_poll_ms_{size}": idle}
    data = {
        f"searches_{size}": bench.searches,
        f"key_rows_{size}": bench.keys,
        f"pairs_{size}_1k": len(bench.pairs),
        f"rounds_{size}": rounds,
        f"naive_sampled_searches_{size}": SAMPLE,
    }
    return data, figures, samples


def at_a_million(bench: Bench, url: str) -> Found:
    size = SIZES.get(bench.searches, str(bench.searches))
    idle = bench.idle()
    found = bench.of_a_program(url)
    figures = {
        f"idle_poll_ms_{size}": median(idle),
        f"engine_seconds_{size}_1k": found["seconds_1k"],
        f"engine_seconds_{size}_10k": found["seconds_10k"],
        f"peak_mb_{size}": found["peak_mb_10k"],
        f"peak_mb_{size}_1k": found["peak_mb_1k"],
        f"held_mb_{size}": found["held_mb_1k"],
        f"load_seconds_{size}": found["load_seconds_1k"],
    }
    data = {
        f"searches_{size}": bench.searches,
        f"key_rows_{size}": bench.keys,
        f"pairs_{size}_1k": found["pairs_1k"],
        f"pairs_{size}_10k": found["pairs_10k"],
        "copies_of_each_search": COPIES,
    }
    return data, figures, {f"idle_poll_ms_{size}": idle}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, action="append", help="instead of all sizes; may be repeated")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    data: dict[str, Any] = {"events": EVENTS, "older_events": LOG, "seed": SEED, "naive_is_scaled_from_a_sample": True}
    figures: dict[str, float] = {}
    samples: dict[str, list[float]] = {}
    for searches in asked.searches or (10_000, 100_000):
        found = run(searches, asked.rounds, and_a_million=not asked.searches and searches == 100_000)
        for whole, part in zip((data, figures, samples), found, strict=True):
            whole.update(part)
    report("alerts", data=data, figures=figures, samples=samples)


if __name__ == "__main__":
    main()
