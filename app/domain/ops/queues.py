"""The queues, put together for a page: what waits, who works it, how much was done and how long it took."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.display import duration
from app.domain.ops import queries
from app.domain.ops.health import ALIVE
from app.domain.ops.queries import queues as rows_of
from app.domain.ops.queries import tallies
from app.domain.ops.queries.tallies import Tally
from app.domain.ops.registry import registry

PATIENCE = timedelta(seconds=60)
"""A run due for longer than this waits for a worker that has more to do than it can."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """How far back a page looks, in which steps."""

    key: str
    words: str
    last: str
    """“the last hour”."""
    step: timedelta
    steps: int
    of: str
    """What a step is called."""
    is_estimate: bool
    """Its quantiles come from the tallies' buckets."""


SPANS = {
    "1h": Span("1h", "1 hour", "the last hour", MINUTE, 60, "Minute", is_estimate=False),
    "24h": Span("24h", "24 hours", "the last 24 hours", HOUR, 24, "Hour", is_estimate=True),
    "14d": Span("14d", "14 days", "the last 14 days", DAY, 14, "Day", is_estimate=True),
}
SCALES = (("ms", 0.001, 1.0), ("s", 1.0, 300.0), ("min", 60.0, float("inf")))
"""Units of durations: their seconds, and up to how many seconds they are used."""


@dataclass(frozen=True)
class Ran:
    """What was done in some time. Seconds; estimates where they come from the tallies, None of nothing."""

    well: int = 0
    failed: int = 0
    half: float | None = None
    most: float | None = None
    """19 in 20 stayed below it."""
    waited_half: float | None = None
    waited_most: float | None = None

    @property
    def runs(self) -> int:
        return self.well + self.failed


@dataclass(frozen=True)
class Step:
    """One bar of a chart."""

    label: str
    begins: datetime
    ends: datetime
    ran: Ran


@dataclass(frozen=True)
class Queue:
    name: str
    kinds: Sequence[str]
    due: int
    oldest: datetime | None
    later: int
    soonest: datetime | None
    working: int
    alive: int
    """Processes that work it now."""
    ran: Ran
    by_kind: Mapping[str, Ran]
    steps: Sequence[Step]
    span: Span
    now: datetime
    stood_in: bool | None = None
    """While Redis is away: whether the scheduler does its runs meanwhile, or they wait. None: Redis is not away."""

    @property
    def is_busy(self) -> bool:
        return self.oldest is not None and self.oldest < self.now - PATIENCE

    @property
    def tone(self) -> str:
        """Depth is no alarm: a queue is red only when nobody works it, though somebody could."""
        if self.stood_in is not None:
            return "wait"
        if not self.alive:
            return "bad"
        return "wait" if self.is_busy else "good"

    @property
    def word(self) -> str:
        if self.stood_in is not None:
            return "The scheduler does it" if self.stood_in else "Waits for Redis"
        if not self.alive:
            return "Nobody works it"
        if self.is_busy:
            return "Busy"
        return "At work" if self.working else "Nothing waits"

    @property
    def done_finding(self) -> str:
        """“41 runs an hour, 2 of 984 failed; nothing waits”: the title of what was done."""
        if not self.ran.runs:
            return f"Nothing ran in {self.span.last}; {self._waiting}"
        is_steady = self.span.step != MINUTE and sum(step.ran.runs > 0 for step in self.steps) > len(self.steps) / 2
        if is_steady:
            unit, words = (DAY, "a day") if self.span.step == DAY else (HOUR, "an hour")
            each = self.ran.runs / ((self.now - self.steps[0].begins) / unit)
            rate = f"{_runs(max(round(each), 1))} {words}"
        else:
            rate = f"{_runs(self.ran.runs)} in {self.span.last}"
        of_all = f" of {self.ran.runs:,}" if is_steady and self.ran.failed else ""
        failed = f"{self.ran.failed or 'none':{',' if self.ran.failed else ''}}{of_all} failed"
        return f"{rate}, {failed}; {self._waiting}"

    @property
    def took_finding(self) -> str:
        """“Half took under 0.4 s, the slowest 5 % over 2.1 s”: the title of how long it took."""
        if self.ran.half is None:
            return f"Nothing ran in {self.span.last}"
        about = "about " if self.span.is_estimate else ""
        if self.ran.runs == 1:
            return f"The run took {about}{exact(self.ran.half)}"
        return f"Half took under {about}{exact(self.ran.half)}, the slowest 5 % over {exact(self.ran.most)}"

    def bars(self, url_of: Callable[[Queue, Step], str]) -> list[tuple[str, int, int, str]]:
        """For the chart of what was done; `url_of` says where a bar leads."""
        return [(step.label, step.ran.well, step.ran.failed, url_of(self, step)) for step in self.steps]

    def lines(self, unit: float) -> list[tuple[str, float | None, float | None]]:
        """For the chart of how long it took, in a unit of so many seconds."""
        return [(step.label, _in(unit, step.ran.half), _in(unit, step.ran.most)) for step in self.steps]

    @property
    def _waiting(self) -> str:
        if not self.due:
            return "nothing waits"
        count = f"{rows_of.MOST:,}+" if self.due > rows_of.MOST else f"{self.due:,}"
        since = duration((self.now - self.oldest).total_seconds()) if self.oldest else ""
        return f"{count} {'waits' if self.due == 1 else 'wait'}, the oldest {since}"

    @property
    def scale(self) -> tuple[str, float]:
        """The unit that its durations are drawn in, and that unit's seconds."""
        largest = max((step.ran.most or 0 for step in self.steps), default=0)
        return next((unit, seconds) for unit, seconds, limit in SCALES if largest < limit)


