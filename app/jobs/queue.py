"""Start a run, ring the bell, do the work. The row in PostgreSQL is the promise; what lies in Redis is a hint that
may be lost, doubled or late without harm.

    run = start("alerts", trigger=Trigger.MANUAL)
    db.session.commit()
    ring([run.id])
"""

from __future__ import annotations

import os
import socket
import time
import traceback
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
import structlog
from flask import current_app
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import as_text

from app.crash import crash_point
from app.domain.errors import Conflict, DomainError, NotFound
from app.domain.models import AttemptOutcome, JobRun, RunState, Trigger
from app.domain.ops import ledger
from app.domain.ops.heartbeat import peak_memory_kb
from app.domain.ops.ledger import Cancelled, Hint, LeaseLost
from app.extensions import db, redis_for_web, settings
from app.jobs import trace
from app.jobs.journal import Journal
from app.jobs.kinds import KINDS, Kind
from app.jobs.limits import JobTimeoutException
from app.jobs.reports import Reported
from app.jobs.run import Lease, Run

log = structlog.get_logger(__name__)

HINT_TTL = 120
"""Seconds after which an unanswered hint is forgotten by Redis."""
FAILURE_TTL = 60
RING_AGAIN = timedelta(seconds=30)
"""After this, whoever was told of a run and did not take it is taken for dead, and the bell is rung again."""
TIME_TO_SAY_SO = 5.0
"""Seconds: how much longer than its time a run is held, so that it is its own time-out that ends it, not the end of its lease."""
HOUSE = Path(__file__).parent.parent
EPOCH = "porchlight:epoch"
"""A key that Redis loses only together with everything else: without it, all hints are rung again at once."""


def start(
    kind: str,
    args: dict[str, Any] | None = None,
    *,
    trigger: Trigger,
    user_id: int | None = None,
    office_id: int | None = None,
    dedup_key: str | None = None,
    run_after: datetime | None = None,
    now: datetime | None = None,
) -> JobRun:
    """Write down a run in the caller's transaction. The caller commits, then rings. With a `dedup_key` that is
    pending or running, returns that run instead. Raises NotFound for a kind that does not exist."""
    return ledger.add(
        kind,
        _kind(kind).work,
        args,
        trigger=trigger,
        user_id=user_id,
        office_id=office_id,
        dedup_key=dedup_key,
        run_after=run_after,
        trace=trace.headers(),
        now=now,
    )


def retry(run_id: int, user_id: int | None = None) -> JobRun:
    """Write down the same run again. Raises NotFound, or Conflict while it has not ended."""
    run = db.session.get(JobRun, run_id)
    if run is None:
        raise NotFound("There is no such run.")
    return ledger.retry(run_id, _kind(run.kind).work, user_id, trace.headers())


def ring(run_ids: Iterable[int]) -> int:
    """Tell the workers about these runs, after the caller's commit. Best effort: never raises; what it cannot tell
    now, the scheduler tells at its next look, 5 s later at most. Returns how many were told."""
    crash_point("before_hint")
    try:
        hints = ledger.take_hints(run_ids=list(run_ids), again_after=timedelta(0))
        db.session.commit()
        crash_point("hint_committed")
        return _push(hints)
    except Exception as error:
        db.session.rollback()
        log.warning("bell.failed", error=type(error).__name__)
        return 0


def ring_due(now: datetime | None = None) -> int:
    """Tell the workers about every run that is due and that nobody was told of lately; about all of them when Redis
    has lost its memory. Never raises. Returns how many were told."""
    redis_here = bell(settings().redis_url)
    try:
        has_forgotten = not redis_here.exists(EPOCH)
    except redis.RedisError as error:
        log.warning("bell.unreachable", error=type(error).__name__)
        return 0
    try:
        if has_forgotten:
            # In this order: who dies in between leaves it to be found out again.
            ledger.forget_hints()
            db.session.commit()
            redis_here.set(EPOCH, uuid4().hex, nx=True)
        hints = ledger.take_hints(now, again_after=RING_AGAIN)
        db.session.commit()
        return _push(hints)
    except Exception as error:
        db.session.rollback()
        log.warning("bell.failed", error=type(error).__name__)
        return 0


