from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import Id
from app.extensions import Model


class CanaryTrip(Model):
    """One synthetic home on its way to a mailbox that we read ourselves (PA-25): planted, sent, arrived. A trip that
    never arrives is what no error message would have told."""

    __tablename__ = "canary_trip"
    __table_args__ = (
        Index("canary_trip_due_key", "due_at", unique=True),
        Index("canary_trip_open_idx", "due_at", postgresql_where=text("arrived_at IS NULL")),
    )

    id: Mapped[Id]
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    contact_id: Mapped[int] = mapped_column(BigInteger)
    listing_id: Mapped[int] = mapped_column(BigInteger)
    event_seq: Mapped[int] = mapped_column(BigInteger)
    planted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    message_id: Mapped[str | None] = mapped_column(Text)
    """RFC 5322 Message-ID of the mail it became."""
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    arrived_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
