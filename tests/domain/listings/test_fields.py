"""The names of fields: RESO's and ours, both ways; and the columns they stand for."""

from __future__ import annotations

import pytest

from app.domain.listings.fields import FIELDS, Kind, snake_case
from app.domain.models import Listing

OURS = {"baths_equivalent", "preferred_photo_url", "list_agent_id"}
"""Ours: the Data Dictionary has no such field."""


@pytest.mark.parametrize(
    ("reso", "name"),
    [
        ("ListPrice", "list_price"),
        ("StandardStatus", "standard_status"),
        ("InternetEntireListingDisplayYN", "internet_entire_listing_display_yn"),
        ("LotSizeSquareFeet", "lot_size_square_feet"),
        ("OriginatingSystemID", "originating_system_id"),
        ("PostalCodePlus4", "postal_code_plus4"),
        ("MediaURL", "media_url"),
        ("MLSAreaMajor", "mls_area_major"),
        ("BathroomsThreeQuarter", "bathrooms_three_quarter"),
    ],
)
def test_a_reso_name_becomes_ours_by_rule(reso, name):
    assert snake_case(reso) == name


def test_every_field_has_one_reso_name_that_leads_back_to_it():
    names = [field.reso for field in FIELDS.values() if field.name not in OURS]
    assert len(set(names)) == len(names)
    assert [snake_case(name) for name in names] == [name for name in FIELDS if name not in OURS]
    assert FIELDS["internet_address_display_yn"].reso == "InternetAddressDisplayYN"
    assert (FIELDS["mls_status"].reso, FIELDS["mls_area_major"].reso) == ("MlsStatus", "MLSAreaMajor")


def test_every_field_is_a_column_and_nothing_null_where_text_is_promised():
    columns = Listing.__table__.columns
    assert set(FIELDS) <= set(columns.keys())
    for field in FIELDS.values():
        if field.kind is Kind.TEXT:
            assert not columns[field.name].nullable
        if field.kind in (Kind.WORD, Kind.MONEY, Kind.AREA, Kind.NUMBER, Kind.DEGREES, Kind.YES_NO):
            assert columns[field.name].nullable
