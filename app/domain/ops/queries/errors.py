"""Failed runs, grouped by what went wrong.

A failure wants a look until somebody dismissed it, it was done again, or a later run of its kind did its work: most
kinds take whatever is due, so any later success makes up for it. A run of a kind with arguments of its own (a file to
import; `with_args` names those kinds) is made up for by its own retry alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, cast, exists, func, not_, or_, select, text
from sqlalchemy.orm import aliased, load_only

from app.domain.listings import imports
from app.domain.listings.imports.queries import is_overtaken
from app.domain.models import ImportBatch, JobRun, RunState, Trigger
from app.domain.ops.queries import AnyRow
from app.domain.ops.queries.runs import conditions, readable
from app.domain.ops.run_filter import NUMBER, RunFilter
from app.extensions import db

REMEMBERED = timedelta(days=30)
"""A failure older than this no longer asks for anything: the retry that would speak for it may be gone by then."""
SHOWN = 100
DAYS = 14

_FAILED = """
    failed AS (
        SELECT coalesce(error_fingerprint, kind || ':' || coalesce(error_class, '')) AS fingerprint, id, kind,
            finished_at, dismissed_at, office_id
        FROM job_run WHERE state = 'failed')
"""
# What still wants a look. All of it is read from indexes alone.
_OPEN = """
    good AS (
        SELECT each.kind, last.finished_at FROM (SELECT DISTINCT kind FROM failed) AS each CROSS JOIN LATERAL (
            SELECT finished_at FROM job_run WHERE kind = each.kind AND state = 'succeeded'
            ORDER BY finished_at DESC LIMIT 1) AS last),
    again AS (SELECT args ->> 'retry_of' AS run_id FROM job_run WHERE trigger = 'retry'),
    open AS (
        SELECT failed.fingerprint, count(*) AS n FROM failed LEFT JOIN good ON good.kind = failed.kind
        WHERE failed.dismissed_at IS NULL AND failed.finished_at > :remembered
            AND failed.id::text NOT IN (SELECT run_id FROM again WHERE run_id IS NOT NULL)
            AND (failed.kind = ANY (:with_args) OR good.finished_at IS NULL OR good.finished_at <= failed.finished_at)
        GROUP BY 1)
"""
_GROUPS = text(
    f"""
    WITH {_FAILED}, {_OPEN},
    grouped AS (
        SELECT fingerprint, count(*) AS n, min(finished_at) AS first_seen, max(finished_at) AS last_seen,
            max(id) AS newest_id,
            max(id) FILTER (WHERE CAST(:office_id AS bigint) IS NULL OR coalesce(office_id, :office_id) = :office_id)
                AS told_id, array_agg(DISTINCT kind) AS kinds, count(*) FILTER (WHERE dismissed_at IS NULL) AS left
        FROM failed WHERE CAST(:only AS text) IS NULL OR fingerprint = :only GROUP BY 1)
    SELECT grouped.*, coalesce(open.n, 0) AS open, newest.kind, newest.error_class,
        (SELECT told.error FROM job_run told WHERE told.id = grouped.told_id) AS error
    FROM grouped LEFT JOIN open USING (fingerprint) JOIN job_run newest ON newest.id = grouped.newest_id
    ORDER BY coalesce(open.n, 0) > 0 DESC, last_seen DESC, newest_id DESC LIMIT :limit
    """
)
_DAILY = text(
    f"""
    WITH {_FAILED}
    SELECT fingerprint, floor(extract(epoch FROM CAST(:now AS timestamptz) - finished_at) / 86400)::int AS days_ago,
        count(*) AS n
    FROM failed WHERE finished_at > :since AND finished_at <= :now GROUP BY 1, 2
    """
)
_OCCURRENCES = text(
    f"""
    WITH {_FAILED},
    counted AS (
        SELECT (finished_at AT TIME ZONE :zone)::date AS day, count(*) AS n FROM failed
        WHERE fingerprint = :fingerprint AND finished_at > :since GROUP BY 1)
    SELECT day::date AS day, coalesce(counted.n, 0) AS n
    FROM generate_series((CAST(:now AS timestamptz) AT TIME ZONE :zone)::date - CAST(:days AS int) + 1,
        (CAST(:now AS timestamptz) AT TIME ZONE :zone)::date, interval '1 day') AS day LEFT JOIN counted USING (day)
    ORDER BY 1
    """
)


def groups(
    now: datetime,
    with_args: Collection[str],
    *,
    office_id: int | None = None,
    only: str | None = None,
    limit: int = SHOWN,
) -> list[AnyRow]:
    """Each kind of trouble, those that want a look first; at most `limit` and one more. `open` counts what wants a
    look, `left` what was not dismissed. `error` is what the newest run said whose words are for this office (None: for
    whoever may read all), and `told_id` that run; both are None when all of them are other offices'."""
    values = {
        "remembered": now - REMEMBERED,
        "with_args": list(with_args),
        "office_id": office_id,
        "only": only,
        "limit": limit + 1,
    }
    return list(db.session.execute(_GROUPS, values))


