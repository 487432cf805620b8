"""Runs as the pages show them: the list with its filters, one run with everything that belongs to it.

A filter may be of any kind among a million runs, so each statement names the way it is to go: by argument through the
GIN index, by error through its fingerprint, by time through created_at; the rest goes backwards through the ids, or
through the index of the rarest part.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, text, tuple_
from sqlalchemy.orm import aliased, load_only

from app.domain.errors import NotFound
from app.domain.models import AuditEntry, JobAttempt, JobLogLine, JobRun, RunState, User
from app.domain.ops.queries import AnyRow
from app.domain.ops.queries.audit import seen_by
from app.domain.ops.run_filter import Chip, RunFilter
from app.extensions import db

MOST_HITS = 10_000
"""So many runs are counted, or found by an argument; more is “10,000+”."""
SHOWN_LINES, MOST_LINES = 100, 2_000

_HIT = aliased(JobRun)
LISTED = (
    JobRun.id,
    JobRun.kind,
    JobRun.state,
    JobRun.trigger,
    JobRun.schedule_name,
    JobRun.due_at,
    JobRun.created_at,
    JobRun.started_at,
    JobRun.finished_at,
    JobRun.attempt,
    JobRun.max_attempts,
    JobRun.counts,
    JobRun.progress,
    JobRun.error_class,
    JobRun.worker,
    JobRun.dismissed_at,
    JobRun.cancel_requested_at,
    JobRun.office_id,
)
"""What a list needs: no traceback, no arguments."""


def _with_error(fingerprint: str) -> ColumnElement[bool]:
    """Failures older than fingerprints are grouped as “kind:class”."""
    kind, has_class, error_class = fingerprint.partition(":")
    named = JobRun.error_fingerprint == fingerprint
    if not has_class:
        return named
    old = and_(
        JobRun.error_fingerprint.is_(None), JobRun.kind == kind, func.coalesce(JobRun.error_class, "") == error_class
    )
    return or_(named, old)


def listed(asked: RunFilter, *, before: int | None = None, after: int | None = None) -> list[JobRun]:
    """One page and one more, newest first; a run asked for by its number first of all. `before` and `after` are the
    numbers of runs: the page starts beyond that one."""
    found = select(JobRun).options(load_only(*LISTED)).where(*conditions(asked))
    newest: tuple[Any, ...] = (JobRun.id,)
    if asked.since or asked.until:
        # The index of created_at is walked, so that a window long ago is not reached through all that came after.
        newest = (JobRun.created_at, JobRun.id)
    for edge, is_older in ((before, True), (after, False)):
        if edge is not None:
            found = found.where(_beyond(edge, newest, is_older=is_older))
    order = [column.asc() if after is not None else column.desc() for column in newest]
    if asked.run_id is not None:
        order.insert(0, (JobRun.id == asked.run_id).desc())
    return list(db.session.scalars(found.order_by(*order).limit(PAGE + 1)))


PAGE = 50


def _beyond(edge: int, order: tuple[Any, ...], *, is_older: bool) -> ColumnElement[bool]:
    if len(order) == 1:
        return JobRun.id < edge if is_older else JobRun.id > edge
    at = select(JobRun.created_at).where(JobRun.id == edge).scalar_subquery()
    here, there = tuple_(*order), tuple_(at, edge)
    return here < there if is_older else here > there


def readable(run: Any, office_id: int) -> ColumnElement[bool]:
    """What a run (the class, or an alias of it) said and was given is for this office: its own, or the works'."""
    return or_(run.office_id.is_(None), run.office_id == office_id)


