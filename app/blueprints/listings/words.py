"""A listing's rows and events in words: what changed, how long, from where, and why nobody was told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from app.blueprints.listings.amounts import SQUARE_FEET_IN_AN_ACRE
from app.display import DASH, clock, day, exact_time, money, number, plural
from app.domain.digests.decide import IN_WORDS, DropReason
from app.domain.listings.changes import Silence
from app.domain.listings.fields import FIELDS, Kind
from app.domain.listings.queries import FOR_SALE, NEW_FOR, Told
from app.domain.models import KIND_BITS, AlertKind, OpenHouse, OpenHouseStatus
from app.domain.models.lookups import ChangeType, Origin, StandardStatus
from app.domain.searches.desk.words import schedule_words

FRESH_CHANGE = timedelta(days=30)
"""A price change this old is history, not news."""
CHANGES_SHOWN = 4
HUGE_PERCENT = 999
FEW_ACRES = Decimal("0.1")

STATUS_MEANINGS = {
    StandardStatus.ACTIVE: "on the market",
    StandardStatus.ACTIVE_UNDER_CONTRACT: "offer accepted, still on the market",
    StandardStatus.CANCELED: "the contract was ended early",
    StandardStatus.CLOSED: "sold",
    StandardStatus.COMING_SOON: "contract signed, not yet on the market",
    StandardStatus.DELETE: "never valid; nobody is told",
    StandardStatus.EXPIRED: "the contract ran out",
    StandardStatus.HOLD: "off the market, expected back",
    StandardStatus.INCOMPLETE: "still being written; nobody is told",
    StandardStatus.PENDING: "offer accepted, off the market",
    StandardStatus.WITHDRAWN: "off the market, contract still runs",
}
"""RESO's meanings in our words."""

SILENCE = {
    Silence.CORRECTION: "a correction, so nobody is alerted",
    Silence.BACKFILL: "the first import of its source, so nobody is alerted",
    Silence.MIGRATION: "a migration, so nobody is alerted",
    Silence.REPLAY: "a replay, so nobody is alerted",
    Silence.NOT_VALID: "not a valid listing, so nobody is alerted",
    Silence.OFF_MARKET: "off the market, so nobody is alerted",
    Silence.HIDDEN: "hidden from the internet, so nobody is alerted",
    Silence.STALE: "too old to be new, so nobody is alerted",
    Silence.RELIST: "the same offer under a new key, so nobody is alerted",
    Silence.BRIEF_FLIP: "back within twelve hours, so nobody is alerted",
    Silence.PRICE_RISE: "a price rise alerts nobody",
    Silence.STATUS: "a status that alerts nobody",
    Silence.ATTRIBUTES: "such a change alerts nobody",
}

ORIGINS = {
    Origin.LIVE_SYNC: "Live sync",
    Origin.MANUAL: "By hand",
    Origin.CORRECTION: "Correction by hand",
    Origin.BACKFILL: "First import of its source",
    Origin.MIGRATION: "Migration",
    Origin.REPLAY: "Replay",
}


@dataclass(frozen=True)
class PriceChange:
    """The last change of the price, while it is news."""

    before: Decimal
    amount: Decimal
    """Without sign."""
    percent: str
    is_drop: bool
    at: datetime | None


def price_change(row: Any, now: datetime) -> PriceChange | None:
    """None when the price never changed, or not lately."""
    before, after, at = row.previous_list_price, row.list_price, row.price_change_timestamp
    if before is None or after is None or before == after or not before:
        return None
    if at is not None and now - at > FRESH_CHANGE:
        return None
    return PriceChange(before, abs(before - after), percent(before, after), after < before, at)


def percent(before: Decimal, after: Decimal) -> str:
    """3.9 %, without sign; a rise beyond 999 % in words, for its digits say nothing."""
    share = abs(after - before) / before * 100
    return "more than tenfold" if share > HUGE_PERCENT else f"{share:.1f} %"


def days_on_market(row: Any, now: datetime) -> int | None:
    """Whole days since it entered the market; they stand still when it has left. None before it has entered."""
    if row.on_market_timestamp is None or row.standard_status == StandardStatus.COMING_SOON:
        return None
    until = now if row.standard_status in FOR_SALE else row.off_market_timestamp or now
    return max(int((until - row.on_market_timestamp).days), 0)


