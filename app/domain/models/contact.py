from datetime import datetime, time

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Computed, DateTime, ForeignKey, Index, Text, Time, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.models.columns import CreatedAt, Id, one_of
from app.domain.models.lookups import ContactStatus
from app.domain.models.member import Member
from app.extensions import Model


class Contact(Model):
    """A buyer, or anybody the office knows (RESO Contacts). contact_password is not implemented on purpose."""

    __tablename__ = "contact"
    __table_args__ = (
        one_of("contact_status", ContactStatus),
        CheckConstraint("email = lower(btrim(email))", name="email_normal"),
        CheckConstraint("full_name <> ''", name="full_name"),
        Index("contact_office_email_key", "office_id", "email", unique=True, postgresql_where="email <> ''"),
        Index("contact_household_idx", "household_id", postgresql_where=text("household_id IS NOT NULL")),
        Index("contact_office_name_idx", "office_id", "full_name", "id"),
        Index(
            "contact_search_text_idx",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))
    contact_key: Mapped[str] = mapped_column(Text, unique=True)
    contact_status: Mapped[str] = mapped_column(Text, server_default=ContactStatus.ACTIVE.value)
    contact_type: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{Buyer}")
    first_name: Mapped[str] = mapped_column(Text, server_default="")
    last_name: Mapped[str] = mapped_column(Text, server_default="")
    full_name: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text, server_default="")
    """Trimmed, lower case, IDNA domain; empty when the person gave none."""
    mobile_phone: Mapped[str] = mapped_column(Text, server_default="")
    time_zone: Mapped[str] = mapped_column(Text, server_default="")
    """IANA name; empty = the office's (PA-20)."""
    quiet_from: Mapped[time | None] = mapped_column(Time)
    quiet_until: Mapped[time | None] = mapped_column(Time)
    """Their quiet hours on their own clock; null = the office's, the same twice = none (PA-21)."""
    household_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("household.id"))
    """Who shares alerts with them (PA-09)."""
    owner_member_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("member.id"), index=True)
    lead_source: Mapped[str] = mapped_column(Text, server_default="")
    notes: Mapped[str] = mapped_column(Text, server_default="")
    original_entry_timestamp: Mapped[CreatedAt]
    modification_timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    search_text: Mapped[str] = mapped_column(
        Text,
        Computed(
            "lower(full_name || ' ' || email || ' ' || regexp_replace(mobile_phone, '[^0-9]', '', 'g'))", persisted=True
        ),
    )
    """Lower-case name, address and the digits of the phone: what the find box looks in."""

    owner: Mapped[Member | None] = relationship(lazy="raise")
