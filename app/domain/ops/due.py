"""The schedule as the ledger knows it, and its due times turned into runs. Nothing in this file commits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.models import JobRun, JobSchedule, RunState, SchedulePause, Trigger
from app.domain.moments import database_now
from app.domain.ops.clock import AHEAD, Line, count_due, is_ahead, next_due, occurrences
from app.domain.ops.ledger import Work
from app.extensions import db

log = structlog.get_logger(__name__)

CATCH_UP = timedelta(days=7)
"""How far back missed due times are written down (PA-23)."""
SHORTEST_REASON, LONGEST_REASON = 3, 200
"""Characters of the reason for a pause."""


@dataclass(frozen=True)
class Pause:
    """A pause that is over. `not_owed`: due times that fell into it; counting stops at clock.MOST_COUNTED."""

    name: str
    since: datetime
    until: datetime
    reason: str
    not_owed: int


def write_schedule(lines: Iterable[Line], now: datetime | None = None) -> None:
    """Make job_schedule say what the code says. Idempotent, and safe from several processes at once.

    A new or changed line owes its due times from now on. A line that left the code is switched off, not deleted: its
    runs stay explained. A line that a person paused stays paused.
    """
    now = now or database_now()
    known = {
        row.name: row
        for row in db.session.execute(select(JobSchedule).order_by(JobSchedule.name).with_for_update()).scalars()
    }
    names = set()
    for line in lines:
        names.add(line.name)
        row = known.get(line.name)
        if row is None:
            _insert(line, now)
            continue
        is_new_clock = (row.cron, row.time_zone) != (line.cron, line.time_zone)
        was_removed = row.is_removed
        if was_removed:
            row.is_removed, row.enabled = False, row.paused_at is None and row.paused_reason is None
        if is_new_clock or was_removed:
            row.cron, row.time_zone = line.cron, line.time_zone
            row.due_from = row.last_due_at = now
            row.next_due_at = next_due(line.cron, line.time_zone, now)
            row.updated_at = now
        if (row.kind, row.grace_seconds) != (line.kind, line.grace_seconds):
            row.kind, row.grace_seconds, row.updated_at = line.kind, line.grace_seconds, now
    for name, row in known.items():
        if name not in names and not row.is_removed:
            row.enabled, row.is_removed, row.updated_at = False, True, now
    db.session.flush()


def _insert(line: Line, now: datetime) -> None:
    db.session.execute(
        insert(JobSchedule)
        .values(
            name=line.name,
            kind=line.kind,
            cron=line.cron,
            time_zone=line.time_zone,
            grace_seconds=line.grace_seconds,
            due_from=now,
            last_due_at=now,
            next_due_at=next_due(line.cron, line.time_zone, now),
            updated_at=now,
        )
        .on_conflict_do_nothing(index_elements=["name"])
    )


def materialise(name: str, work: Work, now: datetime | None = None) -> int | None:
    """Turn the due times of one schedule line since the last look into runs. Idempotent: one row for each due time,
    whoever ticks and however often. Returns the id of the run that is to be done, or None when nothing was due.

    After an outage only the newest due time is run; the older ones are recorded as missed, and so is a run of this
    line that nobody had begun when its successor came due. A line that another process is looking at is left to it. One
    that a clock ahead of PostgreSQL's had taken into the future is set right first, or it would stand still until then.
    """
    now = now or database_now()
    schedule = db.session.execute(
        select(JobSchedule)
        .where(JobSchedule.name == name, JobSchedule.enabled)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).scalar()
    if schedule is None:
        return None
    if is_ahead(schedule.cron, schedule.time_zone, schedule.last_due_at, schedule.next_due_at, now):
        _set_right(schedule, now)
    if schedule.next_due_at is not None and schedule.next_due_at > now:
        return None
    since = max(schedule.last_due_at or schedule.due_from, now - CATCH_UP)
    due = list(occurrences(schedule.cron, schedule.time_zone, since, now))
    schedule.next_due_at = next_due(schedule.cron, schedule.time_zone, now)
    if not due:
        return None
    newest = schedule.last_due_at = due[-1]
    row = {
        "kind": schedule.kind,
        "queue": work.queue,
        "lock_key": schedule.kind if work.skips_overlap else None,
        "schedule_name": name,
        "trigger": Trigger.SCHEDULE.value,
        "max_attempts": work.max_attempts,
        "created_at": now,
    }
    once = insert(JobRun).on_conflict_do_nothing(index_elements=["schedule_name", "due_at"])
    missed = [
        row | {"due_at": moment, "run_after": moment, "state": RunState.MISSED.value, "finished_at": now}
        for moment in due[:-1]
    ]
    if missed:
        db.session.execute(once, missed)
    db.session.execute(
        update(JobRun)
        .where(
            JobRun.schedule_name == name,
            JobRun.state == RunState.PENDING.value,
            JobRun.attempt == 0,
            JobRun.due_at < newest,
        )
        .values(state=RunState.MISSED.value, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    return db.session.execute(
        once.values(row | {"due_at": newest, "run_after": newest, "state": RunState.PENDING.value}).returning(JobRun.id)
    ).scalar()


def _set_right(schedule: JobSchedule, now: datetime) -> None:
    """Take the line back to the last due time that has been. What the other clock wrote down is forgotten where nobody
    had begun it; runs of due times to come that were begun stay, and speak for no due time any more."""
    name, until = schedule.name, now + AHEAD
    forgotten = db.session.execute(
        delete(JobRun)
        .where(
            JobRun.schedule_name == name,
            or_(JobRun.due_at > until, JobRun.created_at > until),
            JobRun.attempt == 0,
            JobRun.state.in_((RunState.MISSED.value, RunState.PENDING.value)),
        )
        .returning(JobRun.id)
        .execution_options(synchronize_session=False)
    ).all()
    begun = db.session.execute(
        update(JobRun)
        .where(JobRun.schedule_name == name, JobRun.due_at > until)
        .values(schedule_name=None, due_at=None)
        .returning(JobRun.id)
        .execution_options(synchronize_session=False)
    ).all()
    taken = select(func.max(JobRun.due_at)).where(JobRun.schedule_name == name)
    paused = select(func.max(func.least(SchedulePause.resumed_at, now))).where(
        SchedulePause.schedule_name == name, SchedulePause.paused_at <= now
    )
    was = schedule.last_due_at
    schedule.due_from = min(schedule.due_from, now)
    known = [db.session.execute(each).scalar() for each in (taken, paused)]
    schedule.last_due_at = max(moment for moment in (schedule.due_from, *known) if moment is not None)
    schedule.next_due_at, schedule.updated_at = None, now
    log.error("clock.was_ahead", line=name, last_due_at=str(was), forgotten=len(forgotten), begun=len(begun))


def pause(
    name: str, reason: str, user_id: int | None, now: datetime | None = None, *, work: Work | None = None
) -> JobSchedule:
    """Stop the clock of one line: until it is resumed it makes no due times and owes none. With `work`, what is due
    already becomes a run first, so that nothing owed before is forgotten; a look that is under way is waited for, since
    it may yet be undone. A run that waits or works goes on.

    Raises Invalid (the reason has 3 to 200 characters), NotFound, and Conflict when it is paused already.
    """
    now = now or database_now()
    reason = reason.strip()
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise Invalid(
            f"Say why, in {SHORTEST_REASON} to {LONGEST_REASON} characters: it stands on every page.", field="reason"
        )
    if work is not None:
        db.session.execute(select(JobSchedule.name).where(JobSchedule.name == name).with_for_update())
        materialise(name, work, now)
    paused = db.session.execute(
        update(JobSchedule)
        .where(JobSchedule.name == name, JobSchedule.enabled)
        .values(
            enabled=False,
            paused_reason=reason,
            paused_at=func.greatest(now, JobSchedule.last_due_at),
            paused_by_id=user_id,
            updated_at=now,
        )
        .returning(JobSchedule)
        .execution_options(populate_existing=True, synchronize_session=False)
    ).scalar()
    if paused is None:
        found = db.session.get(JobSchedule, name, populate_existing=True)
        if found is None or found.is_removed:
            raise NotFound(f"No line of the clock is called “{name}”.")
        raise Conflict(f"“{name}” is paused already: {found.paused_reason}")
    return paused


def resume(name: str, now: datetime | None = None) -> Pause:
    """Start the clock of a paused line. The due times of the pause are neither missed nor owed, and how many they were
    is said; those before it stay in the books. Raises NotFound, and Conflict when it is not paused."""
    now = now or database_now()
    row = db.session.execute(
        select(JobSchedule).where(JobSchedule.name == name).with_for_update().execution_options(populate_existing=True)
    ).scalar()
    if row is None or row.is_removed:
        raise NotFound(f"No line of the clock is called “{name}”.")
    if row.enabled:
        raise Conflict(f"“{name}” is not paused.")
    since = row.paused_at or row.updated_at
    now = max(now, since)
    over = Pause(name, since, now, row.paused_reason or "", count_due(row.cron, row.time_zone, since, now))
    db.session.add(
        SchedulePause(
            schedule_name=name, paused_at=since, resumed_at=now, reason=over.reason, paused_by_id=row.paused_by_id
        )
    )
    row.enabled, row.paused_reason, row.paused_at, row.paused_by_id = True, None, None, None
    row.last_due_at = row.updated_at = now
    row.next_due_at = next_due(row.cron, row.time_zone, now)
    db.session.flush()
    return over
