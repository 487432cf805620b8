"""What a search asks for: read strictly, kept canonical, said in a sentence, judged."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import Invalid
from app.domain.models import AreaKind
from app.domain.searches.criteria import Criteria
from tests.domain.searches import worlds

CIRCLE = {"latitude": 43.66, "longitude": -70.25, "miles": 5}
BOX = {"south": 43, "west": -71, "north": 44, "east": -70}
SQUARE = [[43, -71], [43, -70], [44, -70], [44, -71]]
BOW_TIE = [[43, -71], [44, -70], [44, -71], [43, -70]]


@pytest.mark.parametrize(
    ("asked", "field", "word"),
    [
        ([], None, "object"),
        (None, None, "object"),
        ({"wine_cellar": True}, "wine_cellar", "wine_cellar"),
        ({7: 1}, "7", "7"),
        ({"standard_status": "Active"}, "standard_status", "list"),
        ({"standard_status": ["Sold"]}, "standard_status", "Sold"),
        ({"standard_status": ["Delete"]}, "standard_status", "Delete"),
        ({"standard_status": [None]}, "standard_status", "NoneType"),
        ({"property_type": ["Castle"]}, "property_type", "Castle"),
        ({"property_sub_type": [["Townhouse"]]}, "property_sub_type", "list"),
        ({"list_price": 500_000}, "list_price", "bounds"),
        ({"list_price": {"gt": 1}}, "list_price", "gt"),
        ({"list_price": {"ge": 2, "le": 1}}, "list_price", "above"),
        ({"list_price": {"ge": -1}}, "list_price", "between"),
        ({"list_price": {"le": 2_000_000_001}}, "list_price", "between"),
        ({"list_price": {"le": 10**400}}, "list_price", "between"),
        ({"list_price": {"ge": "100"}}, "list_price", "whole number"),
        ({"list_price": {"ge": True}}, "list_price", "whole number"),
        ({"list_price": {"ge": 1.5}}, "list_price", "whole number"),
        ({"list_price": {"ge": float("nan")}}, "list_price", "whole number"),
        ({"list_price": {"ge": float("inf")}}, "list_price", "whole number"),
        ({"list_price": {"ge": Decimal("NaN")}}, "list_price", "whole number"),
        ({"list_price": {"ge": [1]}}, "list_price", "whole number"),
        ({"bedrooms_total": {"le": 3}}, "bedrooms_total", "“ge”"),
        ({"bedrooms_total": {"ge": 1000}}, "bedrooms_total", "between"),
        ({"baths_equivalent": {"ge": 2.1}}, "baths_equivalent", "quarter"),
        ({"year_built": {"ge": 1599}}, "year_built", "between"),
        ({"lot_size_square_feet": {"ge": 10**11 + 1}}, "lot_size_square_feet", "between"),
        ({"city": "Port Ellery"}, "city", "list"),
        ({"city": [1]}, "city", "text"),
        ({"city": ["  "]}, "city", "empty"),
        ({"city": ["Port\x00Ellery"]}, "city", "printed"),
        ({"city": ["\ud800"]}, "city", "printed"),
        ({"city": ["x" * 101]}, "city", "too long"),
        ({"city": [f"City {n}" for n in range(51)]}, "city", "51 values"),
        ({"radius": {"latitude": 43.66, "longitude": -70.25}}, "radius", "latitude, longitude and miles"),
        ({"radius": CIRCLE | {"color": 1}}, "radius", "latitude, longitude and miles"),
        ({"radius": CIRCLE | {"miles": 0}}, "radius", "above 0"),
        ({"radius": CIRCLE | {"miles": 0.001}}, "radius", "hundredth"),
        ({"radius": CIRCLE | {"miles": 100.5}}, "radius", "100 miles"),
        ({"radius": CIRCLE | {"miles": "5"}}, "radius", "miles must be a number"),
        ({"radius": CIRCLE | {"miles": float("nan")}}, "radius", "miles must be a number"),
        ({"radius": CIRCLE | {"latitude": 85.1}}, "radius", "latitude"),
        ({"radius": CIRCLE | {"longitude": -180.1}}, "radius", "longitude"),
        ({"radius": CIRCLE | {"latitude": float("inf")}}, "radius", "latitude"),
        ({"radius": [43.66, -70.25, 5]}, "radius", "latitude, longitude and miles"),
        ({"box": BOX | {"south": 44}}, "box", "upside down"),
        ({"box": BOX | {"west": -69}}, "box", "inside out"),
        ({"box": BOX | {"north": 90.5}}, "box", "north"),
        ({"box": BOX | {"east": None}}, "box", "east must be a number"),
        ({"box": BOX | {"north": 47.1}}, "box", "too large"),
        ({"polygons": SQUARE[0]}, "polygons", "list of points"),
        ({"polygons": SQUARE}, "polygons", "two numbers"),
        ({"polygons": {"a": 1}}, "polygons", "dict"),
        ({"polygons": [SQUARE] * 11}, "polygons", "11 drawn areas"),
        ({"polygons": [SQUARE[:2]]}, "polygons", "three points"),
        ({"polygons": [[[43, -71], [43.0000001, -71], [44, -70], [43, -71]]]}, "polygons", "three points"),
        ({"polygons": [[[43, -71]] * 202]}, "polygons", "202 points"),
        ({"polygons": [[*SQUARE, ["43", -71]]]}, "polygons", "two numbers"),
        ({"polygons": [[*SQUARE, [43, float("nan")]]]}, "polygons", "two numbers"),
        ({"polygons": [[*SQUARE, [91, -70]]]}, "polygons", "latitude"),
        ({"polygons": [[*SQUARE, [43, -180.1]]]}, "polygons", "longitude"),
        ({"polygons": [[[43, -71], [43, -66.9], [44, -70]]]}, "polygons", "too large"),
        ({"polygons": [[[0, 179.9], [0, -179.9], [1, 180]]]}, "polygons", "too large"),
        ({"polygons": [BOW_TIE]}, "polygons", "cross"),
        ({"polygons": [[[43, -71], [43, -70], [43, -70.5]]]}, "polygons", "cross"),
        ({"not_polygons": [BOW_TIE]}, "not_polygons", "cross"),
        ({"waterfront_yn": "yes"}, "waterfront_yn", "true or false"),
        ({"pool_private_yn": 1}, "pool_private_yn", "true or false"),
        ({"association_fee_monthly": {"ge": 1}}, "association_fee_monthly", "“le”"),
        ({"garage_spaces": {"ge": 1.5}}, "garage_spaces", "whole"),
        ({"special_listing_conditions_not": ["Haunted"]}, "special_listing_conditions_not", "Haunted"),
        ({"special_listing_conditions_not": [[]]}, "special_listing_conditions_not", "list"),
        ({"keywords_any": "dock"}, "keywords_any", "list"),
        ({"keywords_any": [7]}, "keywords_any", "text"),
        ({"keywords_any": [" "]}, "keywords_any", "empty"),
        ({"keywords_any": ["!?"]}, "keywords_any", "no letter or digit"),
        ({"keywords_none": ["a\x00b"]}, "keywords_none", "printed"),
        ({"keywords_none": ["x" * 101]}, "keywords_none", "too long"),
        ({"keywords_none": [f"w{n}" for n in range(21)]}, "keywords_none", "21 values"),
        ({"excluded_listing_keys": [""]}, "excluded_listing_keys", "key"),
        ({"excluded_listing_keys": [5]}, "excluded_listing_keys", "key"),
        ({"include_unknown": ["standard_status"]}, "include_unknown", "standard_status"),
        ({"include_unknown": [None]}, "include_unknown", "NoneType"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_field_and_a_reason(asked, field, word):
    with pytest.raises(Invalid) as refused:
        Criteria.parse(asked)
    assert refused.value.field == field
    assert word in refused.value.sentence
    assert refused.value.sentence.endswith(".")


def test_what_does_not_matter_may_be_left_out_or_empty():
    nothing = Criteria.parse({})
    assert nothing == Criteria.parse(
        {"city": [], "list_price": {}, "bedrooms_total": {"ge": None}, "radius": None, "standard_status": []}
    )
    assert nothing.as_dict() == {"standard_status": ["Active"]}
    assert not nothing.has_place


def test_equal_wishes_are_equal_values_and_one_json():
    one = Criteria.parse(
        {
            "city": ["port  ellery", "Alder Glen", "Port Ellery"],
            "postal_code": ["04101-1234", "04101"],
            "property_sub_type": ["Townhouse", "Condominium", "Townhouse"],
            "list_price": {"ge": 100_000.0},
            "baths_equivalent": {"ge": 2.50},
            "radius": CIRCLE | {"miles": 5.0},
        }
    )
    other = Criteria.parse(
        {
            "radius": CIRCLE | {"latitude": Decimal("43.6600000")},
            "baths_equivalent": {"ge": Decimal("2.5")},
            "list_price": {"ge": 100_000},
            "property_sub_type": ["Condominium", "Townhouse"],
            "postal_code": ["04101", "04101-1234"],
            "city": ["Alder Glen", "Port Ellery", "port ellery"],
        }
    )
    assert one == other
    assert json.dumps(one.as_dict()) == json.dumps(other.as_dict())
    assert one.as_dict() == {
        "standard_status": ["Active"],
        "property_sub_type": ["Condominium", "Townhouse"],
        "list_price": {"ge": 100_000},
        "baths_equivalent": {"ge": 2.5},
        "city": ["Alder Glen", "Port Ellery"],
        "postal_code": ["04101"],
        "radius": {"latitude": 43.66, "longitude": -70.25, "miles": 5},
    }


def test_equal_drawings_words_and_exceptions_are_equal_values():
    one = {
        "polygons": [SQUARE, [[0, 0], [0, 1], [1, 0]]], "keywords_any": ["Sea  view", "dock"],
        "special_listing_conditions_not": ["Trust", "Auction", "Trust"], "excluded_listing_keys": ["b", "a", "b"],
        "living_area": {"ge": 900}, "include_unknown": ["living_area", "year_built"],
    }  # fmt: skip
    other = {
        "polygons": [[[1, 0], [0, 1], [0, 0], [1, 0]], [*SQUARE[2:], *SQUARE[:2]][::-1]],
        "keywords_any": ["dock", "sea-view", "Sea view"], "special_listing_conditions_not": ["Auction", "Trust"],
        "excluded_listing_keys": ["a", "b"], "living_area": {"ge": 900}, "include_unknown": ["living_area"],
    }  # fmt: skip
    assert Criteria.parse(one) == Criteria.parse(other)
    assert Criteria.parse(one).as_dict()["include_unknown"] == ["living_area"], "only what is asked"
    assert Criteria.parse(one).as_dict()["keywords_any"] == ["dock", "Sea view"]
    assert Criteria.parse({"waterfront_yn": False}).as_dict()["waterfront_yn"] is False


@settings(max_examples=100)
@given(rnd=worlds.SEEDS)
def test_what_is_written_is_read_back_the_same(rnd):
    criteria, _ = worlds.a_search(rnd)
    written = json.loads(json.dumps(criteria.as_dict()))
    assert Criteria.parse(written) == criteria
    assert criteria.sentence().endswith(".")


@pytest.mark.parametrize(
    "place",
    [{"city": ["A"]}, {"mls_area_major": ["A"]}, {"radius": CIRCLE}, {"box": BOX}, {"polygons": [SQUARE]}],
)
def test_any_kind_of_place_is_a_place(place):
    assert Criteria.parse(place).has_place


def test_to_be_outside_an_area_is_no_place():
    assert not Criteria.parse({"not_polygons": [SQUARE]}).has_place


def test_areas_are_the_named_places():
    assert Criteria.parse({"city": ["A"], "county_or_parish": ["B"], "box": BOX}).areas == {
        (AreaKind.CITY, "A"),
        (AreaKind.COUNTY, "B"),
    }


HOME = {
    "standard_status": "Active",
    "list_price": Decimal("489000.00"),
    "bedrooms_total": 4,
    "baths_equivalent": Decimal("2.50"),
    "living_area": Decimal("2140.00"),
    "property_type": "Residential",
    "property_sub_type": "Townhouse",
    "city": "Port  ELLERY",
    "postal_code": "04100-1234",
    "latitude": Decimal("43.66000000"),
    "longitude": Decimal("-70.25000000"),
    "listing_key": "home-1",
    "mls_area_major": "North Shore",
    "waterfront_yn": True,
    "pool_private_yn": False,
    "garage_spaces": 2,
    "association_fee_monthly": Decimal("300.00"),
    "special_listing_conditions": ["Short Sale", "Standard"],
    "public_remarks": "Sea-view house, 3 minutes to the ferry.",
}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, True),
        ({"list_price": {"ge": 489_000, "le": 489_000}}, True),
        ({"list_price": {"le": 488_999}}, False),
        ({"baths_equivalent": {"ge": 2.5}}, True),
        ({"baths_equivalent": {"ge": 2.75}}, False),
        ({"standard_status": ["Coming Soon"]}, False),
        ({"property_sub_type": ["Condominium", "Townhouse"]}, True),
        ({"city": ["port ellery"]}, True),
        ({"postal_code": ["04100"]}, True),
        ({"postal_code": ["04100-9999"]}, True),
        ({"postal_code": ["04101"], "city": ["Port Ellery"]}, True),
        ({"postal_code": ["04101"]}, False),
        ({"radius": CIRCLE}, True),
        ({"box": BOX, "city": ["Elsewhere"]}, True),
        ({"box": BOX | {"north": 43.659999}}, False),
        ({"mls_area_major": ["north  shore"]}, True),
        ({"polygons": [SQUARE], "city": ["Elsewhere"]}, True),
        ({"polygons": [[[43.66, -70.25], [43.7, -70.2], [43.7, -70.3]]]}, True),
        ({"polygons": [[[43.660001, -70.25], [43.7, -70.2], [43.7, -70.3]]]}, False),
        ({"not_polygons": [[[43.66, -70.25], [43.7, -70.2], [43.7, -70.3]]]}, False),
        ({"not_polygons": [[[43.660001, -70.25], [43.7, -70.2], [43.7, -70.3]]]}, True),
        ({"waterfront_yn": True, "pool_private_yn": False}, True),
        ({"waterfront_yn": False}, False),
        ({"garage_spaces": {"ge": 2}, "association_fee_monthly": {"le": 300}}, True),
        ({"garage_spaces": {"ge": 3}}, False),
        ({"association_fee_monthly": {"le": 299}}, False),
        ({"special_listing_conditions_not": ["Auction", "Trust"]}, True),
        ({"special_listing_conditions_not": ["Auction", "Short Sale"]}, False),
        ({"keywords_any": ["pool", "SEA VIEW"]}, True),
        ({"keywords_any": ["view sea", "fer", "see"]}, False),
        ({"keywords_none": ["view sea", "fer"]}, True),
        ({"keywords_none": ["ferry"]}, False),
        ({"excluded_listing_keys": ["home-2"]}, True),
        ({"excluded_listing_keys": ["home-1", "home-2"]}, False),
    ],
)
def test_fields_are_all_and_values_any_and_places_any(asked, expected):
    assert Criteria.parse(asked).matches(HOME) is expected


@pytest.mark.parametrize(
    ("asked", "missing", "unknown"),
    [
        ({"list_price": {"ge": 0}}, "list_price", ["list_price"]),
        ({"bedrooms_total": {"ge": 0}}, "bedrooms_total", ["bedrooms_total"]),
        ({"property_type": ["Residential"]}, "property_type", ["property_type"]),
        ({"year_built": {"le": 2200}}, "year_built", ["year_built"]),
        ({"radius": CIRCLE}, "latitude", ["place"]),
        ({"city": ["Port Ellery"]}, "city", ["place"]),
        ({"city": ["Elsewhere"], "box": BOX}, "longitude", ["place"]),
        ({"city": ["Port Ellery"], "box": BOX}, "longitude", []),
        ({"polygons": [SQUARE]}, "latitude", ["place"]),
        ({"not_polygons": [[[0, 0], [0, 1], [1, 0]]]}, "latitude", ["not_polygons"]),
        ({"mls_area_major": ["North Shore"]}, "mls_area_major", ["place"]),
        ({"pool_private_yn": False}, "pool_private_yn", ["pool_private_yn"]),
        ({"association_fee_monthly": {"le": 1_000}}, "association_fee_monthly", ["association_fee_monthly"]),
        (
            {"special_listing_conditions_not": ["Auction"]},
            "special_listing_conditions",
            ["special_listing_conditions_not"],
        ),
        (
            {"keywords_any": ["sea"], "keywords_none": ["pool"]},
            "public_remarks",
            ["keywords_any", "keywords_none"],
        ),
    ],
)
def test_pa_06_what_nobody_gave_is_unknown_and_does_not_match(asked, missing, unknown):
    criteria = Criteria.parse(asked)
    for home in (HOME | {missing: None}, {k: v for k, v in HOME.items() if k != missing}):
        assert criteria.unknown(home) == unknown
        assert criteria.matches(home) is (unknown == [])
        included = Criteria.parse(asked | {"include_unknown": unknown})
        assert included.matches(home)
        assert included.unknown(home) == []
        assert all(included.known(home)[field] is None for field in unknown)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, "Homes of any type."),
        (
            {
                "property_sub_type": ["Townhouse", "Single Family Residence"],
                "subdivision_name": ["Quarry Hill", "Alder Glen"],
                "list_price": {"ge": 380_000, "le": 525_000},
                "bedrooms_total": {"ge": 3},
                "baths_equivalent": {"ge": 2},
                "living_area": {"ge": 1600},
            },
            "Single family homes and townhouses in Alder Glen or Quarry Hill, from $380,000 to $525,000, with 3 beds or more, 2 baths or more and at least 1,600 sq ft.",
        ),
        (
            {"property_type": ["Land"], "county_or_parish": ["York"], "lot_size_square_feet": {"ge": 43_560}},
            "Land in York, with a lot of at least 43,560 sq ft.",
        ),
        (
            {
                "radius": CIRCLE | {"miles": 1},
                "bedrooms_total": {"ge": 1},
                "standard_status": ["Coming Soon", "Active"],
            },
            "Homes of any type within 1 mile of 43.6600, −70.2500, with 1 bed or more; Active or Coming Soon.",
        ),
        (
            {"city": ["Port Ellery"], "box": BOX, "list_price": {"le": 300_000}, "year_built": {"ge": 1990}},
            "Homes of any type in Port Ellery or inside the drawn box, up to $300,000, built in 1990 or later.",
        ),
        (
            {
                "property_type": ["Residential Lease"],
                "list_price": {"ge": 1000},
                "year_built": {"ge": 1990, "le": 1999},
            },
            "Homes to rent, from $1,000, built from 1990 to 1999.",
        ),
        (
            {"property_type": ["Residential", "Residential Income"], "property_sub_type": ["Duplex"]},
            "Duplexes among homes and residential income properties.",
        ),
        (
            {
                "city": ["Port Ellery"],
                "polygons": [SQUARE],
                "not_polygons": [SQUARE, [[0, 0], [0, 1], [1, 0]]],
                "list_price": {"le": 300_000},
                "garage_spaces": {"ge": 1},
                "pool_private_yn": False,
                "association_fee_monthly": {"le": 1_250},
                "waterfront_yn": True,
                "senior_community_yn": False,
            },
            "Homes of any type in Port Ellery or inside the drawn area, outside all of 2 drawn areas, up to $300,000, with 1 garage space or more, no private pool and an association fee of at most $1,250 a month, on the water and not in a senior community.",
        ),
        (
            {
                "polygons": [SQUARE, [[0, 0], [0, 1], [1, 0]]],
                "association_fee_monthly": {"le": 0},
                "standard_status": ["Coming Soon"],
                "keywords_any": ["sea view", "dock"],
                "keywords_none": ["fixer upper"],
                "special_listing_conditions_not": ["Auction", "Short Sale", "Trust"],
                "excluded_listing_keys": ["a"],
                "include_unknown": ["place", "keywords_any", "keywords_none"],
            },
            "Homes of any type inside one of 2 drawn areas, with no association fee; Coming Soon; the remarks say “dock” or “sea view”; the remarks do not say “fixer upper”; not sold as Auction, Short Sale or Trust; 1 home left out; also with unknown place or remarks.",
        ),
    ],
)
def test_criteria_are_said_in_a_sentence(asked, sentence):
    assert Criteria.parse(asked).sentence() == sentence


@settings(max_examples=200)
@given(
    asked=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    field=st.sampled_from(
        (
            "standard_status",
            "list_price",
            "baths_equivalent",
            "city",
            "postal_code",
            "radius",
            "box",
            "polygons",
            "waterfront_yn",
            "keywords_any",
            "special_listing_conditions_not",
            "excluded_listing_keys",
            "include_unknown",
        )
    ),
)
def test_whatever_a_field_holds_it_is_read_or_refused_never_a_crash(asked, field):
    refused = None
    try:
        criteria = Criteria.parse({field: asked})
    except Invalid as refusal:
        refused = refusal.field
    assert refused == field or Criteria.parse(criteria.as_dict()) == criteria
