from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import CreatedAt, Id, one_of
from app.extensions import Model


class RunState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MISSED = "missed"
    """Its due time passed while nothing could run it; a later run covered its window."""
    SKIPPED = "skipped"
    """The run before it was still going."""
    CANCELLED = "cancelled"


class Trigger(StrEnum):
    SCHEDULE = "schedule"
    EVENT = "event"
    MANUAL = "manual"
    RETRY = "retry"


class JobSchedule(Model):
    """A line of jobs/schedule.py as the ledger knows it: written from code at boot."""

    __tablename__ = "job_schedule"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    cron: Mapped[str] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text)
    grace_seconds: Mapped[int] = mapped_column(Integer)
    """A due time this long past without a finished run is overdue, whatever the reason."""
    enabled: Mapped[bool] = mapped_column(Boolean, server_default="true")
    paused_reason: Mapped[str | None] = mapped_column(Text)
    paused_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    paused_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))
    """Who paused it."""
    is_removed: Mapped[bool] = mapped_column(Boolean, server_default="false")
    """The line left the code, which nobody decided here: it comes back with the code, paused if a person had paused it."""
    due_from: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    """Due times before this are not owed: the line was new or changed then."""
    last_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class SchedulePause(Model):
    """A pause of a schedule line that is over: its due times are not owed, those around it are. One that still lasts
    stands on its line."""

    __tablename__ = "schedule_pause"
    __table_args__ = (
        CheckConstraint("resumed_at >= paused_at", name="order"),
        Index("schedule_pause_line_idx", "schedule_name", "resumed_at"),
    )

    id: Mapped[Id]
    schedule_name: Mapped[str] = mapped_column(Text, ForeignKey("job_schedule.name"))
    paused_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    resumed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    reason: Mapped[str] = mapped_column(Text)
    paused_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))


class JobRun(Model):
    """One thing that was to be done, and what came of it. The ledger behind the ops page."""

    __tablename__ = "job_run"
    __table_args__ = (
        one_of("state", RunState),
        one_of("trigger", Trigger),
        CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="running_lease"),
        CheckConstraint("(schedule_name IS NULL) = (due_at IS NULL)", name="schedule_due"),
        # One row for each due time, however many schedulers tick.
        Index("job_run_schedule_due_key", "schedule_name", "due_at", unique=True),
        Index(
            "job_run_dedup_key",
            "dedup_key",
            unique=True,
            postgresql_where=text("dedup_key IS NOT NULL AND state IN ('pending', 'running')"),
        ),
        # Overlap is refused by the database: two runs with one lock key cannot both be running.
        Index("job_run_lock_key", "lock_key", unique=True, postgresql_where=text("state = 'running'")),
        Index("job_run_due_idx", "queue", "run_after", "id", postgresql_where=text("state = 'pending'")),
        Index("job_run_lease_idx", "lease_until", postgresql_where=text("state = 'running'")),
        Index("job_run_kind_idx", "kind", text("id DESC")),
        Index("job_run_kind_state_finished_idx", "kind", "state", text("finished_at DESC")),
        Index("job_run_created_idx", "created_at"),
        Index("job_run_after_run_idx", "after_run_id", postgresql_where=text("after_run_id IS NOT NULL")),
        # The few among a million that did not simply succeed: what the pages filter by.
        Index("job_run_state_idx", "state", text("id DESC"), postgresql_where=text("state <> 'succeeded'")),
        Index("job_run_schedule_idx", "schedule_name", text("id DESC"), postgresql_where=text("due_at IS NOT NULL")),
        # All that a list of errors needs of a failed run, so that thousands of them are read without their rows.
        Index(
            "job_run_failed_idx",
            "error_fingerprint",
            text("id DESC"),
            postgresql_where=text("state = 'failed'"),
            postgresql_include=["kind", "error_class", "finished_at", "dismissed_at", "office_id"],
        ),
        Index("job_run_trigger_idx", "trigger", text("id DESC"), postgresql_where=text("trigger <> 'event'")),
        Index("job_run_finished_idx", "finished_at"),
        Index("job_run_args_idx", "args", postgresql_using="gin", postgresql_ops={"args": "jsonb_path_ops"}),
    )

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(Text)
    args: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    queue: Mapped[str] = mapped_column(Text)
    dedup_key: Mapped[str | None] = mapped_column(Text)
    lock_key: Mapped[str | None] = mapped_column(Text)
    schedule_name: Mapped[str | None] = mapped_column(Text, ForeignKey("job_schedule.name"))
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    trigger: Mapped[str] = mapped_column(Text)
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))
    """Who pressed the button, when somebody did."""
    office_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("office.id"))
    """Whose affair it is (an import is its office's); None = the works, which all offices share."""
    after_run_id: Mapped[int | None] = mapped_column(BigInteger)
    """The run that started this one by succeeding."""
    state: Mapped[str] = mapped_column(Text, server_default=RunState.PENDING.value)
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    max_attempts: Mapped[int] = mapped_column(SmallInteger, server_default="3")
    run_after: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
    hinted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_token: Mapped[UUID | None] = mapped_column(Uuid)
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    worker: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error_class: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    error_fingerprint: Mapped[str | None] = mapped_column(Text)
    """The same for errors that are the same trouble: kind, class and the innermost function of ours."""
    sentry_event_id: Mapped[str | None] = mapped_column(Text)
    """What was reported of its final failure, when Sentry is on."""
    trace: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """Sentry's trace headers of who asked for it: a request and its runs are one trace."""
    cancel_requested_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """A person asked a running run to stop; its next fence obeys."""
    dismissed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    dismissed_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))
    """A failure somebody has seen to: no longer listed as wanting a look."""


