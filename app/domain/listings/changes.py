"""What a listing write means: which kind of news it is, and why it is none. Pure; record.py does the writing.

Entering the market counts once per spell (market_spell_no): the first time is New, a later time is Back on market,
and a return within twelve hours is a correction of a slip (T3). What changes while a home is on the market may make it
match a search that it did not match before: that depends on the search, so an event only says that it may (T1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Any

from app.domain.listings.carried import FEATURES
from app.domain.models import KIND_BITS, AlertKind, MatchCause
from app.domain.models.lookups import ALERTABLE_ORIGINS, ON_MARKET, ChangeType, Origin, StandardStatus

NEW, PRICE_DROP, BACK, NOW_MATCHES, OPEN_HOUSE, STATUS_CHANGE = (
    KIND_BITS[AlertKind.NEW],
    KIND_BITS[AlertKind.PRICE_DROP],
    KIND_BITS[AlertKind.BACK_ON_MARKET],
    KIND_BITS[AlertKind.NOW_MATCHES],
    KIND_BITS[AlertKind.OPEN_HOUSE],
    KIND_BITS[AlertKind.STATUS_CHANGE],
)
WITH_BEFORE = PRICE_DROP | NOW_MATCHES | STATUS_CHANGE
"""Kinds that depend on what the home was before: their events keep it."""
BRIEF = timedelta(hours=12)
STALE_SOURCE = timedelta(days=7)
STALE_ON_MARKET = timedelta(days=14)
RELIST_WITHIN = timedelta(days=30)
GIVEN_UP = frozenset(
    {
        StandardStatus.CANCELED,
        StandardStatus.DELETE,
        StandardStatus.EXPIRED,
        StandardStatus.HOLD,
        StandardStatus.WITHDRAWN,
    }
)
"""Left the market without a buyer: what comes after under another key is the same offer again."""
SPOKEN_FOR = (StandardStatus.ACTIVE_UNDER_CONTRACT, StandardStatus.PENDING, StandardStatus.CLOSED)
"""Changes of status that a buyer may ask to be told of, of homes they know."""
DETAILS = (
    "property_type",
    "property_sub_type",
    "bedrooms_total",
    "baths_equivalent",
    "living_area",
    "lot_size_square_feet",
    "year_built",
    "garage_spaces",
    "association_fee_monthly",
    "city",
    "postal_code",
    "county_or_parish",
    "subdivision_name",
    "mls_area_major",
    "latitude",
    "longitude",
    "special_listing_conditions",
    *FEATURES,
)
"""What a search may ask besides price and status, and what is entered late: remarks are no such thing (PA-05)."""

Values = Mapping[str, Any]


class Silence(StrEnum):
    """Why an event alerts nobody: listing_event.not_alertable_reason. An origin's own name comes first (PA-02)."""

    CORRECTION = "correction"
    BACKFILL = "backfill"
    MIGRATION = "migration"
    REPLAY = "replay"
    NOT_VALID = "not_valid"
    """Incomplete or Delete."""
    OFF_MARKET = "off_market"
    HIDDEN = "hidden"
    """internet_entire_listing_display_yn is false."""
    STALE = "stale"
    """It entered the market too long ago to be New (PA-03)."""
    RELIST = "relist"
    """The same home under a new key, not cheaper than it was within thirty days (PA-05)."""
    BRIEF_FLIP = "brief_flip"
    """Off the market for less than twelve hours (T3)."""
    PRICE_RISE = "price_rise"
    STATUS = "status"
    """A status change that leaves it on the market."""
    ATTRIBUTES = "attributes"
    """Remarks, photos, agent, size …: never a reason to write to a buyer (PA-05)."""


class Entry(Enum):
    """How a write brings a listing to the market, if it does."""

    NO = "no"
    FIRST = "first"
    AGAIN = "again"
    FLIP = "flip"
    PUBLISHED = "published"
    """It was on the market already, hidden from the internet, and is shown now."""


@dataclass(frozen=True, slots=True)
class Described:
    """What one write means."""

    change_type: ChangeType
    kinds: int
    alertable: bool
    reason: Silence | None


def is_on_market(values: Values | None) -> bool:
    return values is not None and values["standard_status"] in ON_MARKET


def entry(old: Values | None, new: Values, occurred_at: datetime) -> Entry:
    """Whether, and how, the listing enters the market by this write."""
    if not is_on_market(new):
        return Entry.NO
    if old is None:
        return Entry.FIRST
    if not is_on_market(old):
        return _entry_from_off(old, occurred_at)
    if old["standard_status"] == StandardStatus.COMING_SOON != new["standard_status"]:
        return _entry_from_coming_soon(old)
    if new["internet_entire_listing_display_yn"] and not old["internet_entire_listing_display_yn"]:
        return Entry.PUBLISHED
    return Entry.NO


