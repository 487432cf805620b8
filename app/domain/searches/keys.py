"""The exploded index of a search: one row for every place and type it would take a home from.

Matching then is an equality join on one integer and a few comparisons; `make bench-alerts` measures it beside the naive
way. The encodings here and those of the events in app/domain/alerts/queries.py are two halves of one contract: a bound
that is not asked is a sentinel outside every real value, and so is a value that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.domain.listings.carried import CONDITION_BITS, FEATURES, NO, PLACE_COLUMNS, YES
from app.domain.listings.words import words_of
from app.domain.models import KIND_BITS, AreaKind
from app.domain.models.lookups import PropertySubType, PropertyType, StandardStatus
from app.domain.searches.criteria import CONDITIONS_NOT, EXCLUDED, KEYWORDS, PLACE_LISTS, RANGES, Bounds, Criteria
from app.domain.searches.criteria import PLACE as ANY_PLACE
from app.domain.searches.shapes import flat

OFFICE = 1 << 44
PLACE = 1 << 4
ANYWHERE = 0
NOWHERE = 1 << 31
"""The place, beside its others, of a home of which any kind of place is unknown."""
ANY_TYPE = 15
UNKNOWN_TYPE = 14
"""The type of a home with none, or with one we do not know: no search has it."""
TYPE_NUMBERS = {kind.value: number for number, kind in enumerate(PropertyType)}

SUB_TYPE_BITS = {kind.value: 1 << number for number, kind in enumerate(PropertySubType)}
UNKNOWN_SUB_TYPE = 1 << 61
NO_SUB_TYPE = 1 << 62
ANY_SUB_TYPE = (1 << 63) - 1

STATUS_BITS = {status.value: 1 << number for number, status in enumerate(StandardStatus)}
KIND_SHIFT = 11
ALL_KINDS = sum(KIND_BITS.values())

INT_LOW, INT_HIGH = -(1 << 31), (1 << 31) - 1
BIG_LOW = -(1 << 63)
SMALL_LOW, SMALL_HIGH = -(1 << 15), (1 << 15) - 1

PARTLY = 1
"""flags: the cell is only partly inside the shape."""
TWICE = 2
"""flags: places of more than one kind, so one home can be hit by more than one row."""

FURTHER = 4
"""flags: the search asks more than these columns say (saved_search.further)."""

UNPLACED = 8
"""flags: the row is for homes of which some place is unknown; whether one that the search asks, further says."""

IN_COLUMNS = (
    "list_price",
    "bedrooms_total",
    "baths_equivalent",
    "living_area",
    "lot_size_square_feet",
    "year_built",
)
"""The bounds that have columns of their own, where the unknown is not included."""
PLACE_COLUMN = {kind.value: column for column, kind in PLACE_COLUMNS.items()} | {"drawn": "latitude_e6"}
"""The column of listing_event that is null where a kind of place is unknown."""

MOST_ROWS = 512
"""A shape is covered by the finest cells that keep a search within this many rows."""


class Key(NamedTuple):
    """A row of search_key, in the order of its columns."""

    key: int
    price_hi: int
    price_lo: int
    living_lo: int
    living_hi: int
    lot_lo: int
    sub_types: int
    triggers: int
    year_lo: int
    year_hi: int
    beds_lo: int
    baths_lo: int
    flags: int
    alert_subscription_id: int
    saved_search_id: int


def explode(
    criteria: Criteria,
    *,
    office_id: int,
    areas: Mapping[tuple[AreaKind, str], int],
    kinds: int,
    subscription_id: int,
    search_id: int,
) -> list[Key]:
    """Every key row of one subscription. `areas` numbers the criteria's named places; one it lacks can match nothing.

    One home is hit by at most one row for each kind of place; rows are flagged TWICE where there is more than one kind.
    """
    chosen = () if "property_type" in criteria.include_unknown else criteria.property_type
    types = [TYPE_NUMBERS[value] for value in chosen] or [ANY_TYPE]
    scalars = _scalars(criteria, kinds)
    kinds_of_place, places = _places(criteria, areas, MOST_ROWS // len(types))
    flags = (TWICE if kinds_of_place > 1 else 0) | (FURTHER if further(criteria) else 0)
    return [
        Key(office_id * OFFICE + place * PLACE + type_number, *scalars, flags | own_flags, subscription_id, search_id)
        for place, own_flags in places.items()
        for type_number in types
    ]


def further(criteria: Criteria) -> dict[str, Any] | None:
    """What the columns of search_key do not say, as saved_search.further keeps it and matching reads it; None when they
    say all. Each field that is asked has its own key; "unknown" lists those of them whose unknown will do."""
    asked: dict[str, Any] = {}
    for field in RANGES:
        if (bounds := getattr(criteria, field)) and (field not in IN_COLUMNS or field in criteria.include_unknown):
            asked[field] = {side: str(bound) for side in ("ge", "le") if (bound := getattr(bounds, side)) is not None}
    if criteria.property_type and "property_type" in criteria.include_unknown:
        asked["property_type"] = list(criteria.property_type)
    if criteria.has_place and ANY_PLACE in criteria.include_unknown:
        kinds = [*(field for field in PLACE_LISTS if getattr(criteria, field)), *(["drawn"] if criteria.shape else [])]
        asked[ANY_PLACE] = [PLACE_COLUMN[kind] for kind in kinds]
    asked |= _features(criteria)
    if criteria.not_polygons:
        asked["not_polygons"] = [list(flat(ring)) for ring in criteria.not_polygons]
    if criteria.special_listing_conditions_not:
        asked[CONDITIONS_NOT] = sum(CONDITION_BITS[value] for value in criteria.special_listing_conditions_not)
    for field in KEYWORDS:
        if keywords := getattr(criteria, field):
            asked[field] = [words_of(one) for one in keywords]
    if criteria.excluded_listing_keys:
        asked[EXCLUDED] = list(criteria.excluded_listing_keys)
    if unknown := [field for field in criteria.include_unknown if field in asked]:
        asked["unknown"] = unknown
    return asked or None


def _features(criteria: Criteria) -> dict[str, int]:
    """The bits that must be there, and where the unknown will do, those that must not."""
    bits = {"features": 0, "features_not": 0}
    for feature in FEATURES:
        if (wish := getattr(criteria, feature)) is None:
            continue
        if feature in criteria.include_unknown:
            bits["features_not"] |= (NO if wish else YES)[feature]
        else:
            bits["features"] |= (YES if wish else NO)[feature]
    return {name: mask for name, mask in bits.items() if mask}


def _places(
    criteria: Criteria, areas: Mapping[tuple[AreaKind, str], int], most_cells: int
) -> tuple[int, dict[int, int]]:
    """How many kinds of place there are, and each place with its own flags."""
    if not criteria.has_place:
        return 1, {ANYWHERE: 0}
    numbers = {areas[area] for area in criteria.areas if area in areas}
    places = dict.fromkeys(sorted(numbers), 0)
    kinds = sum(bool(getattr(criteria, field)) for field in PLACE_LISTS)
    if criteria.shape:
        places |= {cell: PARTLY * partly for cell, partly in criteria.shape.places(most_cells).items()}
        kinds += 1
    if ANY_PLACE in criteria.include_unknown:
        places[NOWHERE] = UNPLACED
        kinds += 1
    return kinds, places


def _scalars(criteria: Criteria, kinds: int) -> tuple[int, int, int, int, int, int, int, int, int, int, int]:
    """The columns from price_hi to baths_lo."""
    return (
        _bound(criteria, "list_price", "le", INT_HIGH),
        _bound(criteria, "list_price", "ge", INT_LOW),
        _bound(criteria, "living_area", "ge", INT_LOW),
        _bound(criteria, "living_area", "le", INT_HIGH),
        _bound(criteria, "lot_size_square_feet", "ge", BIG_LOW),
        _sub_types(criteria),
        sum(STATUS_BITS[value] for value in criteria.standard_status) | kinds << KIND_SHIFT,
        _bound(criteria, "year_built", "ge", SMALL_LOW),
        _bound(criteria, "year_built", "le", SMALL_HIGH),
        _bound(criteria, "bedrooms_total", "ge", SMALL_LOW),
        _bound(criteria, "baths_equivalent", "ge", SMALL_LOW, scale=100),
    )


def _sub_types(criteria: Criteria) -> int:
    unknown = NO_SUB_TYPE if "property_sub_type" in criteria.include_unknown else 0
    return sum(SUB_TYPE_BITS[value] for value in criteria.property_sub_type) | unknown or ANY_SUB_TYPE


def _bound(criteria: Criteria, field: str, side: str, missing: int, *, scale: int = 1) -> int:
    """Open where the unknown is included: then further says it."""
    bounds: Bounds | None = getattr(criteria, field)
    value: Any = getattr(bounds, side) if bounds and field not in criteria.include_unknown else None
    return missing if value is None else int(value * scale)
