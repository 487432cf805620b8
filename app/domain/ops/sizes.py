"""How large each table is, how it grows, what its retention takes out, and where that leads. Read by the page of data;
written down once a day. Nothing in this file commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from app.domain.ops.queries import tables as questions
from app.domain.ops.queries.tables import DATABASE, AnyRow, Unreadable
from app.domain.ops.retention import KEPT, RULES, Rule
from app.domain.ops.words import bytes_in_words
from app.extensions import db

SHOWN = timedelta(days=90)
PACE = timedelta(days=30)
AHEAD = timedelta(days=90)
"""A forecast looks at the first of a month at least this far away."""
SPARK_POINTS = 24
NOT_BY_AGE = frozenset({"buyer_listing", "import_batch", "process_heartbeat", "incident"})
"""Their rules ask for more than an age, so a day's rows say nothing about how many there will be."""
LEVEL = 0.0005
"""Growth of less than this part of its size a day is none."""
BIG, MANY_SCANS = 10_000, 200
"""Rows, and reads from end to end, from which on an index may be missing."""
FULL = 0.8
"""Part of the connections from which on it gets tight."""


@dataclass(frozen=True)
class Point:
    day: date
    bytes: int
    rows: int


@dataclass(frozen=True)
class Table:
    """`out_a_day`: rows that retention took, a day; None where no rule takes any. `past`: oldest first, with now."""

    name: str
    kept: str
    bytes: int
    index_bytes: int
    rows: int
    past: Sequence[Point]
    out_a_day: float | None
    left_last: int | None
    """Rows that the last nightly run took; None where no rule takes any."""
    held_days: int | None
    """Days of rows that it comes to hold, where age alone decides."""
    is_scanned: bool = False
    """Large, and read from end to end more often than by an index."""
    scans: int = 0

    @property
    def index_share(self) -> float:
        return self.index_bytes / self.bytes if self.bytes else 0.0

    @property
    def rows_a_day(self) -> float | None:
        return _pace(self.past, "rows")

    @property
    def bytes_a_day(self) -> float | None:
        return _pace(self.past, "bytes")

    @property
    def in_a_day(self) -> float | None:
        """What came in: what it grew by and what left."""
        grown = self.rows_a_day
        return None if grown is None else max(grown + (self.out_a_day or 0.0), 0.0)

    @property
    def ceiling(self) -> int | None:
        """Bytes that it holds once as much leaves as comes; None where age alone does not decide, or nothing is known
        yet."""
        comes = self.in_a_day
        if self.held_days is None or not comes or self.rows < 100:
            return None
        return int(comes * self.held_days * self.bytes / self.rows)

    @property
    def spark(self) -> list[int]:
        """Bytes over the days shown, thinned out; the newest is always there."""
        values = [point.bytes for point in self.past]
        stride = max(1, -(-len(values) // SPARK_POINTS))
        return values[::-1][::stride][::-1]

    def forecast(self, today: date) -> str:
        """Where it leads at this pace, in words: “1.2 GB on 1 March; held at about 3 GB”."""
        return forecast(self.bytes, self.bytes_a_day, self.ceiling, today)


def _pace(past: Sequence[Point], name: str) -> float | None:
    """Growth a day over the last 30 days that are on record; None before there are two days."""
    if not past:
        return None
    lately = [point for point in past if point.day >= past[-1].day - PACE]
    days = (lately[-1].day - lately[0].day).days
    return (getattr(lately[-1], name) - getattr(lately[0], name)) / days if days else None


def horizon(today: date) -> date:
    """The first of a month, at least 90 days away."""
    far = today + AHEAD
    return far if far.day == 1 else date(far.year + far.month // 12, far.month % 12 + 1, 1)


def forecast(size: int, a_day: float | None, ceiling: int | None, today: date) -> str:
    """At this pace … Pure. `a_day`: bytes it grows by; `ceiling`: bytes at which retention holds it."""
    if a_day is None:
        return "known after two days"
    if a_day <= size * LEVEL:
        return "shrinks" if a_day < -size * LEVEL else "level"
    until = horizon(today)
    then = size + a_day * (until - today).days
    on = f"{until.day} {until:%B}"
    if ceiling is not None and size < ceiling <= then:
        return f"held at about {bytes_in_words(ceiling)}, before {on}"
    if ceiling is not None and ceiling > then:
        return f"{bytes_in_words(int(then))} on {on}; held at about {bytes_in_words(ceiling)}"
    return f"{bytes_in_words(int(then))} on {on}"


@dataclass(frozen=True)
class Sizes:
    """Everything the page of data shows. What could not be read says why instead."""

    tables: Sequence[Table]
    whole: Table
    retention: AnyRow | None
    """The last nightly run that succeeded: id, finished_at, counts."""
    nightly_rows: int
    indexes: Sequence[AnyRow] | Unreadable
    connections: AnyRow | Unreadable
    server: AnyRow | Unreadable
    statements: Sequence[AnyRow] | Unreadable | None
    """None: not asked for."""
    read_at: datetime

    @property
    def today(self) -> date:
        return self.read_at.astimezone(UTC).date()

    @property
    def scanned(self) -> list[Table]:
        return [table for table in self.tables if table.is_scanned]

    @property
    def hit_ratio(self) -> float | None:
        """Blocks that were in memory when they were asked for, 0 to 1; None before any was."""
        if isinstance(self.server, Unreadable):
            return None
        asked = self.server.hit + self.server.read
        return self.server.hit / asked if asked else None

    @property
    def is_tight(self) -> bool:
        return not isinstance(self.connections, Unreadable) and self.connections.used >= FULL * self.connections.most

    @property
    def growth(self) -> list[tuple[str, float]]:
        """The chart's rows: day and MB, thinned out to every third day or so."""
        stride = max(1, -(-len(self.whole.past) // SPARK_POINTS))
        shown = list(self.whole.past)[::-1][::stride][::-1]
        return [(f"{point.day:%b} {point.day.day}", round(point.bytes / 1e6, 1)) for point in shown]

    @property
    def finding(self) -> str:
        """The chart's title."""
        size = bytes_in_words(self.whole.bytes)
        pace = self.whole.bytes_a_day
        if pace is None:
            return f"The database holds {size}; its growth is known after two days"
        days = min((self.whole.past[-1].day - self.whole.past[0].day).days, PACE.days)
        word = "grew by" if pace >= 0 else "shrank by"
        return f"The database {word} {bytes_in_words(int(abs(pace)))} a day over {days} days, and holds {size}"


def moment(words: str) -> datetime:
    """A time that PostgreSQL wrote into JSON."""
    return datetime.fromisoformat(words)


def look(now: datetime | None = None, *, statements: Any = None) -> Sizes:
    """Read it all: nine statements at most. `statements`: what reads the costliest ones, where the reader may see
    them."""
    now = now or datetime.now(UTC)
    today = now.astimezone(UTC).date()
    with questions.briefly():
        found = {row.name: row for row in questions.tables(names())}
        past = {row.name: _points(row) for row in questions.history(today - SHOWN)}
        runs = questions.retention_runs(now - PACE)
        indexes = questions.ask(questions.idle_indexes)
        held = questions.ask(questions.connections)
        server = questions.ask(questions.server)
        worst = questions.ask(statements) if statements is not None else None
    left = left_by_retention(runs)
    every = [_table(row, past.get(name, []), left, today) for name, row in found.items()]
    return Sizes(
        tables=sorted(
            (table for table in every if table.name != DATABASE), key=lambda table: (-table.bytes, table.name)
        ),
        whole=next(table for table in every if table.name == DATABASE),
        retention=runs[0] if runs else None,
        nightly_rows=sum(_taken(runs[0].counts).values()) if runs else 0,
        indexes=indexes,
        connections=held if isinstance(held, Unreadable) else held[0],
        server=server if isinstance(server, Unreadable) else server[0],
        statements=worst,
        read_at=now,
    )


def _points(row: AnyRow) -> list[Point]:
    return [Point(day, size, rows) for day, size, rows in zip(row.days, row.bytes, row.rows, strict=True)]


def _table(row: AnyRow, past: list[Point], left: Mapping[str, Left], today: date) -> Table:
    now = Point(today, int(row.bytes), int(row.rows))
    taken = left.get(row.name)
    rules = [rule for rule in RULES if rule.table == row.name]
    return Table(
        name=row.name,
        kept=", ".join(rule.kept for rule in rules) or KEPT.get(row.name, ""),
        bytes=now.bytes,
        index_bytes=int(row.index_bytes),
        rows=now.rows,
        past=[*(point for point in past if point.day < today), now],
        out_a_day=taken.a_day if taken else None,
        left_last=taken.last if taken else None,
        held_days=held_days(row.name, rules),
        is_scanned=now.rows >= BIG and row.scans >= MANY_SCANS and row.scans > row.index_scans,
        scans=int(row.scans),
    )


def held_days(name: str, rules: Sequence[Rule]) -> int | None:
    """The age at which nearly every row leaves: that of the first rule that takes rows."""
    taking = [rule.age.days for rule in rules if rule.takes_rows]
    return taking[0] if taking and name not in NOT_BY_AGE else None


@dataclass(frozen=True)
class Left:
    a_day: float
    last: int


def left_by_retention(runs: Sequence[AnyRow]) -> dict[str, Left]:
    """For each table with a rule that takes rows: how many a day, and in the last night. `runs`: newest first."""
    tables = {rule.table for rule in RULES if rule.takes_rows}
    if not runs:
        return {}
    days = max(1.0, (runs[0].finished_at - runs[-1].finished_at) / timedelta(days=1) + 1)
    every = [_taken(run.counts) for run in runs]
    return {name: Left(sum(taken.get(name, 0) for taken in every) / days, every[0].get(name, 0)) for name in tables}


def _taken(counts: Mapping[str, Any]) -> dict[str, int]:
    """Rows that a nightly run took, by table."""
    taken: dict[str, int] = {}
    for counted_as, table in {rule.counted_as: rule.table for rule in RULES if rule.takes_rows}.items():
        taken[table] = taken.get(table, 0) + int(counts.get(counted_as) or 0)
    return taken


def names() -> set[str]:
    """Every table of the house."""
    return {rule.table for rule in RULES} | KEPT.keys()


def record(now: datetime | None = None) -> None:
    """Write down how large everything is on this (UTC) day. Idempotent: a later look on a day replaces an earlier."""
    day = (now or datetime.now(UTC)).astimezone(UTC).date()
    db.session.execute(questions.RECORD, {"day": day, "names": sorted(names())})


def record_once(now: datetime | None = None) -> bool:
    """The same, but only when the day has no look yet: so that a new house, and one whose nights are busy, has a past.
    True when it wrote."""
    now = now or datetime.now(UTC)
    if questions.is_recorded(now.astimezone(UTC).date()):
        return False
    record(now)
    return True
