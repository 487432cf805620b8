"""Who did what, written in the transaction that does it. Nothing in this file commits."""

from __future__ import annotations

from typing import Any

from app.domain.models import AuditEntry, User
from app.extensions import db

COMMAND_LINE = "command line"


def record(
    user: User | None,
    action: str,
    subject_type: str,
    subject_id: object,
    sentence: str,
    *,
    office_id: int | None = None,
    **fields: Any,
) -> AuditEntry:
    """Write down an action. `user` None = the command line. `office_id`: whose affair it is; none = the works, which
    all offices share. `sentence` is for people, and holds no personal data of a buyer."""
    entry = AuditEntry(
        office_id=office_id,
        user_id=user.id if user else None,
        actor=user.full_name if user else COMMAND_LINE,
        action=action,
        subject_type=subject_type,
        subject_id=str(subject_id),
        sentence=sentence,
        fields=fields,
    )
    db.session.add(entry)
    db.session.flush()
    return entry