def conditions(asked: RunFilter) -> list[ColumnElement[bool]]:
    """A filter as SQL."""
    wanted: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (JobRun.kind, asked.kind),
            (JobRun.schedule_name, asked.schedule),
            (JobRun.queue, asked.queue),
            (JobRun.worker, asked.worker),
        )
        if value
    ]
    # As literals: a bound value does not match a partial index once the driver prepares the statement.
    wanted += [
        column == bindparam(None, value, literal_execute=True)
        for column, value in ((JobRun.state, asked.state), (JobRun.trigger, asked.trigger))
        if value
    ]
    if asked.schedule:
        wanted.append(JobRun.due_at.is_not(None))
    if asked.since:
        wanted.append(JobRun.created_at >= asked.since)
    if asked.until:
        wanted.append(JobRun.created_at < asked.until)
    if asked.error:
        wanted += [_with_error(asked.error), JobRun.state == text("'failed'")]
    if asked.arguments:
        named = and_(*(_has(name, values) for name, values in asked.arguments))
        # Of another office's run its arguments are not told, so it is not found by them either.
        wanted.append(_among(named if asked.office_id is None else and_(named, readable(_HIT, asked.office_id))))
    if asked.run_id is not None:
        # The run itself, what it started, and what did it again.
        again = _has("retry_of", (asked.run_id,))
        wanted.append(_among(or_(_HIT.id == asked.run_id, _HIT.after_run_id == asked.run_id, again)))
    if asked.is_quiet:
        wanted.append(or_(JobRun.kind != "sweep", JobRun.state != RunState.SUCCEEDED.value))
    return wanted


def _has(name: str, values: Sequence[Any]) -> ColumnElement[bool]:
    return or_(*(_HIT.args.contains({name: value}) for value in values))


