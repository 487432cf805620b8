"""What became of files and of their rows: the statements of a run, and the reads of its screens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, or_, select, text, true
from sqlalchemy.orm import aliased

from app.domain.errors import NotFound
from app.domain.models import ImportBatch, ImportRow, ImportState, JobRun, Listing, Office, User
from app.extensions import db

ISSUE_EXAMPLES = 3


def lock_batch(batch_id: int) -> ImportBatch:
    """The batch, locked until the transaction ends. Raises NotFound."""
    batch = db.session.scalar(
        select(ImportBatch)
        .where(ImportBatch.id == batch_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if batch is None:
        raise NotFound("There is no such import.")
    return batch


def batch_of(office_id: int, batch_id: int) -> ImportBatch:
    """One import of this office. Raises NotFound, also for another office's."""
    batch = db.session.scalar(
        select(ImportBatch)
        .where(ImportBatch.id == batch_id, ImportBatch.office_id == office_id)
        .execution_options(populate_existing=True)
    )
    if batch is None:
        raise NotFound("There is no such import here. It may belong to another office.")
    return batch


def files_wanted(since: datetime) -> set[str]:
    """Paths below FILES_DIR of imports that wait or run, and of those that ended and came since then."""
    return set(
        db.session.scalars(
            select(ImportBatch.file_path).where(
                or_(
                    ImportBatch.state.in_([ImportState.QUEUED.value, ImportState.RUNNING.value]),
                    and_(
                        ImportBatch.state.in_([ImportState.FINISHED.value, ImportState.FAILED.value]),
                        ImportBatch.created_at >= since,
                    ),
                )
            )
        )
    )


def is_first(batch: ImportBatch) -> bool:
    """Has no file of this source been imported to its end before (PA-02)?"""
    earlier = select(ImportBatch.id).where(
        ImportBatch.office_id == batch.office_id,
        ImportBatch.source == batch.source,
        ImportBatch.state == ImportState.FINISHED.value,
        ImportBatch.id != batch.id,
    )
    return db.session.scalar(select(earlier.exists())) is False


def is_overtaken(batch: Any) -> ColumnElement[bool]:
    """Of an import that has not ended well (the class, or an alias of it): rows of a file of its source that was
    brought later have been read. What it says is older than what is known."""
    newer = aliased(ImportBatch)
    return and_(batch.state != ImportState.FINISHED.value, exists().where(_newer(newer, batch)))


def _newer(newer: Any, batch: Any) -> ColumnElement[bool]:
    return and_(
        newer.office_id == batch.office_id,
        newer.source == batch.source,
        newer.id > batch.id,
        or_(newer.state == ImportState.FINISHED.value, newer.rows_read > 0),
    )