def _entry_from_off(old: Values, occurred_at: datetime) -> Entry:
    never = old["market_spell_no"] == 0
    if never and old["standard_status"] in (StandardStatus.INCOMPLETE, StandardStatus.DELETE):
        return Entry.FIRST
    off_since = old["off_market_timestamp"]
    if off_since is None or occurred_at - off_since >= BRIEF:
        return Entry.AGAIN
    # First seen off the market hours ago: nobody can have been told, so this is no slip to keep quiet about.
    return Entry.FIRST if never else Entry.FLIP


def _entry_from_coming_soon(old: Values) -> Entry:
    """Coming Soon began the spell; becoming Active is its second step and tells those who watch Active only."""
    active_since, back_since = old["on_market_timestamp"], old["back_on_market_timestamp"]
    if active_since is None:
        return Entry.FIRST
    return Entry.AGAIN if back_since is not None and back_since > active_since else Entry.FLIP


def describe_change(
    old: Values | None, new: Values, origin: Origin | str, occurred_at: datetime, now: datetime
) -> Described:
    """The change type, the kinds of news, and whether anybody may be told (PA-02, PA-03, PA-05, T3).

    `old` is None at first sight. `kinds` keeps what would have been news where only the origin or a hidden listing
    stands in the way, so that "why not" can be answered; stale and brief entries are no news at all.
    """
    how = entry(old, new, occurred_at)
    kinds, silence = 0, None
    if how is Entry.AGAIN:
        kinds = BACK
    elif how is Entry.FLIP:
        silence = Silence.BRIEF_FLIP
    elif how in (Entry.FIRST, Entry.PUBLISHED):
        if _is_stale(new, occurred_at, now):
            silence = Silence.STALE
        else:
            kinds = NEW
    if _is_drop(old, new):
        kinds |= PRICE_DROP
    if old is not None and how in (Entry.NO, Entry.FLIP):
        kinds |= NOW_MATCHES if causes(old, new, how, now) else 0
        kinds |= STATUS_CHANGE if _is_spoken_for(old, new) else 0
    return Described(_change_type(old, new, how), kinds, *_verdict(old, new, Origin(origin), kinds, silence))


def _is_stale(new: Values, occurred_at: datetime, now: datetime) -> bool:
    """PA-03: told too late, or on the market too long already when we first see it."""
    since = new.get("on_market_timestamp")
    return now - occurred_at > STALE_SOURCE or (since is not None and now - since > STALE_ON_MARKET)


def _is_drop(old: Values | None, new: Values) -> bool:
    if old is None or not is_on_market(new):
        return False
    before, after = old["list_price"], new["list_price"]
    return before is not None and after is not None and after < before


def causes(old: Values, new: Values, how: Entry, now: datetime) -> list[MatchCause]:
    """Which of the causes that may make a home match a search, that it did not match before, are in this write: a price
    that came down, a change of status, and while it is new other columns. A price that rose is none (PA-05)."""
    if not is_on_market(new):
        return []
    found = [MatchCause.PRICE] if _is_drop(old, new) else []
    if how is Entry.NO and old["standard_status"] != new["standard_status"]:
        found.append(MatchCause.STATUS)
    if is_fresh(new, now) and changed_details(old, new):
        found.append(MatchCause.DETAILS)
    return found


def is_fresh(home: Values, now: datetime) -> bool:
    """Late data entry: what is filled in within fourteen days on the market."""
    since = home.get("on_market_timestamp")
    return since is None or now - since <= STALE_ON_MARKET


def changed_details(old: Values, new: Values) -> list[str]:
    """Which of DETAILS differ; a price that nobody had given is a detail, too."""
    found = [name for name in DETAILS if old.get(name) != new.get(name)]
    return found + ["list_price"] * (old.get("list_price") is None and new.get("list_price") is not None)


def _is_spoken_for(old: Values, new: Values) -> bool:
    was, now = old["standard_status"], new["standard_status"]
    return was != now and now in SPOKEN_FOR and (was in ON_MARKET or was == StandardStatus.PENDING)


def _verdict(
    old: Values | None, new: Values, origin: Origin, kinds: int, silence: Silence | None
) -> tuple[bool, Silence | None]:
    if origin not in ALERTABLE_ORIGINS:
        return False, Silence(origin.value)
    if new["standard_status"] in (StandardStatus.INCOMPLETE, StandardStatus.DELETE):
        return False, Silence.NOT_VALID
    if not is_on_market(new) and not kinds & STATUS_CHANGE:
        return False, Silence.OFF_MARKET
    if not new["internet_entire_listing_display_yn"]:
        return False, Silence.HIDDEN
    if kinds:
        return True, None
    return False, silence or _quiet(old, new)


