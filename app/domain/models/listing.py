from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.types import UserDefinedType

from app.domain.models.columns import Area, Id, Money, one_of
from app.domain.models.lookups import ChangeType, Origin, StandardStatus
from app.domain.models.member import Member
from app.extensions import Model


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id, which the cursor of matching compares with two snapshots: what lies between
    them was committed since the batch before, however long it took to commit."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class PgSnapshot(UserDefinedType[str]):
    """PostgreSQL's pg_snapshot: which transactions were visible at one moment."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "pg_snapshot"


class Listing(Model):
    """A home (RESO Property). Written only through app.domain.listings.record, which keeps the event log true."""

    __tablename__ = "listing"
    __table_args__ = (
        one_of("standard_status", StandardStatus),
        CheckConstraint("list_price > 0 AND list_price < 2000000000", name="list_price"),
        CheckConstraint("close_price >= 0", name="close_price"),
        CheckConstraint("bedrooms_total BETWEEN 0 AND 999", name="bedrooms_total"),
        CheckConstraint("baths_equivalent BETWEEN 0 AND 300", name="baths_equivalent"),
        CheckConstraint("living_area > 0 AND living_area < 2000000000", name="living_area"),
        CheckConstraint(
            "lot_size_square_feet > 0 AND lot_size_square_feet < 100000000000", name="lot_size_square_feet"
        ),
        CheckConstraint("year_built BETWEEN 1600 AND 2200", name="year_built"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="coordinates_whole"),
        CheckConstraint("association_fee >= 0", name="association_fee"),
        CheckConstraint(
            "association_fee_monthly >= 0 AND association_fee_monthly < 2000000000", name="association_fee_monthly"
        ),
        CheckConstraint("garage_spaces BETWEEN 0 AND 999", name="garage_spaces"),
        Index(
            "listing_originating_system_key",
            "office_id",
            "originating_system_name",
            "originating_system_key",
            unique=True,
        ),
        Index("listing_office_modified_idx", "office_id", text("modification_timestamp DESC"), text("id DESC")),
        Index(
            "listing_office_status_modified_idx",
            "office_id",
            "standard_status",
            text("modification_timestamp DESC"),
            text("id DESC"),
        ),
        # These carry what the list's usual filters ask, so that its counts read the index alone.
        Index(
            "listing_office_price_idx",
            "office_id",
            "list_price",
            "id",
            postgresql_include=[
                "standard_status",
                "bedrooms_total",
                "baths_equivalent",
                "property_type",
                "property_sub_type",
            ],
        ),
        Index(
            "listing_office_on_market_idx", "office_id", "on_market_timestamp", postgresql_include=["standard_status"]
        ),
        Index(
            "listing_office_price_drop_idx",
            "office_id",
            "price_change_timestamp",
            postgresql_where=text("list_price < previous_list_price"),
        ),
        Index(
            "listing_search_text_idx",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
        # Maps and drawn areas ask for what lies within a box.
        Index(
            "listing_position_idx",
            "office_id",
            "latitude",
            "longitude",
            postgresql_where=text("latitude IS NOT NULL"),
        ),
        Index("listing_city_area_idx", "office_id", "city_area_id"),
        Index("listing_postal_area_idx", "office_id", "postal_code_area_id"),
        Index("listing_county_area_idx", "office_id", "county_area_id"),
        Index("listing_subdivision_area_idx", "office_id", "subdivision_area_id"),
        Index("listing_mls_area_idx", "office_id", "mls_area_id"),
        Index(
            "listing_list_agent_idx",
            "office_id",
            "list_agent_id",
            "standard_status",
            postgresql_where=text("list_agent_id IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))

    # Identity
    listing_key: Mapped[str] = mapped_column(Text, unique=True)
    listing_id: Mapped[str] = mapped_column(Text, server_default="")
    """The MLS number people quote; not unique across sources."""
    originating_system_name: Mapped[str] = mapped_column(Text)
    originating_system_key: Mapped[str] = mapped_column(Text)
    parcel_number: Mapped[str] = mapped_column(Text, server_default="")
    content_hash: Mapped[str] = mapped_column(Text, server_default="")
    """Of what the source said last: an equal hash skips the compare."""

    # Status and its moments
    standard_status: Mapped[str] = mapped_column(Text)
    mls_status: Mapped[str] = mapped_column(Text, server_default="")
    status_change_timestamp: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    on_market_timestamp: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    off_market_timestamp: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    back_on_market_timestamp: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    market_spell_no: Mapped[int] = mapped_column(Integer, server_default="0")
    """Ours: counts the times this listing entered the market; the fingerprint of New and Back on market (PA-07)."""
    listing_contract_date: Mapped[date | None] = mapped_column(Date)
    close_date: Mapped[date | None] = mapped_column(Date)

    # Price
    list_price: Mapped[Money | None]
    original_list_price: Mapped[Money | None]
    previous_list_price: Mapped[Money | None]
    price_change_timestamp: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    close_price: Mapped[Money | None]

    # Type and size
    property_type: Mapped[str | None] = mapped_column(Text)
    property_sub_type: Mapped[str | None] = mapped_column(Text)
    bedrooms_total: Mapped[int | None] = mapped_column(SmallInteger)
    bathrooms_total_integer: Mapped[int | None] = mapped_column(SmallInteger)
    bathrooms_full: Mapped[int | None] = mapped_column(SmallInteger)
    bathrooms_three_quarter: Mapped[int | None] = mapped_column(SmallInteger)
    bathrooms_half: Mapped[int | None] = mapped_column(SmallInteger)
    bathrooms_one_quarter: Mapped[int | None] = mapped_column(SmallInteger)
    baths_equivalent: Mapped[Decimal | None] = mapped_column(Numeric(6, 2))
    """Ours: full + 0.75·¾ + 0.5·half + 0.25·¼, what a buyer's "2.5 baths" means."""
    living_area: Mapped[Area | None]
    """Square feet."""
    lot_size_square_feet: Mapped[Area | None]
    year_built: Mapped[int | None] = mapped_column(SmallInteger)
    stories_total: Mapped[Decimal | None] = mapped_column(Numeric(5, 1))
    garage_spaces: Mapped[int | None] = mapped_column(SmallInteger)

    # Place
    unparsed_address: Mapped[str] = mapped_column(Text, server_default="")
    unit_number: Mapped[str] = mapped_column(Text, server_default="")
    city: Mapped[str] = mapped_column(Text, server_default="")
    state_or_province: Mapped[str] = mapped_column(Text, server_default="")
    postal_code: Mapped[str] = mapped_column(Text, server_default="")
    county_or_parish: Mapped[str] = mapped_column(Text, server_default="")
    subdivision_name: Mapped[str] = mapped_column(Text, server_default="")
    mls_area_major: Mapped[str] = mapped_column(Text, server_default="")
    property_time_zone_name: Mapped[str] = mapped_column(Text, server_default="")
    """IANA, as given."""
    latitude: Mapped[Decimal | None] = mapped_column(Numeric(12, 8))
    longitude: Mapped[Decimal | None] = mapped_column(Numeric(12, 8))
    city_area_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("area.id"))
    postal_code_area_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("area.id"))
    county_area_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("area.id"))
    subdivision_area_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("area.id"))
    mls_area_id: Mapped[int | None] = mapped_column(Integer, ForeignKey("area.id"))

    # Features, words, people, publication
    waterfront_yn: Mapped[bool | None] = mapped_column(Boolean)
    pool_private_yn: Mapped[bool | None] = mapped_column(Boolean)
    new_construction_yn: Mapped[bool | None] = mapped_column(Boolean)
    senior_community_yn: Mapped[bool | None] = mapped_column(Boolean)
    association_fee: Mapped[Money | None]
    association_fee_frequency: Mapped[str | None] = mapped_column(Text)
    association_fee_monthly: Mapped[Money | None]
    """Ours: the fee as it would be paid each month (PA-06); null where the frequency does not say."""
    special_listing_conditions: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Sorted, never empty: what nobody said is null."""
    public_remarks: Mapped[str] = mapped_column(Text, server_default="")
    remarks_words: Mapped[str] = mapped_column(Text, server_default="")
    """Ours: public_remarks as keywords are looked for in them (listings/words.py)."""
    private_remarks: Mapped[str] = mapped_column(Text, server_default="")
    """Internal only: never in a buyer's email or page."""
    list_agent_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("member.id"))
    list_agent_full_name: Mapped[str] = mapped_column(Text, server_default="")
    list_office_name: Mapped[str] = mapped_column(Text, server_default="")
    list_office_phone: Mapped[str] = mapped_column(Text, server_default="")
    internet_entire_listing_display_yn: Mapped[bool] = mapped_column(Boolean, server_default="true")
    internet_address_display_yn: Mapped[bool] = mapped_column(Boolean, server_default="true")
    preferred_photo_url: Mapped[str] = mapped_column(Text, server_default="")
    """Ours: the MediaURL of the photograph that stands for the home (RESO Media, PreferredPhotoYN)."""
    photos_count: Mapped[int] = mapped_column(SmallInteger, server_default="0")

    original_entry_timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    modification_timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    lock_version: Mapped[int] = mapped_column(Integer, server_default="1")
    """Raised by every write; a form that holds an older one is answered 409."""
    search_text: Mapped[str] = mapped_column(Text, server_default="")
    """Lower-case address, city, postal code and MLS number: what the find box looks in."""

    list_agent: Mapped[Member | None] = relationship(lazy="raise")


