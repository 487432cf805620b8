"""The clock as people read it: each line with its last runs, how long they take and how well they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from app.domain.errors import NotFound
from app.domain.models import AuditEntry, JobRun, RunState
from app.domain.ops import words
from app.domain.ops.clock import LONGEST_GAP, Line, occurrences
from app.domain.ops.health import ScheduleHealth, Tone, Vitals, vitals
from app.domain.ops.queries import AnyRow, tallies
from app.domain.ops.queries import schedules as rows
from app.domain.ops.queries.tallies import Tally
from app.domain.ops.registry import registry

SPAN = timedelta(days=14)
"""What durations and success rates look back on."""
A_LOOK = timedelta(seconds=30)
"""The scheduler looks every few seconds: a due time of before this should have its run."""
ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED})


@dataclass(frozen=True)
class Schedule:
    """One line of the clock. `runs`: those of its newest due times, oldest first."""

    line: ScheduleHealth
    is_written: bool
    """False: the code has it, and no scheduler has put it on the clock yet."""
    runs: Sequence[AnyRow]
    tally: Tally
    """What ended in SPAN."""
    late_since: datetime | None = None
    """The due time that it owes."""
    is_clock_silent: bool = False
    """Nobody keeps the clock: nothing is on time, however few due times have passed yet."""

    @property
    def clock(self) -> str:
        return words.clock_in_words(self.line.cron, self.line.time_zone)

    @property
    def covers(self) -> str:
        return words.covers(self.line.kind)

    @property
    def without(self) -> str:
        return words.without(self.line.kind)

    @property
    def last(self) -> AnyRow | None:
        """The newest run that was done to its end."""
        return next((run for run in reversed(self.runs) if run.state in ENDED), None)

    @property
    def tone(self) -> Tone | None:
        """None: it has not begun; green is earned."""
        if self.line.is_paused:
            return Tone.WAIT
        if not self.is_written or self.late_since is not None or self.is_clock_silent:
            return Tone.BAD
        if self.last is not None and self.last.state == RunState.FAILED:
            return Tone.WAIT
        return Tone.GOOD if self.line.last_success else None

    @property
    def word(self) -> str:
        if not self.is_written:
            return "Not on the clock"
        if self.line.is_paused:
            return "Paused"
        if self.late_since is not None:
            return "Late" if self.line.last_success else "Has never run"
        if self.is_clock_silent:
            return "No clock"
        if self.last is not None and self.last.state == RunState.FAILED:
            return "Last one failed"
        return "On time" if self.line.last_success else "Not yet run"

    @property
    def strip(self) -> list[str]:
        """States of the last runs, oldest first, as the chart knows them."""
        return [strip_state(run) for run in self.runs]

    @property
    def strip_words(self) -> str:
        return strip_words(self.line.name, self.strip)

    @property
    def said(self) -> str:
        """What the newest run that ended did."""
        return said(self.line.kind, self.last)


@dataclass(frozen=True)
class Day:
    """One day of a line on the wall of the reader."""

    begins: datetime
    tally: Tally


@dataclass(frozen=True)
class Closeup:
    """One line, looked at closely."""

    schedule: Schedule
    due: Sequence[datetime]
    """Its next due times; what they would be, while it is paused."""
    days: Sequence[Day]
    """SPAN, oldest first, quiet days too."""
    runs: Sequence[JobRun]
    """The newest, newest first."""
    acts: Sequence[AuditEntry]
    """What people did to it, newest first."""

    @property
    def finding(self) -> str:
        """The title of its durations: what is usual, and the day that stands out."""
        usual = self.schedule.tally.took(0.5)
        slow = {day.begins: took for day in self.days if (took := day.tally.took(0.95)) is not None}
        if usual is None or not slow:
            return "No run ended in 14 days"
        worst = max(slow, key=lambda begins: slow[begins])
        others = [took for begins, took in slow.items() if begins != worst]
        if others and slow[worst] > 2 * max(others):
            return f"Slow on {worst:%b} {worst.day}: 19 of 20 runs were done in {seconds_in_words(slow[worst])}"
        longest = seconds_in_words(max(slow.values()))
        days = f"{SPAN.days} days" if len(slow) == SPAN.days else f"{len(slow)} days that had any"
        each = f"On each of {days}," if len(slow) > 1 else "On the one day that had any,"
        return f"{each} 19 of 20 runs were done in {longest} or less"


def schedules(now: datetime | None = None, signs: Vitals | None = None) -> list[Schedule]:
    """Every line of the code, in its order: three statements, one when the vital signs are known."""
    now = now or datetime.now(UTC)
    lines = registry().lines
    signs = signs or vitals(now)
    written = {line.name: line for line in signs.schedules}
    runs = rows.last_runs([line.name for line in lines])
    counted = tallies.by_schedule(now - SPAN, now)
    return [
        Schedule(
            line=written.get(line.name) or _unwritten(line),
            is_written=line.name in written,
            runs=runs.get(line.name, []),
            tally=counted.get(line.name, Tally()),
            late_since=late_since(written[line.name], now) if line.name in written else None,
            is_clock_silent=signs.is_clock_silent,
        )
        for line in lines
    ]


def late_since(line: ScheduleHealth, now: datetime) -> datetime | None:
    """The due time that this line owes: overdue by its own grace, or past for longer than a look at the clock takes."""
    if line.is_paused or line.overdue_since is not None:
        return None if line.is_paused else line.overdue_since
    return line.next_due if line.next_due is not None and line.next_due < now - A_LOOK else None


def closeup(name: str, time_zone: str, now: datetime | None = None, signs: Vitals | None = None) -> Closeup:
    """One line, its days those of this zone. Raises NotFound for what is not on the clock."""
    now = now or datetime.now(UTC)
    found = next((one for one in schedules(now, signs) if one.line.name == name), None)
    if found is None:
        raise NotFound(f"No line of the clock is called “{name}”.")
    line = found.line
    first = _midnight(now - SPAN + timedelta(days=1), time_zone)
    days = rows.days_of(name, first, now, time_zone)
    wall = [_midnight(first + timedelta(days=number, hours=12), time_zone) for number in range(SPAN.days)]
    return Closeup(
        schedule=found,
        due=list(islice(occurrences(line.cron, line.time_zone, now, now + LONGEST_GAP), 10)),
        days=[Day(begins.astimezone(ZoneInfo(time_zone)), days.get(begins, Tally())) for begins in wall],
        runs=rows.runs_of(name),
        acts=rows.pauses_of(name),
    )


def _midnight(moment: datetime, time_zone: str) -> datetime:
    wall = moment.astimezone(ZoneInfo(time_zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return wall.astimezone(UTC)


def _unwritten(line: Line) -> ScheduleHealth:
    return ScheduleHealth(
        name=line.name,
        kind=line.kind,
        cron=line.cron,
        time_zone=line.time_zone,
        grace=timedelta(seconds=line.grace_seconds),
        is_paused=False,
        paused_reason=None,
        next_due=None,
        last_success=None,
        overdue_since=None,
    )


def strip_state(run: AnyRow) -> str:
    """How a run is drawn: one that succeeded and had nothing to do is paler."""
    is_idle = run.state == RunState.SUCCEEDED and words.did_nothing(run.kind, run.counts)
    return "skipped" if is_idle else str(run.state)


def strip_words(name: str, strip: Sequence[str]) -> str:
    """The strip for those who cannot see it."""
    wrong = [f"{strip.count(state)} {state}" for state in ("failed", "missed") if state in strip]
    if not strip:
        return f"{name}: no run yet"
    return f"{name}: {', '.join(wrong) or 'none failed or missed'} of the last {len(strip)}"


def said(kind: str, run: AnyRow | None) -> str:
    if run is None:
        return "no run yet"
    if run.state == RunState.FAILED:
        return f"failed: {run.error_class}"
    return words.counts_in_words(kind, run.counts)


def seconds_in_words(seconds: float) -> str:
    """0.05 s, 2.4 s, 48 s, 12 min."""
    if seconds < 1:
        return f"{seconds:.2g} s"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
