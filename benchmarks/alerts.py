"""Listing changes to durable matches: the app's own SQL path against a floor and against the naive way.

    make bench-alerts                 both sizes, about four minutes
    make bench-alerts args="--searches 10000"

ours   take_batches and match_one_batch with their commits: what the alerts job runs
floor  binary COPY of the same pairs, flat, sorted by the primary key of the table they go to, one transaction: nothing
       that stores pairs one row each can be quicker
naive  one query for each search over the changed rows, inserting its pairs, all in one transaction; run for a sample
       of the searches and scaled to all of them
All three write the same pairs, which is checked in every round.
"""

from __future__ import annotations

import argparse
import random
import struct
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
from benchmarks._report import median, report, say, seconds

SEED = 20261120
EVENTS = 1_000
LOG = 100_000
"""Older events, of which nothing is told."""
ROUNDS = 7
SAMPLE = 400
"""Searches the naive way is run for in a round."""
SIZES = {10_000: "10k", 100_000: "100k"}


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
        self._copy("search_key", Key._fields, self._all_keys(ids))
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

    def change(self) -> int:
        """A thousand alertable events, committed; the seq before the first of them."""
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
            for number, home in enumerate(self.homes, 1)
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

    # The three ways

    def ours(self) -> None:
        match.take_batches(self.now)
        db.session.commit()
        while match.match_one_batch(self.now):
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
        after = self.change()
        took = {"ours": seconds(self.ours)}
        self.pairs = self._written(after)
        body = _binary(self.pairs)
        sample = random.Random(number).sample(range(1, self.searches + 1), SAMPLE)
        for name in ("flat", "naive"):
            self.connection.execute(f"DROP TABLE IF EXISTS {name}")
            self.connection.execute(
                f"CREATE TABLE {name} (event_seq bigint, alert_subscription_id bigint,"
                " PRIMARY KEY (event_seq, alert_subscription_id))"
            )
        ways: list[tuple[str, Callable[[], None]]] = [
            ("floor", lambda: self.floor(body)),
            ("naive", lambda: self.naive(sample, after)),
        ]
        for name, way in ways if number % 2 else reversed(ways):
            took[name] = seconds(way)
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


def _binary(pairs: list[tuple[int, int]]) -> bytes:
    """PostgreSQL's binary COPY format, made before the clock runs."""
    row = struct.Struct("!hiqiq")
    body = b"".join(row.pack(2, 8, seq, 8, subscription) for seq, subscription in pairs)
    return b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0) + body + struct.pack("!h", -1)


def run(searches: int, rounds: int) -> tuple[dict[str, Any], dict[str, float], dict[str, list[float]]]:
    size = SIZES.get(searches, str(searches))
    with scratch_app("alerts"):
        url = plain(str(db.engine.url.render_as_string(hide_password=False)))
        with psycopg.connect(url, autocommit=True) as connection:
            say(f"{searches:,} searches: filling …")
            bench = Bench(connection, searches)
            say(f"{bench.keys:,} key rows; a round to warm up …")
            bench.round(0)
            took: dict[str, list[float]] = {"ours": [], "floor": [], "naive": []}
            for number in range(1, rounds + 1):
                for name, value in bench.round(number).items():
                    took[name].append(value)
                say("  ".join(f"{name} {values[-1]:.3f}s" for name, values in took.items()))
            idle = bench.idle()
    middle = {name: median(values) for name, values in took.items()}
    figures = {
        f"sql_vs_floor_{size}_1k": middle["ours"] / middle["floor"],
        f"sql_vs_naive_{size}_1k": middle["naive"] / middle["ours"],
        f"sql_seconds_{size}_1k": middle["ours"],
        f"idle_poll_ms_{size}": median(idle),
    }
    samples = {f"{name}_seconds_{size}_1k": values for name, values in took.items()} | {f"idle_poll_ms_{size}": idle}
    data = {
        f"searches_{size}": searches,
        f"key_rows_{size}": bench.keys,
        f"pairs_{size}": len(bench.pairs),
        f"rounds_{size}": rounds,
        f"naive_sampled_searches_{size}": SAMPLE,
    }
    return data, figures, samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, action="append", help="instead of 10,000 and 100,000; may be repeated")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    data: dict[str, Any] = {"events": EVENTS, "older_events": LOG, "seed": SEED, "naive_is_scaled_from_a_sample": True}
    figures: dict[str, float] = {}
    samples: dict[str, list[float]] = {}
    for searches in asked.searches or SIZES:
        for whole, part in zip((data, figures, samples), run(searches, asked.rounds), strict=True):
            whole.update(part)
    report("alerts", data=data, figures=figures, samples=samples)


if __name__ == "__main__":
    main()
