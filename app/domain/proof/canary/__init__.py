"""The canary (PA-25): a home that does not exist travels the whole path, every 15 minutes, to a mailbox that we read.

It has an office of its own, which no person belongs to and no list shows. Its buyers take turns, so that what holds for
buyers (an hour between two mails, a few mails a day, quiet hours) holds for them and keeps no trip back. Every trip is a
new home or a price that came down by more than a drop must, so that nothing of it was told before. Its rows are in the
balance, as everybody's are: nothing is left out there for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal

import structlog

from app.domain.listings import record
from app.domain.models import AlertSubscription, CanaryTrip, Contact, Listing, Office
from app.domain.models.lookups import Origin, StandardStatus
from app.domain.models.office import CANARY
from app.domain.proof.canary import queries
from app.domain.searches import saved
from app.extensions import db, settings
from app.gateways.letterbox import LetterboxError, arrivals

log = structlog.get_logger(__name__)

BUYERS = 32
"""One trip each in eight hours: fewer than the mails a day that anybody may get."""
EVERY = timedelta(minutes=15)
FIRST_PRICE = Decimal(1_900_000_000)
STEP = Decimal("0.985")
"""More than the 1 % that a drop must be (T2)."""
LEAST_PRICE = Decimal(50_000)
"""Below it the home leaves and another comes: in about a year."""
LOOKED_FOR = timedelta(days=2)
"""How long a mail is looked for after its trip began."""


def is_on() -> bool:
    """Has somebody said where the canary flies to?"""
    return bool(settings().canary_address)


def prepare(due_at: datetime, now: datetime | None = None) -> bool:
    """See that the buyer of this due time is there, and that their search is on. Call it, and commit, before `plant`: what
    happens in the transaction that switches a search on is no news for it (PA-13). False when no canary is set."""
    if not is_on():
        return False
    _buyer(_turn(due_at), now or datetime.now(UTC))
    return True


def plant(due_at: datetime, now: datetime | None = None) -> CanaryTrip | None:
    """Begin the trip of this due time: a listing event that one synthetic buyer waits for. Idempotent: None when it has
    begun before, or no canary is set. Callers commit."""
    now = now or datetime.now(UTC)
    if not is_on() or queries.trip_of(due_at) is not None:
        return None
    number = _turn(due_at)
    buyer = _buyer(number, now)
    listing = queries.home_of(buyer.office_id, _key(number))
    price = None if listing is None or listing.list_price is None else _lower(listing.list_price)
    if listing is not None and price is not None:
        event = record.change(listing.id, {"list_price": price}, office_id=buyer.office_id, now=now)
        assert event is not None
        event_seq, listing_id = event.seq, listing.id
    else:
        listing_id = _home(buyer.office_id, number, listing, due_at, now).id
        event_seq = queries.newest_event(listing_id)
    trip = CanaryTrip(due_at=due_at, contact_id=buyer.id, listing_id=listing_id, event_seq=event_seq, planted_at=now)
    db.session.add(trip)
    db.session.flush()
    return trip


def notice(now: datetime | None = None) -> int:
    """Look whether mails of open trips were sent, and have come; how many came. Talks to a gateway: call it before
    anything is locked. The caller commits. A mailbox that cannot be read leaves the trips open, and is logged."""
    now = now or datetime.now(UTC)
    config = settings()
    queries.note_sent(now - LOOKED_FOR)
    waiting = queries.under_way(now - LOOKED_FOR)
    if not waiting or not config.canary_mailbox:
        return 0
    begun = min(trip.planted_at for trip in waiting)
    local = config.canary_address.partition("@")[0]
    try:
        came = arrivals(
            config.canary_mailbox, {trip.message_id for trip in waiting if trip.message_id}, begun, to=local
        )
    except LetterboxError as error:
        log.warning("canary.unread", why=str(error))
        return 0
    for trip in waiting:
        if trip.message_id in came:
            # A file system keeps whole seconds, and its host's clock may be another's.
            trip.arrived_at = max(came[trip.message_id], trip.sent_at or trip.planted_at)
    db.session.flush()
    return len(came)


def _buyer(number: int, now: datetime) -> Contact:
    """The synthetic buyer of this turn, with a search that is on. It is about noon with them."""
    office = _office(now)
    local, _, domain = settings().canary_address.partition("@")
    email = f"{local}+{number:02d}@{domain}".lower()
    buyer = queries.buyer_of(office.id, _key(number))
    if buyer is None:
        buyer = Contact(
            office_id=office.id,
            contact_key=_key(number),
            first_name="Canary",
            full_name=f"Canary {number:02d}",
            email=email,
            original_entry_timestamp=now,
        )
        db.session.add(buyer)
        db.session.flush()
        saved.create(
            office.id,
            buyer.id,
            "",
            {"city": [_city(number)]},
            schedule_type="ASAP",
            key=_key(number),
            now=now,
            judge=False,
        )
    buyer.email, buyer.time_zone = email, _zone_at_noon(now)
    for one in db.session.query(AlertSubscription).filter_by(contact_id=buyer.id, active_yn=False):
        saved.resume(one.id, now)
    db.session.flush()
    return buyer


def _office(now: datetime) -> Office:
    office = queries.office_of(CANARY)
    if office is None:
        office = Office(office_key=CANARY, office_name="Porchlight canary", time_zone="UTC", created_at=now)
        db.session.add(office)
        db.session.flush()
    return office


def _home(office_id: int, number: int, former: Listing | None, due_at: datetime, now: datetime) -> Listing:
    if former is not None:
        gone = {"standard_status": StandardStatus.WITHDRAWN.value}
        record.change(former.id, gone, office_id=office_id, origin=Origin.CORRECTION, now=now)
    return record.create(
        office_id,
        {
            "standard_status": StandardStatus.ACTIVE.value,
            "list_price": FIRST_PRICE,
            "unparsed_address": f"{due_at.astimezone(UTC):%Y%m%d%H%M} Canary Row",  # the same would be a relist (PA-05)
            "city": _city(number),
        },
        key=f"{_key(number)}-{due_at.astimezone(UTC):%Y%m%d%H%M}",
        now=now,
    )


def _lower(price: Decimal) -> Decimal | None:
    lower = (price * STEP).quantize(Decimal(1), ROUND_DOWN)
    return lower if lower >= LEAST_PRICE else None


def _turn(due_at: datetime) -> int:
    return int(due_at.timestamp() // EVERY.total_seconds()) % BUYERS


def _key(number: int) -> str:
    return f"{CANARY}-{number:02d}"


def _city(number: int) -> str:
    return f"Canary {number:02d}"


def _zone_at_noon(now: datetime) -> str:
    """A zone in which it is noon or a little later. In these names the sign is turned around."""
    ahead = 12 - now.astimezone(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/UTC"
