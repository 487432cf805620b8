"""How many statements a page costs: a list must not ask once a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import current_app
from sqlalchemy import event

from app.domain.ops import health
from app.extensions import db, settings


@contextmanager
def queries_of() -> Iterator[list[str]]:
    """Collects every SELECT, INSERT, UPDATE and DELETE sent while it is open; savepoints do not count, nor what the
    lamp asks every ten seconds, on whichever page that falls."""
    seen: list[str] = []
    if current_app:
        health.dim(settings().database_url)
        health.lamp(settings().database_url)

    def note(connection, cursor, statement, *_) -> None:
        if statement.split(None, 1)[0].upper() in {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}:
            seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
