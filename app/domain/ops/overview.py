"""The operations page, put together: twelve statements at most, and no question to the network.

What counts rows by the day's volume (the balance, what each stage did, the mail of a week, the sizes) is kept for a
while once it is dear (app/domain/ops/kept.py); what is due, late, failed or wrong is asked each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from flask import current_app

from app.domain.models import Incident, ProcessHeartbeat
from app.domain.ops import probing, queries, words
from app.domain.ops.balance import Sum, balance, midnight
from app.domain.ops.clock import Line, next_of_all
from app.domain.ops.health import ALIVE, ScheduleHealth, Tone, Verdict, Vitals, verdict, vitals
from app.domain.ops.kept import Counted, Kept
from app.domain.ops.queries import overview as rows
from app.domain.ops.registry import registry
from app.domain.ops.retention import RULES
from app.domain.ops.schedules import ENDED, late_since, said, strip_state, strip_words
from app.domain.ops.stages import QUIET, Stage, stages
from app.extensions import db, settings

log = structlog.get_logger(__name__)

GONE = timedelta(hours=12)
"""A process silent for longer is no longer listed: it was taken away, not lost."""
CANARY = 5_000
"""So many mails without one that came back: bounces are not heard of (PA-25)."""


@dataclass(frozen=True)
class Job:
    """One kind of run: its clock, its last runs, what the newest one did."""

    kind: str
    line: ScheduleHealth | None
    clock: str
    strip: Sequence[str]
    """States of the last runs, oldest first, as the chart knows them."""
    took: float | None
    said: str
    last_run_id: int | None
    late_since: datetime | None = None

    @property
    def strip_words(self) -> str:
        return strip_words(self.kind, self.strip)


@dataclass(frozen=True)
class Failure:
    id: int
    kind: str
    error_class: str | None
    attempt: int
    max_attempts: int
    finished_at: datetime


@dataclass(frozen=True)
class Source:
    """Where changes to listings come from, and when the newest came. `newest` None: none in a day."""

    name: str
    newest: datetime | None
    words: str


@dataclass(frozen=True)
class Mail:
    """What became of the mail of seven days, as far as anybody said."""

    sent: int = 0
    refused: int = 0
    bounced: int = 0
    complained: int = 0

    @property
    def came_back(self) -> int:
        return self.refused + self.bounced + self.complained

    @property
    def is_deaf(self) -> bool:
        """PA-25: so many mails, and not one came back. That is not luck; nobody listens."""
        return self.sent >= CANARY and not self.came_back

    @property
    def words(self) -> str:
        if not self.sent:
            return "No mail was sent in 7 days"
        mails = f"{self.sent:,} {'mail' if self.sent == 1 else 'mails'} in 7 days"
        if self.is_deaf:
            return f"{mails}, and not one came back: bounces are not heard of"
        if not self.came_back:
            return f"{mails}, none came back"
        return f"{mails}, {self.came_back:,} came back ({100 * self.came_back / self.sent:.1f} %)"


@dataclass(frozen=True)
class TableSize:
    name: str
    kept: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Dear:
    """What takes long to count when there is much."""

    sums: Sequence[Sum]
    volumes: queries.AnyRow
    sources: Sequence[Source]
    mail: Mail
    sizes: Sequence[TableSize]
    database_bytes: int


@dataclass(frozen=True)
class Canary:
    """The last synthetic mail that arrived, and how long it took from setting out (PA-25)."""

    arrived_at: datetime
    seconds: float
    is_missing: bool

    @classmethod
    def of(cls, signs: Vitals) -> Canary | None:
        arrived, planted = signs.canary.get("arrived_at"), signs.canary.get("planted_at")
        if arrived is None or planted is None:
            return None
        return cls(arrived, (arrived - planted).total_seconds(), bool(signs.canary.get("missing")))


@dataclass(frozen=True)
class Overview:
    verdict: Verdict
    stages: Sequence[Stage]
    counted: Counted[Dear]
    since: datetime
    jobs: Sequence[Job]
    on_time: int
    """Lines of the clock that are neither late nor paused nor missing."""
    lines: int
    next_due: Sequence[tuple[datetime, Line]]
    failures: Sequence[Failure]
    failed_today: int
    incidents: Sequence[Incident]
    """What is wrong now, and the newest few that are over."""
    processes: Sequence[ProcessHeartbeat]
    alive_since: datetime
    no_data_since: datetime | None
    """The newest change to any listing, when it is long ago (PA-28)."""
    journey: float | None
    """Seconds from the newest mail's newest change to the relay's yes."""
    is_clock_silent: bool
    stands_in: bool
    """Redis is away, and the scheduler does the runs itself."""
    waiting: int
    """Events that wait to be read or matched: what an outage holds back, and does not lose."""
    canary: Canary | None = None

    @property
    def headline(self) -> str:
        """One sentence on everything, when nothing is broken."""
        return headline(self.verdict, self.on_time, self.lines, missed=self.missed, is_balanced=self.is_balanced)

    @property
    def missed(self) -> int:
        """Due times of today that nobody made a run of in time."""
        return sum(part.count for part in self.due_times.parts if part.key == "missed")

    @property
    def is_balanced(self) -> bool:
        """No row is unaccounted for: nothing is lost."""
        swept = any(reason.key.startswith("unbalanced") for reason in self.verdict.reasons)
        return not swept and not any(line.remainder for line in self.dear.sums)

    @property
    def incident(self) -> Incident | None:
        """The open incident of what the headline says, or of its cause; None while no look has written it down."""
        if not self.verdict.reasons:
            return None
        first = self.verdict.reasons[0]
        still = [one for one in self.incidents if one.closed_at is None]
        own = [one for one in still if one.key == first.key]
        causes = [one for one in still if first.sentence in one.detail.get("follows", ())]
        return next(iter(own + causes), None)

    def tone_outside(self, name: str) -> str:
        """How bad it is that this is away: as the verdict says. Before it says so, one failed answer is worth a look."""
        key = f"unreachable:{name}"
        return next((reason.tone.value for reason in self.verdict.reasons if reason.key == key), Tone.WAIT.value)

    @property
    def dear(self) -> Dear:
        return self.counted.value

    @property
    def open_incidents(self) -> int:
        return sum(one.closed_at is None for one in self.incidents)

    @property
    def alive(self) -> int:
        return sum(process.seen_at >= self.alive_since for process in self.processes)

    @property
    def due_times(self) -> Sum:
        return next(line for line in self.dear.sums if line.key == "due_times")


def headline(found: Verdict, on_time: int, lines: int, *, missed: int = 0, is_balanced: bool = True) -> str:
    """“All 9 schedules on time; 2 things need attention”."""
    said = [f"All {lines} schedules on time" if on_time == lines else f"{on_time} of {lines} schedules on time"]
    if missed:
        said.append(f"{missed:,} due {'time was' if missed == 1 else 'times were'} missed today")
    if needs := len(found.reasons):
        said.append(f"{needs} {'thing needs' if needs == 1 else 'things need'} attention")
    elif is_balanced:
        return f"{'; '.join(said)}, and every row is accounted for."
    else:
        said.append("the balance does not come out at zero")
    return f"{'; '.join(said)}."


def overview(time_zone: str, now: datetime | None = None, keeper: Kept[Dear] | None = None) -> Overview:
    """Everything the page shows, for a reader in this zone (whose midnight begins the balance). `keeper`: of what is
    dear; else this process's own."""
    now = now or datetime.now(UTC)
    since = midnight(now, time_zone)
    signs = vitals(now)
    counted = (keeper or _dear).get((settings().database_url, since), lambda: _count(since), _later)
    counts = rows.stage_counts(now)
    judged = verdict(now, signs=signs)
    running = _running(signs)
    return Overview(
        verdict=judged,
        stages=stages(now, counts, counted.value.volumes, signs),
        counted=counted,
        since=since,
        jobs=_jobs(signs, now),
        on_time=0 if signs.is_clock_silent else sum(late_since(line, now) is None for line in running),
        lines=len(registry().lines),
        next_due=next_of_all([_line(line) for line in running], now),
        failures=[
            Failure(**each | {"finished_at": datetime.fromisoformat(each["finished_at"])})
            for each in counts.newest_failures
        ],
        failed_today=sum((counts.failures or {}).values()),
        incidents=rows.incidents(),
        processes=_not_replaced(queries.processes(now - GONE), now - ALIVE),
        alive_since=now - ALIVE,
        no_data_since=counts.last_event if counts.last_event and counts.last_event < now - QUIET else None,
        journey=_seconds(counts.journey) if counts.journey else None,
        is_clock_silent=signs.is_clock_silent,
        stands_in=signs.is_away(probing.REDIS) and not signs.is_clock_silent,
        canary=Canary.of(signs),
        waiting=int(counts.unread + counts.open_events),
    )


