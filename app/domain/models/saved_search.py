from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.models.columns import CreatedAt, Id
from app.domain.models.contact import Contact
from app.domain.models.listing import Xid8
from app.domain.models.member import Member
from app.extensions import Model


class SavedSearch(Model):
    """What somebody is looking for (RESO SavedSearch). Its criteria are those of its newest version."""

    __tablename__ = "saved_search"
    __table_args__ = (
        Index("saved_search_office_idx", "office_id", "id"),
        Index("saved_search_contact_idx", "contact_id"),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact.id"))
    """Ours: the buyer it was made for. Who gets mail is decided by alert_subscription."""
    member_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("member.id"), index=True)
    saved_search_key: Mapped[str] = mapped_column(Text, unique=True)
    saved_search_name: Mapped[str] = mapped_column(Text)
    """Empty: it is called by what it asks for now, see `called`."""
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    criteria: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """RESO names; AND across fields, OR within a list. Equal to saved_search_version's newest row."""
    shape: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    """The box, the circle and the drawn rings of the criteria in whole micro-degrees (searches/shapes.py), as matching
    reads them."""
    further: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """What the criteria ask beyond the columns of search_key (searches/keys.py); such keys are flagged FURTHER."""
    search_query: Mapped[str] = mapped_column(Text, server_default="")
    """The criteria as an OData $filter, as far as it can say them."""
    search_query_exceptions: Mapped[bool] = mapped_column(Boolean, server_default="false")
    search_query_exception_details: Mapped[str] = mapped_column(Text, server_default="")
    """What the $filter cannot say."""
    time_zone: Mapped[str] = mapped_column(Text, server_default="")
    """IANA name: of the homes where it looks, when it was saved; empty = unknown (PA-20)."""
    search_query_human_readable: Mapped[str] = mapped_column(Text, server_default="")
    original_entry_timestamp: Mapped[CreatedAt]
    modification_timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """Out of the lists and off; its history stays, so that what was sent can still be explained (PA-16)."""

    contact: Mapped[Contact] = relationship(lazy="raise")
    member: Mapped[Member | None] = relationship(lazy="raise")

    @hybrid_property
    def called(self) -> str:
        """What people read wherever the search is named. The same in SQL; plain SQL says it in the same words."""
        return self.saved_search_name or self.search_query_human_readable.rstrip(".")

    @called.inplace.expression
    @classmethod
    def _called_in_sql(cls) -> ColumnElement[str]:
        sentence = func.rtrim(cls.search_query_human_readable, ".")
        return func.coalesce(func.nullif(cls.saved_search_name, ""), sentence)


class SavedSearchVersion(Model):
    """Each criteria a search ever had (PA-15). Appended, never edited."""

    __tablename__ = "saved_search_version"

    saved_search_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("saved_search.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    criteria: Mapped[dict[str, Any]] = mapped_column(JSONB)
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))
    restored_from: Mapped[int | None] = mapped_column(Integer)
    """The older version whose criteria this one brought back."""
    created_at: Mapped[CreatedAt]


class SearchKey(Model):
    """The exploded index of active subscriptions, rewritten with the search in the same transaction.

    key = office · 2^44 + place · 16 + type number (15 = any type); place: 0 = anywhere, area.id, or 2^32 + grid cell
    (searches/shapes.py numbers them).
    A missing bound is a sentinel outside every real value; ranges are inclusive whole units.
    """

    __tablename__ = "search_key"
    __table_args__ = (
        Index(
            "search_key_cover_idx",
            "key",
            "price_hi",
            postgresql_include=[
                "price_lo",
                "living_lo",
                "living_hi",
                "lot_lo",
                "sub_types",
                "triggers",
                "year_lo",
                "year_hi",
                "beds_lo",
                "baths_lo",
                "flags",
                "alert_subscription_id",
                "saved_search_id",
            ],
        ),
        Index("search_key_subscription_idx", "alert_subscription_id"),
    )

    id: Mapped[Id]
    key: Mapped[int] = mapped_column(BigInteger)
    price_hi: Mapped[int] = mapped_column(Integer)
    price_lo: Mapped[int] = mapped_column(Integer)
    living_lo: Mapped[int] = mapped_column(Integer)
    living_hi: Mapped[int] = mapped_column(Integer)
    lot_lo: Mapped[int] = mapped_column(BigInteger)
    sub_types: Mapped[int] = mapped_column(BigInteger)
    """Bit mask of PropertySubType; bit 61 = a sub type we do not know, bit 62 = none given."""
    triggers: Mapped[int] = mapped_column(Integer)
    """Status bits 0–10 in StandardStatus order, kind bits from 11 (1<<11 New, 1<<12 Price drop,
    1<<13 Back on market, 1<<14 Now matches, 1<<15 Open house, 1<<16 Status change)."""
    year_lo: Mapped[int] = mapped_column(SmallInteger)
    year_hi: Mapped[int] = mapped_column(SmallInteger)
    beds_lo: Mapped[int] = mapped_column(SmallInteger)
    baths_lo: Mapped[int] = mapped_column(SmallInteger)
    """Hundredths of baths_equivalent."""
    flags: Mapped[int] = mapped_column(SmallInteger)
    """1 = the cell is only partly inside the shape: decide on the point. 2 = the search names places of more than one
    kind, so that one home can be hit twice. 4 = saved_search.further has the last word. 0 = the scalar tests are final."""
    alert_subscription_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("alert_subscription.id", ondelete="CASCADE")
    )
    saved_search_id: Mapped[int] = mapped_column(BigInteger)


class SearchChange(Model):
    """Whose key rows were written or deleted, and by which transaction: by triggers (migration 0012), for the matcher
    that holds them in memory (alerts/engine)."""

    __tablename__ = "search_change"
    __table_args__ = (Index("search_change_xid_idx", "xid"), Index("search_change_changed_at_idx", "changed_at"))

    id: Mapped[Id]
    xid: Mapped[int] = mapped_column(Xid8, server_default=func.pg_current_xact_id())
    alert_subscription_id: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[CreatedAt]
