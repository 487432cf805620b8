"""Schedules and changes of a search, in words. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import time
from decimal import Decimal
from typing import Any, NamedTuple

from app.domain.models.lookups import ReasonActiveOrDisabled, ScheduleType
from app.domain.searches.criteria import PLACE_LISTS
from app.domain.searches.schedule import WEEKDAYS


def days_of(daily_schedule: Sequence[str]) -> list[str]:
    """The weekdays of RESO DailySchedule values ("Monday AM"), from Monday on; empty = every day."""
    named = {value.partition(" ")[0] for value in daily_schedule}
    return [day for day in WEEKDAYS if day in named]


def schedule_words(schedule_type: str, daily_schedule: Sequence[str], send_time: time | None) -> str:
    """As it happens · Every day, 7:00 · Mon, Thu, 7:00."""
    if schedule_type == ScheduleType.ASAP:
        return "As it happens"
    at = f", {send_time.hour}:{send_time.minute:02}" if send_time else ""
    if schedule_type == ScheduleType.MONTHLY:
        return f"The 1st of every month{at}"
    days = days_of(daily_schedule)
    if not days or len(days) == len(WEEKDAYS):
        return f"Every day{at}"
    return ", ".join(day[:3] for day in days) + at


def reschedule_words(before: str, after: str) -> str:
    """Every day at 7:00 instead of as it happens. Takes schedule_words; "" when they are the same."""
    if before == after:
        return ""
    before, after = (re.sub(r", (\d+:\d\d)$", r" at \1", words) for words in (before, after))
    if before.startswith(("As ", "Every ", "The ")):
        before = before[0].lower() + before[1:]
    return f"{after} instead of {before}."


class State(NamedTuple):
    """Whether a search sends, as screens write it."""

    tone: str
    hollow: bool
    word: str
    sentence: str


_OFF = {
    ReasonActiveOrDisabled.AGENT_DISABLED: ("Paused", "The office paused it."),
    ReasonActiveOrDisabled.CLIENT_DISABLED: ("Stopped by the buyer", "The buyer asked for no more of it."),
    ReasonActiveOrDisabled.OVER_LIMIT: ("Too broad", "It told of more homes than anybody reads; narrow it."),
    ReasonActiveOrDisabled.SEARCH_FAILING: ("Failing", "It could not be run. Save it again, or tell an administrator."),
    ReasonActiveOrDisabled.NO_LISTINGS_FOUND: (
        "Found nothing",
        "It found nothing for so long that it was put to rest.",
    ),
    ReasonActiveOrDisabled.IGNORED: ("Ignored", "Nobody followed its mails for so long that it was put to rest."),
    ReasonActiveOrDisabled.WELCOME_EMAIL_IGNORED: ("Never confirmed", "The buyer never confirmed it."),
    ReasonActiveOrDisabled.NO_ONE_TO_SEND_TO: ("Nobody to send to", "It has no address to send to."),
    ReasonActiveOrDisabled.INVALID: ("Not usable", "Its criteria cannot be read any more. Save it again."),
}
_WARNED = {
    ReasonActiveOrDisabled.NO_LISTINGS_FOUND_WARNING: "It has found nothing for eighty days, and stops after ninety.",
    ReasonActiveOrDisabled.INITIAL_IGNORED_WARNING: "Nobody has opened a home of it for thirty days; it stops after sixty.",
    ReasonActiveOrDisabled.FINAL_IGNORED_WARNING: "Nobody has opened a home of it for fifty days; it stops after sixty.",
}
"""On, and about to stop by itself (PA-17)."""
OFF_REASONS = tuple(reason.value for reason in _OFF)


def state_of(*, is_active: bool, reason: str | None, is_blocked: bool = False) -> State:
    """Sending, held back by a suppressed address, or off and why."""
    if is_active and is_blocked:
        return State("idle", False, "Held back", "It is on, but the address is suppressed: nothing is sent.")
    if is_active and reason in _WARNED:
        return State("wait", False, "About to stop", _WARNED[ReasonActiveOrDisabled(reason)])
    if is_active:
        return State("good", False, "Sending", "It writes to the buyer when something fits.")
    known = _OFF.get(ReasonActiveOrDisabled(reason)) if reason in set(ReasonActiveOrDisabled) else None
    word, sentence = known or (reason or "Paused", "It is off.")
    failing = reason in {ReasonActiveOrDisabled.SEARCH_FAILING, ReasonActiveOrDisabled.INVALID}
    return State("bad" if failing else "idle", not failing, word, sentence)


_CALLED = {
    "standard_status": "Status",
    "property_type": "Type",
    "property_sub_type": "Sub type",
    "list_price": "Price",
    "bedrooms_total": "Beds",
    "baths_equivalent": "Baths",
    "living_area": "Living area",
    "lot_size_square_feet": "Lot",
    "year_built": "Year built",
    "association_fee_monthly": "Monthly fee",
    "garage_spaces": "Garage",
    "waterfront_yn": "Waterfront",
    "pool_private_yn": "Private pool",
    "new_construction_yn": "New construction",
    "senior_community_yn": "55+ community",
    "special_listing_conditions_not": "Conditions left out",
    "keywords_any": "Any of the words",
    "keywords_none": "None of the words",
    "not_polygons": "Not inside",
    "excluded_listing_keys": "Homes left out",
    "include_unknown": "Also where unknown",
}
_UNITS = {
    "list_price": ("$", ""),
    "association_fee_monthly": ("$", ""),
    "living_area": ("", " sq ft"),
    "lot_size_square_feet": ("", " sq ft"),
    "garage_spaces": ("", " cars"),
}
Number = float | Decimal
_MILE = 69.093
"""Miles in a degree of latitude."""


class Change(NamedTuple):
    """One field of a search, before and after; of a list also what came and what went."""

    field: str
    before: str
    after: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def changes_between(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """What an edit did, field by field, in the order people read them; the places are one field. Empty: nothing."""
    found = [_change("Where", place_list(before), place_list(after), "anywhere")]
    for field, called in _CALLED.items():
        old, new = before.get(field), after.get(field)
        if isinstance(old or new, list):
            found.append(_change(called, _said(field, old), _said(field, new), "any"))
        else:
            found.append(Change(called, value_words(field, old), value_words(field, new)))
    return [one for one in found if one.before != one.after]


def _change(called: str, before: list[str], after: list[str], without: str) -> Change:
    return Change(
        called,
        ", ".join(before) or without,
        ", ".join(after) or without,
        tuple(one for one in after if one not in before),
        tuple(one for one in before if one not in after),
    )


def place_words(criteria: dict[str, Any]) -> str:
    """Every place of a search in one line."""
    return ", ".join(place_list(criteria)) or "anywhere"


def place_list(criteria: dict[str, Any]) -> list[str]:
    """Every place of a search: names, then what is drawn."""
    said = [str(name) for kind in PLACE_LISTS for name in criteria.get(kind) or []]
    if radius := criteria.get("radius"):
        said.append(f"{radius['miles']} mi around {radius['latitude']}, {radius['longitude']}")
    if box := criteria.get("box"):
        said.append(f"the box {box['south']} to {box['north']}, {box['west']} to {box['east']}")
    return [*said, *(drawn_words(one) for one in criteria.get("polygons") or [])]


def drawn_words(polygon: Sequence[Sequence[Number]]) -> str:
    """A drawn area by its size and where it lies: 4.2 sq mi around 44.1037, −70.2119."""
    latitude = sum(float(point[0]) for point in polygon) / len(polygon)
    longitude = sum(float(point[1]) for point in polygon) / len(polygon)
    return f"{miles_words(polygon)} around {latitude:.4f}, {longitude:.4f}".replace("-", "−")


def miles_words(polygon: Sequence[Sequence[Number]]) -> str:
    """4.2 sq mi: the area of a polygon of [latitude, longitude], on a flat map; good to a percent at a city's size."""
    middle = math.cos(math.radians(sum(float(point[0]) for point in polygon) / len(polygon)))
    flat = [(float(point[0]) * _MILE, float(point[1]) * _MILE * middle) for point in polygon]
    twice = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(flat, [*flat[1:], flat[0]], strict=True))
    area = abs(twice) / 2
    return f"{area:.0f} sq mi" if area >= 10 else f"{area:.1f} sq mi" if area >= 0.1 else f"{area:.2f} sq mi"


def _said(field: str, values: Sequence[Any] | None) -> list[str]:
    """Each value of a list as people write it."""
    if field == "not_polygons":
        return [drawn_words(one) for one in values or []]
    if field == "excluded_listing_keys":
        return [f"{len(values)} home{'s' * (len(values) != 1)}"] if values else []
    if field == "include_unknown":
        return [_CALLED.get(str(one), str(one)).lower() for one in values or []]
    return [str(one) for one in values or []]


def value_words(field: str, value: Any) -> str:
    """One criterion as people write it; what is not asked of is "any"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not value:
        return "any"
    if isinstance(value, list):
        return ", ".join(_said(field, value))
    sign, unit = _UNITS.get(field, ("", ""))
    shown = {side: number if field == "year_built" else f"{number:,}" for side, number in value.items()}
    if "ge" in shown and "le" in shown:
        return f"{sign}{shown['ge']} to {sign}{shown['le']}{unit}"
    return f"{sign}{shown['ge']}{unit} or more" if "ge" in shown else f"up to {sign}{shown['le']}{unit}"
