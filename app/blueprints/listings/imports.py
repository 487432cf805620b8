"""Files of listings: the list of imports, bringing one, choosing its columns, watching it, and what became of its rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Response, request, stream_with_context, url_for
from flask_login import current_user

from app.arrivals import takes_files
from app.blueprints.listings import bp
from app.display import day, duration, exact_time, money, number
from app.domain.errors import Invalid
from app.domain.listings import imports
from app.domain.listings.fields import FIELDS, Field, Kind, snake_case
from app.domain.listings.imports import queries
from app.domain.listings.imports.binding import KEY, Binding, drawn_up, suggest
from app.domain.listings.imports.files import DELIMITER_NAMES, Row, Shape
from app.domain.listings.imports.mapping import TARGETS, FileMapping, folded
from app.domain.listings.imports.mappings import MAPPINGS
from app.domain.models import ImportBatch, ImportOutcome, ImportState, JobRun, RunState, Trigger
from app.domain.models.lookups import Origin, PropertyType, StandardStatus
from app.extensions import db, settings
from app.jobs import queue
from app.web import STAFF, access, fragment, go, page, wants_fragment

PAGE = 50
PREVIEW = 10
MANY_COLUMNS = 30
"""Beyond this a column's field is typed with suggestions: a list box for each would make the page heavy."""
SAME_IN_EVERY_ROW = {
    "standard_status": [(status.value, status.value) for status in StandardStatus],
    "property_type": [(kind.value, kind.value) for kind in PropertyType],
}
"""Fields that a person may set for all rows: their choices."""
ENDED = (ImportState.FINISHED, ImportState.FAILED)


@bp.get("/imports", endpoint="imports")
@access(*STAFF)
def index() -> Response:
    """The office's imports, newest first."""
    total = queries.count_of_batches(current_user.office_id)
    place = _page_number(total)
    rows = queries.page_of_batches(current_user.office_id, offset=(place - 1) * PAGE, limit=PAGE)
    return page("listings/imports.html", rows=rows, total=total, number=place, size=PAGE)


