"""How the proof says what was asked and what a home had: both values of each criterion, and why a step ended. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from app.display import money, number
from app.domain.listings.changes import Silence
from app.domain.models.lookups import ReasonActiveOrDisabled
from app.domain.searches.criteria import Criteria

CALLED = {
    "standard_status": "Status",
    "property_type": "Type",
    "property_sub_type": "Sub type",
    "list_price": "Price",
    "bedrooms_total": "Beds",
    "baths_equivalent": "Baths",
    "living_area": "Living area",
    "lot_size_square_feet": "Lot",
    "year_built": "Year built",
    "place": "Place",
    "waterfront_yn": "Waterfront",
    "pool_private_yn": "Private pool",
    "new_construction_yn": "New construction",
    "senior_community_yn": "55+ community",
    "association_fee_monthly": "Monthly fee",
    "garage_spaces": "Garage",
    "special_listing_conditions_not": "Kind of sale",
    "keywords_any": "Keywords",
    "keywords_none": "Words ruled out",
    "excluded_listing_keys": "Homes left out",
}
PLACES = ("city", "postal_code", "county_or_parish", "subdivision_name", "mls_area_major")
DRAWN = {"radius": "the drawn circle", "box": "the drawn box", "polygons": "the drawn area"}
MONEY = frozenset({"list_price", "association_fee_monthly"})
AREAS = frozenset({"living_area", "lot_size_square_feet"})
FOUND_IN = {
    "special_listing_conditions_not": "special_listing_conditions",
    "keywords_any": "public_remarks",
    "keywords_none": "public_remarks",
    "excluded_listing_keys": "listing_key",
}
UNKNOWN = "nobody said"

SILENCE = {
    Silence.CORRECTION: "It was entered as a correction, and corrections alert nobody.",
    Silence.BACKFILL: "It came with the first file of its source, which alerts nobody.",
    Silence.MIGRATION: "It was brought over from the old system, which alerts nobody.",
    Silence.REPLAY: "It was written by a replay, which alerts nobody.",
    Silence.NOT_VALID: "The listing was Incomplete or Deleted.",
    Silence.OFF_MARKET: "The home was off the market with it.",
    Silence.HIDDEN: "The seller does not want this home shown on the internet.",
    Silence.STALE: "It came too late to be news: more than 7 days old, or over 14 days on the market at first sight.",
    Silence.RELIST: "It is an offer given up within 30 days, back under a new key and not cheaper.",
    Silence.BRIEF_FLIP: "It was off the market for less than 12 hours: taken for a slip.",
    Silence.PRICE_RISE: "A price that rises alerts nobody.",
    Silence.STATUS: "This change of status alerts nobody.",
    Silence.ATTRIBUTES: "Neither price nor status changed, and other changes alert nobody.",
}
OFF = {
    ReasonActiveOrDisabled.AGENT_DISABLED: "the agent had switched it off",
    ReasonActiveOrDisabled.CLIENT_DISABLED: "the buyer had stopped it",
    ReasonActiveOrDisabled.SEARCH_FAILING: "it could not be read",
    ReasonActiveOrDisabled.OVER_LIMIT: "it asked for too many homes",
    ReasonActiveOrDisabled.NO_LISTINGS_FOUND: "it had found nothing for long",
    ReasonActiveOrDisabled.IGNORED: "its mails had not been looked at for long",
    ReasonActiveOrDisabled.NO_ONE_TO_SEND_TO: "there was nobody to send to",
}


@dataclass(frozen=True)
class Criterion:
    """One line of a search against one home: both values, and whether it holds. None: nobody said."""

    field: str
    called: str
    asked: str
    found: str
    holds: bool | None

    @property
    def against(self) -> str:
        """Price: asks up to $500,000, the home had $510,000."""
        had = "nobody said for this home" if self.holds is None else f"the home had {self.found}"
        return f"{self.called}: the search asks {self.asked}, {had}"


def criteria_lines(criteria: Criteria, home: Mapping[str, Any]) -> tuple[Criterion, ...]:
    """Every line of a search with both values, in the order of the form."""
    asked = criteria.as_dict()
    return tuple(
        Criterion(field, called(field), _asked(field, asked), _found(field, home), holds)
        for field, holds in criteria.judge(home).items()
    )


def called(field: str) -> str:
    return CALLED.get(field) or field.removesuffix("_yn").replace("_", " ").capitalize()


def silence(reason: str | None) -> str:
    """Why an event alerts nobody, in a sentence."""
    try:
        return SILENCE[Silence(reason or "")]
    except (KeyError, ValueError):
        return f"{(reason or 'It alerts nobody').replace('_', ' ').capitalize()}."


def why_off(reason: str | None) -> str:
    try:
        return OFF[ReasonActiveOrDisabled(reason or "")]
    except (KeyError, ValueError):
        return (reason or "nobody wrote down why").lower()


def when(moment: datetime, zone: ZoneInfo) -> str:
    """Fri 20 Nov 2026, 10:42 EST: the same words on whatever day it is asked."""
    local = moment.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M %Z}"


def _asked(field: str, asked: Mapping[str, Any]) -> str:
    if field == "place":
        named = [str(name) for place in PLACES for name in asked.get(place, ())]
        drawn = [words for shape, words in DRAWN.items() if asked.get(shape)]
        without = ", outside the part left out" if asked.get("not_polygons") else ""
        return (" or ".join([*named, *drawn]) or "anywhere") + without
    value = asked.get(field)
    if field == "excluded_listing_keys":
        homes = len(value or ())
        return f"none of {homes} {'home' if homes == 1 else 'homes'} left out by hand"
    if field in {"special_listing_conditions_not", "keywords_none"}:
        return f"none of {', '.join(map(str, value or ()))}"
    if isinstance(value, Mapping):
        low, high = value.get("ge"), value.get("le")
        if low is not None and high is not None:
            return one(field, low) if low == high else f"{one(field, low)} to {one(field, high)}"
        return f"{one(field, low)} or more" if low is not None else f"up to {one(field, high)}"
    if isinstance(value, list | tuple):
        return " or ".join(map(str, value))
    return one(field, value)


def _found(field: str, home: Mapping[str, Any]) -> str:
    if field == "place":
        names = [str(home[place]) for place in PLACES if home.get(place)]
        if home.get("latitude") is not None:
            names.append(f"{home['latitude']:.5f}, {home['longitude']:.5f}".replace("-", "−"))
        return ", ".join(names) or UNKNOWN
    if field == "excluded_listing_keys":
        return "this home"
    value = home.get(FOUND_IN.get(field, field))
    if FOUND_IN.get(field) == "public_remarks":
        return "its remarks of then" if value else "no remarks"
    return one(field, value)


def one(field: str, value: Any) -> str:
    if value is None or value in ("", []):
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, int | float | Decimal):
        exact = Decimal(str(value))
        if field in MONEY:
            return money(exact)
        if field == "year_built":
            return str(int(exact))
        return number(exact) + (" sq ft" if field in AREAS else "")
    return str(value)
