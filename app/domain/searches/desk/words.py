"""Schedules and changes of a search, in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import time
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
    ReasonActiveOrDisabled.OVER_LIMIT: ("Too broad", "It found more homes than one mail can hold; narrow it."),
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
OFF_REASONS = tuple(reason.value for reason in _OFF)


def state_of(*, is_active: bool, reason: str | None, is_blocked: bool = False) -> State:
    """Sending, held back by a suppressed address, or off and why."""
    if is_active and is_blocked:
        return State("idle", False, "Held back", "It is on, but the address is suppressed: nothing is sent.")
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
}
_UNITS = {
    "list_price": ("$", ""),
    "living_area": ("", " sq ft"),
    "lot_size_square_feet": ("", " sq ft"),
}


class Change(NamedTuple):
    """One field of a search, before and after."""

    field: str
    before: str
    after: str


def changes_between(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """What an edit did, field by field, in the order people read them; the places are one field. Empty: nothing."""
    where = Change("Where", place_words(before), place_words(after))
    return [where] * (where.before != where.after) + [
        Change(called, value_words(field, before.get(field)), value_words(field, after.get(field)))
        for field, called in _CALLED.items()
        if before.get(field) != after.get(field)
    ]


def place_words(criteria: dict[str, Any]) -> str:
    """Every place of a search in one line."""
    said = [str(name) for kind in PLACE_LISTS for name in criteria.get(kind) or []]
    if radius := criteria.get("radius"):
        said.append(f"{radius['miles']} mi around {radius['latitude']}, {radius['longitude']}")
    if box := criteria.get("box"):
        said.append(f"the box {box['south']} to {box['north']}, {box['west']} to {box['east']}")
    return ", ".join(said) or "anywhere"


def value_words(field: str, value: Any) -> str:
    """One criterion as people write it; what is not asked of is "any"."""
    if not value:
        return "any"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    sign, unit = _UNITS.get(field, ("", ""))
    shown = {side: number if field == "year_built" else f"{number:,}" for side, number in value.items()}
    if "ge" in shown and "le" in shown:
        return f"{sign}{shown['ge']} to {sign}{shown['le']}{unit}"
    return f"{sign}{shown['ge']}{unit} or more" if "ge" in shown else f"up to {sign}{shown['le']}{unit}"
