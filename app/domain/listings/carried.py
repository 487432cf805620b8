"""A listing in the columns that an event repeats of it, as matching reads them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.listings.areas import micro_degrees
from app.domain.models import AreaKind
from app.domain.models.lookups import SpecialListingConditions

Values = Mapping[str, Any]

PLACE_COLUMNS = {
    "city_area_id": AreaKind.CITY,
    "postal_code_area_id": AreaKind.POSTAL_CODE,
    "county_area_id": AreaKind.COUNTY,
    "subdivision_area_id": AreaKind.SUBDIVISION,
    "mls_area_id": AreaKind.MLS_AREA,
}
"""The numbers of a home's named places, in listing and in listing_event."""

AS_THEY_ARE = (
    "standard_status",
    "list_price",
    "property_type",
    "property_sub_type",
    "bedrooms_total",
    "baths_equivalent",
    "living_area",
    "lot_size_square_feet",
    "year_built",
    "garage_spaces",
    "association_fee_monthly",
    *PLACE_COLUMNS,
    "market_spell_no",
    "remarks_words",
)
"""What an event repeats under the same name."""

FEATURES = ("waterfront_yn", "pool_private_yn", "new_construction_yn", "senior_community_yn")
"""Features of yes, no or unknown. The order is that of the bits and must only grow at the end."""
YES = {name: 1 << 2 * number for number, name in enumerate(FEATURES)}
NO = {name: 2 << 2 * number for number, name in enumerate(FEATURES)}

CONDITION_BITS = {condition.value: 1 << number for number, condition in enumerate(SpecialListingConditions)}
OTHER_CONDITION = 1 << 30
"""A condition of the sale that we do not know: nothing that a search rules out."""


def carried(values: Values) -> dict[str, Any]:
    """The event's matching columns of a listing. An event that may alert nobody leaves out remarks_words."""
    return {name: values[name] for name in AS_THEY_ARE} | {
        "latitude_e6": micro_degrees(values["latitude"]),
        "longitude_e6": micro_degrees(values["longitude"]),
        "features": features_of(values),
        "special_conditions": condition_bits(values["special_listing_conditions"]),
    }


def features_of(values: Values) -> int:
    """Two bits for each feature: yes, no; neither is unknown."""
    return sum((YES if values[name] else NO)[name] for name in FEATURES if values[name] is not None)


def condition_bits(conditions: Iterable[str] | None) -> int | None:
    """A mask of the conditions; None where nobody said any."""
    bits = 0
    for condition in conditions or ():
        bits |= CONDITION_BITS.get(condition, OTHER_CONDITION)
    return bits or None
