from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.models.columns import CreatedAt, Id, one_of
from app.domain.models.contact import Contact
from app.domain.models.digest import Digest
from app.extensions import Model


class MessageState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    """The relay refused it for good."""
    SUPPRESSED = "suppressed"
    """The address, stream or subscription is on the suppression list."""
    DROPPED = "dropped"
    """The last look left nothing to say (PA-19)."""
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    """The connection was lost after the content began: it may or may not have arrived. Never sent again blindly."""


class Stream(StrEnum):
    ALERTS = "alerts"
    NOTICES = "notices"
    """About a search itself: it is about to stop, or has stopped (PA-17)."""


class OutboundMessage(Model):
    """One email that was promised: written with the digest it carries, ending in one of the terminal states."""

    __tablename__ = "outbound_message"
    __table_args__ = (
        one_of("state", MessageState),
        one_of("stream", Stream),
        CheckConstraint("state <> 'sending' OR lease_token IS NOT NULL", name="sending_lease"),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent_at"),
        Index("outbound_message_due_idx", "not_before", "id", postgresql_where=text("state = 'queued'")),
        Index("outbound_message_lease_idx", "lease_until", postgresql_where=text("state = 'sending'")),
        Index("outbound_message_unknown_idx", "id", postgresql_where=text("state = 'unknown'")),
        Index("outbound_message_created_idx", "created_at"),
        Index(
            "outbound_message_run_idx", "job_run_id", text("id DESC"), postgresql_where=text("job_run_id IS NOT NULL")
        ),
        Index("outbound_message_contact_idx", "contact_id", text("id DESC")),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"), index=True)
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact.id"))
    digest_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("digest.id"), unique=True)
    alert_subscription_id: Mapped[int | None] = mapped_column(BigInteger)
    """The search a notice is about."""
    stream: Mapped[str] = mapped_column(Text)
    dedupe_key: Mapped[str] = mapped_column(Text, unique=True)
    message_id: Mapped[str] = mapped_column(Text, unique=True)
    """RFC 5322 Message-ID with its angle brackets, made from dedupe_key and kept for every try."""
    message_date: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """The Date header, fixed at the first try."""
    recipient: Mapped[str] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(Text)
    body_text: Mapped[str | None] = mapped_column(Text)
    body_html: Mapped[str | None] = mapped_column(Text)
    """As sent; both are emptied after 30 days (PA-29)."""
    state: Mapped[str] = mapped_column(Text, server_default=MessageState.QUEUED.value)
    state_reason: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    not_before: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    lease_token: Mapped[UUID | None] = mapped_column(Uuid)
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    attempting_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """Set, and committed, before the first byte of content leaves. A lost lease with it set means unknown."""
    job_run_id: Mapped[int | None] = mapped_column(BigInteger)
    """The run that took it up last, and which of its attempts: when that is over, so is the sender."""
    job_attempt: Mapped[int | None] = mapped_column(SmallInteger)
    asks: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Of one of unknown fate: how often the relay's log was asked for it."""
    resends: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """How often it went out again because the log had not heard of it; at most once."""
    last_reply: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]

    contact: Mapped[Contact] = relationship(lazy="raise")
    digest: Mapped[Digest | None] = relationship(lazy="raise")


class ReceivingSite(Model):
    """A domain that said we send it too much: until then it gets one message a minute."""

    __tablename__ = "receiving_site"

    domain: Mapped[str] = mapped_column(Text, primary_key=True)
    slow_until: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    next_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """When the next of its messages may go."""
    reply: Mapped[str] = mapped_column(Text)
    """What it said."""
    slowed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class EventType(StrEnum):
    """Anymail's vocabulary of what can happen to a message."""

    QUEUED = "queued"
    SENT = "sent"
    REJECTED = "rejected"
    FAILED = "failed"
    BOUNCED = "bounced"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    AUTORESPONDED = "autoresponded"
    OPENED = "opened"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    SUBSCRIBED = "subscribed"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """What a message came back for: of three kinds, for each asks for something else."""

    DEAD = "dead"
    """The address itself is no good: it is not written to again."""
    BLOCK = "block"
    """It is about us, the content or a policy; the address is fine."""
    SOFT = "soft"
    """It may pass: a full mailbox, a server that is away, a limit."""


class MessageEvent(Model):
    """What happened to a message, in order of arrival. Appended, never edited; never overrides `sent`."""

    __tablename__ = "message_event"
    __table_args__ = (
        one_of("event_type", EventType),
        one_of("cause", Cause),
        Index("message_event_source_key", "source", "event_id", unique=True),
        Index("message_event_message_idx", "outbound_message_id", "id"),
        Index("message_event_recorded_idx", "recorded_at"),
        # The few that came back: whether one was heard of lately is asked with every look at the house (PA-25).
        Index("message_event_bounced_idx", "recorded_at", postgresql_where=text("event_type = 'bounced'")),
        Index("message_event_blocked_idx", "recorded_at", postgresql_where=text("cause = 'block'")),
    )

    id: Mapped[Id]
    outbound_message_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("outbound_message.id", ondelete="CASCADE"))
    source: Mapped[str] = mapped_column(Text)
    """Who says so: smtp, link, unsubscribe, a provider's name."""
    event_id: Mapped[str] = mapped_column(Text)
    event_type: Mapped[str] = mapped_column(Text)
    cause: Mapped[str | None] = mapped_column(Text)
    """Why it came back, or was refused; null for everything else, and for what nobody could read."""
    reply: Mapped[str | None] = mapped_column(Text)
    fields: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    recorded_at: Mapped[CreatedAt]
