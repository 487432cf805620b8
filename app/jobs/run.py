"""One run, as a job sees it: what it was asked, and its way to say how far it is and what should follow."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self
from uuid import UUID

import structlog

from app.domain.ops import ledger
from app.extensions import db
from app.jobs.journal import MOST_LINES, Journal

log = structlog.get_logger(__name__)

WRITE_EVERY = 1.0
"""Seconds: how often progress and log lines are written down at most."""


class Lease:
    """Keeps a run ours while its job works: a thread with a connection of its own lengthens the lease, but never past
    the deadline, so that a job that hangs for ever loses its run. The same thread writes down how far the job is and
    what it says, which therefore outlive a rollback. Context manager. `deadline`: as time.monotonic() says, which no
    change of a clock moves."""

    def __init__(self, run_id: int, token: UUID, seconds: int, deadline: float, journal: Journal | None = None) -> None:
        self.run_id, self.token, self.seconds, self.deadline = run_id, token, seconds, deadline
        self.journal = journal
        self.progress: dict[str, Any] | None = None
        self.must_stop = False
        """A person cancelled the run, or the lease is over: known here about a quarter of a lease late."""
        self._has_news = False
        self._done = False
        self._wake = threading.Condition()
        self._engine = db.engine
        self._thread = threading.Thread(target=self._keep, name=f"lease-{run_id}", daemon=True)

    def until(self) -> timedelta:
        """How far from now on the run is ours."""
        return timedelta(seconds=min(self.seconds, self.deadline - time.monotonic()))

    def report(self, progress: dict[str, Any]) -> None:
        self.progress = progress
        self.tell()

    def tell(self) -> None:
        """There is something to write down, in about a second."""
        with self._wake:
            self._has_news = True
            self._wake.notify()

    def __enter__(self) -> Self:
        if self.journal is not None:
            self.journal.on_news = self.tell
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._wake:
            self._done = True
            self._wake.notify()
        self._thread.join(timeout=5)

    def _keep(self) -> None:
        is_ours = True
        while self._wait():
            is_ours = is_ours and self._renew()
            self.must_stop = self.must_stop or not is_ours
            self._write_lines()
        self._write_lines()

    def _renew(self) -> bool:
        """False when there is nothing more to renew."""
        if time.monotonic() >= self.deadline:
            log.warning("run.deadline_passed", run_id=self.run_id)
            return False
        try:
            with self._engine.begin() as connection:
                renewed = connection.execute(
                    ledger.renewal(self.run_id, self.token, self.until(), self.progress)
                ).one_or_none()
        except Exception as error:
            log.warning("run.renewal_failed", run_id=self.run_id, error=type(error).__name__)
            return True
        if renewed is None:
            return False  # no longer ours; the next fence says so where it matters
        self.must_stop = renewed.cancel_requested_at is not None
        return True

    def _write_lines(self) -> None:
        said = self.journal.unwritten() if self.journal is not None else []
        if self.journal is None or not said:
            return
        try:
            with self._engine.begin() as connection:
                connection.execute(ledger.lines(self.run_id, self.journal.attempt, said))
            self.journal.has_written(said)
        except Exception as error:  # they wait for the next time
            log.warning("run.lines_unwritten", run_id=self.run_id, error=type(error).__name__)

    def _wait(self) -> bool:
        """Until it is time to renew, or there is news to write. False when the job has ended."""
        with self._wake:
            self._wake.wait_for(lambda: self._done or self._has_news, timeout=self.seconds / 4)
            if self._has_news and not self._done:
                self._wake.wait_for(lambda: self._done, timeout=min(WRITE_EVERY, self.seconds / 4))
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
        this run by now; and Cancelled when a person wants it to stop."""
        ledger.fence(self.id, self.lease.token, self.lease.until(), self.lease.progress)
        db.session.commit()

    def must_stop(self) -> bool:
        """For a job that commits by itself, without a fence, to ask now and then: has a person cancelled this run, or
        may another worker have it by now? Known about a quarter of a lease late."""
        return self.lease.must_stop

    def then(self, kind: str, args: dict[str, Any] | None = None, *, dedup_key: str | None = None) -> None:
        """Start a run of `kind` in the very transaction that finishes this one; none when one with this `dedup_key`
        waits or works already."""
        self.follow_ups.append(FollowUp(kind, args or {}, dedup_key))


__all__ = ["MOST_LINES", "Journal", "Lease", "Run"]
