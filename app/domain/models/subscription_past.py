from datetime import datetime, time

from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, ForeignKey, Index, SmallInteger, Text, Time
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import Id
from app.domain.models.listing import PgSnapshot
from app.extensions import Model


class SubscriptionPast(Model):
    """What a subscription was until a moment: on or off, and why, for which kinds, by which clock.

    Written by a trigger of alert_subscription with each change, so that “was it on then?” has an answer (T17): its state
    at a moment is that of the first row whose `until` is later, else the subscription's own.
    """

    __tablename__ = "subscription_past"
    __table_args__ = (
        Index("subscription_past_until_idx", "alert_subscription_id", "until"),
        Index("subscription_past_age_idx", "until"),
    )

    id: Mapped[Id]
    alert_subscription_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("alert_subscription.id", ondelete="CASCADE")
    )
    until: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    active_yn: Mapped[bool] = mapped_column(Boolean)
    reason_active_or_disabled: Mapped[str | None] = mapped_column(Text)
    kinds: Mapped[int] = mapped_column(SmallInteger)
    schedule_type: Mapped[str] = mapped_column(Text)
    send_time: Mapped[time | None] = mapped_column(Time)
    daily_schedule: Mapped[list[str]] = mapped_column(ARRAY(Text))
    since_snapshot: Mapped[str] = mapped_column(PgSnapshot)
