"""The ledger of runs: what was to be done, who is doing it, what came of it. PostgreSQL decides every question here;
Redis only wakes somebody up. Nothing in this file commits.

One run passes through: add → claim → (renew, fence)* → finish | fail | stop | lose → …; reap takes back what a dead worker
held. A claim hands out a token; every later word about the run must show it, so a worker that lost its lease can
change nothing (fenced). It is PostgreSQL that says what time it is, so that a host whose clock is wrong harms nobody; a
`now` that is given goes before it, so that a day can be replayed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    CursorResult,
    DateTime,
    Integer,
    Interval,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    exists,
    func,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import aliased

from app import sentry
from app.discretion import shortened, without_people
from app.domain.errors import Conflict, NotFound
from app.domain.models import AttemptOutcome, JobAttempt, JobLogLine, JobRun, ProcessHeartbeat, RunState, Trigger
from app.domain.moments import database_now, moment
from app.domain.ops import connections
from app.extensions import db, is_lock_timeout

BACKOFF = (2, 30, 180, 900)
"""Seconds before the second, third … attempt."""
LOCKED_FOR = timedelta(seconds=2)
"""How long after its lease a run may still be in somebody's transaction before that is ended for it."""
CANCEL_WAITS_MS = 1000
"""How long a person waits for a run whose row is held by its process."""
ERROR_LENGTH = 20_000
WORKER_KILLED, WORKER_LOST = LOSSES = ("WorkerKilled", "WorkerLost")
"""The classes of the errors that are no error of the job's: their words are ours."""


class LeaseLost(Exception):
    """Another worker has, or may have, this run now: whatever this one did since its last commit must be undone."""


class Cancelled(Exception):
    """A person wants this run to stop: whatever was done since its last commit is to be undone, then `stop` it."""


@dataclass(frozen=True)
class Work:
    """A line of the registry as the ledger needs it: where a kind of run is queued, and how often it is tried."""

    queue: str
    max_attempts: int
    skips_overlap: bool
    """True: at most one run of this kind at a time; a second one is recorded as skipped."""


def add(
    kind: str,
    work: Work,
    args: dict[str, Any] | None = None,
    *,
    trigger: Trigger,
    user_id: int | None = None,
    office_id: int | None = None,
    after_run_id: int | None = None,
    dedup_key: str | None = None,
    run_after: datetime | None = None,
    trace: dict[str, Any] | None = None,
    now: datetime | None = None,
) -> JobRun:
    """Write down a run that is to be done. `office_id`: whose affair it is; none = the works, which all offices share.
    With a `dedup_key` that is pending or running, returns that one instead."""
    at = moment(now)
    statement = (
        insert(JobRun)
        .values(
            kind=kind,
            args=args or {},
            queue=work.queue,
            dedup_key=dedup_key,
            lock_key=kind if work.skips_overlap else None,
            trigger=trigger.value,
            user_id=user_id,
            office_id=office_id,
            after_run_id=after_run_id,
            max_attempts=work.max_attempts,
            run_after=run_after or at,
            trace=trace or null(),
            created_at=at,
        )
        .on_conflict_do_nothing(
            index_elements=[JobRun.dedup_key],
            # As literals: a bound value no longer matches the partial index once the driver prepares the statement.
            index_where=text("dedup_key IS NOT NULL AND state IN ('pending', 'running')"),
        )
        .returning(JobRun.id)
    )
    run_id = db.session.execute(statement).scalar()
    if run_id is None:
        run_id = db.session.execute(
            select(JobRun.id).where(JobRun.dedup_key == dedup_key, JobRun.state.in_(("pending", "running")))
        ).scalar()
        if run_id is None:  # it ended between the two statements
            return add(
                kind,
                work,
                args,
                trigger=trigger,
                user_id=user_id,
                office_id=office_id,
                after_run_id=after_run_id,
                dedup_key=dedup_key,
                run_after=run_after,
                trace=trace,
                now=now,
            )
    run = db.session.get(JobRun, run_id)
    if run is None:
        raise NotFound("That run is gone.")
    return run