# --- What is dear ---

_dear: Kept[Dear] = Kept()


def forget() -> None:
    """Count everything anew for the next page."""
    _dear.forget()


def _count(since: datetime) -> Dear:
    now = datetime.now(UTC)
    found = rows.volumes(since, now, {rule.table for rule in RULES})
    return Dear(
        sums=balance(since, now),
        volumes=found,
        sources=_sources(found),
        mail=Mail(**found.mail),
        sizes=_sizes(found.sizes or {}),
        database_bytes=int(found.database_bytes),
    )


def _later(work: Callable[[], None]) -> None:
    """In a thread, with a session of its own."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def run() -> None:
        with app.app_context():
            try:
                work()
            except Exception as error:
                log.warning("overview.not_counted", error=type(error).__name__)
            finally:
                db.session.remove()

    threading.Thread(target=run, name="count-again", daemon=True).start()


def _sources(found: queries.AnyRow) -> list[Source]:
    """Each source of files by its newest one, the newest first, and what people wrote."""
    files = [
        Source(
            file["source"],
            datetime.fromisoformat(file["finished_at"]),
            f"{file['changed']:,} of {file['rows_read']:,} rows were news",
        )
        for file in found.files
    ]
    files.sort(key=lambda source: source.newest or datetime.min.replace(tzinfo=UTC), reverse=True)
    newest, today = found.by_hand["newest"], found.by_hand["changes"]
    said_of = f"{today:,} {'change' if today == 1 else 'changes'} in 24 hours" if today else "nothing in 24 hours"
    return [*files, Source("By hand", datetime.fromisoformat(newest) if newest else None, said_of)]


def _sizes(found: Mapping[str, Sequence[int]]) -> list[TableSize]:
    kept: dict[str, list[str]] = {}
    for rule in RULES:
        kept.setdefault(rule.table, []).append(rule.kept)
    sizes = [TableSize(name, ", ".join(rules), *found[name]) for name, rules in kept.items() if name in found]
    return sorted(sizes, key=lambda size: -size.bytes)


# --- What is asked each time ---


def _running(signs: Vitals) -> list[ScheduleHealth]:
    """The lines that are on the clock, and not paused."""
    names = {line.name for line in registry().lines}
    return [line for line in signs.schedules if line.name in names and not line.is_paused]


def _line(line: ScheduleHealth) -> Line:
    return Line(line.name, line.kind, line.cron, line.time_zone, int(line.grace.total_seconds()))


def _not_replaced(processes: Sequence[ProcessHeartbeat], alive_since: datetime) -> list[ProcessHeartbeat]:
    """Without the silent ones in whose place another was started: a restart is not a loss."""
    return [
        process
        for process in processes
        if process.seen_at >= alive_since
        or not any(
            (other.role, other.queue, other.host) == (process.role, process.queue, process.host)
            and other.seen_at >= alive_since
            and other.started_at > process.started_at
            for other in processes
        )
    ]


def _seconds(journey: dict[str, str]) -> float:
    return (datetime.fromisoformat(journey["sent_at"]) - datetime.fromisoformat(journey["recorded_at"])).total_seconds()


FOLLOWS = {"digests": "after alerts", "messages": "after digests, or when due", "imports": "on upload"}


def _jobs(signs: Vitals, now: datetime) -> list[Job]:
    by_kind = queries.last_runs(now, registry().queues)
    jobs = []
    for kind in registry().queues:
        runs = by_kind.get(kind, [])
        line = next((line for line in signs.schedules if line.kind == kind), None)
        ended: Any = next((run for run in reversed(runs) if run.state in ENDED), None)
        jobs.append(
            Job(
                kind=kind,
                line=line,
                clock=words.clock_in_words(line.cron) if line else FOLLOWS.get(kind, "on demand"),
                strip=[strip_state(run) for run in runs],
                took=(ended.finished_at - ended.started_at).total_seconds() if ended and ended.started_at else None,
                said=said(kind, ended),
                last_run_id=ended.id if ended else None,
                late_since=late_since(line, now) if line else None,
            )
        )
    return jobs