def daily(now: datetime) -> dict[str, list[int]]:
    """Of each kind of trouble how often it came on the last 14 days, oldest first."""
    found: dict[str, list[int]] = {}
    for row in db.session.execute(_DAILY, {"now": now, "since": now - timedelta(days=DAYS)}):
        found.setdefault(row.fingerprint, [0] * DAYS)[DAYS - 1 - min(max(row.days_ago, 0), DAYS - 1)] += int(row.n)
    return found


def occurrences(fingerprint_of: str, zone: str, now: datetime, days: int = 30) -> list[AnyRow]:
    """How often it came on each of the last days of an office, oldest first, empty days too."""
    values = {
        "fingerprint": fingerprint_of,
        "zone": zone,
        "now": now,
        "since": now - timedelta(days=days + 1),
        "days": days,
    }
    return list(db.session.execute(_OCCURRENCES, values))


# --- What a person may do again ---

RETRIED = (
    JobRun.id,
    JobRun.kind,
    JobRun.state,
    JobRun.args,
    JobRun.due_at,
    JobRun.created_at,
    JobRun.finished_at,
    JobRun.office_id,
)


def _done_again() -> ColumnElement[bool]:
    again = aliased(JobRun)
    return exists().where(
        again.trigger == bindparam(None, Trigger.RETRY.value, literal_execute=True),
        again.args["retry_of"].astext == cast(JobRun.id, Text),
    )


def _made_up_for(with_args: Collection[str], *, or_in_hand: bool) -> ColumnElement[bool]:
    """Another run of its kind did its work since; or waits to, or is at it."""
    later = aliased(JobRun)
    does = [and_(later.state == RunState.SUCCEEDED.value, later.finished_at > JobRun.finished_at)]
    if or_in_hand:
        does += [later.state == state.value for state in (RunState.PENDING, RunState.RUNNING)]
    done = or_(*(exists().where(later.kind == JobRun.kind, each) for each in does))
    return and_(JobRun.kind.not_in(list(with_args)), done)


def _failed(asked: RunFilter | None, run_ids: Collection[int]) -> list[ColumnElement[bool]]:
    if asked is not None:
        return conditions(asked.only_failed())
    return [JobRun.id.in_(list(run_ids)), JobRun.state == RunState.FAILED.value]


@dataclass(frozen=True)
class Again:
    """Which failed runs start again, oldest first: what a later one did is not undone by an older one. `covered`: how
    many others one of these does for. `overtaken`: imports left out since a newer file of their source was read.
    `foreign`: runs of other offices, left out. `is_more`: there are more than were asked for."""

    runs: list[JobRun]
    covered: int
    overtaken: int
    foreign: int
    is_more: bool


def to_retry(
    kinds: Collection[str],
    with_args: Collection[str],
    now: datetime,
    *,
    office_id: int,
    asked: RunFilter | None = None,
    run_ids: Collection[int] = (),
    limit: int,
) -> Again:
    """Which failed runs an admin of this office does again, at most `limit`. They are locked until the transaction ends.

    Named by a filter, only those that want a look; named by their numbers, all that were not done again already. Of a
    kind without arguments the newest does for all. `kinds`: those that this version can do.
    """
    wanted = [*_failed(asked, run_ids), JobRun.kind.in_(list(kinds)), not_(_done_again())]
    if asked is not None:
        wanted += [JobRun.dismissed_at.is_(None), JobRun.finished_at > now - REMEMBERED]
        wanted.append(not_(_made_up_for(with_args, or_in_hand=True)))
    mine, has_own_work = readable(JobRun, office_id), JobRun.kind.in_(list(with_args))
    ours = select(JobRun.id, JobRun.kind).where(*wanted, mine)
    due = db.session.execute(ours.where(not_(has_own_work)).order_by(JobRun.id.desc()).limit(limit + 1)).all()
    own = ours.where(has_own_work, not_(_overtaken())).order_by(JobRun.id).limit(limit + 1)
    newest = {row.kind: row.id for row in reversed(due[:limit])}
    chosen = [*newest.values(), *(row.id for row in db.session.execute(own))]
    return Again(
        runs=_locked(chosen[:limit]),
        covered=len(due[:limit]) - len(newest),
        overtaken=_some(select(JobRun.id).where(*wanted, mine, _overtaken()), limit),
        foreign=_some(select(JobRun.id).where(*wanted, not_(mine)), limit),
        is_more=len(due) > limit or len(chosen) > limit,
    )