def _quiet(old: Values | None, new: Values) -> Silence:
    if old is not None and old["standard_status"] != new["standard_status"]:
        return Silence.STATUS
    before, after = (old["list_price"] if old is not None else None), new["list_price"]
    if before is not None and after is not None and after > before:
        return Silence.PRICE_RISE
    return Silence.ATTRIBUTES


def is_relist(new: Values, given_up: Iterable[Values]) -> bool:
    """Is this first sight an offer that was given up lately, under a new key and not cheaper (PA-05)?

    `given_up` are listings that left the market within RELIST_WITHIN, without a sale. The same home is the same parcel or
    the same address, and the same unit. A price that is not known compares with nothing.
    """
    price = new["list_price"]
    return price is not None and any(
        gone["list_price"] is not None and price >= gone["list_price"] and _is_same_home(new, gone) for gone in given_up
    )


def _is_same_home(one: Values, other: Values) -> bool:
    def same(name: str) -> bool:
        return bool(one[name]) and one[name].casefold() == other[name].casefold()

    if one["unit_number"].casefold() != other["unit_number"].casefold():
        return False
    if same("parcel_number"):  # all flats of a co-operative share a parcel
        return same("unparsed_address") or not (one["unparsed_address"] and other["unparsed_address"])
    return same("unparsed_address") and one["postal_code"][:5] == other["postal_code"][:5]


_TYPE_OF_STATUS = {
    StandardStatus.ACTIVE: ChangeType.ACTIVE,
    StandardStatus.ACTIVE_UNDER_CONTRACT: ChangeType.ACTIVE_UNDER_CONTRACT,
    StandardStatus.CANCELED: ChangeType.CANCELED,
    StandardStatus.CLOSED: ChangeType.CLOSED,
    StandardStatus.COMING_SOON: ChangeType.COMING_SOON,
    StandardStatus.DELETE: ChangeType.DELETED,
    StandardStatus.EXPIRED: ChangeType.EXPIRED,
    StandardStatus.HOLD: ChangeType.HOLD,
    StandardStatus.INCOMPLETE: ChangeType.ATTRIBUTES,  # RESO has no word for it
    StandardStatus.PENDING: ChangeType.PENDING,
    StandardStatus.WITHDRAWN: ChangeType.WITHDRAWN,
}


def _change_type(old: Values | None, new: Values, how: Entry) -> ChangeType:
    status = StandardStatus(new["standard_status"])
    if how in (Entry.FIRST, Entry.PUBLISHED) and status is not StandardStatus.COMING_SOON:
        return ChangeType.NEW_LISTING
    if how is Entry.AGAIN and status is not StandardStatus.COMING_SOON:
        return ChangeType.BACK_ON_MARKET
    if old is None or old["standard_status"] != status:
        return _TYPE_OF_STATUS[status]
    if old["list_price"] != new["list_price"]:
        return ChangeType.PRICE_CHANGE
    return ChangeType.ATTRIBUTES


def moments(old: Values | None, new: Values, occurred_at: datetime) -> dict[str, Any]:
    """The columns that follow from the change: when it went on or off the market, which spell this is, the price
    before. What the source itself says about them is laid over these by the caller."""
    how = entry(old, new, occurred_at)
    on, was_on = is_on_market(new), is_on_market(old)
    spell = old["market_spell_no"] if old is not None else 0
    found: dict[str, Any] = {}
    if old is None or old["standard_status"] != new["standard_status"]:
        found["status_change_timestamp"] = occurred_at
    if not on and (old is None or was_on):
        found["off_market_timestamp"] = occurred_at
    if on and not was_on and (how is not Entry.FLIP or spell == 0):
        found["market_spell_no"] = spell + 1
    if on and new["standard_status"] != StandardStatus.COMING_SOON:
        known = old["on_market_timestamp"] if old is not None else None
        if how in (Entry.FIRST, Entry.AGAIN) or known is None:
            found["on_market_timestamp"] = occurred_at
    if how is Entry.AGAIN and not was_on:
        found["back_on_market_timestamp"] = occurred_at
    return found | _price_moments(old, new, occurred_at)


def _price_moments(old: Values | None, new: Values, occurred_at: datetime) -> dict[str, Any]:
    before, after = (old["list_price"] if old is not None else None), new["list_price"]
    found: dict[str, Any] = {}
    if after is not None and (old is None or old["original_list_price"] is None):
        found["original_list_price"] = after
    if old is not None and before != after:
        found["price_change_timestamp"] = occurred_at
        if before is not None:
            found["previous_list_price"] = before
    return found
