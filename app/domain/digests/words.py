"""What an alert says: lines, subject, greeting and the small print, in words. Pure; the templates only lay it out."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup, escape

from app.display import money, number
from app.domain.digests.decide import Decision
from app.domain.messages.mime import one_line
from app.domain.models import AlertKind, MatchCause, OpenHouseStatus
from app.domain.models.lookups import ScheduleType, StandardStatus

MOST_IN_MAIL = 25
"""Listings in one email (PA-11); the page has them all."""
LONGEST_NAME = 60
LONGEST_HEADLINE = 80
LONGEST_PLATE = 6
MOST_SEARCHES_NAMED = 3

NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
TONES = {
    AlertKind.BACK_ON_MARKET: "back",
    AlertKind.NEW: "new",
    AlertKind.PRICE_DROP: "drop",
    AlertKind.NOW_MATCHES: "new",
    AlertKind.OPEN_HOUSE: "back",
    AlertKind.STATUS_CHANGE: "back",
}
TITLES = {
    AlertKind.BACK_ON_MARKET: ("back on the market", "back on the market"),
    AlertKind.NEW: ("new home", "new homes"),
    AlertKind.PRICE_DROP: ("price came down", "prices came down"),
    AlertKind.NOW_MATCHES: ("home now matches", "homes now match"),
    AlertKind.OPEN_HOUSE: ("open house", "open houses"),
    AlertKind.STATUS_CHANGE: ("home has a new status", "homes have a new status"),
}
"""What a mail of one kind is about: of one home, and of several."""
COUNTED = {
    AlertKind.BACK_ON_MARKET: ("back on the market", "back on the market"),
    AlertKind.NEW: ("new", "new"),
    AlertKind.PRICE_DROP: ("price drop", "price drops"),
    AlertKind.NOW_MATCHES: ("that now matches", "that now match"),
    AlertKind.OPEN_HOUSE: ("open house", "open houses"),
    AlertKind.STATUS_CHANGE: ("change of status", "changes of status"),
}
BECAME = {StandardStatus.ACTIVE_UNDER_CONTRACT.value: "under contract", StandardStatus.CLOSED.value: "sold"}
"""Statuses as a buyer says them; the others are said as they are."""

_PHONE = re.compile(r"\+?[(]?\d[\d ().\u2010-\u2013/-]{5,30}\d")
_HELD = "\ue000"
"""Stands for a space that must not become the end of a line."""


class Search(NamedTuple):
    """A saved search that a mail speaks for."""

    alert_subscription_id: int
    name: str
    """In quotes, and not too long: see quoted()."""
    schedule_type: str
    send_time: time | None
    token: str | None
    """What opens it; None for another's, who shares their alerts with the reader (PA-09)."""
    reason: str = ""
    """Why the home fits it, in a few words: see reasons.py."""
    revised_at: datetime | None = None
    """When its criteria changed, while no mail has said so yet (PA-15)."""
    asks: str = ""


class Line(NamedTuple):
    """One home in a mail or on its page. Everything in it may be shown to the buyer and to anybody they pass it to."""

    listing_id: int
    kind: AlertKind
    tone: str
    badge: str
    """Price drop, $20,000"""
    plate: str
    """The house number as on a door; empty when the address is not to be shown or has none."""
    photo: str
    """Where its photograph is; empty when there is none."""
    headline: str
    """418 Alder Court; where the seller hides the address, what it is."""
    place: str
    price: str
    was: str
    facts: str
    why: str
    by: str
    url: str
    openings: str
    """Open house Sunday, November 22, 1:00 PM to 3:00 PM EST."""


class OpenTime(NamedTuple):
    """An open house, on the wall of the property."""

    begins: datetime
    ends: datetime | None
    is_off: bool = False

    @classmethod
    def of(cls, opening: Mapping[str, Any]) -> OpenTime:
        """An open house's columns and the zone it is read in; times as PostgreSQL writes them, or as they are."""
        zone = zone_named(opening["time_zone"])
        begins, ends = (
            moment and (moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)).astimezone(zone)
            for moment in (opening["open_house_start_time"], opening["open_house_end_time"])
        )
        return cls(begins, ends, opening["open_house_status"] == OpenHouseStatus.CANCELED)


class News(NamedTuple):
    """What is said of a home: the kind, the price before and now, and when the buyer saw it at the former; what made it
    match, what it has become, and when it can be seen."""

    kind: AlertKind
    price_before: Decimal | None
    price_shown: Decimal | None
    saw_before_at: datetime | None = None
    fingerprint: str = ""
    cause: str | None = None
    openings: Sequence[OpenTime] = ()

    @classmethod
    def of(cls, item: Decision, saw_at: str | None, openings: Sequence[OpenTime] = ()) -> News:
        """`saw_at` as PostgreSQL writes it."""
        saw_it = item.price_before is not None and item.match.last_price_shown == item.price_before and saw_at
        return cls(
            item.kind,
            item.price_before,
            item.price_shown,
            datetime.fromisoformat(saw_at) if saw_it and saw_at else None,
            item.fingerprint,
            item.cause,
            openings,
        )


