from datetime import datetime
from enum import StrEnum

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import CreatedAt, Id, one_of
from app.extensions import Model


class HoldCause(StrEnum):
    VOLUME = "volume"
    """Many more mails than usual at this hour."""
    BUYER = "buyer"
    """One buyer would be told of very many homes at once."""


class HoldState(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    DISCARDED = "discarded"
    EXPIRED = "expired"
    """Nobody decided while it was news."""


class MailHold(Model):
    """A run of an office that was halted before anything went out, with the numbers it was halted for (PA-27)."""

    __tablename__ = "mail_hold"
    __table_args__ = (
        one_of("cause", HoldCause),
        one_of("state", HoldState),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
        Index("mail_hold_window_key", "office_id", "window_end", unique=True),
        Index("mail_hold_waiting_idx", "id", postgresql_where=text("state = 'waiting'")),
        Index("mail_hold_created_idx", "created_at"),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))
    window_end: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    cause: Mapped[str] = mapped_column(Text)
    mails: Mapped[int] = mapped_column(Integer)
    """That the hour would have had, those that went out before the halt among them."""
    items: Mapped[int] = mapped_column(Integer)
    usual: Mapped[int] = mapped_column(Integer)
    """The median of this weekday and hour in the four weeks before."""
    weeks: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    """The mails of that hour, week by week, the newest first."""
    most_items: Mapped[int] = mapped_column(Integer)
    most_contact_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("contact.id"))
    """Who would be told of the most homes."""
    state: Mapped[str] = mapped_column(Text, server_default=HoldState.WAITING.value)
    reason: Mapped[str] = mapped_column(Text, server_default="")
    """Why it was approved or discarded, in the words of who did."""
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    decided_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))
    job_run_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
