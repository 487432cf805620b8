"""The exploded index of a search: one row for every place and type it would take a home from.

Matching then is an equality join on one integer and a few comparisons; `make bench-alerts` measures it beside the naive
way. The encodings here and those of the events in app/domain/alerts/queries.py are two halves of one contract: a bound
that is not asked is a sentinel outside every real value, and so is a value that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.domain.models import KIND_BITS, AreaKind
from app.domain.models.lookups import PropertySubType, PropertyType, StandardStatus
from app.domain.searches.criteria import PLACE_LISTS, Bounds, Criteria

OFFICE = 1 << 44
PLACE = 1 << 4
ANYWHERE = 0
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
    types = [TYPE_NUMBERS[value] for value in criteria.property_type] or [ANY_TYPE]
    scalars = _scalars(criteria, kinds)
    kinds_of_place, places = _places(criteria, areas, MOST_ROWS // len(types))
    twice = TWICE if kinds_of_place > 1 else 0
    return [
        Key(
            office_id * OFFICE + place * PLACE + type_number,
            *scalars,
            twice | (PARTLY if partly else 0),
            subscription_id,
            search_id,
        )
        for place, partly in places.items()
        for type_number in types
    ]


def _places(
    criteria: Criteria, areas: Mapping[tuple[AreaKind, str], int], most_cells: int
) -> tuple[int, dict[int, bool]]:
    """How many kinds of place there are, and each place with whether it needs a look at the point."""
    if not criteria.has_place:
        return 1, {ANYWHERE: False}
    numbers = {areas[area] for area in criteria.areas if area in areas}
    places = dict.fromkeys(sorted(numbers), False)
    kinds = sum(bool(getattr(criteria, field)) for field in PLACE_LISTS)
    if criteria.shape:
        places |= criteria.shape.places(most_cells)
        kinds += 1
    return kinds, places


def _scalars(criteria: Criteria, kinds: int) -> tuple[int, int, int, int, int, int, int, int, int, int, int]:
    """The columns from price_hi to baths_lo."""
    return (
        _bound(criteria.list_price, "le", INT_HIGH),
        _bound(criteria.list_price, "ge", INT_LOW),
        _bound(criteria.living_area, "ge", INT_LOW),
        _bound(criteria.living_area, "le", INT_HIGH),
        _bound(criteria.lot_size_square_feet, "ge", BIG_LOW),
        sum(SUB_TYPE_BITS[value] for value in criteria.property_sub_type) or ANY_SUB_TYPE,
        sum(STATUS_BITS[value] for value in criteria.standard_status) | kinds << KIND_SHIFT,
        _bound(criteria.year_built, "ge", SMALL_LOW),
        _bound(criteria.year_built, "le", SMALL_HIGH),
        _bound(criteria.bedrooms_total, "ge", SMALL_LOW),
        _bound(criteria.baths_equivalent, "ge", SMALL_LOW, scale=100),
    )


def _bound(bounds: Bounds | None, side: str, missing: int, *, scale: int = 1) -> int:
    value: Any = getattr(bounds, side) if bounds else None
    return missing if value is None else int(value * scale)