@dataclass(frozen=True, slots=True)
class Alert:
    """All that the templates of an alert mail may use."""

    subject: str
    preview: str
    title: str
    intro: str
    revised: Sequence[str]
    """What changed of the searches themselves since their last mail (RESO MessageRevise)."""
    day: str
    lines: Sequence[Line]
    total: int
    page_url: str
    more: str
    """and 12 more; empty when the mail has them all."""
    all_words: str
    office_name: str
    office_address: str
    agent_name: str
    agent_phone: str
    ask_words: str
    because: str
    stop_words: str
    stop_url: str
    as_of: str


def line_of(news: News, home: Any, listing_id: int, *, searches: Sequence[Search], url: str, zone: ZoneInfo) -> Line:
    """`home` has the listing's columns; `searches` are those of the person that it matched, in a fixed order (none on
    a page that others may see)."""
    said = _said_of(Said(*_SAID(home)))
    before, now = news.price_before, news.price_shown
    return Line(
        listing_id=listing_id,
        kind=news.kind,
        tone=TONES[news.kind],
        badge=_badge(news, home),
        plate=said.plate,
        photo=home.preferred_photo_url,
        headline=said.headline,
        place=said.place,
        price=price_of(now),
        was=money(before) if before is not None and before != now else "",
        facts=said.facts,
        why=_why(news, searches, zone) if searches else "",
        by=said.by,
        url=url,
        openings=openings_of(news.openings),
    )


class Said(NamedTuple):
    """The columns of a home from which its lasting words are made, the same for whoever reads them."""

    unparsed_address: str
    unit_number: str
    city: str
    state_or_province: str
    postal_code: str
    internet_address_display_yn: bool
    property_type: str
    property_sub_type: str
    bedrooms_total: int | None
    baths_equivalent: Decimal | float | None
    living_area: Decimal | float | None
    lot_size_square_feet: Decimal | float | None
    year_built: int | None
    list_office_name: str
    list_office_phone: str


_SAID = attrgetter(*Said._fields)


class _Words(NamedTuple):
    plate: str
    headline: str
    place: str
    facts: str
    by: str


@lru_cache(maxsize=4096)
def _said_of(home: Said) -> _Words:
    street = street_of(home)
    return _Words(
        plate=plate_of(street),
        headline=street or what_it_is(home),
        place=place_of(home),
        facts=facts_of(home),
        by=listed_by(home),
    )


def street_of(home: Any) -> str:
    """The street line of an address, without the town; empty when the seller does not want it shown."""
    if not home.internet_address_display_yn:
        return ""
    whole = one_line(home.unparsed_address)
    street = whole.split(",")[0].strip() if home.city and home.city.casefold() in whole.casefold() else whole
    unit = one_line(home.unit_number)
    if street and unit and unit.casefold() not in street.casefold():
        street = f"{street}, unit {unit}"
    return _clip(street, LONGEST_HEADLINE)


def place_of(home: Any) -> str:
    """Port Ellery, ME 04100"""
    state = " ".join(part for part in (home.state_or_province, home.postal_code) if part)
    if not home.internet_address_display_yn:
        state = home.state_or_province
    return _clip(one_line(", ".join(part for part in (home.city, state) if part)), LONGEST_HEADLINE)


def plate_of(street: str) -> str:
    found = re.match(r"\d+[A-Za-z]?(?=\s)", street)
    return found[0] if found and len(found[0]) <= LONGEST_PLATE else ""


def what_it_is(home: Any) -> str:
    """3-bed townhouse; what can be said of a home whose address is hidden."""
    kind = (home.property_sub_type or home.property_type or "home").lower()
    kind = {"single family residence": "single family home", "residential": "home"}.get(kind, kind)
    words = f"{home.bedrooms_total}-bed {kind}" if home.bedrooms_total else kind
    return words[0].upper() + words[1:]


def facts_of(home: Any) -> str:
    """4 beds · 2.5 baths · 2,140 sq ft · built 1998: only what is known."""
    known = []
    if (beds := home.bedrooms_total) is not None:
        known.append(f"{beds} bed" if beds == 1 else f"{beds} beds")
    if (baths := home.baths_equivalent) is not None:
        known.append(f"{number(baths)} bath" if baths == 1 else f"{number(baths)} baths")
    if home.living_area is not None:
        known.append(f"{number(home.living_area)} sq ft")
    elif home.lot_size_square_feet is not None:
        known.append(f"{number(home.lot_size_square_feet)} sq ft lot")
    if home.year_built is not None:
        known.append(f"built {home.year_built}")
    return " · ".join(known)