def in_hand(dedup_key: str) -> int | None:
    """The run under this key that waits or works, as far as was committed. `add` itself would wait for who is changing
    that row just now; a frozen process never ends that."""
    return db.session.execute(
        select(JobRun.id).where(
            JobRun.dedup_key == dedup_key, text("dedup_key IS NOT NULL AND state IN ('pending', 'running')")
        )
    ).scalar()


def claim(run_id: int, worker: str, lease_seconds: int, now: datetime | None = None) -> JobRun | None:
    """Take a run that is due, for `lease_seconds`. None: somebody has it, it is done, not due, or must not overlap.

    The attempt is counted here, before the work. A run that may not overlap another of its kind ends as skipped when
    it came from the clock or a person; one that follows from another run waits a little and is offered again.
    """
    asked = {
        "the_run": run_id,
        "the_token": uuid4(),
        "the_worker": worker,
        "the_moment": now,
        "the_lease": timedelta(seconds=lease_seconds),
    }
    run: JobRun | None
    try:
        with db.session.begin_nested():
            run = db.session.execute(_claiming(), asked).scalar()
    except IntegrityError:  # another of its kind was claimed in the same instant: the unique lock key decided
        run = None
    if run is None:
        _refuse_overlap(run_id, moment(now))
    return run


@cache
def _claiming() -> Any:
    """One statement, put together once: most of what a claim cost was building it anew."""
    at = _given_or_now()
    claimed = (
        update(JobRun)
        .where(_due(bindparam("the_run"), at), ~_taken())
        .values(
            state=RunState.RUNNING.value,
            attempt=JobRun.attempt + 1,
            lease_token=bindparam("the_token", type_=Uuid),
            lease_until=at + bindparam("the_lease", type_=Interval),
            worker=bindparam("the_worker", type_=Text),
            started_at=at,
            finished_at=None,
            progress=null(),
        )
        .returning(*JobRun.__table__.c)
        .cte("claimed")
    )
    begun = insert(JobAttempt).from_select(
        ["run_id", "attempt", "worker", "started_at"],
        select(claimed.c.id, claimed.c.attempt, claimed.c.worker, claimed.c.started_at),
    )
    return (
        select(aliased(JobRun, claimed))
        .add_cte(begun.returning(JobAttempt.run_id).cte("begun"))
        .execution_options(populate_existing=True)
    )


def _given_or_now() -> Any:
    return func.coalesce(bindparam("the_moment", type_=DateTime(timezone=True)), moment(None))


def _due(run_id: Any, now: Any) -> Any:
    return and_(JobRun.id == run_id, JobRun.state == RunState.PENDING.value, JobRun.run_after <= now)


def _taken() -> Any:
    """Another run with its lock key is under way."""
    other = aliased(JobRun)
    return exists().where(other.lock_key == JobRun.lock_key, other.state == RunState.RUNNING.value)


