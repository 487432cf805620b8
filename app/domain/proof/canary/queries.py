"""What the canary asks about its own rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, text

from app.domain.models import CanaryTrip, Contact, Listing, ListingEvent, Office
from app.extensions import db


def office_of(key: str) -> Office | None:
    return db.session.scalar(select(Office).where(Office.office_key == key))


def buyer_of(office_id: int, key: str) -> Contact | None:
    return db.session.scalar(select(Contact).where(Contact.office_id == office_id, Contact.contact_key == key))


def home_of(office_id: int, key: str) -> Listing | None:
    """The newest home of this turn."""
    return db.session.scalar(
        select(Listing)
        .where(Listing.office_id == office_id, Listing.originating_system_key.startswith(f"{key}-"))
        .order_by(Listing.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )


def newest_event(listing_id: int) -> int:
    """The number of the last event of a home."""
    found = db.session.scalar(select(func.max(ListingEvent.seq)).where(ListingEvent.listing_id == listing_id))
    assert found is not None
    return found


def trip_of(due_at: datetime) -> CanaryTrip | None:
    return db.session.scalar(select(CanaryTrip).where(CanaryTrip.due_at == due_at))


_NOTE_SENT = text("""
    UPDATE canary_trip t SET message_id = m.message_id, sent_at = m.sent_at
    FROM digest_item i JOIN outbound_message m ON m.digest_id = i.digest_id
    WHERE t.arrived_at IS NULL AND t.sent_at IS NULL AND t.due_at > :since
      AND i.event_seq = t.event_seq AND i.outcome <> 'dropped'
      AND (t.message_id IS DISTINCT FROM m.message_id OR m.sent_at IS NOT NULL)
""")


def note_sent(since: datetime) -> None:
    """Write down which mail each open trip became, and when it went."""
    db.session.execute(_NOTE_SENT, {"since": since})


def under_way(since: datetime) -> Sequence[CanaryTrip]:
    """Trips whose mail is known and has not come."""
    return db.session.scalars(
        select(CanaryTrip)
        .where(CanaryTrip.arrived_at.is_(None), CanaryTrip.message_id.is_not(None), CanaryTrip.due_at > since)
        .order_by(CanaryTrip.due_at)
        .execution_options(populate_existing=True)
    ).all()