def listed_by(home: Any) -> str:
    """The firm and how to reach it, prominently (MLS rules)."""
    firm = _clip(one_line(home.list_office_name), LONGEST_NAME)
    if not firm:
        return ""
    return "Listed by " + ", ".join(part for part in (firm, one_line(home.list_office_phone)) if part)


def _badge(news: News, home: Any) -> str:
    fell = ""
    if news.price_before is not None and news.price_shown is not None:
        fell = money(news.price_before - news.price_shown)
    if news.kind is AlertKind.PRICE_DROP and fell:
        return f"{news.kind}, {fell}"
    if news.kind is AlertKind.NOW_MATCHES and news.cause:
        return f"{news.kind}: {_cause(news.cause, fell, home)}"
    if news.kind is AlertKind.STATUS_CHANGE:
        return f"Now {BECAME.get(news.fingerprint, news.fingerprint)}"
    if news.kind is AlertKind.OPEN_HOUSE and news.openings:
        first = news.openings[0]
        if first.is_off:
            return "Open house canceled"
        is_moved = " " in news.fingerprint
        return f"{news.kind} {'moved to ' if is_moved else ''}{first.begins:%A}, {clock_of(first.begins)}"
    return news.kind.value


def _cause(cause: str, fell: str, home: Any) -> str:
    if cause == MatchCause.PRICE and fell:
        return f"price came down {fell}"
    if cause == MatchCause.DETAILS:
        return "its details were filled in"
    return "it is Active again" if home.standard_status == StandardStatus.ACTIVE else "its status changed"


def openings_of(openings: Sequence[OpenTime]) -> str:
    """Open house Sunday, November 22, 1:00 PM to 3:00 PM EST. Soonest first."""
    if not openings:
        return ""
    said = [_opening(one) for one in sorted(openings, key=lambda one: one.begins)]
    return f"Open house {'; '.join(said)}."


def _opening(one: OpenTime) -> str:
    ends = f" to {clock_of(one.ends)}" if one.ends else ""
    off = ": canceled" if one.is_off else ""
    return f"{one.begins:%A}, {one.begins:%B} {one.begins.day}, {clock_of(one.begins)}{ends} {one.begins:%Z}{off}"


def _why(news: News, searches: Sequence[Search], zone: ZoneInfo) -> str:
    names = [search.name for search in searches]
    many = "" if len(names) == 1 else f"{count_words(len(names)).lower()} of your searches: "
    if news.kind is AlertKind.STATUS_CHANGE:
        return f"You know it from {many}{_named(names)}."
    reason = f": {searches[0].reason}" if len(searches) == 1 and searches[0].reason else ""
    words = f"Matches {many}{_named(names)}{reason}."
    if news.saw_before_at is not None and news.price_before != news.price_shown:
        seen = news.saw_before_at.astimezone(zone)
        words += f" You saw it at {money(news.price_before)} on {seen:%B} {seen.day}."
    return words


def _named(names: Sequence[str]) -> str:
    shown = list(names[:MOST_SEARCHES_NAMED])
    if len(names) > MOST_SEARCHES_NAMED:
        return f"{', '.join(shown)} and {len(names) - MOST_SEARCHES_NAMED} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def subject_of(lines: Sequence[Line], more: int) -> str:
    """What happened to the first, and how many there are: 5 homes: 418 Alder Court is down $20,000."""
    first = _news_of(lines[0])
    if len(lines) == 1 and not more:
        return first
    count = f"{len(lines)} homes" + (f" and {more} more" if more else "")
    return f"{count}: {first}"


def _news_of(line: Line) -> str:
    name = line.headline
    if line.kind is AlertKind.PRICE_DROP:
        return f"{name} is down {line.badge.partition(', ')[2]}"
    if line.kind is AlertKind.BACK_ON_MARKET:
        return f"{name} is back on the market"
    if line.kind is AlertKind.NOW_MATCHES:
        return f"{name} now matches at {line.price}" if line.price.startswith("$") else f"{name} now matches"
    if line.kind is AlertKind.STATUS_CHANGE:
        return f"{name} is {line.badge[0].lower()}{line.badge[1:]}"
    if line.kind is AlertKind.OPEN_HOUSE:
        return f"{name}: {line.badge[0].lower()}{line.badge[1:]}"
    return f"{name} is new at {line.price}" if line.price.startswith("$") else f"{name} is new"