def _page_number(total: int) -> int:
    return min(max(request.args.get("page", 1, type=int), 1), -(-total // PAGE) or 1)


# Bringing a file


@bp.get("/imports/new")
@access(*STAFF)
def new_import() -> Response:
    return _upload_form()


@bp.post("/imports")
@access(*STAFF)
@takes_files
def receive_import() -> Response:
    file = request.files.get("file")
    try:
        if file is None or not file.filename:
            raise Invalid("Choose a file.", field="file")
        batch = imports.receive(
            current_user.office_id,
            request.form.get("source", ""),
            file.stream,
            file.filename,
            mapping=request.form.get("mapping") or None,
            is_correction="is_correction" in request.form,
            user_id=current_user.id,
        )
    except Invalid as refusal:
        return _upload_form(refusal)
    db.session.commit()
    return go("listings.show_import", batch_id=batch.id)


def _upload_form(refusal: Invalid | None = None) -> Response:
    return page(
        "listings/imports_new.html",
        status=422 if refusal else 200,
        refusal=refusal,
        mappings=[("", "Find out from its columns"), *((each.name, each.title) for each in MAPPINGS.values())],
        sources=queries.sources_of(current_user.office_id),
        limit_mb=settings().upload_limit_mb,
    )


# One import: its columns, its progress, its result


@bp.get("/imports/<int:batch_id>")
@access(*STAFF)
def show_import(batch_id: int) -> Response:
    """Whatever this import is at: choosing columns, reading, or read."""
    batch = queries.batch_of(current_user.office_id, batch_id)
    if batch.state == ImportState.MAPPING:
        return _columns_page(batch)
    if batch.state in ENDED:
        # The part that asks while a file is read: the rest of the page changes too.
        return go("listings.show_import", batch_id=batch.id) if wants_fragment() else _result_page(batch)
    return page("listings/imports_running.html", "progress", batch=batch, pace=_pace(batch, datetime.now(UTC)))


@bp.post("/imports/<int:batch_id>")
@access(*STAFF)
def map_import(batch_id: int) -> Response:
    """Keep what was chosen; `do` says what follows: show, rebase on another known mapping, or start."""
    batch = queries.batch_of(current_user.office_id, batch_id)
    do = request.form.get("do", "show")
    shape = imports.shape_of(batch)
    try:
        mapping = suggest(shape, _known(request.form.get("mapping"))) if do == "rebase" else _chosen(batch, shape)
        imports.choose(batch, mapping, is_correction="is_correction" in request.form)
        if do == "start":
            imports.queue(batch)
            return _begin(batch)
    except Invalid as refusal:
        db.session.commit()
        return _columns_page(batch, refusal)
    db.session.commit()
    if wants_fragment():
        return fragment("listings/imports_columns.html", "preview", **_columns(batch))
    return go("listings.show_import", batch_id=batch.id)


@bp.post("/imports/<int:batch_id>/runs")
@access(*STAFF)
def resume_import(batch_id: int) -> Response:
    """Go on with a reading that stopped."""
    batch = queries.batch_of(current_user.office_id, batch_id)
    imports.resume(batch)
    return _begin(batch)


def _begin(batch: ImportBatch) -> Response:
    run = queue.start(
        "imports",
        {"import_batch_id": batch.id},
        trigger=Trigger.MANUAL,
        user_id=current_user.id,
        office_id=batch.office_id,
        dedup_key=f"import-{batch.id}",
    )
    db.session.commit()
    queue.ring([run.id])
    return go("listings.show_import", batch_id=batch.id)


# Choosing the columns


def _known(name: str | None) -> str:
    if name not in MAPPINGS:
        raise Invalid("Choose one of the mappings.", field="mapping")
    return name


def _chosen(batch: ImportBatch, shape: Shape) -> FileMapping:
    """The mapping as the form has it."""
    now = imports.mapping_of(batch)
    if shape.file_format == "json":
        return now
    by_label = {folded(field.label): field.name for field in TARGETS}
    pairs: list[tuple[str, str]] = []
    for place, header in enumerate(shape.header):
        typed = request.form.get(f"field-{place}", "").strip()
        name = typed if typed in FIELDS else by_label.get(folded(typed), "")
        if typed and not name:
            raise Invalid(f"“{typed[:50]}” is not a field of a listing (column “{header[:50]}”).", field="columns")
        pairs.append((header, name))
    key = [header for place, header in enumerate(shape.header) if f"key-{place}" in request.form]
    constants = {name: value for name, value in now.constants.items() if name not in SAME_IN_EVERY_ROW}
    for name, choices in SAME_IN_EVERY_ROW.items():
        if request.form.get(f"all-{name}") in dict(choices):
            constants[name] = request.form[f"all-{name}"]
    return drawn_up(now.name, pairs, key, constants)


def _columns_page(batch: ImportBatch, refusal: Invalid | None = None) -> Response:
    return page("listings/imports_columns.html", "preview", status=422 if refusal else 200, **_columns(batch, refusal))


@dataclass
class ColumnLine:
    """One column of the file in the form."""

    place: int
    header: str
    field: str
    label: str
    also: str
    is_key: bool
    example: str


def _columns(batch: ImportBatch, refusal: Invalid | None = None) -> dict[str, Any]:
    shape, mapping = imports.shape_of(batch), imports.mapping_of(batch)
    rows: list[Row] = []
    binding: Binding | None = None
    problem = refusal.sentence if refusal else ""
    try:
        rows = imports.first_rows(batch, PREVIEW)
        binding = imports.binding_of(batch)
    except Invalid as lacking:
        problem = problem or lacking.sentence
    return {
        "batch": batch,
        "shape": shape,
        "delimiter": DELIMITER_NAMES.get(shape.delimiter, ""),
        "mapping": mapping,
        "mappings": [(each.name, each.title) for each in MAPPINGS.values() if each.file_format == shape.file_format],
        "lines": _lines(shape, mapping, rows),
        "targets": [("", "Not used"), *((field.name, field.label) for field in TARGETS)],
        "all_rows": [
            (name, FIELDS[name].label, mapping.constants.get(name, ""), values)
            for name, values in SAME_IN_EVERY_ROW.items()
        ],
        "other_constants": [
            (FIELDS[name].label, value) for name, value in mapping.constants.items() if name not in SAME_IN_EVERY_ROW
        ],
        "many": len(shape.header) > MANY_COLUMNS,
        "problem": problem,
        "preview": _preview(binding, rows) if binding else None,
        "is_correction": batch.origin == Origin.CORRECTION,
        "is_first": queries.is_first(batch),
        "same": queries.same_file(batch),
    }


def _lines(shape: Shape, mapping: FileMapping, rows: list[Row]) -> list[ColumnLine]:
    fills: dict[str, list[str]] = {}
    for column in mapping.columns:
        fills.setdefault(column.header, []).append(column.field)
    first = next((row.cells for row in rows if not row.problem), {})
    found: list[ColumnLine] = []
    for place, header in enumerate(shape.header):
        names = fills.get(header) or _by_reso_name(mapping, header)
        found.append(
            ColumnLine(
                place,
                header,
                names[0] if names else "",
                FIELDS[names[0]].label if names else "",
                ", ".join(FIELDS[name].label for name in names[1:]),
                header in mapping.key,
                " ".join(str(first.get(header) if first.get(header) is not None else "").split())[:60],
            )
        )
    return found


def _by_reso_name(mapping: FileMapping, header: str) -> list[str]:
    name = snake_case(header)
    return [name] if mapping.reads_reso_names and name in FIELDS and FIELDS[name].kind is not Kind.ID else []


@dataclass
class PreviewCell:
    """A value as it would be kept, or what stands against it."""

    words: str
    raw: str = ""
    reason: str = ""
    is_error: bool = False
    is_number: bool = False


def _preview(binding: Binding, rows: list[Row]) -> dict[str, Any]:
    readings = [(row, None if row.problem else binding.read(row.cells)) for row in rows]
    names = list(dict.fromkeys(name for _, reading in readings if reading for name in reading.values))
    names = [name for name in FIELDS if name in names]
    lines: list[tuple[int, str, str, bool, list[PreviewCell]]] = []
    for row, reading in readings:
        if reading is None:
            lines.append((row.line_no, "", row.problem, True, []))
            continue
        issues = {issue["field"]: issue for issue in reading.issues}
        for issue in reading.issues:  # one cell may fill two fields; its issue is told once
            for name in names:
                if issue["column"] and reading.values.get(name) is None and _fills(binding, issue["column"], name):
                    issues.setdefault(name, issue)
        cells = [_cell(FIELDS[name], reading.values.get(name), issues.get(name)) for name in names]
        missing = issues.get(KEY)
        lines.append((row.line_no, reading.key, missing["reason"] if missing else "", reading.is_rejected, cells))
    return {
        "fields": [(FIELDS[name].label, _is_number(FIELDS[name])) for name in names],
        "lines": lines,
        "flawed": sum(1 for _, reading in readings if reading is None or reading.issues),
    }


def _fills(binding: Binding, header: str, name: str) -> bool:
    return any(column.header == header and column.field == name for column in binding.mapping.columns)


def _is_number(field: Field) -> bool:
    return field.kind in (Kind.MONEY, Kind.AREA, Kind.COUNT, Kind.NUMBER, Kind.DEGREES)


def _cell(field: Field, value: Any, issue: dict[str, str] | None) -> PreviewCell:
    words = _words(field, value)
    if issue is None:
        return PreviewCell(words, is_number=_is_number(field))
    return PreviewCell(words, issue["value"], issue["reason"], issue["severity"] == "error", _is_number(field))


def _words(field: Field, value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(value)
    if field.kind is Kind.MONEY:
        return money(value)
    if field.name == "year_built":
        return str(value)
    if field.kind in (Kind.AREA, Kind.COUNT, Kind.NUMBER):
        return number(value)
    if field.kind is Kind.DEGREES:
        return f"{value.normalize():f}"
    if field.kind is Kind.MOMENT:
        return exact_time(value)
    return day(value) if field.kind is Kind.DAY else " ".join(str(value).split())


# Watching it


@dataclass
class Pace:
    """How far a reading is, how quick, and whether it has stopped."""

    rows_per_second: float | None
    words_left: str
    step: str
    run: JobRun | None
    stopped: str
    """Why nothing goes on; empty while it does."""


def _pace(batch: ImportBatch, now: datetime) -> Pace:
    run = queries.run_of(batch.id)
    seconds = (now - batch.started_at).total_seconds() if batch.started_at else 0.0
    rate = batch.rows_read / seconds if seconds > 0 and batch.rows_read else None
    left = ""
    if rate and batch.bytes_read:
        left = f"about {duration(seconds * max(batch.file_bytes - batch.bytes_read, 0) / batch.bytes_read)} left"
    step = str((run.progress or {}).get("step", "")) if run is not None else ""
    return Pace(rate, left, step, run, _stopped(run))


def _stopped(run: JobRun | None) -> str:
    if run is None:
        return "No run was started for it."
    if run.state in (RunState.FAILED, RunState.CANCELLED, RunState.MISSED, RunState.SKIPPED):
        return run.error or "Its run ended before the file did."
    return ""


# The result


def _result_page(batch: ImportBatch) -> Response:
    outcome = request.args.get("outcome", "")
    outcome = outcome if outcome in {each.value for each in ImportOutcome} else ""
    with_issues = request.args.get("issues") == "1"
    total = _total(batch, outcome, with_issues=with_issues)
    place = _page_number(total)
    return page(
        "listings/imports_result.html",
        batch=batch,
        counts=imports.counts(batch),
        seconds=(batch.finished_at - batch.started_at).total_seconds()
        if batch.finished_at and batch.started_at
        else None,
        groups=queries.issue_groups(batch.id) if batch.rows_rejected or batch.rows_with_warnings else [],
        fields=FIELDS,
        tabs=_tabs(batch, outcome, with_issues=with_issues),
        rows=queries.rows_of(batch.id, outcome or None, with_issues=with_issues, offset=(place - 1) * PAGE, limit=PAGE),
        total=total,
        number=place,
        size=PAGE,
        kept_days=imports.RETENTION_DAYS,
    )


def _total(batch: ImportBatch, outcome: str, *, with_issues: bool) -> int:
    if with_issues:
        return batch.rows_rejected + batch.rows_with_warnings
    return int(getattr(batch, f"rows_{outcome}")) if outcome else batch.rows_read


def _tabs(batch: ImportBatch, outcome: str, *, with_issues: bool) -> list[tuple[str, str, bool, int]]:
    def url(**args: Any) -> str:
        return url_for("listings.show_import", batch_id=batch.id, **args)

    found = [("All rows", url(), not outcome and not with_issues, batch.rows_read)]
    for each in ImportOutcome:
        count = int(getattr(batch, f"rows_{each.value}"))
        found.append((each.value.capitalize(), url(outcome=each.value), outcome == each.value, count))
    found.append(("With remarks", url(issues="1"), with_issues, batch.rows_rejected + batch.rows_with_warnings))
    return found


@bp.get("/imports/<int:batch_id>/rows.csv")
@access(*STAFF)
def import_rows(batch_id: int) -> Response:
    """Every row with what became of it, for a spreadsheet."""
    batch = queries.batch_of(current_user.office_id, batch_id)
    response = Response(stream_with_context(_csv(batch.id)), mimetype="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="import-{batch.id}-rows.csv"'
    return response


def _csv(batch_id: int) -> Iterator[str]:
    yield "\ufeff"  # or Excel takes UTF-8 for something else
    yield _csv_line(["line", "key", "outcome", "listing_key", "remarks"])
    for row in queries.each_row(batch_id):
        remarks = "; ".join(_remark(issue) for issue in row.issues)
        yield _csv_line([row.line_no, row.originating_system_key, row.outcome, row.listing_key or "", remarks])


def _remark(issue: dict[str, str]) -> str:
    where = issue.get("column") or issue.get("field") or "row"
    return f"{issue['severity']}: {where}: {issue['reason']}"


def _csv_line(cells: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([harmless(cell) for cell in cells])
    return line.getvalue()


def harmless(cell: Any) -> Any:
    """A cell that a spreadsheet will not run as a formula: one that begins like one gets an apostrophe in front."""
    if isinstance(cell, str) and cell.lstrip().startswith(("=", "+", "-", "@")):
        return "'" + cell
    return "'" + cell if isinstance(cell, str) and cell[:1] in ("\t", "\r", "\n") else cell