@dataclass(frozen=True)
class Line:
    """One row of the list, ready to read."""

    id: int
    title: str
    city: str
    status: str
    price: Decimal | None
    change: PriceChange | None
    beds: int | None
    baths: Decimal | None
    sqft: Decimal | None
    days: int | None
    mark: str
    """New or Back for those that entered the market this week, else empty."""
    matches: int
    agent: str
    agent_short: str
    changed: datetime


def title_of(listing: Any) -> str:
    """The address, or what else it can be called by."""
    return listing.unparsed_address or (
        f"MLS {listing.listing_id}" if listing.listing_id else f"Listing {listing.id}, no address"
    )


def lines(rows: Sequence[Any], matches: dict[int, int], now: datetime) -> list[Line]:
    return [
        Line(
            id=row.id,
            title=title_of(row),
            city=row.city,
            status=row.standard_status,
            price=row.list_price,
            change=price_change(row, now),
            beds=row.bedrooms_total,
            baths=row.baths_equivalent,
            sqft=row.living_area,
            days=days_on_market(row, now),
            mark=mark_of(row, now),
            matches=matches.get(row.id, 0),
            agent=row.list_agent_full_name,
            agent_short=short_name(row.list_agent_full_name),
            changed=row.modification_timestamp,
        )
        for row in rows
    ]


def mark_of(row: Any, now: datetime) -> str:
    since = row.on_market_timestamp
    if row.standard_status not in FOR_SALE or since is None or now - since > NEW_FOR:
        return ""
    return "Back" if row.market_spell_no > 1 else "New"


def short_name(name: str) -> str:
    """Dana Whitlock → Dana W."""
    first, _, rest = name.strip().partition(" ")
    last = rest.split()[-1] if rest.split() else ""
    return f"{first} {last[0]}." if last else first


def facts(listing: Any) -> list[tuple[str, str]]:
    """What is known of a home beside its size and price, in the order people ask."""
    acres = listing.lot_size_square_feet / SQUARE_FEET_IN_AN_ACRE if listing.lot_size_square_feet else None
    kind = listing.property_sub_type or listing.property_type
    known = [
        ("Type", kind),
        (
            "Lot",
            None
            if acres is None
            else f"{number(round(acres, 2))} acres"
            if acres >= FEW_ACRES
            else f"{number(listing.lot_size_square_feet)} sq ft",
        ),
        ("Year built", listing.year_built),
        ("Garage", plural(listing.garage_spaces, "space") if listing.garage_spaces is not None else None),
        ("Stories", number(listing.stories_total) if listing.stories_total is not None else None),
        *((name, _yes_or_no(getattr(listing, column))) for column, name in FEATURE_WORDS.items()),
        ("Association fee", fee_words(listing)),
        ("Sale", ", ".join(listing.special_listing_conditions or ())),
        ("Subdivision", listing.subdivision_name),
        ("MLS area", listing.mls_area_major),
        ("County", listing.county_or_parish),
        ("Postal code", listing.postal_code),
        ("Parcel", listing.parcel_number),
        (
            "Listed at first",
            money(listing.original_list_price)
            if listing.original_list_price not in (None, listing.list_price)
            else None,
        ),
        ("Sold for", money(listing.close_price) if listing.close_price else None),
        ("Closed", day(listing.close_date) if listing.close_date else None),
        ("On the internet", None if listing.internet_entire_listing_display_yn else "Hidden"),
        ("Address", None if listing.internet_address_display_yn else "Kept from buyers"),
    ]
    return [(name, str(value)) for name, value in known if value not in (None, "")]


FEATURE_WORDS = {
    "waterfront_yn": "Waterfront",
    "pool_private_yn": "Private pool",
    "new_construction_yn": "New construction",
    "senior_community_yn": "Senior community",
}


def _yes_or_no(value: bool | None) -> str | None:
    return None if value is None else "Yes" if value else "No"


def fee_words(listing: Any) -> str | None:
    """$250 a month; where that is not known, the fee as it was given."""
    if listing.association_fee_monthly is not None:
        return f"{money(listing.association_fee_monthly)} a month" if listing.association_fee_monthly else "None"
    if listing.association_fee is None:
        return None
    return f"{money(listing.association_fee)}, {(listing.association_fee_frequency or 'how often is unknown').lower()}"


