from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, CheckConstraint, DateTime, ForeignKey, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.models.columns import CreatedAt, Id, Money, one_of
from app.domain.models.contact import Contact
from app.domain.models.listing import Listing
from app.extensions import Model


class DigestState(StrEnum):
    BUILT = "built"
    """Its message is queued or has been sent: see the message."""
    EMPTY = "empty"
    """Every item was dropped before a message was made: nothing is sent (PA-12)."""
    HELD = "held"
    """It has no message yet: its run is still being counted, or a person is asked first (PA-27)."""


class ItemOutcome(StrEnum):
    SHOWN = "shown"
    MERGED = "merged"
    """In the same mail, on the line of another match of the same listing (PA-08)."""
    DROPPED = "dropped"


class AlertKind(StrEnum):
    """The kinds of alert, strongest first (PA-08). Values are what buyers read."""

    BACK_ON_MARKET = "Back on market"
    NEW = "New"
    PRICE_DROP = "Price drop"
    NOW_MATCHES = "Now matches"
    OPEN_HOUSE = "Open house"
    STATUS_CHANGE = "Status change"


KIND_BITS = {
    AlertKind.NEW: 1,
    AlertKind.PRICE_DROP: 2,
    AlertKind.BACK_ON_MARKET: 4,
    AlertKind.NOW_MATCHES: 8,
    AlertKind.OPEN_HOUSE: 16,
    AlertKind.STATUS_CHANGE: 32,
}
DEFAULT_KINDS = sum(KIND_BITS.values()) - KIND_BITS[AlertKind.STATUS_CHANGE]
"""What a new subscription is told about; changes of status are asked for."""


class MatchCause(StrEnum):
    """What made a home match that did not before."""

    PRICE = "price"
    STATUS = "status"
    DETAILS = "details"
    """Late data entry: other columns, while it is new on the market."""


class ListingPreference(StrEnum):
    """RESO ContactListingPreference: what a buyer thinks of a home."""

    DISCARD = "Discard"
    FAVORITE = "Favorite"
    POSSIBILITY = "Possibility"


class Digest(Model):
    """One mail to one address for one run: which matches it accounts for."""

    __tablename__ = "digest"
    __table_args__ = (
        one_of("state", DigestState),
        Index("digest_once_key", "office_id", "recipient", "window_end", "needs_approval", unique=True),
        Index("digest_held_idx", "office_id", "id", postgresql_where=text("state = 'held'")),
        Index("digest_hold_idx", "hold_id", postgresql_where=text("hold_id IS NOT NULL")),
        Index("digest_contact_idx", "contact_id", text("id DESC")),
        Index("digest_created_idx", "created_at"),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact.id"))
    recipient: Mapped[str] = mapped_column(Text)
    """The address, normalised. Two contacts who share it get one mail (PA-08, PA-09)."""
    window_end: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """The due time of the run that built it: a repeated run finds this row instead of mailing again."""
    state: Mapped[str] = mapped_column(Text)
    token: Mapped[str] = mapped_column(Text, unique=True)
    """Opaque, in the link to the page that shows exactly these homes."""
    items_shown: Mapped[int] = mapped_column(Integer, server_default="0")
    items_dropped: Mapped[int] = mapped_column(Integer, server_default="0")
    job_run_id: Mapped[int | None] = mapped_column(BigInteger)
    is_instant: Mapped[bool] = mapped_column(Boolean, server_default="false")
    """It counts among the few that a buyer gets in an hour and a day (PA-10)."""
    needs_approval: Mapped[bool] = mapped_column(Boolean, server_default="false")
    """Of searches whose every mail an agent approves; it may stand beside another one of its window."""
    hold_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("mail_hold.id"))
    """The halt of its run (PA-27)."""
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it was approved or declined by itself."""
    decided_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))
    decided_reason: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[CreatedAt]

    contact: Mapped[Contact] = relationship(lazy="raise")


class DigestItem(Model):
    """What became of one match: shown, merged into another line, or dropped with a reason."""

    __tablename__ = "digest_item"
    __table_args__ = (
        one_of("outcome", ItemOutcome),
        one_of("kind", AlertKind),
        one_of("cause", MatchCause),
        CheckConstraint("(outcome = 'dropped') = (drop_reason IS NOT NULL)", name="drop_reason"),
        # PA-07: the database, not the code, forbids telling one address the same thing twice.
        Index(
            "digest_item_told_once_key",
            "office_id",
            "recipient",
            "listing_id",
            "kind",
            "fingerprint",
            unique=True,
            postgresql_where=text("outcome = 'shown'"),
        ),
        Index(
            "digest_item_listing_idx",
            "listing_id",
            text("digest_id DESC"),
            postgresql_include=["alert_subscription_id"],
        ),
        Index("digest_item_event_idx", "event_seq"),
    )

    digest_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("digest.id", ondelete="CASCADE"), primary_key=True)
    alert_subscription_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    office_id: Mapped[int] = mapped_column(BigInteger)
    recipient: Mapped[str] = mapped_column(Text)
    listing_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("listing.id"))
    saved_search_id: Mapped[int] = mapped_column(BigInteger)
    search_version: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(Text)
    """Price for drops, market spell for New, Back on market and Now matches, the status for a change of it, the key of
    an open house (PA-07)."""
    cause: Mapped[str | None] = mapped_column(Text)
    """Of Now matches: what made it match."""
    price_before: Mapped[Money | None]
    price_shown: Mapped[Money | None]
    outcome: Mapped[str] = mapped_column(Text)
    drop_reason: Mapped[str | None] = mapped_column(Text)
    position: Mapped[int | None] = mapped_column(Integer)
    """Its place in the mail, from 1; null unless shown."""
    since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """The subscription's watermark: what the home was then is what it is compared with (PA-04)."""

    listing: Mapped[Listing] = relationship(lazy="raise")


class BuyerListing(Model):
    """What a buyer was shown of a listing, and at what price (RESO ContactListings). Written when a mail is sent."""

    __tablename__ = "buyer_listing"
    __table_args__ = (
        one_of("contact_listing_preference", ListingPreference),
        Index("buyer_listing_listing_idx", "listing_id"),
    )

    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact.id"), primary_key=True)
    listing_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("listing.id"), primary_key=True)
    last_price_shown: Mapped[Money | None]
    market_spell_no: Mapped[int] = mapped_column(Integer, server_default="0")
    listing_sent_timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    contact_listing_preference: Mapped[str | None] = mapped_column(Text)
    listing_viewed_yn: Mapped[bool] = mapped_column(Boolean, server_default="false")
