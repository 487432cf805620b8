"""What the operations pages read. Reports too wide for the ORM are text, with a word on each part."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from app.domain.models import JobRun, MessageState, OutboundMessage
from app.extensions import db


def due_messages(now: datetime, limit: int = 10_000) -> int:
    """How many messages could be sent now; counting stops at `limit`."""
    due = (
        select(OutboundMessage.id)
        .where(OutboundMessage.state == MessageState.QUEUED.value, OutboundMessage.not_before <= now)
        .limit(limit)
    )
    return db.session.execute(select(func.count()).select_from(due.subquery())).scalar_one()


def runs_after(run_id: int) -> list[JobRun]:
    """The runs that this one started by succeeding, oldest first."""
    return list(db.session.execute(select(JobRun).where(JobRun.after_run_id == run_id).order_by(JobRun.id)).scalars())
