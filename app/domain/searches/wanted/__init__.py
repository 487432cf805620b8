"""The other way round: which searches a home fits as it stands, whatever anybody was told of it before.

The same key rows decide that decide alerts (keys.py), so this page and the mails cannot disagree.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from app.domain.listings.areas import micro_degrees
from app.domain.listings.carried import PLACE_COLUMNS
from app.domain.models import Listing
from app.domain.searches.keys import (
    ANY_TYPE,
    ANYWHERE,
    BIG_LOW,
    INT_HIGH,
    INT_LOW,
    NO_SUB_TYPE,
    NOWHERE,
    OFFICE,
    PLACE,
    SMALL_HIGH,
    SMALL_LOW,
    STATUS_BITS,
    SUB_TYPE_BITS,
    TYPE_NUMBERS,
    UNKNOWN_SUB_TYPE,
)
from app.domain.searches.shapes import CELL_SIZES, COLUMNS, GRID, LEVEL


def keys_of(listing: Listing) -> list[int]:
    """Every key that a search could have and this home would answer."""
    places = [ANYWHERE]
    areas = [getattr(listing, column) for column in PLACE_COLUMNS]
    places += [area for area in areas if area is not None]
    if None in areas or listing.latitude is None:
        places.append(NOWHERE)
    latitude, longitude = micro_degrees(listing.latitude), micro_degrees(listing.longitude)
    if latitude is not None and longitude is not None:
        places += [
            GRID + level * LEVEL + (latitude + 90_000_000) // size * COLUMNS + (longitude + 180_000_000) // size
            for level, size in enumerate(CELL_SIZES)
        ]
    types = [ANY_TYPE]
    if listing.property_type in TYPE_NUMBERS:
        types.append(TYPE_NUMBERS[listing.property_type])
    return [listing.office_id * OFFICE + place * PLACE + number for place in places for number in types]


def values_of(listing: Listing) -> dict[str, Any]:
    """The home's values as key rows are compared with them: an unknown one fails every bound."""
    return {
        "sub_type": _sub_type(listing.property_sub_type),
        "status": STATUS_BITS.get(listing.standard_status, 0),
        "price_ceil": _fit(listing.list_price, 0, INT_HIGH - 1, INT_HIGH, up=True),
        "price_floor": _fit(listing.list_price, 0, INT_HIGH - 1, INT_LOW),
        "living_ceil": _fit(listing.living_area, 0, INT_HIGH - 1, INT_HIGH, up=True),
        "living_floor": _fit(listing.living_area, 0, INT_HIGH - 1, INT_LOW),
        "lot_floor": _fit(listing.lot_size_square_feet, 0, 10**12, BIG_LOW),
        "year_ceil": _fit(listing.year_built, 0, SMALL_HIGH - 1, SMALL_HIGH, up=True),
        "year_floor": _fit(listing.year_built, 0, SMALL_HIGH - 1, SMALL_LOW),
        "beds": _fit(listing.bedrooms_total, 0, SMALL_HIGH - 1, SMALL_LOW),
        "baths": _fit(
            None if listing.baths_equivalent is None else listing.baths_equivalent * 100, 0, SMALL_HIGH - 1, SMALL_LOW
        ),
    }


def _sub_type(name: str | None) -> int:
    return NO_SUB_TYPE if name is None else SUB_TYPE_BITS.get(name, UNKNOWN_SUB_TYPE)


def _fit(value: Decimal | int | None, low: int, high: int, missing: int, *, up: bool = False) -> int:
    if value is None:
        return missing
    return min(max(math.ceil(value) if up else math.floor(value), low), high)
