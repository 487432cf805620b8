"""A home as it was at the moment of an event, read back from the columns that the event carries. Pure.

The inverse of app.domain.listings.carried: matching judged these numbers, so the proof judges these and nothing newer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from app.domain.listings.carried import AS_THEY_ARE, CONDITION_BITS, FEATURES, NO, PLACE_COLUMNS, YES
from app.domain.models import ListingEvent

DEGREE = 1_000_000
PLAIN = tuple(name for name in AS_THEY_ARE if name not in PLACE_COLUMNS)
EXACT = frozenset({"list_price", "baths_equivalent", "living_area", "lot_size_square_feet", "association_fee_monthly"})
CARRIED = (*PLAIN, *PLACE_COLUMNS, "latitude_e6", "longitude_e6", "features", "special_conditions")

Home = dict[str, Any]


def columns_of(event: ListingEvent) -> Home:
    """The event's matching columns."""
    return {name: getattr(event, name) for name in CARRIED}


def before_of(event: ListingEvent) -> Home | None:
    """The same as they were before the event; None when it did not keep them: then nothing of them changed, or the home
    was not known before."""
    former = getattr(event, "before", None)
    if not former:
        return None
    return columns_of(event) | {name: _exact(name, value) for name, value in former.items() if name in CARRIED}


def area_ids(homes: Iterable[Home]) -> set[int]:
    """The named places of these homes, by number."""
    return {home[column] for home in homes for column in PLACE_COLUMNS if home[column] is not None}


def home_of(columns: Mapping[str, Any], names: Mapping[int, str], listing_key: str) -> Home:
    """The RESO values that a search asks of. `names`: what the places are called."""
    home: Home = {name: columns[name] for name in PLAIN}
    for column, kind in PLACE_COLUMNS.items():
        home[kind.value] = names.get(columns[column] or 0, "")
    latitude, longitude = columns["latitude_e6"], columns["longitude_e6"]
    home["latitude"] = None if latitude is None else Decimal(latitude) / DEGREE
    home["longitude"] = None if longitude is None else Decimal(longitude) / DEGREE
    bits = columns["features"] or 0
    for feature in FEATURES:
        home[feature] = True if bits & YES[feature] else False if bits & NO[feature] else None
    said = columns["special_conditions"]
    home["special_listing_conditions"] = (
        None if said is None else [name for name, bit in CONDITION_BITS.items() if said & bit]
    )
    home["public_remarks"] = home["remarks_words"] or ""
    return home | {"listing_key": listing_key}


def _exact(name: str, value: Any) -> Any:
    return Decimal(str(value)) if name in EXACT and value is not None else value