def overtaken_at(batch: ImportBatch) -> datetime | None:
    """When the newest file of its source was read that was brought after this one, on the wall of its office."""
    newer = aliased(ImportBatch)
    row = db.session.execute(
        select(func.coalesce(newer.finished_at, newer.started_at, newer.created_at), Office.time_zone)
        .join(Office, Office.id == newer.office_id)
        .where(_newer(newer, batch))
        .order_by(newer.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else row[0].astimezone(ZoneInfo(row[1]))


def same_file(batch: ImportBatch) -> ImportBatch | None:
    """The latest finished import of the very same file under the same source."""
    return db.session.scalar(
        select(ImportBatch)
        .where(
            ImportBatch.office_id == batch.office_id,
            ImportBatch.source == batch.source,
            ImportBatch.file_sha256 == batch.file_sha256,
            ImportBatch.state == ImportState.FINISHED.value,
            ImportBatch.id != batch.id,
        )
        .order_by(ImportBatch.id.desc())
        .limit(1)
    )


def last_line(batch_id: int) -> int:
    """The line that the newest committed chunk ended with; 0 before the first."""
    return db.session.scalar(select(func.max(ImportRow.line_no)).where(ImportRow.import_batch_id == batch_id)) or 0


def add_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Say what became of these rows. A line that was told about already is left alone."""
    db.session.execute(
        text(
            "INSERT INTO import_row (import_batch_id, line_no, outcome, originating_system_key, listing_id, issues) "
            "SELECT import_batch_id, line_no, outcome, originating_system_key, listing_id, issues "
            "FROM json_populate_recordset(NULL::import_row, CAST(:rows AS json)) ON CONFLICT DO NOTHING"
        ),
        {"rows": orjson.dumps(list(rows)).decode()},
    )


# Reads of the screens


def page_of_batches(office_id: int, *, offset: int, limit: int) -> Sequence[Row[Any]]:
    """The office's imports, newest first: (batch, who brought it)."""
    found: Any = (
        select(ImportBatch, User.full_name.label("who"))
        .outerjoin(User, User.id == ImportBatch.user_id)
        .where(ImportBatch.office_id == office_id)
        .order_by(ImportBatch.id.desc())
    )
    return db.session.execute(found.offset(offset).limit(limit)).all()


def count_of_batches(office_id: int) -> int:
    return db.session.scalar(select(func.count()).where(ImportBatch.office_id == office_id)) or 0


def sources_of(office_id: int, limit: int = 50) -> list[str]:
    """Names that this office's files came under, for suggestions."""
    return list(
        db.session.scalars(
            select(ImportBatch.source)
            .where(ImportBatch.office_id == office_id)
            .group_by(ImportBatch.source)
            .order_by(func.max(ImportBatch.id).desc())
            .limit(limit)
        )
    )


def rows_of(batch_id: int, outcome: str | None, *, with_issues: bool, offset: int, limit: int) -> Sequence[Row[Any]]:
    """Rows of one import by line: (row, address of its listing)."""
    return db.session.execute(
        _rows(batch_id, outcome, with_issues=with_issues)
        .add_columns(Listing.unparsed_address)
        .outerjoin(Listing, Listing.id == ImportRow.listing_id)
        .order_by(ImportRow.line_no)
        .offset(offset)
        .limit(limit)
    ).all()


def _rows(batch_id: int, outcome: str | None, *, with_issues: bool) -> Select[Any]:
    found = select(ImportRow).where(ImportRow.import_batch_id == batch_id)
    if outcome:
        found = found.where(ImportRow.outcome == outcome)
    if with_issues:
        found = found.where(text("import_row.issues <> '[]'::jsonb"))
    return found


def issue_groups(batch_id: int, limit: int = 40) -> Sequence[Row[Any]]:
    """Issues with one meaning together, the most frequent first: (severity, field, column, reason, rows, examples).

    What a sentence quotes, and its numbers of lines and cells, differ from row to row: they are taken out for grouping.
    """
    issue = func.jsonb_array_elements(ImportRow.issues).table_valued("value").alias("issue")
    part = {name: issue.c.value.op("->>")(name) for name in ("severity", "field", "column", "reason", "value")}
    reason = func.regexp_replace(
        part["reason"],
        r"“[^”]*”|\y(?:line )?[0-9][0-9,]*\y(?= (?:has the same|cells|to [0-9]))|(?<= to )[0-9]+",
        "…",
        "g",
    )
    example = func.json_build_object("line", ImportRow.line_no, "value", part["value"], "reason", part["reason"])
    return db.session.execute(
        select(
            part["severity"].label("severity"),
            part["field"].label("field"),
            part["column"].label("column"),
            reason.label("reason"),
            func.count().label("rows"),
            func.array_agg(example)[1:ISSUE_EXAMPLES].label("examples"),
        )
        .select_from(ImportRow)
        .join(issue, true())
        .where(ImportRow.import_batch_id == batch_id, text("import_row.issues <> '[]'::jsonb"))
        .group_by(part["severity"], part["field"], part["column"], reason)
        .order_by(case((part["severity"] == "error", 0), else_=1), func.count().desc(), reason)
        .limit(limit)
    ).all()


def each_row(batch_id: int) -> Iterator[Row[Any]]:
    """Every row of one import by line, in pieces: (line_no, key, outcome, listing_key, issues)."""
    after = 0
    while True:
        piece = db.session.execute(
            select(
                ImportRow.line_no,
                ImportRow.originating_system_key,
                ImportRow.outcome,
                Listing.listing_key,
                ImportRow.issues,
            )
            .outerjoin(Listing, Listing.id == ImportRow.listing_id)
            .where(ImportRow.import_batch_id == batch_id, ImportRow.line_no > after)
            .order_by(ImportRow.line_no)
            .limit(2_000)
        ).all()
        if not piece:
            return
        yield from piece
        after = piece[-1].line_no


def run_of(batch_id: int) -> JobRun | None:
    """The newest run that was started for this import."""
    return db.session.scalar(
        select(JobRun)
        .where(JobRun.kind == "imports", JobRun.args["import_batch_id"].as_integer() == batch_id)
        .order_by(JobRun.id.desc())
        .limit(1)
    )