def reading_words(next_alerts_at: datetime | None) -> str:
    """For a home whose newest event no alerts run has seen yet."""
    return f"Will be read at {clock(next_alerts_at)}" if next_alerts_at else "Will be read in the next run"


def wish_state(wish: Any, reading: str = "") -> tuple[str, str, bool]:
    """(word, tone, hollow): what this buyer has heard, or will hear, of the home. `reading`: reading_words, if any."""
    if wish.is_suppressed:
        return "Must not be mailed", "idle", False
    if wish.is_waiting:
        due = wish.next_send_timestamp
        return (f"Waits for {clock(due)}" if due else "Waits for the next run"), "info", False
    if wish.outcome in ("shown", "merged"):
        return f"Told {day(wish.decided_at)}", "good", False
    if wish.outcome:
        reason = (wish.drop_reason or "").replace("_", " ")
        return f"Dropped: {reason}" if reason else "Dropped", "idle", True
    return (reading, "info", True) if reading else ("Nothing new to tell", "idle", True)


def wish_why(wish: Any) -> str:
    """The sentence behind it: why a match was dropped, else when the search's mails go."""
    if wish.outcome == "dropped" and wish.drop_reason in set(DropReason) and not wish.is_waiting:
        return IN_WORDS[DropReason(wish.drop_reason)]
    return f"Mails: {schedule_words(wish.schedule_type, wish.daily_schedule, wish.send_time).lower()}"


OUTCOMES = {
    "clicked": ("Clicked", "good"),
    "opened": ("Opened", "good"),
    "delivered": ("Delivered", "good"),
    "bounced": ("Bounced", "bad"),
    "complained": ("Complained", "bad"),
    "unsubscribed": ("Unsubscribed", "idle"),
    "deferred": ("Deferred", "wait"),
}


def outcome_of(alert: Any) -> tuple[str, str]:
    """(word, tone) of a mail: what the receiving side said last, else its own state."""
    if alert.state == "sent" and alert.last_event in OUTCOMES:
        return OUTCOMES[alert.last_event]
    return (alert.state, "")


# What happened


@dataclass(frozen=True)
class Happening:
    """One event of a listing, ready to read."""

    seq: int
    icon: str
    tone: str
    title: str
    changes: list[tuple[str, str, str]]
    """(field, before, after)"""
    more: int
    """Changes not shown."""
    small: list[str]
    import_batch_id: int | None
    at: datetime


LOOKS = {
    ChangeType.NEW_LISTING: ("plus-lg", "wait"),
    ChangeType.BACK_ON_MARKET: ("arrow-counterclockwise", "good"),
    ChangeType.PRICE_CHANGE: ("arrow-down", "info"),
    ChangeType.ATTRIBUTES: ("pencil", ""),
    ChangeType.PENDING: ("hourglass-split", ""),
    ChangeType.ACTIVE_UNDER_CONTRACT: ("hourglass-split", ""),
    ChangeType.HOLD: ("hourglass-split", ""),
    ChangeType.CLOSED: ("house-check", ""),
    ChangeType.COMING_SOON: ("calendar-event", ""),
    ChangeType.OPEN_HOUSE: ("calendar-event", "good"),
}


def opening_words(opening: OpenHouse, zone: ZoneInfo) -> str:
    """Sunday, November 22, 1:00 PM to 3:00 PM, on the wall of the property."""
    begins = opening.open_house_start_time.astimezone(zone)
    ends = opening.open_house_end_time
    until = f" to {ends.astimezone(zone):%-I:%M %p}" if ends else ""
    return f"{begins:%A}, {begins:%B} {begins.day}, {begins:%-I:%M %p}{until}"


def opening_title(changes: dict[str, Any]) -> str:
    """What an event says of an open house."""
    before, after = changes.get("open_house_status", (None, None))
    if after == OpenHouseStatus.CANCELED:
        return "Open house canceled"
    return "Open house" if after and before is None else "Open house changed"