def title_of(lines: Sequence[Line], total: int, first_name: str) -> str:
    kinds = {line.kind for line in lines}
    name = f", {_clip(one_line(first_name), LONGEST_NAME)}" if one_line(first_name) else ""
    if len(kinds) == 1 and total == len(lines):
        kind = lines[0].kind
        one, many = TITLES[kind]
        return f"{count_words(total)} {one if total == 1 else many}{name}"
    return f"{count_words(total)} homes for you{name}"


def intro_of(lines: Sequence[Line], searches: Sequence[Search], total: int) -> str:
    """Two new, one price drop and one back on the market, for “Family home”."""
    counts = Counter(line.kind for line in lines)
    parts = [
        f"{count_words(count).lower()} {COUNTED[kind][count > 1]}" for kind in AlertKind if (count := counts[kind])
    ]
    names = _named([search.name for search in searches])
    if len(parts) == 1:
        return f"For {names}."
    words = " and ".join([", ".join(parts[:-1]), parts[-1]])
    here = " here" if total > len(lines) else ""
    return f"{words[0].upper()}{words[1:]}{here}, for {names}."


def preview_of(lines: Sequence[Line]) -> str:
    """What mail programs show beside the subject."""
    rest = lines[1:4] or lines[:1]
    return ". ".join(f"{line.headline}, {line.price}" for line in rest) + "."


def revised_of(searches: Sequence[Search], zone: ZoneInfo) -> list[str]:
    """“Family home” was changed on November 18. It now asks for: Homes in Port Ellery, up to $525,000."""
    said = []
    for search in searches:
        if search.revised_at is not None:
            on = search.revised_at.astimezone(zone)
            said.append(f"{search.name} was changed on {on:%B} {on.day}. It now asks for: {search.asks}")
    return said


def ask_words(count: int) -> str:
    return "Want to see it?" if count == 1 else "Want to see one?"


def because_of(searches: Sequence[Search]) -> str:
    """Why this mail came: which searches, and when they write."""
    names = _named([search.name for search in searches])
    rhythms = {_rhythm(search) for search in searches}
    when = f" {rhythms.pop()}" if len(rhythms) == 1 else ""
    return f"You get this{when} because we watch {names} for you."


def _rhythm(search: Search) -> str:
    if search.schedule_type == ScheduleType.ASAP or search.send_time is None:
        return "as it happens"
    every = "every day" if search.schedule_type == ScheduleType.DAILY else "every month"
    return f"{every} at {clock_of(search.send_time)}"


def clock_of(at: time | datetime) -> str:
    """7:00 AM"""
    return f"{at.hour % 12 or 12}:{at:%M} {'AM' if at.hour < 12 else 'PM'}"


def as_of(now: datetime, zone: ZoneInfo) -> str:
    local = now.astimezone(zone)
    return f"Prices and status as of {clock_of(local)} {local:%Z}, {local:%B} {local.day}."


def day_of(now: datetime, zone: ZoneInfo) -> str:
    local = now.astimezone(zone)
    return f"{local:%A}, {local:%B} {local.day}"


def zone_named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def address_of(office: Any) -> str:
    """The postal address that every commercial mail carries (CAN-SPAM)."""
    state = " ".join(part for part in (office.office_state_or_province, office.office_postal_code) if part)
    return ", ".join(part for part in (office.office_name, office.office_address1, office.office_city, state) if part)


def price_of(value: Decimal | None) -> str:
    return money(value) if value is not None else "Price on request"


@lru_cache(maxsize=4096)
def quoted(name: str) -> str:
    """A search's name as mails say it."""
    said = one_line(name)
    cut = said[:LONGEST_NAME].rfind(" ")
    if len(said) > LONGEST_NAME and cut > LONGEST_NAME // 2:  # at a space: half a price would be another price
        said = said[:cut].rstrip(",") + "…"
    return f"“{_clip(said, LONGEST_NAME)}”"


@lru_cache(maxsize=4096)
def wrap(words: str, width: int, indent: int = 0) -> str:
    """Lines of at most `width` characters where there are spaces to break at, all but the first indented."""
    if len(words) <= width:
        return words
    held = _PHONE.sub(lambda found: found[0].replace(" ", _HELD), words)
    filled = textwrap.fill(
        held, width + indent, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return filled.replace(_HELD, " ")


@lru_cache(maxsize=4096)
def hold_phones(words: str) -> Markup:
    """For HTML: each telephone number stays on one line."""
    pieces, last = [], 0
    for found in _PHONE.finditer(words):
        pieces += [
            escape(words[last : found.start()]),
            Markup('<span class="tel" style="white-space: nowrap;">{}</span>').format(found[0]),
        ]
        last = found.end()
    return Markup("").join([*pieces, escape(words[last:])])


def count_words(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else f"{count:,}"


def _clip(words: str, longest: int) -> str:
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"
