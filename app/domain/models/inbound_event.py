from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Date, DateTime, ForeignKey, Index, Integer, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import CreatedAt, Id, one_of
from app.domain.models.outbound_message import Cause
from app.extensions import Model


class InboundState(StrEnum):
    WAITING = "waiting"
    DONE = "done"
    UNMATCHED = "unmatched"
    """It speaks of a message that is not one of ours, or of one that is gone."""
    IGNORED = "ignored"
    """It says nothing about a message: a robot's greeting, a delay, a letter of a person."""
    FAILED = "failed"
    """It could not be worked through; its bytes are there for another try."""


class InboundEvent(Model):
    """What somebody outside sent about our mail, as it came: a returned mail, a complaint, a provider's event. Stored
    before it is read; each (source, event_id) once. Leaves after 30 days (PA-29)."""

    __tablename__ = "inbound_event"
    __table_args__ = (
        one_of("state", InboundState),
        one_of("cause", Cause),
        Index("inbound_event_source_key", "source", "event_id", unique=True),
        Index("inbound_event_waiting_idx", "id", postgresql_where=text("state = 'waiting'")),
        Index("inbound_event_received_idx", "received_at"),
    )

    id: Mapped[Id]
    source: Mapped[str] = mapped_column(Text)
    """mail, or a provider's name."""
    event_id: Mapped[str] = mapped_column(Text)
    payload: Mapped[str | None] = mapped_column(Text)
    """As it came: JSON; or a mail, one character a byte (Latin-1), NUL left out, its end cut where it is long."""
    hints: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    """What was known beside the payload: the envelope recipient of a mail."""
    state: Mapped[str] = mapped_column(Text, server_default=InboundState.WAITING.value)
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    event_type: Mapped[str | None] = mapped_column(Text)
    cause: Mapped[str | None] = mapped_column(Text)
    words: Mapped[str | None] = mapped_column(Text)
    """The other side's reason; for what was ignored or failed, ours."""
    recipient: Mapped[str | None] = mapped_column(Text)
    known_by: Mapped[str | None] = mapped_column(Text)
    """How its message was found: token, key, message id, provider id, address."""
    outbound_message_id: Mapped[int | None] = mapped_column(BigInteger)
    office_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("office.id"), index=True)
    received_at: Mapped[CreatedAt]
    worked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ProviderDay(Model):
    """One day of one provider: what we handed over and heard of, beside what it says it took and delivered (PA-25)."""

    __tablename__ = "provider_day"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    provider: Mapped[str] = mapped_column(Text, primary_key=True)
    accepted: Mapped[int] = mapped_column(Integer)
    """Mails we handed over."""
    heard_of: Mapped[int] = mapped_column(Integer)
    """Those of them that the provider told us anything about."""
    delivered: Mapped[int] = mapped_column(Integer)
    """Those that it told us were delivered."""
    came_back: Mapped[int] = mapped_column(Integer)
    """Those that it told us bounced."""
    their_accepted: Mapped[int | None] = mapped_column(Integer)
    """As its own API counts; null where we have no key to it."""
    their_delivered: Mapped[int | None] = mapped_column(Integer)
    is_off: Mapped[bool]
    words: Mapped[str] = mapped_column(Text)
    checked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
