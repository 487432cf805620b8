"""Why a home fits a search, in a few words about this home."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest

from app.domain.digests.reasons import reasons
from app.domain.searches.criteria import Criteria


def home(**values):
    return SimpleNamespace(
        **{
            "city": "Port Ellery",
            "postal_code": "04911-1234",
            "county_or_parish": "Ellery",
            "subdivision_name": "Alder Glen",
            "mls_area_major": "",
            "bedrooms_total": 4,
            "baths_equivalent": Decimal("2.5"),
            "living_area": Decimal(2140),
            "internet_address_display_yn": True,
        }
        | values
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"city": ["PORT ellery"], "list_price": {"le": 525_000}, "bedrooms_total": {"ge": 3}}, "in Port Ellery, up to $525,000, 4 beds"),
        ({"postal_code": ["04911"]}, "in 04911-1234"),
        ({"city": ["Elsewhere"], "subdivision_name": ["Alder Glen"], "list_price": {"ge": 300_000}}, "in Alder Glen, over $300,000"),
        ({"radius": {"latitude": 43.7, "longitude": -69.8, "miles": 2.5}, "baths_equivalent": {"ge": 2}}, "within 2.5 miles, 2.5 baths"),
        ({"radius": {"latitude": 43.7, "longitude": -69.8, "miles": 1}}, "within 1 mile"),
        ({"polygons": [[[43.7, -69.8], [43.8, -69.8], [43.8, -69.7]]]}, "in the area you drew"),
        ({"city": ["Port Ellery"], "list_price": {"le": 9}, "bedrooms_total": {"ge": 1}, "living_area": {"ge": 1}}, "in Port Ellery, up to $9, 4 beds"),
        ({}, ""),
    ],
)  # fmt: skip
def test_the_wishes_that_the_home_grants_are_said(asked, said):
    assert reasons(Criteria.parse(asked), home()) == said


def test_a_place_the_seller_hides_and_a_number_nobody_knows_are_not_said():
    asked = Criteria.parse({"subdivision_name": ["Alder Glen"], "bedrooms_total": {"ge": 3}})
    hidden = home(internet_address_display_yn=False, bedrooms_total=None)
    assert reasons(asked, hidden) == ""
