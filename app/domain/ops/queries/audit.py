"""What the audit page reads: who did what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Select, or_, select

from app.domain.models import AuditEntry
from app.domain.ops.queries import AnyRow
from app.extensions import db

RECENT = 5_000
"""So many of the newest entries are looked through for what can be chosen."""


def seen_by(office_id: int) -> ColumnElement[bool]:
    """Its own affairs, and the works'."""
    return or_(AuditEntry.office_id.is_(None), AuditEntry.office_id == office_id)


def entries(
    office_id: int,
    *,
    person: int | None = None,
    by_command: bool = False,
    action: str = "",
    subject_type: str = "",
    subject_id: str = "",
    since: datetime | None = None,
    before: int | None = None,
) -> Select[AuditEntry]:
    """What this office may know of, newest first: its own affairs and the works, which all share. `before` an entry's
    id continues a list. `by_command`: only what was done on the command line."""
    found = select(AuditEntry).where(seen_by(office_id)).order_by(AuditEntry.id.desc())
    if person is not None:
        found = found.where(AuditEntry.user_id == person)
    if by_command:
        found = found.where(AuditEntry.user_id.is_(None))
    if action:
        found = found.where(AuditEntry.action == action)
    if subject_type:
        found = found.where(AuditEntry.subject_type == subject_type)
    if subject_id:
        found = found.where(AuditEntry.subject_id == subject_id)
    if since is not None:
        found = found.where(AuditEntry.created_at >= since)
    if before is not None:
        found = found.where(AuditEntry.id < before)
    return found


def choices(office_id: int) -> list[AnyRow]:
    """Who did which action to what kind of thing, each once, among the newest entries."""
    newest = (
        select(AuditEntry.user_id, AuditEntry.actor, AuditEntry.action, AuditEntry.subject_type)
        .where(seen_by(office_id))
        .order_by(AuditEntry.id.desc())
        .limit(RECENT)
        .subquery()
    )
    return list(db.session.execute(select(newest).distinct()))
