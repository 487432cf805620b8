"""The operations page, put together: twelve statements at most, and no question to the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.models import JobRun, ProcessHeartbeat, RunState
from app.domain.ops import queries, words
from app.domain.ops.balance import Sum, balance, midnight
from app.domain.ops.health import ALIVE, Verdict, Vitals, verdict, vitals
from app.domain.ops.queries.overview import stage_counts
from app.domain.ops.registry import registry
from app.domain.ops.retention import RULES
from app.domain.ops.stages import Stage, stages

GONE = timedelta(hours=12)
"""A process silent for longer is no longer listed: it was taken away, not lost."""


@dataclass(frozen=True)
class Job:
    """One kind of run: its clock, its last runs, what the newest one did."""

    kind: str
    clock: str
    strip: Sequence[str]
    """States of the last runs, oldest first, as the chart knows them."""
    took: float | None
    said: str
    last_run_id: int | None
    next_due: datetime | None
    overdue_since: datetime | None
    is_paused: bool

    @property
    def strip_words(self) -> str:
        """The strip for those who cannot see it."""
        wrong = [f"{self.strip.count(state)} {state}" for state in ("failed", "missed") if state in self.strip]
        if not self.strip:
            return f"{self.kind}: no run yet"
        return f"{self.kind}: {', '.join(wrong) or 'none failed or missed'} of the last {len(self.strip)}"


@dataclass(frozen=True)
class TableSize:
    name: str
    kept: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Overview:
    verdict: Verdict
    stages: Sequence[Stage]
    sums: Sequence[Sum]
    since: datetime
    jobs: Sequence[Job]
    failures: Sequence[JobRun]
    failed_today: int
    processes: Sequence[ProcessHeartbeat]
    alive_since: datetime
    sizes: Sequence[TableSize]
    database_bytes: int
    journey: float | None
    """Seconds from the newest mail's newest change to the relay's yes."""
    waiting: int
    """Events that wait to be read or matched: what an outage holds back, and does not lose."""

    @property
    def alive(self) -> int:
        return sum(process.seen_at >= self.alive_since for process in self.processes)

    @property
    def due_times(self) -> Sum:
        return next(line for line in self.sums if line.key == "due_times")


def overview(time_zone: str, now: datetime | None = None) -> Overview:
    """Everything the page shows, for a reader in this zone (whose midnight begins the balance)."""
    now = now or datetime.now(UTC)
    since = midnight(now, time_zone)
    signs = vitals(now)
    sums = balance(since, now)
    counts = stage_counts(since, now)
    kept_sizes = queries.sizes({rule.table for rule in RULES})
    journey = counts.journey
    return Overview(
        verdict=verdict(now, signs=signs, sums=sums),
        stages=stages(now, counts, signs),
        sums=sums,
        since=since,
        jobs=_jobs(signs, now),
        failures=queries.recent_failures(now),
        failed_today=sum((counts.failures or {}).values()),
        processes=_not_replaced(queries.processes(now - GONE), now - ALIVE),
        alive_since=now - ALIVE,
        sizes=_sizes(kept_sizes),
        database_bytes=kept_sizes["database"].bytes,
        journey=_seconds(journey) if journey else None,
        waiting=int(counts.unread + counts.open_events),
    )


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
        ended = next((run for run in reversed(runs) if run.state in {RunState.SUCCEEDED, RunState.FAILED}), None)
        jobs.append(
            Job(
                kind=kind,
                clock=words.clock_in_words(line.cron) if line else FOLLOWS.get(kind, "on demand"),
                strip=[_strip_state(run) for run in runs],
                took=(ended.finished_at - ended.started_at).total_seconds() if ended and ended.started_at else None,
                said=_said(kind, ended),
                last_run_id=ended.id if ended else None,
                next_due=line.next_due if line and not line.is_paused else None,
                overdue_since=line.overdue_since if line else None,
                is_paused=bool(line and line.is_paused),
            )
        )
    return jobs


def _strip_state(run: Any) -> str:
    is_idle = run.state == RunState.SUCCEEDED and words.did_nothing(run.kind, run.counts)
    return "skipped" if is_idle else str(run.state)


def _said(kind: str, run: Any) -> str:
    if run is None:
        return "no run yet"
    if run.state == RunState.FAILED:
        return f"failed: {run.error_class}"
    return words.counts_in_words(kind, run.counts)


def _sizes(found: dict[str, queries.AnyRow]) -> list[TableSize]:
    kept: dict[str, list[str]] = {}
    for rule in RULES:
        kept.setdefault(rule.table, []).append(rule.kept)
    rows = [
        TableSize(name, ", ".join(rules), int(found[name].rows), int(found[name].bytes))
        for name, rules in kept.items()
        if name in found
    ]
    return sorted(rows, key=lambda row: -row.bytes)
