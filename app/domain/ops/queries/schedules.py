"""What the pages of the clock read: the last runs of each line, its days, its pauses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import load_only

from app.domain.models import AuditEntry, JobRun
from app.domain.ops.queries import AnyRow
from app.domain.ops.queries.tallies import Tally, tally_of
from app.domain.ops.tallies import added
from app.extensions import db


def last_runs(names: Iterable[str], each: int = 20) -> dict[str, list[AnyRow]]:
    """For each line the runs of its newest due times, oldest first, without their errors' text."""
    found: dict[str, list[AnyRow]] = {}
    for row in db.session.execute(
        text(
            """
            SELECT s.name, r.id, r.kind, r.state, r.due_at, r.counts, r.started_at, r.finished_at, r.error_class
            FROM unnest(CAST(:names AS text[])) AS s (name) CROSS JOIN LATERAL (
                SELECT * FROM job_run WHERE schedule_name = s.name AND due_at IS NOT NULL
                ORDER BY due_at DESC LIMIT :each) AS r
            ORDER BY s.name, r.due_at
            """
        ),
        {"names": list(names), "each": each},
    ):
        found.setdefault(row.name, []).append(row)
    return found


def runs_of(name: str, limit: int = 50) -> list[JobRun]:
    """The newest runs of a line, newest first, without their errors' text."""
    return list(
        db.session.scalars(
            select(JobRun)
            .where(JobRun.schedule_name == name, JobRun.due_at.is_not(None))
            .options(
                load_only(
                    JobRun.id,
                    JobRun.kind,
                    JobRun.state,
                    JobRun.due_at,
                    JobRun.started_at,
                    JobRun.finished_at,
                    JobRun.attempt,
                    JobRun.max_attempts,
                    JobRun.counts,
                    JobRun.progress,
                    JobRun.error_class,
                )
            )
            .order_by(JobRun.due_at.desc())
            .limit(limit)
        )
    )


def days_of(name: str, since: datetime, now: datetime, zone: str) -> dict[datetime, Tally]:
    """What ended of a line on each day of this zone's wall, from the tallies; days without a run are missing."""
    rows = db.session.execute(
        text(
            f"""
            SELECT date_trunc('day', hour, :zone) AS day, sum(succeeded)::bigint AS succeeded,
                sum(failed)::bigint AS failed, sum(missed)::bigint AS missed, sum(skipped)::bigint AS skipped,
                sum(cancelled)::bigint AS cancelled, sum(lost)::bigint AS lost, sum(seconds) AS seconds,
                {added("durations")} AS durations, {added("waits")} AS waits
            FROM job_hour WHERE schedule_name = :name AND hour >= :since AND hour <= :now GROUP BY 1 ORDER BY 1
            """
        ),
        {"name": name, "since": since, "now": now, "zone": zone},
    )
    return {row.day: tally_of(row) for row in rows}


def pauses_of(name: str, limit: int = 20) -> list[AuditEntry]:
    """What was done to a line by people, newest first."""
    return list(
        db.session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject_type == "schedule", AuditEntry.subject_id == name)
            .order_by(AuditEntry.id.desc())
            .limit(limit)
        )
    )