def _push(hints: list[Hint]) -> int:
    told: list[Hint] = []
    known: list[Hint] = []
    try:
        for hint in hints:
            try:
                _queue(hint.queue).enqueue_call(
                    "app.jobs.queue.work",
                    args=(hint.run_id,),
                    job_id=_job_id(hint),
                    description=f"{hint.kind} run {hint.run_id}",
                    timeout=KINDS[hint.kind].timeout if hint.kind in KINDS else FAILURE_TTL,
                    unique=True,
                    ttl=HINT_TTL,
                    result_ttl=0,
                    failure_ttl=FAILURE_TTL,
                )
            except DuplicateJobError:
                known.append(hint)
            told.append(hint)
        _push_again(known)
    except redis.RedisError as error:
        untold = [hint.run_id for hint in hints if hint not in told or hint in known]
        log.warning("bell.unreachable", error=type(error).__name__, untold=len(untold))
        ledger.forget_hints(untold)
        db.session.commit()
        return len(hints) - len(untold)
    return len(told)


def _push_again(hints: list[Hint]) -> None:
    """Redis knows of these already. Those that still wait are kept from being forgotten; one that waits no longer was
    handed to a worker that died with it before it began (or is about to begin: then nothing is left to claim)."""
    for name in {hint.queue for hint in hints}:
        queue = _queue(name)
        waiting = {as_text(entry) for entry in queue.connection.lrange(queue.key, 0, -1)}
        with queue.connection.pipeline() as multi:
            for job_id in (_job_id(hint) for hint in hints if hint.queue == name):
                multi.expire(Job.key_for(job_id), HINT_TTL)
                if job_id not in waiting:
                    multi.rpush(queue.key, job_id)
            multi.execute()


def _job_id(hint: Hint) -> str:
    return f"run-{hint.run_id}-{hint.attempt}"


