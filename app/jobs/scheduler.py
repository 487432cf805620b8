"""The clock's process. rq-scheduler is kept as the clock and guarded, because stock it can lose a schedule for ever,
enqueue twice, and die of one unreadable entry; and it is never the memory: every tick also looks at the ledger, so
Redis being empty, frozen or away only delays the bell. Two of these may run.
"""

from __future__ import annotations

import hashlib
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.job import Job, JobStatus
from rq.scripts import release_lock
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler

from app.crash import crash_point
from app.domain.messages import queue as outbound
from app.domain.moments import database_now
from app.domain.ops import due, incidents, ledger
from app.domain.ops.clock import AHEAD, Line, next_due
from app.domain.ops.heartbeat import Heart
from app.extensions import db, settings
from app.jobs.kinds import KINDS
from app.jobs.queue import HINT_TTL, ring_due
from app.jobs.reports import lost_now, report_lost
from app.jobs.schedule import SCHEDULE
from app.jobs.stand_in import StandIn

log = structlog.get_logger(__name__)

WITHOUT_REDIS_AFTER = 15.0
"""Seconds that Redis may be away before the clock does runs itself."""
DOES_RUNS_ITSELF = "does the runs itself: Redis is away"
NAP = 0.1
"""Seconds after which a clock that was told to end notices."""
_unread: set[str] = set()
"""Lines that could not be read, which was said once."""
TICK = "app.jobs.scheduler.tick"


class NotUTC(RuntimeError):
    """The process's own zone is not UTC; rq-scheduler would fire wrongly around a change of clocks."""


def tick(name: str) -> None:
    """One look at one line of the schedule: what is due becomes a run, what a dead worker held is taken back, and the
    bell is rung. Idempotent, and safe from any number of processes."""
    line = next((line for line in SCHEDULE if line.name == name), None)
    if line is not None:
        look_at([line])


def look_at(lines: Sequence[Line]) -> None:
    """Statements 1, 4 and 5 of the ledger: make runs of due times, take back, ring. A line that cannot be read stops no
    other; raises, after the rest is done, when none could be: the runs of dead workers must not wait for a clock that
    nobody can read."""
    now = database_now()  # once, and first: without the database no line has anything to say
    failed: list[Exception] = []
    for line in lines:
        try:
            made = due.materialise(line.name, KINDS[line.kind].work, now)
            db.session.commit()
        except Exception as error:
            db.session.rollback()
            failed.append(error)
            if line.name not in _unread:
                _unread.add(line.name)
                log.warning("clock.line_failed", line=line.name, error=type(error).__name__)
            continue
        _unread.discard(line.name)
        if made is not None:
            crash_point("due_committed")
    lost = lost_now(ledger.reap(lease_seconds=settings().run_lease_seconds))
    outbound.take_back(now)  # their mails, too: a person is to decide about one, and not to wait for it
    db.session.commit()
    report_lost(lost)
    ring_due()
    if failed and len(failed) == len(lines):
        raise failed[0]


