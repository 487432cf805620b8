"""One clock for all hosts: PostgreSQL's. A host whose own clock is wrong makes nothing due, keeps no dead process alive
and takes no run from anybody. A `now` that is given (a test's, a replay's) goes before it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, func, literal, select

from app.extensions import db

_MOMENT = DateTime(timezone=True)


def database_now() -> datetime:
    """What time it is."""
    found: datetime = db.session.execute(select(func.statement_timestamp(type_=_MOMENT))).scalar_one()
    return found.astimezone(UTC)


def moment(now: datetime | None) -> Any:
    """The same for inside a statement."""
    return func.statement_timestamp(type_=_MOMENT) if now is None else literal(now, _MOMENT)


def skew() -> float:
    """Seconds by which this host's clock is ahead of PostgreSQL's; negative: behind it. Right to within half of a
    statement's time."""
    before = datetime.now(UTC)
    theirs = database_now()
    after = datetime.now(UTC)
    return (before + (after - before) / 2 - theirs).total_seconds()
