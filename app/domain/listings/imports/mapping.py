"""What the columns of a file mean. One small file for each kind of file we know; a person may draw up another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.listings.fields import FIELDS, Kind


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file fills one field. A column may stand twice to fill two."""

    header: str
    field: str
    codes: Mapping[str, Any] | None = None
    """What its codes mean, where it holds codes instead of words."""


Finish = Callable[[Mapping[str, Any], dict[str, Any]], Iterable[tuple[str, str]]]
"""(cells, values) → (field, reason) of what it could not make out; it may change the values."""


@dataclass(frozen=True)
class FileMapping:
    """How one kind of file becomes listings."""

    name: str
    title: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """The columns that together tell one listing from another: originating_system_key."""
    may_be_blank: frozenset[str] = frozenset()
    """Columns of the key that a row may leave blank."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Fields that are the same in every row."""
    is_chosen: bool = False
    """A person chose the columns one by one, so two of one name are told apart."""
    file_format: str = "csv"
    reads_reso_names: bool = False
    """Columns that are called like a RESO field fill it, listed or not."""
    finish: Finish | None = None
    """The last word on a row, for what no single column can say (units beside a number)."""


TARGETS = tuple(item for item in FIELDS.values() if item.kind is not Kind.ID)
"""Fields that a file may fill."""


def folded(header: str) -> str:
    """ "SALE PRICE", "sale_price" and "SalePrice" are one name."""
    return re.sub(r"[\W_]+", "", header.casefold())


_ALSO: dict[str, str] = {
    "price": "list_price",
    "askingprice": "list_price",
    "saleprice": "close_price",
    "soldprice": "close_price",
    "saledate": "close_date",
    "solddate": "close_date",
    "closingdate": "close_date",
    "beds": "bedrooms_total",
    "bedrooms": "bedrooms_total",
    "baths": "baths_equivalent",
    "bathrooms": "baths_equivalent",
    "fullbaths": "bathrooms_full",
    "halfbaths": "bathrooms_half",
    "sqft": "living_area",
    "squarefeet": "living_area",
    "sqftliving": "living_area",
    "livingareasqft": "living_area",
    "lotsize": "lot_size_square_feet",
    "sqftlot": "lot_size_square_feet",
    "lotsqft": "lot_size_square_feet",
    "yrbuilt": "year_built",
    "year": "year_built",
    "floors": "stories_total",
    "stories": "stories_total",
    "garage": "garage_spaces",
    "address": "unparsed_address",
    "streetaddress": "unparsed_address",
    "fulladdress": "unparsed_address",
    "unit": "unit_number",
    "apt": "unit_number",
    "apartmentnumber": "unit_number",
    "state": "state_or_province",
    "zip": "postal_code",
    "zipcode": "postal_code",
    "postcode": "postal_code",
    "county": "county_or_parish",
    "neighborhood": "subdivision_name",
    "subdivision": "subdivision_name",
    "lat": "latitude",
    "lng": "longitude",
    "lon": "longitude",
    "long": "longitude",
    "waterfront": "waterfront_yn",
    "pool": "pool_private_yn",
    "privatepool": "pool_private_yn",
    "newconstruction": "new_construction_yn",
    "55plus": "senior_community_yn",
    "hoafee": "association_fee",
    "hoafrequency": "association_fee_frequency",
    "hoamonthly": "association_fee_monthly",
    "monthlyfee": "association_fee_monthly",
    "area": "mls_area_major",
    "mlsarea": "mls_area_major",
    "saleconditions": "special_listing_conditions",
    "description": "public_remarks",
    "remarks": "public_remarks",
    "status": "standard_status",
    "mls": "listing_id",
    "mlsnumber": "listing_id",
    "mlsid": "listing_id",
    "type": "property_type",
    "subtype": "property_sub_type",
    "agent": "list_agent_full_name",
    "office": "list_office_name",
    "photos": "photos_count",
    "media": "preferred_photo_url",
    "photourl": "preferred_photo_url",
    "primaryphoto": "preferred_photo_url",
    "apn": "parcel_number",
    "parcel": "parcel_number",
    "parcelid": "parcel_number",
}
_BY_NAME = (
    _ALSO | {folded(item.label): item.name for item in TARGETS} | {folded(item.name): item.name for item in TARGETS}
)
_KEYS = ("originatingsystemkey", "listingkey", "listingid", "mlsnumber", "mlsid", "mls", "id", "key")


def guess_field(header: str) -> str | None:
    """The field a column is likely to fill, by its name alone; a person confirms it."""
    return _BY_NAME.get(folded(header))


def guess_key(headers: Iterable[str]) -> str | None:
    """The column that is likely to tell listings apart."""
    by_name = {folded(header): header for header in reversed(list(headers))}
    return next((by_name[name] for name in _KEYS if name in by_name), None)
