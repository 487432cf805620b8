"""One run, as a job sees it: what it was asked, and its way to say how far it is and what should follow."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID

import structlog

from app.domain.ops import ledger
from app.extensions import db

log = structlog.get_logger(__name__)

PROGRESS_EVERY = 1.0
"""Seconds: how often a progress is written down at most."""


class Lease:
    """Keeps a run ours while its job works: a thread with a connection of its own lengthens the lease, but never past
    the deadline, so that a job that hangs for ever loses its run. Context manager."""

    def __init__(self, run_id: int, token: UUID, seconds: int, deadline: datetime) -> None:
        self.run_id, self.token, self.seconds, self.deadline = run_id, token, seconds, deadline
        self.progress: dict[str, Any] | None = None
        self._has_news = False
        self._done = False
        self._wake = threading.Condition()
        self._engine = db.engine
        self._thread = threading.Thread(target=self._renew, name=f"lease-{run_id}", daemon=True)

    def until(self) -> datetime:
        return min(datetime.now(UTC) + timedelta(seconds=self.seconds), self.deadline)

    def report(self, progress: dict[str, Any]) -> None:
        with self._wake:
            self.progress, self._has_news = progress, True
            self._wake.notify()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._wake:
            self._done = True
            self._wake.notify()
        self._thread.join(timeout=5)

    def _renew(self) -> None:
        while self._wait():
            if datetime.now(UTC) >= self.deadline:
                log.warning("run.deadline_passed", run_id=self.run_id)
                return
            try:
                with self._engine.begin() as connection:
                    statement = ledger.renewal(self.run_id, self.token, self.until(), self.progress)
                    if connection.execute(statement).rowcount != 1:
                        return  # no longer ours; the next fence says so where it matters
            except Exception as error:
                log.warning("run.renewal_failed", run_id=self.run_id, error=type(error).__name__)

    def _wait(self) -> bool:
        """Until it is time to renew, or there is news to write. False when the job has ended."""
        with self._wake:
            self._wake.wait_for(lambda: self._done or self._has_news, timeout=self.seconds / 4)
            if self._has_news and not self._done:
                self._wake.wait_for(lambda: self._done, timeout=min(PROGRESS_EVERY, self.seconds / 4))
            self._has_news = False
            return not self._done


class FollowUp(NamedTuple):
    kind: str
    args: dict[str, Any]
    dedup_key: str | None


@dataclass
class Run:
    """What a job function gets. It returns its counts; `then` names the runs to start when it has succeeded."""

    id: int
    kind: str
    args: dict[str, Any]
    attempt: int
    user_id: int | None
    window_end: datetime
    """The moment this run speaks for; the same for each attempt."""
    lease: Lease
    follow_ups: list[FollowUp] = field(default_factory=list)

    def progress(self, step: str, done: int = 0, total: int | None = None) -> None:
        """Say how far it is. Seen on the run's page within about a second; costs next to nothing."""
        self.lease.report({"step": step, "done": done, "total": total})

    def commit(self) -> None:
        """Commit a chunk of work, fenced: raises LeaseLost, and nothing is committed, when another worker may have
        this run by now."""
        ledger.fence(self.id, self.lease.token, self.lease.until(), self.lease.progress)
        db.session.commit()

    def then(self, kind: str, args: dict[str, Any] | None = None, *, dedup_key: str | None = None) -> None:
        """Start a run of `kind` in the very transaction that finishes this one; none when one with this `dedup_key`
        waits or works already."""
        self.follow_ups.append(FollowUp(kind, args or {}, dedup_key))
