"""What Sentry is told of runs: one event for each final failure, one for each attempt whose worker died, and for each
scheduled run that it began and how it ended. Called after the commit that recorded it, never inside a transaction; a
report that does not arrive changes nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any

from app import sentry
from app.domain.models import JobRun, RunState, Trigger
from app.domain.ops import ledger
from app.domain.ops.registry import registry
from app.extensions import db


@dataclass(frozen=True)
class Reported:
    """A run, as far as Sentry is told of it: read while it could be read, told when no transaction is open."""

    id: int
    kind: str
    attempt: int
    is_failed: bool
    is_over: bool
    slug: str | None
    """The monitor it belongs to; None = nobody waits for it by the clock."""
    how: str
    """It was lost, in our words."""

    @classmethod
    def of(cls, run: JobRun) -> Reported:
        is_scheduled = run.trigger == Trigger.SCHEDULE
        return cls(
            id=run.id,
            kind=run.kind,
            attempt=run.attempt,
            is_failed=run.state == RunState.FAILED,
            is_over=run.state in {RunState.FAILED, RunState.CANCELLED},
            slug=run.schedule_name if is_scheduled else None,
            # Of a loss the words are the ledger's own; of any other end they may quote somebody, and stay here.
            how=run.error if run.error and run.error_class in ledger.LOSSES else "Its process was lost.",
        )

    @property
    def event_id(self) -> str:
        """As the ledger writes it down with the final failure."""
        return ledger.report_id(self.id, self.attempt)

    @property
    def tags(self) -> dict[str, object]:
        return {"stage": self.kind, "run_id": self.id, "attempt": self.attempt}

    def began(self) -> None:
        """Once for a run, however often it is tried."""
        if self.attempt == 1 and self.slug is not None:
            db.session.commit()  # in which the run was read
            self._check_in("in_progress")

    def succeeded(self, seconds: float) -> None:
        self._check_in("ok", seconds)

    def failed(self, error: BaseException | str, seconds: float | None = None, *, is_timeout: bool = False) -> None:
        """For good. A time-out is one trouble for each kind, wherever it struck."""
        fingerprint = ["timeout", self.kind] if is_timeout else ["{{ default }}", self.kind]
        sentry.report(error, event_id=self.event_id, tags=self.tags, fingerprint=fingerprint)
        self._check_in("error", seconds)

    def cancelled(self, seconds: float) -> None:
        """By a person: no trouble, but what the clock asked for was not done."""
        self._check_in("error", seconds)

    def lost(self) -> None:
        sentry.report(
            f"{self.kind}: {self.how}",
            event_id=self.event_id,
            tags=self.tags,
            fingerprint=["worker lost", self.kind],
            level="error" if self.is_failed else "warning",
        )
        if self.is_over:
            self._check_in("error")

    def _check_in(self, status: str, seconds: float | None = None) -> None:
        monitor = _monitor(self.slug, self.kind)
        if self.slug is not None and monitor is not None:
            sentry.check_in(self.slug, sentry.id_of("check-in", self.id), status, monitor=monitor, seconds=seconds)


def lost_now(run_ids: Iterable[int]) -> list[Reported]:
    """Of each of these runs the attempt that was lost, its process killed or silent. Asked in the very transaction that
    takes the runs back: a moment later another attempt may be under way, or have failed."""
    if not sentry.is_on():
        return []
    return [Reported.of(run) for run in (db.session.get(JobRun, run_id) for run_id in run_ids) if run is not None]


def report_lost(lost: Iterable[Reported]) -> None:
    """After the commit of what `lost_now` found."""
    for each in lost:
        each.lost()


def _monitor(name: str | None, kind: str) -> dict[str, Any] | None:
    """The line of the clock as Sentry Crons wants it: minutes."""
    from app.jobs.kinds import KINDS  # which know this module

    line = next((line for line in registry().lines if line.name == name), None)
    if line is None or kind not in KINDS:
        return None
    return {
        "schedule": {"type": "crontab", "value": line.cron},
        "timezone": line.time_zone,
        "checkin_margin": ceil(line.grace_seconds / 60),
        "max_runtime": ceil(KINDS[kind].timeout / 60),
        "failure_issue_threshold": 1,
        "recovery_threshold": 1,
    }
