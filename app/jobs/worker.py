"""A worker process: one queue, the app loaded once, a fork for each run.

What differs from RQ's own Worker, and why (measured): one queue per process, because a job popped from two is lost
with its worker; the parent's database connections are left alone by the fork; a killed fork is written into the
ledger at once; heartbeats go to PostgreSQL; RQ's own time-outs are short.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import redis
import structlog
from rq import Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from app import sentry
from app.domain.ops import connections, ledger
from app.domain.ops.heartbeat import Heart
from app.extensions import db
from app.jobs.queue import ring_due, run_id_of
from app.jobs.reports import report_lost

log = structlog.get_logger(__name__)

TICK_SECONDS = 60.0
"""What a job may take that does not say."""
KEEP_TRYING_SECONDS = 15.0
"""How long a worker whose fork died waits for a PostgreSQL that has gone away, to say so."""


class PorchWorker(Worker):
    """One queue's worker. Needs an app context around its whole life."""

    log_result_lifespan = False
    max_connection_wait_time = 5.0  # seconds between tries when Redis is away

    def __init__(self, queue: str, redis_url: str, version: str = "") -> None:
        self.heart = Heart("worker", queue=queue, version=version)
        self.forks = sentry.Forks()
        self.current_run_id: int | None = None
        self._death: tuple[str, int | None] | None = None
        """Of the fork that did the last run: how it died, and its largest memory in kB; None = it ended by itself."""
        super().__init__(
            [queue],
            name=self.heart.name,
            connection=redis.Redis.from_url(redis_url, socket_connect_timeout=2, health_check_interval=15),
            serializer=JSONSerializer,
            worker_ttl=30,
            maintenance_interval=15,
            job_monitoring_interval=5,
            log_job_description=False,
        )

    def bootstrap(self, *_: Any, **__: Any) -> None:
        """As RQ's, but for its log handlers: app/logs.py has said where logs go."""
        self.register_birth()  # type: ignore[no-untyped-call]
        self.subscribe()  # type: ignore[no-untyped-call]
        self.set_state("started")
        self._beat()

    def execute_job(self, job: Job, queue: Any) -> None:
        self.current_run_id = run_id_of(job.args)
        self._beat()
        self._death = None
        try:
            super().execute_job(job, queue)
        finally:
            if self.current_run_id is not None and self._fork_has_ended():
                self._take_back(self.current_run_id)
            self.current_run_id = None

    def main_work_horse(self, job: Job, queue: Any) -> None:
        """In the fork, with connections of its own that bear the run's name."""
        self.forks.adopt()
        connections.take_own(connections.name_of(run_id_of(job.args), self.name), job.timeout or TICK_SECONDS)
        super().main_work_horse(job, queue)

    def heartbeat(self, *arguments: Any, **named: Any) -> None:
        super().heartbeat(*arguments, **named)
        if not self.is_horse:
            self._beat()

    def handle_work_horse_killed(self, job: Job, retpid: int | None, ret_val: int | None, rusage: Any) -> None:
        """RQ saw the fork die without a word (killed, out of memory, crashed)."""
        super().handle_work_horse_killed(job, retpid, ret_val, rusage)  # type: ignore[no-untyped-call]
        how = _cause_of_death(ret_val)
        log.error("run.killed", run_id=self.current_run_id, cause=how)
        self._death = how, rusage.ru_maxrss if rusage else None

    def _fork_has_ended(self) -> bool:
        """False when we were thrown out of waiting for it: then it may yet finish by itself."""
        try:
            return os.waitpid(self.horse_pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True

    def _take_back(self, run_id: int) -> None:
        """The fork has ended. What it did not finish is taken back now, not when its lease runs out; and what it did
        not even begin is told to others. PostgreSQL may be what it died of: given a while to return."""
        how, rss_peak_kb = self._death or ("ended without a word", None)
        until = time.monotonic() + KEEP_TRYING_SECONDS
        is_lost = is_open = False
        while True:
            try:
                is_lost = ledger.lose(run_id, self.name, f"The working process {how}.", rss_peak_kb) is not None
                is_open = ledger.offer_again(run_id) or is_lost
                db.session.commit()
                break
            except Exception as error:
                is_lost = False
                db.session.rollback()
                if time.monotonic() > until:
                    log.warning("run.loss_unrecorded", run_id=run_id, error=type(error).__name__)
                    break
                time.sleep(0.5)
        if is_lost:
            report_lost([run_id])
        if is_open:
            ring_due()
        db.session.remove()

    def teardown(self) -> None:
        super().teardown()  # type: ignore[no-untyped-call]
        if self.is_horse:
            return
        self.forks.close()
        try:
            self.heart.stop()
            db.session.commit()
        except Exception:
            db.session.rollback()

    def _beat(self) -> None:
        try:
            self.heart.beat(self.current_run_id)
            db.session.commit()
        except Exception as error:  # PostgreSQL away: the silence tells; the worker goes on
            db.session.rollback()
            log.warning("heartbeat.failed", error=type(error).__name__)
        finally:
            db.session.remove()


def _cause_of_death(status: int | None) -> str:
    if status is None:
        return "vanished"
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"