class AttemptOutcome(StrEnum):
    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    LOST = "lost"
    """Its worker fell silent, or was killed."""
    CANCELLED = "cancelled"
    """A person asked for it to stop, and it did."""


class JobAttempt(Model):
    """One try at a run. Written before the work begins, so that a job that kills its worker cannot loop for ever."""

    __tablename__ = "job_attempt"
    __table_args__ = (
        one_of("outcome", AttemptOutcome),
        CheckConstraint("(finished_at IS NULL) = (outcome IS NULL)", name="finished_outcome"),
        Index("job_attempt_lost_idx", "finished_at", postgresql_where=text("outcome = 'lost'")),
    )

    run_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("job_run.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    worker: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str | None] = mapped_column(Text)
    error_class: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    rss_peak_kb: Mapped[int | None] = mapped_column(Integer)


class JobLogLine(Model):
    """What a job said while it ran. Written beside the work, so it survives the work's rollback; at most
    `app.jobs.run.MOST_LINES` an attempt. No personal data (app/logs.py)."""

    __tablename__ = "job_log_line"

    run_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("job_run.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    level: Mapped[str] = mapped_column(Text)
    event: Mapped[str] = mapped_column(Text)
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")


class ProcessHeartbeat(Model):
    """A living process says so. `instance` is new at each start: a restart never inherits a dead one's row."""

    __tablename__ = "process_heartbeat"

    instance: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    role: Mapped[str] = mapped_column(Text)
    host: Mapped[str] = mapped_column(Text)
    pid: Mapped[int] = mapped_column(Integer)
    queue: Mapped[str | None] = mapped_column(Text)
    version: Mapped[str] = mapped_column(Text, server_default="")
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    rss_kb: Mapped[int | None] = mapped_column(Integer)
    rss_first_kb: Mapped[int | None] = mapped_column(Integer)
    """What it held at its first sign: what it has grown by is the difference."""
    current_run_id: Mapped[int | None] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(Text, server_default="")
    """What is out of the ordinary about it, for people: “does the runs itself, Redis is away”."""