class ListingEvent(Model):
    """What changed, when, by whom, and the values at that moment (PA-01). Appended, never edited.

    `seq` orders; the alert cursor compares `xid` with snapshots, because a sequence alone skips late commits.
    The matching columns repeat the listing as it was after the change: matching needs no join and cannot race.
    """

    __tablename__ = "listing_event"
    __table_args__ = (
        one_of("change_type", ChangeType),
        one_of("origin", Origin),
        CheckConstraint("alertable = (not_alertable_reason IS NULL)", name="alertable_reason"),
        CheckConstraint("NOT alertable OR kinds <> 0", name="alertable_kinds"),
        Index("listing_event_xid_idx", "xid"),
        Index("listing_event_listing_idx", "listing_id", text("seq DESC")),
        Index("listing_event_recorded_idx", "recorded_at"),
        Index("listing_event_office_recorded_idx", "office_id", "recorded_at"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=False), primary_key=True)
    xid: Mapped[int] = mapped_column(Xid8, server_default=func.pg_current_xact_id())
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))
    listing_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("listing.id"))
    change_type: Mapped[str] = mapped_column(Text)
    kinds: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Bits: 1 New, 2 Price drop, 4 Back on market, 8 Now matches, 16 Open house, 32 Status change. Zero: nothing a search
    could be told about."""
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """{field: [before, after]}; money and times as text."""
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """The former values of the columns below that changed, where the kind of news depends on them:
    jsonb_populate_record(event, before) is the home before it."""
    open_house_id: Mapped[int | None] = mapped_column(BigInteger)
    """The open house it is about; not a foreign key, so that either may leave first."""
    origin: Mapped[str] = mapped_column(Text)
    alertable: Mapped[bool] = mapped_column(Boolean)
    not_alertable_reason: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """When the source says it happened; recorded_at is when we wrote it down."""
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))
    import_batch_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("import_batch.id"))

    # The listing after the change, as matching reads it
    standard_status: Mapped[str] = mapped_column(Text)
    list_price: Mapped[Money | None]
    previous_list_price: Mapped[Money | None]
    """The price before this event (also when it did not change)."""
    property_type: Mapped[str | None] = mapped_column(Text)
    property_sub_type: Mapped[str | None] = mapped_column(Text)
    bedrooms_total: Mapped[int | None] = mapped_column(SmallInteger)
    baths_equivalent: Mapped[Decimal | None] = mapped_column(Numeric(6, 2))
    living_area: Mapped[Area | None]
    lot_size_square_feet: Mapped[Area | None]
    year_built: Mapped[int | None] = mapped_column(SmallInteger)
    city_area_id: Mapped[int | None] = mapped_column(Integer)
    postal_code_area_id: Mapped[int | None] = mapped_column(Integer)
    county_area_id: Mapped[int | None] = mapped_column(Integer)
    subdivision_area_id: Mapped[int | None] = mapped_column(Integer)
    mls_area_id: Mapped[int | None] = mapped_column(Integer)
    latitude_e6: Mapped[int | None] = mapped_column(Integer)
    longitude_e6: Mapped[int | None] = mapped_column(Integer)
    """Micro-degrees, rounded: shapes are decided in whole numbers."""
    garage_spaces: Mapped[int | None] = mapped_column(SmallInteger)
    association_fee_monthly: Mapped[Money | None]
    features: Mapped[int] = mapped_column(Integer, server_default="0")
    """Two bits for each of listings/carried.py's yes/no features: yes, and no; neither is unknown."""
    special_conditions: Mapped[int | None] = mapped_column(Integer)
    """Bit mask of SpecialListingConditions; one bit more for words we do not know. Null: nobody said."""
    remarks_words: Mapped[str | None] = mapped_column(Text)
    """Of alertable events only: the others are never asked for keywords."""
    market_spell_no: Mapped[int] = mapped_column(Integer, server_default="0")

    listing: Mapped[Listing] = relationship(lazy="raise")
