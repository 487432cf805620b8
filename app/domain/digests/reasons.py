"""Why a home fits a search, in a few words about this home: “in Port Ellery, under $525,000, 4 beds”. Pure."""

from __future__ import annotations

from typing import Any

from app.display import money, number
from app.domain.listings.areas import normalise
from app.domain.searches.criteria import PLACE_LISTS, Criteria

MOST = 3


def reasons(criteria: Criteria, home: Any) -> str:
    """Up to MOST of the wishes that this home grants, place and price first. `home` has the listing's columns; empty
    where the search asks for nothing that can be said so. What the seller hides of a place is not said."""
    found = [
        _place(criteria, home),
        _price(criteria),
        _beds(criteria, home),
        _baths(criteria, home),
        _area(criteria, home),
    ]
    return ", ".join([one for one in found if one][:MOST])


def _place(criteria: Criteria, home: Any) -> str:
    for field in PLACE_LISTS:
        name = getattr(home, field)
        if name and normalise(field, name) in {normalise(field, wanted) for wanted in getattr(criteria, field)}:
            shows = field != "subdivision_name" or home.internet_address_display_yn
            return f"in {name}" if shows else ""
    if criteria.radius:
        miles = criteria.radius.hundredths / 100
        return f"within {number(miles)} {'mile' if miles == 1 else 'miles'}"
    return "in the area you drew" if criteria.polygons else "in the area you chose" if criteria.box else ""


def _price(criteria: Criteria) -> str:
    asked = criteria.list_price
    if not asked:
        return ""
    if asked.le is None:
        return f"over {money(asked.ge)}"
    return f"up to {money(asked.le)}"


def _beds(criteria: Criteria, home: Any) -> str:
    beds = home.bedrooms_total
    if not criteria.bedrooms_total or beds is None:
        return ""
    return f"{beds} bed" if beds == 1 else f"{beds} beds"


def _baths(criteria: Criteria, home: Any) -> str:
    baths = home.baths_equivalent
    if not criteria.baths_equivalent or baths is None:
        return ""
    return f"{number(baths)} bath" if baths == 1 else f"{number(baths)} baths"


def _area(criteria: Criteria, home: Any) -> str:
    return f"{number(home.living_area)} sq ft" if criteria.living_area and home.living_area is not None else ""
