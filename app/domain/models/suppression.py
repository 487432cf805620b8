from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import CreatedAt, Id, one_of
from app.extensions import Model


class SuppressionScope(StrEnum):
    ADDRESS = "address"
    """Everything to this address."""
    STREAM = "stream"
    """All alerts to this address."""
    SUBSCRIPTION = "subscription"
    """This one search."""


class SuppressionReason(StrEnum):
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNREACHABLE = "unreachable"
    """It kept coming back, each time for a reason that may pass: for a while."""
    BY_HAND = "by_hand"
    """Somebody of the office."""


class Suppression(Model):
    """An address that must not be mailed, how far that goes, and the evidence (PA-24). Lifted, never deleted. Each
    reason stands by itself: what is lifted leaves the others in force."""

    __tablename__ = "suppression"
    __table_args__ = (
        one_of("scope", SuppressionScope),
        one_of("reason", SuppressionReason),
        CheckConstraint("recipient = lower(btrim(recipient))", name="recipient_normal"),
        CheckConstraint("(scope = 'stream') = (stream IS NOT NULL)", name="stream"),
        CheckConstraint("(scope = 'subscription') = (alert_subscription_id IS NOT NULL)", name="subscription"),
        Index(
            "suppression_standing_key",
            "office_id",
            "recipient",
            "scope",
            text("coalesce(stream, '')"),
            text("coalesce(alert_subscription_id, 0)"),
            "reason",
            unique=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
        Index("suppression_created_idx", "office_id", text("id DESC")),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))
    recipient: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    stream: Mapped[str | None] = mapped_column(Text)
    alert_subscription_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("alert_subscription.id", ondelete="CASCADE"), index=True
    )
    reason: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text, server_default="")
    """Who said so: smtp, mail, link, person, a provider's name."""
    evidence: Mapped[str] = mapped_column(Text, server_default="")
    outbound_message_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lifted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lifted_by: Mapped[str | None] = mapped_column(Text)