def _among(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """First the hits, all of them by their own index, then the rest of the filter: nobody knows beforehand how rare an
    argument is, and walking a million ids for one that never was takes a second."""
    newest = select(_HIT.id).where(condition).order_by((_HIT.id + 0).desc()).limit(MOST_HITS)
    return JobRun.id == func.any(func.array(newest.scalar_subquery()))


def count(asked: RunFilter, limit: int = MOST_HITS) -> int:
    """How many runs fit; counting stops beyond `limit`."""
    some = select(JobRun.id).where(*conditions(asked)).limit(limit + 1)
    return db.session.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def emptied_by(asked: RunFilter, limit: int = 1_000) -> list[tuple[Chip, int]]:
    """For a filter that left nothing: how many would fit without each of its parts. One statement."""
    parts = []
    for chip in asked.chips():
        some = select(JobRun.id).where(*conditions(asked.without(chip))).limit(limit + 1)
        parts.append((chip, select(func.count()).select_from(some.subquery()).scalar_subquery()))
    if not parts:
        return []
    row = db.session.execute(select(*(part.label(f"n{place}") for place, (_, part) in enumerate(parts)))).one()
    return [(chip, row[place]) for place, (chip, _) in enumerate(parts)]


# --- One run ---


def run_to_act_on(run_id: int, office_id: int) -> JobRun:
    """A run that admins of this office may do something about, locked until the transaction ends. Raises NotFound, also
    for another office's."""
    found = db.session.scalar(
        select(JobRun)
        .where(JobRun.id == run_id, readable(JobRun, office_id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("There is no such run here. It may be another office’s, whose own people see to it.")
    return found


def run(run_id: int) -> JobRun:
    """Raises NotFound."""
    found = db.session.get(JobRun, run_id)
    if found is None:
        raise NotFound("There is no such run. Runs are kept for 30 days, failed and missed ones for 180.")
    return found


def attempts_of(run_id: int) -> list[JobAttempt]:
    return list(
        db.session.execute(select(JobAttempt).where(JobAttempt.run_id == run_id).order_by(JobAttempt.attempt)).scalars()
    )


def runs_after(run_id: int) -> list[JobRun]:
    """The runs that this one started by succeeding, oldest first."""
    return list(db.session.execute(select(JobRun).where(JobRun.after_run_id == run_id).order_by(JobRun.id)).scalars())


def relatives(found: JobRun) -> list[AnyRow]:
    """Every run that has to do with this one, oldest first: `how` is “before” (started it by succeeding), “original”
    (it does that one again), “after” (started by it) or “retry” (does it again)."""
    original = found.args.get("retry_of")
    rows = db.session.execute(
        text(
            """
            SELECT 'before' AS how, id, kind, state, created_at FROM job_run WHERE id = :before
            UNION ALL SELECT 'original', id, kind, state, created_at FROM job_run WHERE id = :original
            UNION ALL SELECT 'after', id, kind, state, created_at FROM job_run WHERE after_run_id = :run_id
            UNION ALL (SELECT 'retry', id, kind, state, created_at FROM job_run
                WHERE args @> jsonb_build_object('retry_of', CAST(:run_id AS bigint)) LIMIT 100)
            ORDER BY id
            """
        ),
        {
            "run_id": found.id,
            "before": found.after_run_id,
            "original": original if isinstance(original, int) else None,
        },
    )
    return list(rows)


def log_of(run_id: int, limit: int = SHOWN_LINES) -> list[JobLogLine]:
    """What its attempts said, oldest first; the newest `limit` and one more when there are."""
    newest = (
        select(JobLogLine)
        .where(JobLogLine.run_id == run_id)
        .order_by(JobLogLine.attempt.desc(), JobLogLine.line.desc())
        .limit(limit + 1)
    )
    return list(db.session.scalars(newest))[::-1]


_WRITTEN_NEAR = timedelta(minutes=5)


def made_by(found: JobRun, office_id: int) -> AnyRow:
    """What is in the tables because of it: batches of matching, digests and their messages, the import. Of an import
    only the reader's own office's is named."""
    batch = found.args.get("import_batch_id")
    return db.session.execute(
        text(
            """
            SELECT made.*, mail.*, import.file_name, import.id AS import_id, previous.due_at AS previous_due FROM
                (SELECT count(*) AS batches, coalesce(sum(cardinality(event_seqs)), 0) AS events,
                    coalesce(sum(pairs), 0) AS pairs, count(*) FILTER (WHERE done_at IS NULL) AS open_batches
                 FROM match_batch WHERE :kind = 'alerts' AND job_run_id = :run_id
                    AND found_on BETWEEN CAST(:day_before AS date) AND CAST(:day_after AS date)) AS made
                CROSS JOIN
                (SELECT count(*) AS digests, count(o.id) AS messages, count(o.id) FILTER (WHERE o.state = 'sent') AS sent
                 FROM digest d LEFT JOIN outbound_message o ON o.digest_id = d.id
                 WHERE :kind = 'digests' AND d.job_run_id = :run_id
                    AND d.created_at BETWEEN :begins AND :ends) AS mail
                LEFT JOIN import_batch import ON import.id = :batch AND import.office_id = :office_id
                LEFT JOIN LATERAL (SELECT max(due_at) AS due_at FROM job_run
                    WHERE schedule_name = :schedule AND due_at < :due_at) AS previous ON true
            """
        ),
        {
            "kind": found.kind,
            "run_id": found.id,
            "begins": found.created_at - _WRITTEN_NEAR,
            "ends": (found.finished_at or found.lease_until or found.created_at) + _WRITTEN_NEAR,
            "day_before": found.created_at - timedelta(days=1),
            "day_after": (found.finished_at or found.lease_until or found.created_at) + timedelta(days=1),
            "batch": batch if isinstance(batch, int) else None,
            "office_id": office_id,
            "schedule": found.schedule_name,
            "due_at": found.due_at,
        },
    ).one()


def people_of(found: JobRun) -> dict[int, str]:
    """The names of those who started and dismissed it."""
    ids = {number for number in (found.user_id, found.dismissed_by_id) if number is not None}
    if not ids:
        return {}
    rows = db.session.execute(select(User.id, User.full_name).where(User.id.in_(ids)))
    return {row[0]: row[1] for row in rows}


def deeds_on(run_id: int, office_id: int, limit: int = 20) -> list[AuditEntry]:
    """What people did with it as far as this office may know, newest first."""
    return list(
        db.session.scalars(
            select(AuditEntry)
            .where(seen_by(office_id), AuditEntry.subject_type == "run", AuditEntry.subject_id == str(run_id))
            .order_by(AuditEntry.id.desc())
            .limit(limit)
        )
    )