class Clock(Scheduler):  # type: ignore[misc]
    """rq-scheduler, guarded. `interval`: seconds between two looks."""

    def __init__(self, redis_url: str, lines: Sequence[Line], *, interval: int = 5, version: str = "") -> None:
        if time.timezone != 0 or time.daylight:
            raise NotUTC("Start the scheduler with TZ=UTC: around a change of clocks it would fire wrongly otherwise.")
        connection = redis.Redis.from_url(
            redis_url, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        super().__init__(connection=connection, interval=interval)
        self.lines = lines
        self.heart = Heart("scheduler", version=version)
        self._token = uuid4().hex
        self._is_told_to_end = False
        self._stand_in = StandIn(self.heart.name)
        self._away_since: float | None = None

    # --- the loop ---

    def run(self, burst: bool = False) -> None:
        """Look, every `interval` seconds, until told to stop. Nothing that Redis or PostgreSQL does ends it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)
        has_written = is_failing = False
        while not self._is_told_to_end:
            began = time.monotonic()
            try:
                if not has_written:
                    due.write_schedule(self.lines)
                    db.session.commit()
                    has_written = True
                look_at(self.lines)
                self.heart.beat(self._stand_in.run_id, note=self._note())
                db.session.commit()
                if is_failing:
                    log.warning("clock.tick_succeeds")
                is_failing = False
            except Exception as error:
                db.session.rollback()
                if not is_failing:  # once; after that it is the same trouble, every few seconds
                    log.exception("clock.tick_failed", error=type(error).__name__)
                is_failing = True
            finally:
                db.session.remove()
            self._tick_redis()
            self._replace_workers()
            incidents.watch(incidents.SCHEDULER)
            if burst:
                break
            while not self._is_told_to_end and time.monotonic() - began < self._interval:
                time.sleep(NAP)
        self._say_goodbye()

    def _end(self, *_: Any) -> None:
        """No more than a flag: an Event's lock may be held by the very thread that the signal interrupts."""
        self._is_told_to_end = True

    def _is_left_alone(self) -> bool:
        """Redis has been away for long enough that this is no restart."""
        return self._away_since is not None and time.monotonic() - self._away_since >= WITHOUT_REDIS_AFTER

    def _note(self) -> str:
        if self._is_left_alone() or self._stand_in.run_id is not None:
            return DOES_RUNS_ITSELF
        return ""

    def _replace_workers(self) -> None:
        try:
            self._stand_in.look()
            if self._is_left_alone() and not self._is_told_to_end:
                self._stand_in.begin_next()
        except Exception as error:
            db.session.rollback()
            log.warning("clock.stand_in_failed", error=type(error).__name__)
        finally:
            db.session.remove()

    def _tick_redis(self) -> None:
        try:
            if self.acquire_lock():
                try:
                    self.ensure()
                    self.enqueue_jobs()
                finally:
                    self.remove_lock()
            if self._away_since is not None:
                log.warning("clock.redis_back")
            self._away_since = None
        except redis.RedisError as error:
            if self._away_since is None:
                log.warning("clock.redis_away", error=type(error).__name__)
                self._away_since = time.monotonic()

    def _say_goodbye(self) -> None:
        try:
            self._stand_in.stop()
            self.heart.stop()
            db.session.commit()
        except Exception:
            db.session.rollback()

    # --- rq-scheduler's parts, guarded ---

    def acquire_lock(self) -> bool:
        """With an owner's token, so that only its owner takes it off."""
        self._lock_acquired = bool(
            self.connection.set(self.scheduler_lock_key, self._token, ex=self._interval + 10, nx=True)
        )
        return self._lock_acquired

    def remove_lock(self) -> None:
        if self._lock_acquired:
            self._lock_acquired = False
            release_lock(self.connection, self.scheduler_lock_key, self._token)

    def ensure(self) -> None:
        """Redis holds exactly the lines of the code: what is missing or changed is put back, what is present is not
        touched (touching it would lose a due time), what left the code is taken out. What a clock that was ahead had
        put off is called back."""
        now = datetime.now(UTC)
        wanted = {_template_id(line): line for line in self.lines}
        for member in self.connection.zrange(self.scheduled_jobs_key, 0, -1):
            if member.decode() not in wanted:
                self.cancel(member.decode())
                self.connection.delete(Job.key_for(member.decode()))
        for template_id, line in wanted.items():
            is_there = template_id in self and self.connection.exists(Job.key_for(template_id))
            if not is_there:
                with suppress(redis.ResponseError):
                    self.connection.delete(Job.key_for(template_id))
                self.schedule(
                    next_due(line.cron, line.time_zone, now).replace(tzinfo=None),
                    TICK,
                    args=[line.name],
                    id=template_id,
                    queue_name=KINDS[line.kind].queue,
                    description=f"clock: {line.name}",
                )
            latest = next_due(line.cron, line.time_zone, now + AHEAD).timestamp()
            if (self.connection.zscore(self.scheduled_jobs_key, template_id) or 0) > latest:
                self.connection.zadd(self.scheduled_jobs_key, {template_id: latest})

    def enqueue_jobs(self) -> list[str]:
        """Each due line, by itself: one that cannot be read does not stop the others."""
        now = datetime.now(UTC)
        rung = []
        by_id = {_template_id(line): line for line in self.lines}
        for member in self.connection.zrangebyscore(self.scheduled_jobs_key, 0, now.timestamp()):
            line = by_id.get(member.decode())
            if line is None:
                continue
            try:
                self._ring_and_rearm(line, now)
                rung.append(line.name)
            except redis.RedisError:
                raise
            except Exception as error:
                log.exception("clock.line_failed", line=line.name, error=type(error).__name__)
        return rung

    def _ring_and_rearm(self, line: Line, now: datetime) -> None:
        """The tick is pushed and the line set to its next due time in one MULTI: a kill in between loses neither."""
        queue = Queue(KINDS[line.kind].queue, connection=self.connection, serializer=JSONSerializer)
        job = Job.create(
            TICK,
            args=(line.name,),
            connection=self.connection,
            serializer=JSONSerializer,
            id=f"tick-{line.name}-{uuid4().hex[:12]}",
            origin=queue.name,
            description=f"tick {line.name}",
            ttl=HINT_TTL,
            result_ttl=0,
            failure_ttl=HINT_TTL,
            timeout=60,
        )
        with self.connection.pipeline() as multi:
            queue.enqueue_job(job, pipeline=multi)
            crash_point("before_rearm")
            multi.zadd(
                self.scheduled_jobs_key,
                {_template_id(line): next_due(line.cron, line.time_zone, now).timestamp()},
            )
            multi.execute()

    def _create_job(self, func: Any, args: Any = None, commit: bool = True, **named: Any) -> Job:
        """A template as JSON: its only argument is the name of a line, and nothing is ever unpickled."""
        job: Job = self.job_class.create(
            func,
            args=args,
            connection=self.connection,
            serializer=JSONSerializer,
            id=named.get("id"),
            description=named.get("description"),
            status=JobStatus.SCHEDULED,
        )
        job.origin = named.get("queue_name") or self.queue_name
        if commit:
            job.save()
        return job


def _template_id(line: Line) -> str:
    """Holds the clock itself, so that a changed line is another template."""
    definition = f"{line.kind} {line.cron} {line.time_zone}"
    return f"clock-{line.name}-{hashlib.sha256(definition.encode()).hexdigest()[:8]}"
