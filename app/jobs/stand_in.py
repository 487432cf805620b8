"""While Redis is away no worker can be told of a run. Then the clock's process does those that cannot wait (`Kind`'s
`without_redis`) itself: one at a time, each in a fork of its own with a lease, limits and a time-out as a worker's has,
so that the clock goes on meanwhile. Slow, and enough.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import structlog

from app import sentry
from app.domain.ops import connections, ledger
from app.extensions import db
from app.jobs.kinds import KINDS
from app.jobs.limits import limit
from app.jobs.queue import work
from app.jobs.reports import lost_now, report_lost
from app.jobs.worker import cause_of_death

log = structlog.get_logger(__name__)

TIME_TO_KILL = 60.0
"""Seconds after its time-out that a fork is given before it is killed."""
LAST_WAIT = 25.0
"""Seconds that a run under way is given when the clock's process is told to end; a deploy waits for 30."""


class StandIn:
    """Does runs in the stead of workers. `name`: of the process, as runs and their connections bear it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.run_id: int | None = None
        """What it is at, if anything."""
        self.forks = sentry.Forks()
        self._pid = 0
        self._must_end_at = 0.0

    def begin_next(self) -> None:
        """Begin the run that has waited longest, unless one is under way. No transaction may be open."""
        if self.run_id is not None:
            return
        found = ledger.next_due([name for name, kind in KINDS.items() if kind.without_redis])
        db.session.remove()  # a fork inherits nothing that is open
        if found is None:
            return
        run_id, kind = found
        seconds = KINDS[kind].timeout
        log.warning("run.done_without_redis", run_id=run_id, stage=kind)
        pid = os.fork()
        if pid == 0:
            self._do(run_id, seconds)
        self.run_id, self._pid, self._must_end_at = run_id, pid, time.monotonic() + seconds + TIME_TO_KILL

    def look(self) -> None:
        """Take note of a fork that has ended: what it did not finish is taken back."""
        if self.run_id is None:
            return
        if time.monotonic() > self._must_end_at:
            self._kill()
        pid, status, usage = os.wait4(self._pid, os.WNOHANG)
        if pid == 0:
            return
        run_id, self.run_id, self._pid = self.run_id, None, 0
        how = cause_of_death(status) if status else "ended without a word"
        is_lost = ledger.lose(run_id, self.name, f"The working process {how}.", usage.ru_maxrss) is not None
        lost = lost_now([run_id] if is_lost else [])
        db.session.commit()
        if is_lost:
            log.error("run.killed", run_id=run_id, cause=how)
            report_lost(lost)

    def stop(self, seconds: float = LAST_WAIT) -> None:
        """Wait for the run under way; kill its fork when that takes too long, and take the run back."""
        until = time.monotonic() + seconds
        while self.run_id is not None:
            if time.monotonic() > until:
                self._kill()
            self.look()
            time.sleep(0.05)
        self.forks.close()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def _do(self, run_id: int, seconds: int) -> None:
        """In the fork, which never returns."""
        code = 1
        try:
            for number in (signal.SIGINT, signal.SIGTERM):  # whoever ends the clock waits for this
                signal.signal(number, signal.SIG_IGN)
            os.environ["RQ_WORKER_ID"] = self.name
            self.forks.adopt()
            connections.take_own(connections.name_of(run_id, self.name), seconds)
            with limit(seconds):
                work(run_id, "Redis is away: done by the scheduler itself")
            code = 0
        except BaseException as error:
            log.exception("run.abandoned", run_id=run_id, error=type(error).__name__)
        finally:
            os._exit(code)
