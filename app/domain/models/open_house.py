from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Date, DateTime, ForeignKey, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import CreatedAt, Id, one_of
from app.extensions import Model


class OpenHouseStatus(StrEnum):
    ACTIVE = "Active"
    CANCELED = "Canceled"
    ENDED = "Ended"


class OpenHouseType(StrEnum):
    """Open in RESO: a feed may bring others, which are kept as they came. Only Public is told to buyers."""

    BROKER = "Broker"
    LIVESTREAM_BROKER = "Livestream Broker"
    LIVESTREAM_PUBLIC = "Livestream Public"
    OFFICE = "Office"
    PUBLIC = "Public"


class OpenHouse(Model):
    """A time at which a home can be seen without an appointment (RESO OpenHouse). Written only through
    app.domain.listings.openings, which keeps the event log true."""

    __tablename__ = "open_house"
    __table_args__ = (
        one_of("open_house_status", OpenHouseStatus),
        CheckConstraint("open_house_end_time > open_house_start_time", name="order"),
        CheckConstraint("open_house_key <> ''", name="open_house_key"),
        Index("open_house_source_key", "office_id", "originating_system_name", "open_house_key", unique=True),
        Index("open_house_listing_idx", "listing_id", "open_house_start_time"),
        Index("open_house_start_idx", "open_house_start_time"),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))
    listing_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("listing.id"))
    originating_system_name: Mapped[str] = mapped_column(Text)
    open_house_key: Mapped[str] = mapped_column(Text)
    open_house_date: Mapped[date] = mapped_column(Date)
    """The day on the wall of the property."""
    open_house_start_time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    open_house_end_time: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    open_house_status: Mapped[str] = mapped_column(Text, server_default=OpenHouseStatus.ACTIVE.value)
    open_house_type: Mapped[str] = mapped_column(Text, server_default=OpenHouseType.PUBLIC.value)
    open_house_attended_by: Mapped[str | None] = mapped_column(Text)
    appointment_required_yn: Mapped[bool | None] = mapped_column(Boolean)
    showing_agent_key: Mapped[str] = mapped_column(Text, server_default="")
    open_house_remarks: Mapped[str] = mapped_column(Text, server_default="")
    announced_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """Ours: when its event was written; null while it is not near enough to be told of, or not for the public."""
    original_entry_timestamp: Mapped[CreatedAt]
    modification_timestamp: Mapped[CreatedAt]
    lock_version: Mapped[int] = mapped_column(Integer, server_default="1")


class ListingOwner(Model):
    """Whose home a listing is: a contact who sells it is not told about it (PA-05)."""

    __tablename__ = "listing_owner"
    __table_args__ = (Index("listing_owner_contact_idx", "contact_id"),)

    listing_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("listing.id"), primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact.id"), primary_key=True)
    created_at: Mapped[CreatedAt]
