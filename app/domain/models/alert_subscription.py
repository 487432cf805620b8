from datetime import date, datetime, time

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    SmallInteger,
    Text,
    Time,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.models.columns import CreatedAt, Id, one_of
from app.domain.models.contact import Contact
from app.domain.models.listing import PgSnapshot
from app.domain.models.lookups import ReasonActiveOrDisabled, ScheduleType
from app.domain.models.member import Member
from app.domain.models.saved_search import SavedSearch
from app.extensions import Model


class AlertSubscription(Model):
    """Who is told about which search, and when (RESO Prospecting)."""

    __tablename__ = "alert_subscription"
    __table_args__ = (
        one_of("schedule_type", ScheduleType),
        one_of("reason_active_or_disabled", ReasonActiveOrDisabled),
        CheckConstraint("schedule_type = 'ASAP' OR send_time IS NOT NULL", name="send_time"),
        Index("alert_subscription_search_contact_key", "saved_search_id", "contact_id", unique=True),
        Index("alert_subscription_contact_idx", "contact_id"),
        # Finds the few whose beginning lies within a batch of events.
        Index("alert_subscription_since_idx", text("pg_snapshot_xmax(since_snapshot)")),
        Index(
            "alert_subscription_still_watching_idx",
            "still_watching_at",
            postgresql_where=text("still_watching_at IS NOT NULL"),
        ),
        Index(
            "alert_subscription_warned_idx",
            "office_id",
            "warned_at",
            postgresql_where=text("warned_at IS NOT NULL"),
        ),
        Index("alert_subscription_paused_idx", "paused_until", postgresql_where=text("paused_until IS NOT NULL")),
        Index("alert_subscription_next_send_idx", "next_send_timestamp", postgresql_where="active_yn"),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"), index=True)
    prospecting_key: Mapped[str] = mapped_column(Text, unique=True)
    saved_search_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("saved_search.id", ondelete="CASCADE"))
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact.id"))
    owner_member_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("member.id"), index=True)
    active_yn: Mapped[bool] = mapped_column(Boolean, server_default="true")
    reason_active_or_disabled: Mapped[str | None] = mapped_column(Text)
    schedule_type: Mapped[str] = mapped_column(Text, server_default=ScheduleType.ASAP.value)
    daily_schedule: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """RESO DailySchedule values such as "Monday AM"; empty = every day."""
    send_time: Mapped[time | None] = mapped_column(Time)
    """Wall time in the buyer's zone (PA-20)."""
    next_send_timestamp: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the next mail is due; null for ASAP, which every alerts run serves."""
    served_on: Mapped[date | None] = mapped_column(Date)
    """The local date of the last due moment that was served: one a day, whatever clocks and zones do (PA-20)."""
    still_watching_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When to say “still watching” if nothing was found for a month; null: not wanted (PA-12)."""
    last_new_changed_timestamp: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    kinds: Mapped[int] = mapped_column(SmallInteger, server_default="31")
    """Which kinds to tell about, the bits of listing_event.kinds."""
    since_snapshot: Mapped[str] = mapped_column(PgSnapshot, server_default=func.pg_current_snapshot())
    """What was already visible when this began or was resumed is not news (PA-13, PA-16)."""
    concierge_yn: Mapped[bool] = mapped_column(Boolean, server_default="false")
    """Its agent approves each mail before it goes."""
    stopped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    resumed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """The last pause, for "what I missed" (PA-16)."""
    revised_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the criteria last changed while it was on: the next mail says so (PA-15, RESO MessageRevise)."""
    paused_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """The buyer's own pause, and when it ends by itself."""
    last_viewed_timestamp: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the buyer last opened a page of one of its mails, as a person does and a scanner does not."""
    renewed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When somebody last said: keep sending (PA-17)."""
    warned_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When its warning began; null unless it is warned."""
    token: Mapped[str] = mapped_column(Text, unique=True)
    """Opaque, in unsubscribe links; never expires (RFC 8058, CAN-SPAM)."""
    original_entry_timestamp: Mapped[CreatedAt]
    modification_timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    saved_search: Mapped[SavedSearch] = relationship(lazy="raise")
    contact: Mapped[Contact] = relationship(lazy="raise")
    owner: Mapped[Member | None] = relationship(lazy="raise")
