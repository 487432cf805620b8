from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import CreatedAt, Id
from app.extensions import Model


class AuditEntry(Model):
    """Somebody did something that others may ask about. Written in the transaction that does it; never edited."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("audit_entry_created_idx", "created_at"),
        Index("audit_entry_subject_idx", "subject_type", "subject_id", text("id DESC")),
        Index("audit_entry_user_idx", "user_id", text("id DESC")),
    )

    id: Mapped[Id]
    office_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("office.id"))
    """Whose affair it is; None = the works, which all offices share."""
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))
    actor: Mapped[str] = mapped_column(Text)
    """The name as it was then, or “command line”."""
    action: Mapped[str] = mapped_column(Text)
    """run.started, run.retried, run.cancelled, run.dismissed, schedule.paused, message.resent …"""
    subject_type: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[str] = mapped_column(Text)
    sentence: Mapped[str] = mapped_column(Text)
    """What was done, for people: “Paused “alerts”: relay is being moved”."""
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    created_at: Mapped[CreatedAt]