def work(run_id: int, because: str = "") -> None:
    """Do one run: what a worker calls. Idempotent: a run that is done, taken or not due is left alone. `because`: why it
    is done here and not where its queue is worked; the run's own lines say it first.

    The counts, the follow-up runs and the job's last effects are committed in one transaction, which is refused when
    the lease was lost meanwhile.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with app.app_context(), structlog.contextvars.bound_contextvars(run_id=run_id):
        try:
            crash_point("before_claim")
            claimed = ledger.claim(run_id, worker_name(), settings().run_lease_seconds)
            if claimed is not None:
                db.session.expunge(claimed)  # as it was claimed; it need not be read again
            db.session.commit()
            crash_point("run_claimed")
            if claimed is not None:
                _perform(claimed, because)
        finally:
            ring_due()


def _perform(claimed: JobRun, because: str) -> None:
    started = time.monotonic()
    kind = KINDS.get(claimed.kind)
    token, run_id, name = claimed.lease_token, claimed.id, claimed.kind
    if token is None:
        raise LeaseLost(f"run {run_id}")
    reported = Reported.of(claimed)
    if kind is None:
        unknown = f"There is no job called “{name}” in this version."
        ledger.fail(run_id, token, "NoSuchKind", unknown, again=False)
        db.session.commit()
        reported.failed(unknown)
        return
    deadline = started + kind.timeout + TIME_TO_SAY_SO
    journal = Journal(claimed.attempt)
    with (
        structlog.contextvars.bound_contextvars(stage=name, attempt=claimed.attempt),
        trace.going_on(claimed.trace, name),
        Lease(run_id, token, settings().run_lease_seconds, deadline, journal) as lease,
    ):
        run = Run(
            id=run_id,
            kind=name,
            args=dict(claimed.args),
            attempt=claimed.attempt,
            user_id=claimed.user_id,
            window_end=ledger.window_end(claimed),
            lease=lease,
        )
        reported.began()
        try:
            with journal.listening():
                if because:
                    log.warning("run.elsewhere", because=because)
                counts = kind.function(run)
            for follow in run.follow_ups:
                if follow.dedup_key is not None and ledger.in_hand(follow.dedup_key) is not None:
                    continue
                ledger.add(
                    follow.kind,
                    _kind(follow.kind).work,
                    follow.args,
                    trigger=Trigger.EVENT,
                    after_run_id=run_id,
                    dedup_key=follow.dedup_key,
                    trace=trace.headers(),
                )
            ledger.finish(run_id, token, counts, rss_peak_kb=peak_memory_kb())
            crash_point("before_finish")
            db.session.commit()
            crash_point("run_finished")
            log.info("run.succeeded", ms=_ms(started), counts=counts)
            reported.succeeded(time.monotonic() - started)
        except LeaseLost:
            _undo()
            log.warning("run.fenced", ms=_ms(started))
        except Cancelled:
            _undo()
            ledger.stop(run_id, token, rss_peak_kb=peak_memory_kb())
            db.session.commit()
            log.info("run.cancelled", ms=_ms(started))
            reported.cancelled(time.monotonic() - started)
        except (Exception, JobTimeoutException) as error:
            _undo()
            seconds = time.monotonic() - started
            _record_failure(run, token, error, reported, seconds, timed_out=seconds >= kind.timeout)


def _undo() -> None:
    """Roll back, also when the connection was closed from the other side."""
    try:
        db.session.rollback()
    except Exception:
        db.session().invalidate()


def _record_failure(
    run: Run, token: Any, error: BaseException, reported: Reported, seconds: float, *, timed_out: bool
) -> None:
    is_timeout = timed_out or isinstance(error, JobTimeoutException)
    state = ledger.fail(
        run.id,
        token,
        class_of(error),
        "".join(traceback.format_exception(error)),
        outcome=AttemptOutcome.TIMEOUT if is_timeout else AttemptOutcome.ERROR,
        place="" if is_timeout else place_of(error),  # a time-out strikes anywhere, and is one trouble
        rss_peak_kb=peak_memory_kb(),
        # A refusal stays one however often it is asked; that somebody else is at it may change.
        again=not isinstance(error, DomainError) or isinstance(error, Conflict),
    )
    db.session.commit()
    if state is None:  # another attempt's by now; whoever took it back has said so
        log.warning("run.fenced", error=type(error).__name__)
        return
    log.warning("run.failed", error=class_of(error), state=state)
    if state == RunState.FAILED:  # once, at the end: attempts that will be repeated are not news
        reported.failed(error, seconds, is_timeout=is_timeout)
    elif state == RunState.CANCELLED:
        reported.cancelled(seconds)


def class_of(error: BaseException) -> str:
    """What kind of error it is; of a database's refusal the name of its SQLSTATE (UniqueViolation, QueryCanceled)."""
    return type(getattr(error, "orig", None) or error).__name__


def place_of(error: BaseException) -> str:
    """The innermost function of ours that it came through, as file:function; without line numbers, which move."""
    place = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(HOUSE):
            place = f"{file.relative_to(HOUSE.parent).as_posix()}:{frame.f_code.co_qualname}"
    return place


def worker_name() -> str:
    """Who is working: the RQ worker's name, or this process when there is none."""
    return os.environ.get("RQ_WORKER_ID") or f"{socket.gethostname()}-{os.getpid()}"


def run_id_of(job_arguments: Any) -> int | None:
    """The run a queued job speaks of, read from its arguments; None when they are of another kind."""
    first = job_arguments[0] if isinstance(job_arguments, list | tuple) and job_arguments else None
    return first if isinstance(first, int) else None


@cache
def bell(redis_url: str) -> redis.Redis:
    """The bell's own client: it gives up in a second, so that a dead Redis never holds up a page or a run."""
    return redis_for_web(redis_url)


def _queue(name: str) -> Queue:
    return Queue(name, connection=bell(settings().redis_url), serializer=JSONSerializer)


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise NotFound(f"There is no job called “{name}”.")
    return KINDS[name]


def _ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


__all__ = ["KINDS", "retry", "ring", "ring_due", "start", "work"]