def _refuse_overlap(run_id: int, now: Any) -> None:
    due, taken = _due(run_id, now), _taken()
    follows = JobRun.trigger == Trigger.EVENT.value
    db.session.execute(
        update(JobRun)
        .where(due, taken, ~follows)
        .values(state=RunState.SKIPPED.value, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(JobRun)
        .where(due, taken, follows)
        .values(run_after=now + timedelta(seconds=BACKOFF[0]), hinted_at=None)
        .execution_options(synchronize_session=False)
    )


def _held(run_id: Any, token: Any) -> Any:
    return and_(JobRun.id == run_id, JobRun.state == RunState.RUNNING.value, JobRun.lease_token == token)


def renewal(run_id: int, token: UUID, until: datetime | timedelta, progress: dict[str, Any] | None) -> Any:
    """The statement that keeps a lease alive, for the renewing thread's own connection. `until`: from now on, or a
    moment. Returns when a person asked for the run to stop (NULL: nobody did), and no row at all when the lease is
    lost."""
    values: dict[str, Any] = {"lease_until": moment(None) + until if isinstance(until, timedelta) else until}
    if progress is not None:
        values["progress"] = cast(progress, JSONB)
    return update(JobRun).where(_held(run_id, token)).values(**values).returning(JobRun.cancel_requested_at)


def fence(run_id: int, token: UUID, until: datetime | timedelta, progress: dict[str, Any] | None = None) -> None:
    """Last word of a transaction inside a run: proves that the lease is still ours, and lengthens it.

    Raises LeaseLost when it is not, and Cancelled when a person asked for the run to stop; the caller rolls back.
    """
    row = db.session.execute(_unsynchronised(renewal(run_id, token, until, progress))).one_or_none()
    if row is None:
        raise LeaseLost(f"run {run_id}")
    if row.cancel_requested_at is not None:
        raise Cancelled(f"run {run_id}")


def finish(
    run_id: int, token: UUID, counts: dict[str, Any], *, rss_peak_kb: int | None = None, now: datetime | None = None
) -> None:
    """Succeeded. In the same transaction as the last effects; raises LeaseLost when the lease is no longer ours, and
    Cancelled when a person asked for the run to stop meanwhile."""
    said = {
        "the_run": run_id,
        "the_token": token,
        "the_moment": now,
        "the_counts": counts,
        "the_peak": rss_peak_kb,
    }
    if _rows(db.session.execute(_finishing(), said)) != 1:
        if db.session.execute(select(JobRun.id).where(_held(run_id, token))).scalar() is not None:
            raise Cancelled(f"run {run_id}")
        raise LeaseLost(f"run {run_id}")


@cache
def _finishing() -> Any:
    """Of the run and of its attempt, in one statement that is put together once. A run whose cancelling was asked for
    does not match."""
    at = _given_or_now()
    done = (
        update(JobRun)
        .where(
            _held(bindparam("the_run"), bindparam("the_token", type_=Uuid)),
            JobRun.cancel_requested_at.is_(None),
        )
        .values(
            state=RunState.SUCCEEDED.value,
            finished_at=at,
            counts=bindparam("the_counts", type_=JSONB),
            lease_token=None,
            lease_until=None,
            error_class=None,
            error=None,
            error_fingerprint=None,
        )
        .returning(JobRun.id, JobRun.attempt)
        .cte("done")
    )
    return _unsynchronised(
        update(JobAttempt)
        .where(JobAttempt.run_id == done.c.id, JobAttempt.attempt == done.c.attempt)
        .values(finished_at=at, outcome=AttemptOutcome.OK.value, rss_peak_kb=bindparam("the_peak", type_=Integer))
    )


def stop(run_id: int, token: UUID, *, rss_peak_kb: int | None = None, now: datetime | None = None) -> RunState | None:
    """The attempt has obeyed a person who cancelled its run, and undone what it had not committed. Returns the new
    state, None when the lease was no longer ours (then nothing changed)."""
    return _end_attempt(_held(run_id, token), None, None, AttemptOutcome.CANCELLED, rss_peak_kb=rss_peak_kb, now=now)


def fail(
    run_id: int,
    token: UUID,
    error_class: str,
    error: str,
    *,
    outcome: AttemptOutcome = AttemptOutcome.ERROR,
    place: str = "",
    again: bool = True,
    rss_peak_kb: int | None = None,
    now: datetime | None = None,
) -> RunState | None:
    """The attempt ended in an error: pending again after a pause, or failed when it was the last (or not `again`).
    `place`: the innermost function of ours it came from, for the fingerprint.

    Returns the new state, None when the lease was no longer ours (then nothing changed).
    """
    return _end_attempt(
        _held(run_id, token), error_class, error, outcome, place=place, again=again, rss_peak_kb=rss_peak_kb, now=now
    )


def lose(
    run_id: int, worker: str, error: str, rss_peak_kb: int | None = None, now: datetime | None = None
) -> RunState | None:
    """The process that held this run is certainly dead (its parent waited for it): take it back at once."""
    mine = and_(JobRun.id == run_id, JobRun.state == RunState.RUNNING.value, JobRun.worker == worker)
    return _end_attempt(mine, WORKER_KILLED, error, AttemptOutcome.LOST, rss_peak_kb=rss_peak_kb, now=now)


def _end_attempt(
    where: Any,
    error_class: str | None,
    error: str | None,
    outcome: AttemptOutcome,
    *,
    place: str = "",
    again: bool = True,
    rss_peak_kb: int | None = None,
    now: datetime | None = None,
) -> RunState | None:
    now = now or database_now()
    row = db.session.execute(
        select(JobRun).where(where).with_for_update().execution_options(populate_existing=True)
    ).scalar()
    if row is None:
        return None
    error = None if error is None else shortened(without_people(error), ERROR_LENGTH)
    is_cancelled = row.cancel_requested_at is not None
    last = is_cancelled or not again or row.attempt >= row.max_attempts
    row.state = (RunState.CANCELLED if is_cancelled else RunState.FAILED if last else RunState.PENDING).value
    row.finished_at = now if last else None
    row.run_after = row.run_after if last else now + _pause(row.attempt)
    row.lease_token = row.lease_until = row.hinted_at = None
    row.sentry_event_id = report_id(row.id, row.attempt) if row.state == RunState.FAILED and sentry.is_on() else None
    if is_cancelled:  # then an error is its attempt's affair: nobody is to look into it
        row.error_class = row.error = row.error_fingerprint = None
    else:
        row.error_class, row.error = error_class, error
        row.error_fingerprint = fingerprint(row.kind, error_class or "", place)
    db.session.flush()
    _close_attempt(row.id, row.attempt, outcome, now, error_class=error_class, error=error, rss_peak_kb=rss_peak_kb)
    return RunState(row.state)


def report_id(run_id: int, attempt: int) -> str:
    """What the report of this attempt's end is called in Sentry: written down with the end, and sent after it."""
    return sentry.id_of("run", run_id, attempt)


def reap(now: datetime | None = None, limit: int = 500, *, lease_seconds: int = 0) -> list[int]:
    """Take back runs whose worker fell silent past its lease; which. Safe from any number of processes at once.

    The connections of such an attempt are closed: a process that was frozen in the middle of a transaction would keep
    its rows locked, the run's own row among them. What it says when it wakes up is an error, and fenced.

    With `lease_seconds`, a third of a lease without a renewal is enough where the working process holds no connection
    at all: it was killed with its worker, so that nobody is left to say so.
    """
    now = now or database_now()
    taken = _take_back(now, limit) + _take_back_from_the_dead(now, lease_seconds, limit)
    locked = select(JobRun.id, JobRun.worker).where(
        JobRun.state == RunState.RUNNING.value, JobRun.lease_until < now - LOCKED_FOR
    )
    if frozen := db.session.execute(locked.limit(limit)).all():
        connections.end(connections.name_of(run_id, worker or "") for run_id, worker in frozen)
        taken += _take_back(now, limit)
    return taken


def _take_back(now: datetime, limit: int) -> list[int]:
    silent = db.session.execute(
        select(JobRun.id, JobRun.worker, JobRun.lease_token)
        .where(JobRun.state == RunState.RUNNING.value, JobRun.lease_until < now)
        .order_by(JobRun.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for run_id, worker, token in silent:
        _end_attempt(
            _held(run_id, token),
            WORKER_LOST,
            f"Worker {worker} fell silent: its lease ran out. It was killed, frozen or cut off.",
            AttemptOutcome.LOST,
            now=now,
        )
    if silent:
        connections.end(connections.name_of(run_id, worker or "") for run_id, worker, _ in silent)
    return [run_id for run_id, _, _ in silent]


def _take_back_from_the_dead(now: datetime, lease_seconds: int, limit: int) -> list[int]:
    """Only runs of processes that have said that they live: those name their connections (connections.take_own)."""
    unrenewed = and_(
        JobRun.state == RunState.RUNNING.value,
        JobRun.lease_until >= now,
        JobRun.lease_until < now + timedelta(seconds=lease_seconds * 2 / 3),
        JobRun.started_at < now - timedelta(seconds=lease_seconds / 3),
    )
    said_so = exists().where(
        JobRun.worker
        == func.concat(
            func.coalesce(ProcessHeartbeat.queue, ProcessHeartbeat.role),
            "-",
            func.left(func.replace(cast(ProcessHeartbeat.instance, Text), "-", ""), 6),
        )
    )
    quiet = db.session.execute(
        select(JobRun.id, JobRun.worker, JobRun.lease_token).where(unrenewed, said_so).order_by(JobRun.id).limit(limit)
    ).all()
    if not quiet:
        return []
    names = {run_id: connections.name_of(run_id, worker or "") for run_id, worker, _ in quiet}
    alive = connections.held(names.values(), up_for=timedelta(seconds=lease_seconds))
    taken = []
    for run_id, worker, token in quiet:
        if names[run_id] in alive:
            continue
        words = f"Worker {worker} is gone: it holds no connection, and did not renew its lease."
        if _end_attempt(_held(run_id, token), WORKER_LOST, words, AttemptOutcome.LOST, now=now) is not None:
            taken.append(run_id)
    return taken


def _close_attempt(
    run_id: int,
    attempt: int,
    outcome: AttemptOutcome,
    now: datetime,
    *,
    error_class: str | None = None,
    error: str | None = None,
    rss_peak_kb: int | None = None,
) -> None:
    db.session.execute(
        _unsynchronised(
            update(JobAttempt)
            .where(JobAttempt.run_id == run_id, JobAttempt.attempt == attempt)
            .values(
                finished_at=now, outcome=outcome.value, error_class=error_class, error=error, rss_peak_kb=rss_peak_kb
            )
        )
    )


def next_due(kinds: Sequence[str], now: datetime | None = None) -> tuple[int, str] | None:
    """The run of one of these kinds that has been due for longest, and its kind."""
    row = db.session.execute(
        select(JobRun.id, JobRun.kind)
        .where(JobRun.state == RunState.PENDING.value, JobRun.run_after <= moment(now), JobRun.kind.in_(kinds))
        .order_by(JobRun.run_after, JobRun.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.id, row.kind)


@dataclass(frozen=True)
class Hint:
    """What the bell says to a worker: this run, this try."""

    run_id: int
    queue: str
    attempt: int
    kind: str


def take_hints(
    now: datetime | None = None,
    *,
    run_ids: Sequence[int] | None = None,
    again_after: timedelta,
    limit: int = 500,
) -> list[Hint]:
    """The runs somebody should be told about: due, and never told of, or told too long ago. Marks them as told.

    `run_ids` narrows it to those. Told after the caller's commit; if that fails, they are told again later.
    """
    at = moment(now)
    wanted = [
        JobRun.state == RunState.PENDING.value,
        JobRun.run_after <= at,
        or_(JobRun.hinted_at.is_(None), JobRun.hinted_at <= at - again_after),
    ]
    if run_ids is not None:
        wanted.append(JobRun.id.in_(run_ids))
    chosen = (
        select(JobRun.id)
        .where(*wanted)
        .order_by(JobRun.run_after, JobRun.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = db.session.execute(
        _unsynchronised(
            update(JobRun)
            .where(JobRun.id.in_(chosen.scalar_subquery()))
            .values(hinted_at=at)
            .returning(JobRun.id, JobRun.queue, JobRun.attempt, JobRun.kind)
        )
    ).all()
    return [Hint(*row) for row in sorted(rows)]


def forget_hints(run_ids: Sequence[int] | None = None) -> None:
    """The bell could not be rung for these after all (None: whatever was rung is forgotten): they are due to be told of
    again at once."""
    statement = update(JobRun).where(JobRun.state == RunState.PENDING.value, JobRun.hinted_at.is_not(None))
    if run_ids is not None:
        statement = statement.where(JobRun.id.in_(run_ids))
    db.session.execute(_unsynchronised(statement.values(hinted_at=None)))


def offer_again(run_id: int, now: datetime | None = None) -> bool:
    """A worker that was told of this run ended before it could begin it: others are told in a moment. False when it did
    begin it."""
    statement = (
        update(JobRun)
        .where(JobRun.id == run_id, JobRun.state == RunState.PENDING.value, JobRun.hinted_at.is_not(None))
        .values(run_after=moment(now) + timedelta(seconds=BACKOFF[0]), hinted_at=None)
    )
    return _rows(db.session.execute(_unsynchronised(statement))) == 1


def cancel(run_id: int, now: datetime | None = None) -> JobRun:
    """A person decides that this run is not to be done. Raises NotFound, and Conflict when it has ended.

    Conflict, too, while its process holds its row: a job that commits frees it in a moment, one that is frozen is taken
    back when its lease is over.

    A run that waits is cancelled at once. One that is under way is asked to stop: the next fence of its job, or its end,
    obeys; what it committed until then stays, the rest is rolled back, and what was to follow does not. A job that
    neither fences nor ends goes on until its time is over, since nothing else could stop it without harm; and one that
    fails or loses its worker meanwhile is not tried again.
    """
    now = now or database_now()
    try:
        with db.session.begin_nested():
            db.session.execute(text(f"SET LOCAL lock_timeout = '{CANCEL_WAITS_MS}ms'"))
            run = db.session.execute(
                select(JobRun).where(JobRun.id == run_id).with_for_update().execution_options(populate_existing=True)
            ).scalar()
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise
        raise Conflict(f"Run {run_id} holds its row just now; try again in a few seconds.") from None
    if run is None:
        raise NotFound("There is no such run.")
    if run.state == RunState.PENDING:
        run.state, run.finished_at = RunState.CANCELLED.value, now
    elif run.state == RunState.RUNNING:
        run.cancel_requested_at = run.cancel_requested_at or now
    else:
        raise Conflict(f"Run {run_id} is {run.state}: only a run that waits or is under way can be cancelled.")
    db.session.flush()
    return run


def retry(
    run_id: int,
    work: Work,
    user_id: int | None = None,
    trace: dict[str, Any] | None = None,
    now: datetime | None = None,
) -> JobRun:
    """A person asks for a run again: a new run with the same arguments, window and office. Raises NotFound, and
    Conflict when the run has not ended."""
    run = db.session.get(JobRun, run_id)
    if run is None:
        raise NotFound("There is no such run.")
    if run.state in {RunState.PENDING, RunState.RUNNING}:
        raise Conflict(f"Run {run_id} is {run.state}: wait for its end, or cancel it.")
    args = run.args | {"retry_of": run.id, "window_end": window_end(run).isoformat()}
    key = f"retry-{run.id}"
    return add(
        run.kind,
        work,
        args,
        trigger=Trigger.RETRY,
        user_id=user_id,
        office_id=run.office_id,
        dedup_key=key,
        trace=trace,
        now=now,
    )


def window_end(run: JobRun) -> datetime:
    """The moment a run speaks for: its due time, what it was handed, or when it was asked for. The same for every
    attempt, so that a repeated attempt finds what the first one wrote."""
    given = run.args.get("window_end")
    if isinstance(given, str):
        return datetime.fromisoformat(given)
    return run.due_at or run.created_at


def _pause(attempt: int) -> timedelta:
    return timedelta(seconds=BACKOFF[min(attempt, len(BACKOFF)) - 1])


def _rows(result: Any) -> int:
    return int(result.rowcount) if isinstance(result, CursorResult) else 0


def _unsynchronised(statement: Any) -> Any:
    return statement.execution_options(synchronize_session=False)


def fingerprint(kind: str, error_class: str, place: str = "") -> str:
    """The same for errors that are the same trouble: this kind of run, this class, out of this function of ours.
    Nothing of its message, and no line number, so that it outlives both."""
    return hashlib.sha256(f"{kind} {error_class} {place}".encode()).hexdigest()[:16]


def lines(run_id: int, attempt: int, said: Sequence[dict[str, Any]]) -> Any:
    """The statement that writes down what a job logged, for a connection beside the work's. Harmless when repeated;
    each of `said` has line, at, level, event, fields."""
    statement = insert(JobLogLine).values([{"run_id": run_id, "attempt": attempt} | each for each in said])
    return statement.on_conflict_do_update(
        index_elements=["run_id", "attempt", "line"],
        set_={"at": statement.excluded.at, "fields": statement.excluded.fields},
    )
