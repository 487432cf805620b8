"""The list as a file: the view, not the page. Columns carry RESO names, so that it can be imported again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, request, stream_with_context
from flask_login import current_user

from app.blueprints.listings import bp, filters
from app.blueprints.listings.filters import Asked
from app.blueprints.listings.imports import harmless
from app.domain.listings import queries
from app.domain.listings.fields import FIELDS
from app.web import EDITORS, access

FLUSH_EVERY = 200
"""Rows written before they are sent on."""


@bp.get("/export.csv")
@access(*EDITORS)
def export() -> Response:
    """Every listing that the address line's filters leave, in its order, streamed."""
    asked = filters.read(request.args, ZoneInfo(current_user.office.time_zone))
    response = Response(stream_with_context(_file(current_user.office_id, asked)), mimetype="text/csv; charset=utf-8")
    today = datetime.now(asked.zone).date()
    response.headers["Content-Disposition"] = f'attachment; filename="listings-{today.isoformat()}.csv"'
    return response


def _file(office_id: int, asked: Asked) -> Iterator[str]:
    yield "\ufeff"  # or Excel takes UTF-8 for something else
    yield _lines([[FIELDS[name].reso if name in FIELDS else name for name in queries.EXPORT_NAMES]])
    rows = queries.each_of_list(
        office_id, asked.filter, asked.column, descending=asked.descending, now=datetime.now(UTC)
    )
    block: list[Sequence[Any]] = []
    for row in rows:
        block.append([_cell(value) for value in row])
        if len(block) == FLUSH_EVERY:
            yield _lines(block)
            block.clear()
    yield _lines(block)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return harmless(", ".join(value) if isinstance(value, list) else value)


def _lines(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
