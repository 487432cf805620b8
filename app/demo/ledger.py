"""The run ledger of the replayed days: what each due time found, as the stages themselves counted it.

The stages were really run by the story, though in one sweep and not by workers; their rows say so (worker "demo"). The
house stood for two weeks before it began with alerts: the other lines ran from then on, and not always well.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import insert, update

from app.domain.models import JobRun, JobSchedule, RunState, Trigger
from app.domain.ops import tallies
from app.domain.ops.clock import next_due, occurrences
from app.domain.ops.due import write_schedule
from app.extensions import db
from app.jobs.kinds import KINDS
from app.jobs.schedule import SCHEDULE

WORKER = "demo"
STOOD = timedelta(days=14)
SLOW = (timedelta(days=6, hours=3), timedelta(days=6))
"""When, before now, the machine was busy with something else."""
BROKEN = (timedelta(days=9, hours=5), timedelta(days=9, hours=4, minutes=54))
"""When PostgreSQL was started anew."""


class Ledger:
    def __init__(self, now: datetime) -> None:
        self.now = now
        self.random = Random(1)  # noqa: S311 — durations only
        self.found: dict[datetime, tuple[dict[str, int], dict[str, int], dict[str, int]]] = {}

    def note(self, tick: datetime, matched: dict[str, int], built: dict[str, int], sent: dict[str, int]) -> None:
        """What the stages counted at one quarter hour."""
        self.found[tick] = (matched, built, sent)

    def write(self, begin: datetime, end: datetime) -> None:
        """A run for every due time: of alerts in [begin, end], of every other line since the house stands; and the runs
        that followed them. They are counted at the end."""
        write_schedule(SCHEDULE, now=begin - timedelta(minutes=15))
        stands = min(begin, self.now - STOOD)
        rows: list[dict[str, Any]] = []
        for line in SCHEDULE:
            since = begin if line.name == "alerts" else stands
            for due in occurrences(line.cron, line.time_zone, since - timedelta(seconds=1), self.now):
                if line.name == "alerts" and due > end:
                    continue
                rows.append(self._row(line.kind, due, self._counts(line.name, due), due_at=due, schedule=line.name))
                if line.name == "alerts" and due in self.found:
                    rows += self._following(due)
        rows.sort(key=lambda row: row["created_at"])
        for start in range(0, len(rows), 2000):
            db.session.execute(insert(JobRun), rows[start : start + 2000])
        newest: dict[str, datetime] = {}
        for row in rows:
            if row["schedule_name"]:
                newest[row["schedule_name"]] = max(row["due_at"], newest.get(row["schedule_name"], row["due_at"]))
        for line in SCHEDULE:
            if line.name not in newest:
                continue
            coming = next_due(line.cron, line.time_zone, newest[line.name])
            db.session.execute(
                update(JobSchedule)
                .where(JobSchedule.name == line.name)
                .values(last_due_at=newest[line.name], next_due_at=coming)
            )
        tallies.fold(self.now, seconds=600, since=stands)
        db.session.commit()

    def _counts(self, name: str, due: datetime) -> dict[str, int]:
        if name == "alerts" and due in self.found:
            matched = self.found[due][0]
            return {"batches": 1 if matched.get("events") else 0} | matched
        if name == "sweep":
            return {"runs_taken_back": 0, "messages_taken_back": 0, "messages_due": 0}
        return {}

    def _following(self, due: datetime) -> list[dict[str, Any]]:
        _, built, sent = self.found[due]
        window = {"window_end": due.isoformat()}
        rows = [self._row("digests", due + timedelta(seconds=4), built, args=window)]
        if sent:
            rows.append(self._row("messages", due + timedelta(seconds=8), sent))
        return rows

    def _row(
        self,
        kind: str,
        at: datetime,
        counts: dict[str, int],
        *,
        due_at: datetime | None = None,
        schedule: str | None = None,
        args: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        started = at + timedelta(seconds=self.random.uniform(0.2, 1.4))
        work = sum(counts.values()) * 0.006 + self.random.expovariate(12)
        if self.now - SLOW[0] <= at < self.now - SLOW[1]:
            work *= 6
        is_broken = kind == "sweep" and self.now - BROKEN[0] <= at < self.now - BROKEN[1]
        return {
            "kind": kind,
            "args": args or {},
            "queue": KINDS[kind].queue,
            "schedule_name": schedule,
            "due_at": due_at,
            "trigger": (Trigger.SCHEDULE if schedule else Trigger.EVENT).value,
            "state": (RunState.FAILED if is_broken else RunState.SUCCEEDED).value,
            "attempt": 1,
            "max_attempts": KINDS[kind].max_attempts,
            "run_after": at,
            "created_at": at,
            "started_at": started,
            "finished_at": started + timedelta(seconds=0.05 + work),
            "worker": WORKER,
            "counts": {} if is_broken else counts,
            "error_class": "OperationalError" if is_broken else None,
            "error": "OperationalError: the database system is starting up" if is_broken else None,
        }
