"""How a search is said on its page: the sentence with its wishes lit, zones, and which homes were counted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from app.domain.searches.criteria import PLACE_LISTS, Criteria

_WISHES = (
    r"\$\d[\d,]*\d(?: to \$\d[\d,]*\d)?",
    r"[\d.]+ (?:beds?|baths?) or more",
    r"\d[\d,]*(?: to \d[\d,]*)? sq ft",
    r"built [^;,.]*",
    r"within [\d.]+ miles? of −?[\d.]+, −?[\d.]+",
    r"inside the drawn box",
)


def lit(criteria: Criteria) -> Markup:
    """The sentence of a search; what can be turned about in it is bold. Everything else is escaped text."""
    names = sorted({name for kind in PLACE_LISTS for name in getattr(criteria, kind)}, key=len, reverse=True)
    wishes = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names) or "(?!)")
    others = re.compile("|".join(_WISHES))
    said, found = criteria.sentence(), Markup()
    while said:
        spots = [spot for spot in (wishes.search(said), others.search(said)) if spot and spot.end() > spot.start()]
        spot = min(spots, key=lambda one: (one.start(), -one.end()), default=None)
        if spot is None:
            return found + escape(said)
        found += escape(said[: spot.start()]) + Markup("<b>{}</b>").format(spot.group())
        said = said[spot.end() :]
    return found


def zone_words(zone: str) -> str:
    """America/New_York → New York time."""
    return f"{zone.rpartition('/')[2].replace('_', ' ')} time"


def moment_words(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """today, 7:00 · tomorrow, 7:00 · Monday, 7:00 · Dec 1, 7:00: on the clock of `zone`."""
    local = moment.astimezone(zone)
    days = (local.date() - now.astimezone(zone).date()).days
    named = {0: "today", 1: "tomorrow"}.get(days) or (f"{local:%A}" if days < 7 else f"{local:%b} {local.day}")
    return f"{named}, {local.hour}:{local.minute:02}"


def day_rows(days: Sequence[tuple[date, int]]) -> list[tuple[str, int]]:
    """For a chart: Nov 8, 3."""
    return [(f"{day:%b} {day.day}", homes) for day, homes in days]
