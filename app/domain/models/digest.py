from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Integer, Text, text
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


KIND_BITS = {AlertKind.NEW: 1, AlertKind.PRICE_DROP: 2, AlertKind.BACK_ON_MARKET: 4}


class Digest(Model):
    """One mail to one address for one run: which matches it accounts for."""

    __tablename__ = "digest"
    __table_args__ = (
        one_of("state", DigestState),
        Index("digest_recipient_window_key", "office_id", "recipient", "window_end", unique=True),
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
    created_at: Mapped[CreatedAt]

    contact: Mapped[Contact] = relationship(lazy="raise")


class DigestItem(Model):
    """What became of one match: shown, merged into another line, or dropped with a reason."""

    __tablename__ = "digest_item"
    __table_args__ = (
        one_of("outcome", ItemOutcome),
        one_of("kind", AlertKind),
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
    """Price for drops, market spell for New and Back on market (PA-07)."""
    price_before: Mapped[Money | None]
    price_shown: Mapped[Money | None]
    outcome: Mapped[str] = mapped_column(Text)
    drop_reason: Mapped[str | None] = mapped_column(Text)
    position: Mapped[int | None] = mapped_column(Integer)
    """Its place in the mail, from 1; null unless shown."""

    listing: Mapped[Listing] = relationship(lazy="raise")


class BuyerListing(Model):
    """What a buyer was shown of a listing, and at what price (RESO ContactListings). Written when a mail is sent."""

    __tablename__ = "buyer_listing"
    __table_args__ = (Index("buyer_listing_listing_idx", "listing_id"),)

    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("contact.id"), primary_key=True)
    listing_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("listing.id"), primary_key=True)
    last_price_shown: Mapped[Money | None]
    market_spell_no: Mapped[int] = mapped_column(Integer, server_default="0")
    listing_sent_timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True))