def moments(span: Span, now: datetime, zone: ZoneInfo) -> list[datetime]:
    """When each step begins, oldest first; days are those of the zone, so one may have 23 hours."""
    if span.step == DAY:
        today = now.astimezone(zone).date()
        days = [today - timedelta(days=back) for back in reversed(range(span.steps))]
        return [datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) for day in days]
    last = now.astimezone(UTC).replace(second=0, microsecond=0)
    if span.step == HOUR:
        last = last.replace(minute=0)
    return [last - span.step * back for back in reversed(range(span.steps))]


def look(
    span: Span, time_zone: str, now: datetime | None = None, *, without_redis: Collection[str] = ()
) -> list[Queue]:
    """Every queue of the registry: four statements, and none that reads more than an hour of runs. `without_redis`:
    the kinds that the scheduler does itself while Redis is away."""
    now, zone = now or datetime.now(UTC), ZoneInfo(time_zone)
    kinds: dict[str, list[str]] = {}
    for kind, name in registry().queues.items():
        kinds.setdefault(name, []).append(kind)
    begins = moments(span, now, zone)
    done = _from_runs(begins, now) if span.step == MINUTE else _from_tallies(span, time_zone, begins, now)
    depths = rows_of.depths(kinds, now)
    processes = queries.processes(now - ALIVE)
    alive = [process.queue for process in processes if process.role == "worker"]
    is_stood_in = any(process.role == "scheduler" and process.note for process in processes)
    nothing = Ran()
    return [
        Queue(
            name=name,
            kinds=its_kinds,
            due=depths[name].due,
            oldest=depths[name].oldest,
            later=depths[name].later,
            soonest=depths[name].soonest,
            working=depths[name].working,
            alive=alive.count(name),
            ran=done.whole.get(name, nothing),
            by_kind={kind: done.kinds.get(kind, nothing) for kind in its_kinds},
            steps=[
                Step(_label(begin, span, zone), begin, end, done.steps.get((name, begin), nothing))
                for begin, end in zip(begins, [*begins[1:], now], strict=True)
            ],
            span=span,
            now=now,
            stood_in=any(kind in without_redis for kind in its_kinds) if is_stood_in else None,
        )
        for name, its_kinds in kinds.items()
    ]


@dataclass(frozen=True)
class _Done:
    whole: Mapping[str, Ran]
    kinds: Mapping[str, Ran]
    steps: Mapping[tuple[str, datetime], Ran]


def _from_runs(begins: Sequence[datetime], now: datetime) -> _Done:
    whole, kinds, steps = {}, {}, {}
    for row in rows_of.minutes(begins[0], now):
        ran = Ran(row.succeeded, row.failed, *(row.took or (None, None)), *(row.waited or (None, None)))
        if row.minute is not None:
            steps[row.queue, row.minute] = ran
        elif row.kind is not None:
            kinds[row.kind] = ran
        else:
            whole[row.queue] = ran
    return _Done(whole, kinds, steps)


def _from_tallies(span: Span, time_zone: str, begins: Sequence[datetime], now: datetime) -> _Done:
    by_step = tallies.by_queue(begins[0], now, "day" if span.step == DAY else "hour", time_zone)
    return _Done(
        whole={name: ran_of(total(found.values())) for name, found in by_step.items()},
        kinds={kind: ran_of(found) for kind, found in tallies.by_kind(begins[0], now).items()},
        steps={(name, moment): ran_of(tally) for name, found in by_step.items() for moment, tally in found.items()},
    )


def total(found: Iterable[Tally]) -> Tally:
    """Added up, histograms too."""
    parts = list(found)
    names = ("succeeded", "failed", "missed", "skipped", "cancelled", "lost", "seconds")
    sums: dict[str, Any] = {name: sum(getattr(part, name) for part in parts) for name in names}
    for name in ("durations", "waits"):
        sums[name] = tuple(map(sum, zip(*(getattr(part, name) for part in parts), strict=True)))
    return Tally(**sums)


def ran_of(tally: Tally) -> Ran:
    return Ran(tally.succeeded, tally.failed, tally.took(0.5), tally.took(0.95), tally.waited(0.5), tally.waited(0.95))


def _in(unit: float, seconds: float | None) -> float | None:
    return None if seconds is None else seconds / unit


def exact(seconds: float | None) -> str:
    """As a duration, with thousandths below a second: a sweep takes 40 ms."""
    return f"{seconds * 1000:.0f} ms" if seconds is not None and seconds < 1 else duration(seconds)


def _runs(count: int) -> str:
    return f"{count:,} {'run' if count == 1 else 'runs'}"


def _label(moment: datetime, span: Span, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{local:%b} {local.day}" if span.step == DAY else f"{local:%H:%M}"
