"""A worker process: one queue, the app loaded once, a fork for each run.

What differs from RQ's own Worker, and why (measured): one queue per process, because a job popped from two is lost
with its worker; the parent's database connections are left alone by the fork; a killed fork is written into the
ledger at once; heartbeats go to PostgreSQL; RQ's own time-outs are short; and it outlives Redis: a run under way is
watched to its end, then the worker waits until there is somebody to be told by again.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import redis
import structlog
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from app import sentry
from app.domain.alerts.match import prepare
from app.domain.ops import connections, incidents, ledger
from app.domain.ops.heartbeat import Heart
from app.extensions import db
from app.jobs.limits import TimeLimit
from app.jobs.queue import ring_due, run_id_of
from app.jobs.reports import Reported, lost_now, report_lost

log = structlog.get_logger(__name__)

TICK_SECONDS = 60.0
"""What a job may take that does not say."""
KEEP_TRYING_SECONDS = 15.0
"""How long a worker whose fork died waits for a PostgreSQL that has gone away, to say so."""
TRY_AGAIN_SECONDS = 2.0
"""Between two tries to reach a Redis that is away."""
WAITS = "waits for Redis"
ALERTS = "alerts"
"""The queue whose runs match."""


class PorchWorker(Worker):
    """One queue's worker. Needs an app context around its whole life."""

    log_result_lifespan = False
    death_penalty_class = TimeLimit
    max_connection_wait_time = 5.0  # seconds between tries when Redis is away

    def __init__(self, queue: str, redis_url: str, version: str = "") -> None:
        self.heart = Heart("worker", queue=queue, version=version)
        self.forks = sentry.Forks()
        self.current_run_id: int | None = None
        self._death: tuple[str, int | None] | None = None
        """Of the fork that did the last run: how it died, and its largest memory in kB; None = it ended by itself."""
        self.redis_is_away = False
        super().__init__(
            [queue],
            name=self.heart.name,
            connection=redis.Redis.from_url(
                redis_url, socket_connect_timeout=2, health_check_interval=15, retry=Retry(ConstantBackoff(0.1), 1)
            ),
            serializer=JSONSerializer,
            worker_ttl=30,
            maintenance_interval=15,
            job_monitoring_interval=5,
            log_job_description=False,
        )

    def bootstrap(self, *_: Any, **__: Any) -> None:
        """As RQ's, but for its log handlers: app/logs.py has said where logs go. Waits for Redis."""
        for number in (signal.SIGINT, signal.SIGTERM):  # until RQ's own, which need Redis
            signal.signal(number, self._leave)
        try:
            self._register()
        except SystemExit:
            self._say_goodbye()
            raise
        self.set_state("started")
        self._find_redis()

    def _register(self) -> None:
        while True:
            self._beat()
            try:
                self.connection.delete(self.key)  # a first try may have written it, and then failed
                self.register_birth()  # type: ignore[no-untyped-call]
                self.subscribe()  # type: ignore[no-untyped-call]
            except redis.RedisError as error:
                self._miss_redis(error)
                time.sleep(TRY_AGAIN_SECONDS)
            else:
                break

    def _leave(self, *_: Any) -> None:
        """No more than that: a signal strikes anywhere, in the middle of a statement too."""
        raise SystemExit(0)

    # --- without Redis: what RQ only says of itself there is left unsaid, and only the waiting for work waits ---

    def _miss_redis(self, error: Exception) -> None:
        if not self.redis_is_away:
            self.redis_is_away = True
            log.warning("worker.redis_away", error=type(error).__name__)

    def _find_redis(self) -> None:
        if self.redis_is_away:
            self.redis_is_away = False
            log.warning("worker.redis_back")
        self._beat()

    def set_state(self, state: str, pipeline: Any = None) -> None:
        try:
            super().set_state(state, pipeline)
        except redis.RedisError as error:
            self._miss_redis(error)

    def set_current_job_working_time(self, current_job_working_time: float, pipeline: Any = None) -> None:
        try:
            super().set_current_job_working_time(current_job_working_time, pipeline)
        except redis.RedisError as error:
            self._miss_redis(error)

    def maintain_heartbeats(self, job: Job) -> None:
        try:
            super().maintain_heartbeats(job)
        except redis.RedisError as error:
            self._miss_redis(error)

    def run_maintenance_tasks(self) -> None:
        try:
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            self._miss_redis(error)

    def set_shutdown_requested_date(self) -> None:
        try:
            super().set_shutdown_requested_date()  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            self._miss_redis(error)

    def check_for_suspension(self, burst: bool) -> None:
        """Nobody suspends workers through Redis here."""

    def _set_ip_address(self, connection: Any) -> None:
        """Nobody asks for it."""
        del connection
        self.ip_address = "unknown"

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        while True:
            try:
                found = super().dequeue_job_and_maintain_ttl(timeout, max_idle_time)
            except redis.RedisError as error:  # RQ itself waits for some kinds of absence, and dies of others
                self._miss_redis(error)
                self._beat()
                time.sleep(TRY_AGAIN_SECONDS)
            else:
                return found

    # --- one run ---

    def execute_job(self, job: Job, queue: Any) -> None:
        """Returns when the fork has ended, whatever Redis does meanwhile."""
        self.current_run_id = run_id_of(job.args)
        self._beat()
        self._death = None
        self._prepare()
        try:
            super().execute_job(job, queue)
        except redis.RedisError as error:
            self._miss_redis(error)
        finally:
            if self.current_run_id is not None and self._fork_has_ended():
                self._take_back(self.current_run_id)
            self.current_run_id = None

    def _prepare(self) -> None:
        """What the fork is to find in memory: the searches, for a worker that matches many changes."""
        if self.heart.queue != ALERTS:
            return
        try:
            prepare()
            db.session.commit()
        except Exception as error:  # they are read by the run, or it is matched in SQL
            db.session.rollback()
            log.warning("matcher.not_prepared", error=type(error).__name__)
        finally:
            db.session.remove()

    def main_work_horse(self, job: Job, queue: Any) -> None:
        """In the fork, with connections of its own that bear the run's name."""
        self.forks.adopt()
        connections.take_own(connections.name_of(run_id_of(job.args), self.name), job.timeout or TICK_SECONDS)
        super().main_work_horse(job, queue)

    def heartbeat(self, *arguments: Any, **named: Any) -> None:
        """To PostgreSQL first: it is there that somebody looks."""
        if not self.is_horse:
            self._beat()
            incidents.watch(incidents.WORKER)
        try:
            super().heartbeat(*arguments, **named)
        except redis.RedisError as error:
            self._miss_redis(error)
        else:
            if self.redis_is_away and not self.is_horse and named.get("pipeline") is None:
                self._find_redis()

    def wait_for_horse(self) -> tuple[int | None, int | None, Any]:
        """As RQ's; remembers how the fork died (killed, out of memory, crashed), of which RQ speaks only when Redis
        answers."""
        pid, status, rusage = super().wait_for_horse()
        if status:
            self._death = cause_of_death(status), rusage.ru_maxrss if rusage else None
        return pid, status, rusage

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
        lost: list[Reported] = []
        while True:
            try:
                is_lost = ledger.lose(run_id, self.name, f"The working process {how}.", rss_peak_kb) is not None
                lost = lost_now([run_id] if is_lost else [])
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
            log.error("run.killed", run_id=run_id, cause=how)
            report_lost(lost)
        if is_open:
            ring_due()
        db.session.remove()

    def teardown(self) -> None:
        try:
            super().teardown()  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            self._miss_redis(error)
        if not self.is_horse:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        self.forks.close()
        try:
            self.heart.stop()
            db.session.commit()
        except Exception:
            db.session.rollback()

    def _beat(self) -> None:
        try:
            self.heart.beat(self.current_run_id, note=WAITS if self.redis_is_away else "")
            db.session.commit()
        except Exception as error:  # PostgreSQL away: the silence tells; the worker goes on
            db.session.rollback()
            log.warning("heartbeat.failed", error=type(error).__name__)
        finally:
            db.session.remove()


def cause_of_death(status: int) -> str:
    """In words, from what wait() said of a process that did not end well."""
    if os.WIFSIGNALED(status):
        return f"was killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"