def happening(row: Any, told: Told) -> Happening:
    """An event with its consequences: who was told, or why nobody was."""
    event = row.ListingEvent
    change_type = ChangeType(event.change_type)
    icon, tone = LOOKS.get(change_type, ("arrow-left-right", ""))
    changes = list(said_changes(event.changes))
    if change_type is ChangeType.PRICE_CHANGE and not _fell(event):
        icon, tone = "arrow-up", ""
    title = ""
    if change_type is ChangeType.NEW_LISTING:
        title = f"New listing at {money(event.list_price)}" if event.list_price is not None else "New listing"
        changes = [change for change in changes if change[1] != DASH]
    elif change_type is ChangeType.BACK_ON_MARKET:
        title = "Back on market"
    elif change_type is ChangeType.OPEN_HOUSE:
        title = opening_title(event.changes)
    elif "standard_status" in event.changes and event.changes["standard_status"][0] in (None, ""):
        title = f"Recorded as {event.standard_status}"
        changes = [change for change in changes if change[1] != DASH]
    return Happening(
        event.seq,
        icon,
        tone,
        title,
        changes[:CHANGES_SHOWN],
        max(len(changes) - CHANGES_SHOWN, 0),
        list(_consequences(row, event, told)),
        event.import_batch_id,
        event.occurred_at,
    )


def _fell(event: Any) -> bool:
    before, after = event.previous_list_price, event.list_price
    return before is not None and after is not None and after < before


def _consequences(row: Any, event: Any, told: Told) -> Iterator[str]:
    by_hand = event.origin in (Origin.MANUAL, Origin.CORRECTION)
    if by_hand and row.who:
        yield f"{row.who}, by hand"
    elif event.import_batch_id is not None and event.origin == Origin.LIVE_SYNC:
        yield "Import"
    else:
        yield ORIGINS.get(Origin(event.origin), event.origin)
    yield f"seq {event.seq:,}"
    if told.sent:
        yield f"{plural(told.sent, 'buyer')} told"
    if told.waiting:
        yield f"{plural(told.waiting, 'mail')} queued"
    if told.not_delivered:
        yield f"{plural(told.not_delivered, 'mail')} not sent"
    if not event.alertable:
        yield silence(event.not_alertable_reason)
    elif told == Told():
        yield "for buyers who follow its status" if event.kinds == KIND_BITS[AlertKind.STATUS_CHANGE] else "alerts on"


def silence(reason: str | None) -> str:
    """Why nobody is told, in words; an unknown reason speaks for itself."""
    try:
        return SILENCE[Silence(reason or "")]
    except ValueError:
        return (reason or "nobody is alerted").replace("_", " ")


def said_changes(changes: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(label, before, after) of the fields a person knows: status and price first, then as FIELDS orders them."""
    order = ["standard_status", "list_price", *FIELDS]
    consequences = {"previous_list_price", "original_list_price"} | {
        name for name, item in FIELDS.items() if item.kind is Kind.MOMENT
    }
    for name in dict.fromkeys(order):
        if name in changes and name not in consequences:
            before, after = changes[name]
            yield label(name), said(name, before), said(name, after)


LABELS = {"list_price": "Price", "list_agent_id": "Listing agent’s account"}


def label(name: str) -> str:
    """What people call the field."""
    return LABELS.get(name) or (FIELDS[name].label if name in FIELDS else name.replace("_", " "))


def said(name: str, value: Any) -> str:
    """A field's value in words. Takes the column's own type or the text that the event log keeps."""
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    kind = FIELDS[name].kind if name in FIELDS else Kind.TEXT
    try:
        if kind is Kind.MONEY:
            return money(Decimal(str(value)))
        if kind in (Kind.AREA, Kind.NUMBER):
            return number(Decimal(str(value)))
        if kind is Kind.DAY:
            return day(value if isinstance(value, date) else date.fromisoformat(value))
        if kind is Kind.MOMENT:
            return exact_time(value if isinstance(value, datetime) else datetime.fromisoformat(value))
    except (InvalidOperation, ValueError, TypeError):
        pass
    words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return words if len(words) <= 80 else words[:79].rstrip() + "…"


def recorded(event: Any) -> str:
    """What a save did: from, to."""
    changes = list(said_changes(event.changes))
    first = ", ".join(f"{name} {before} → {after}" for name, before, after in changes[:2])
    more = f" and {plural(len(changes) - 2, 'more field')}" if len(changes) > 2 else ""
    return f"{first or 'Saved'}{more}."