def left_to_do(
    kinds: Collection[str],
    with_args: Collection[str],
    now: datetime,
    *,
    office_id: int,
    asked: RunFilter,
    limit: int,
) -> tuple[int, int]:
    """Of the newest `limit` failed runs of a filter: how many an admin of this office may do again, and how many
    dismiss. What `to_retry` and `to_dismiss` would take, to be said before."""
    newest = select(JobRun.id).where(*_failed(asked, ())).order_by(JobRun.id.desc()).limit(limit)
    is_left = JobRun.dismissed_at.is_(None)
    again = and_(
        is_left,
        JobRun.kind.in_(list(kinds)),
        JobRun.finished_at > now - REMEMBERED,
        not_(_done_again()),
        not_(_made_up_for(with_args, or_in_hand=True)),
        not_(_overtaken()),
    )
    row = db.session.execute(
        select(func.count().filter(again), func.count().filter(is_left))
        .select_from(JobRun)
        .where(JobRun.id.in_(newest), readable(JobRun, office_id))
    ).one()
    return row[0], row[1]


def _overtaken() -> ColumnElement[bool]:
    """An import whose file is older than one of its source that was read."""
    batch = aliased(ImportBatch)
    its_own = cast(batch.id, Text) == JobRun.args["import_batch_id"].astext
    return and_(JobRun.kind == "imports", exists().where(its_own, is_overtaken(batch)))


def _locked(run_ids: Collection[int]) -> list[JobRun]:
    """These runs, oldest first, without those that somebody did again while the lock was waited for."""
    lock(run_ids)
    return list(
        db.session.scalars(
            select(JobRun)
            .options(load_only(*RETRIED))
            .where(JobRun.id.in_(list(run_ids)), not_(_done_again()))
            .order_by(JobRun.id)
        )
    )


def lock(run_ids: Collection[int]) -> None:
    """Whoever else would do something with these runs waits until the transaction ends."""
    db.session.execute(select(JobRun.id).where(JobRun.id.in_(list(run_ids))).order_by(JobRun.id).with_for_update())


def _some(found: Select[Any], limit: int) -> int:
    return db.session.scalar(select(func.count()).select_from(found.limit(limit).subquery())) or 0


def overtaken(run: JobRun) -> str:
    """Why a run of an import must not be done again: a newer file of its source was read. Else empty."""
    number = str(run.args.get("import_batch_id", "")) if run.kind == "imports" else ""
    batch = db.session.get(ImportBatch, int(number)) if NUMBER.fullmatch(number) else None
    return imports.overtaken(batch) if batch is not None else ""


def to_dismiss(
    *, office_id: int, asked: RunFilter | None = None, run_ids: Collection[int] = (), limit: int
) -> tuple[list[int], int]:
    """The failed runs that nobody has dismissed and this office may, newest first; and how many are other offices'."""
    wanted = [*_failed(asked, run_ids), JobRun.dismissed_at.is_(None)]
    mine = readable(JobRun, office_id)
    ours = select(JobRun.id).where(*wanted, mine).order_by(JobRun.id.desc()).limit(limit)
    return list(db.session.scalars(ours)), _some(select(JobRun.id).where(*wanted, not_(mine)), limit)


def of_the_works(run_ids: Collection[int]) -> set[int]:
    """Those of these runs that are no office's own."""
    return set(db.session.scalars(select(JobRun.id).where(JobRun.id.in_(list(run_ids)), JobRun.office_id.is_(None))))


def retry_in_hand(run_id: int) -> int | None:
    """The run that does this one again and has not ended."""
    return db.session.scalar(
        select(JobRun.id).where(JobRun.dedup_key == f"retry-{run_id}", JobRun.state.in_(("pending", "running")))
    )
