"""The rows a search explodes into. What they match is tested with the matching."""

from __future__ import annotations

import pytest

from app.domain.models import AreaKind, Listing, SearchKey
from app.domain.models.lookups import PropertySubType, PropertyType
from app.domain.searches import keys
from app.domain.searches.criteria import RANGES, Criteria
from app.domain.searches.shapes import CELL_SIZES, COLUMNS, GRID, LEVEL

AREAS = {(AreaKind.CITY, "Alder Glen"): 3, (AreaKind.CITY, "Port Ellery"): 4, (AreaKind.POSTAL_CODE, "04100"): 9}
CIRCLE = {"latitude": 43.66, "longitude": -70.25, "miles": 1}


def exploded(asked: dict, **changes) -> list[keys.Key]:
    given = {"office_id": 2, "areas": AREAS, "kinds": 7, "subscription_id": 11, "search_id": 12} | changes
    return keys.explode(Criteria.parse(asked), **given)


def test_one_row_for_each_place_and_type():
    rows = exploded({"city": ["Port Ellery", "Alder Glen"], "property_type": ["Land", "Residential"]})
    office = 2 << 44
    assert sorted(row.key for row in rows) == [
        office + 3 * 16,
        office + 3 * 16 + 3,
        office + 4 * 16,
        office + 4 * 16 + 3,
    ]
    assert {(row.alert_subscription_id, row.saved_search_id, row.flags) for row in rows} == {(11, 12, 0)}


def test_without_a_type_the_row_is_for_any_and_without_a_place_for_anywhere():
    (row,) = exploded({})
    assert row.key == (2 << 44) + 15


def test_a_place_that_has_no_number_matches_nothing():
    assert exploded({"city": ["Nowhere"]}) == []


def test_places_of_two_kinds_are_flagged_for_they_may_hit_one_home_twice():
    assert {row.flags & keys.TWICE for row in exploded({"city": ["Port Ellery"], "postal_code": ["04100"]})} == {
        keys.TWICE
    }
    assert {row.flags & keys.TWICE for row in exploded({"city": ["Port Ellery"], "radius": CIRCLE})} == {keys.TWICE}
    assert {row.flags & keys.TWICE for row in exploded({"radius": CIRCLE})} == {0}


def test_cells_say_whether_the_point_must_be_looked_at():
    flags = {row.flags for row in exploded({"radius": CIRCLE})}
    assert flags == {0, keys.PARTLY}


@pytest.mark.parametrize("miles", [0.5, 3, 5, 25, 100])
@pytest.mark.parametrize("types", [[], list(PropertyType)])
def test_a_shape_costs_few_rows_whatever_its_size(miles, types):
    """Within the limit, or in the coarsest cells: under 200 even for the largest circle."""
    asked = {"radius": CIRCLE | {"miles": miles}, "property_type": [value.value for value in types]}
    assert 0 < len(exploded(asked)) <= max(keys.MOST_ROWS, 200 * len(types))


def test_bounds_are_kept_in_their_units_and_missing_ones_lie_outside_every_value():
    (row,) = exploded({"list_price": {"le": 500_000}, "baths_equivalent": {"ge": 2.25}, "city": ["Port Ellery"]})
    assert (row.price_hi, row.baths_lo) == (500_000, 225)
    assert (row.price_lo, row.living_hi, row.lot_lo, row.beds_lo) == (-(2**31), 2**31 - 1, -(2**63), -(2**15))


def test_every_bound_a_search_may_name_lies_strictly_inside_the_sentinels():
    sizes = {
        "list_price": keys.INT_HIGH, "living_area": keys.INT_HIGH, "lot_size_square_feet": 2**63 - 1,
        "year_built": keys.SMALL_HIGH, "bedrooms_total": keys.SMALL_HIGH, "baths_equivalent": keys.SMALL_HIGH // 100,
    }  # fmt: skip
    assert sizes.keys() == set(keys.IN_COLUMNS)
    for field, largest in sizes.items():
        assert 0 <= RANGES[field].least <= RANGES[field].most < largest
        assert field in {check.name.split("listing_")[1].removesuffix("_check") for check in checks()}


def checks():
    return [constraint for constraint in Listing.__table__.constraints if "_check" in str(constraint.name)]


def test_statuses_and_kinds_share_a_mask_without_touching():
    (row,) = exploded({"standard_status": ["Active", "Withdrawn"], "city": ["Port Ellery"]}, kinds=5)
    assert row.triggers == 1 | 1 << 10 | 1 << 11 | 1 << 13


def test_bits_of_sub_types_leave_room_for_the_unknown():
    assert len(PropertySubType) < 61
    assert len(PropertyType) < keys.UNKNOWN_TYPE
    assert not any(bit & (keys.UNKNOWN_SUB_TYPE | keys.NO_SUB_TYPE) for bit in keys.SUB_TYPE_BITS.values())
    assert keys.ANY_SUB_TYPE & keys.UNKNOWN_SUB_TYPE
    assert keys.ANY_SUB_TYPE & keys.NO_SUB_TYPE


def test_keys_of_offices_places_and_types_never_meet():
    highest_place = GRID + (len(CELL_SIZES) - 1) * LEVEL + 18_000 * COLUMNS + 36_000
    assert GRID > 2**31
    assert 18_000 * COLUMNS + 36_000 < LEVEL
    assert highest_place * keys.PLACE + keys.ANY_TYPE < keys.OFFICE


def test_nowhere_is_neither_an_area_nor_a_cell():
    assert 2**31 <= keys.NOWHERE < GRID


UNKNOWN_TOO = ["list_price", "property_type", "property_sub_type", "place"]


def test_what_the_columns_say_asks_no_further_and_what_they_do_not_is_flagged():
    plain = {"city": ["Port Ellery"], "list_price": {"le": 500_000}, "radius": CIRCLE, "property_type": ["Land"]}
    assert keys.further(Criteria.parse(plain)) is None
    asked = {
        "garage_spaces": {"ge": 2}, "keywords_any": ["Sea-view"], "waterfront_yn": True, "pool_private_yn": False,
        "special_listing_conditions_not": ["Bankruptcy Property"], "excluded_listing_keys": ["k"],
        "not_polygons": [[[0, 0], [0, 1], [1, 0]]],
    }  # fmt: skip
    assert keys.further(Criteria.parse(asked)) == {
        "garage_spaces": {"ge": "2"}, "keywords_any": [" sea view "], "features": 0b1001,
        "special_listing_conditions_not": 2, "excluded_listing_keys": ["k"],
        "not_polygons": [[0, 0, 1_000_000, 0, 0, 1_000_000]],
    }  # fmt: skip
    assert {row.flags & keys.FURTHER for row in exploded(plain | asked)} == {keys.FURTHER}
    assert {row.flags & keys.FURTHER for row in exploded(plain)} == {0}


def test_pa_06_where_the_unknown_will_do_the_columns_are_open_and_further_decides():
    asked = {
        "city": ["Port Ellery"], "list_price": {"ge": 100, "le": 500_000}, "property_type": ["Land"],
        "property_sub_type": ["Townhouse"], "waterfront_yn": True,
    }  # fmt: skip
    criteria = Criteria.parse(asked | {"include_unknown": [*UNKNOWN_TOO, "waterfront_yn"]})
    assert keys.further(criteria) == {
        "list_price": {"ge": "100", "le": "500000"}, "property_type": ["Land"], "place": ["city_area_id"],
        "features_not": 0b10, "unknown": ["property_type", "list_price", "place"],
    }  # fmt: skip
    placed, unplaced = exploded(asked | {"include_unknown": UNKNOWN_TOO})
    assert (placed.price_hi, placed.price_lo) == (keys.INT_HIGH, keys.INT_LOW)
    assert placed.sub_types == keys.SUB_TYPE_BITS["Townhouse"] | keys.NO_SUB_TYPE
    assert placed.key == (2 << 44) + 4 * 16 + keys.ANY_TYPE
    assert placed.flags == keys.TWICE | keys.FURTHER
    assert unplaced.key == (2 << 44) + keys.NOWHERE * 16 + keys.ANY_TYPE
    assert unplaced.flags == keys.TWICE | keys.FURTHER | keys.UNPLACED


def test_a_key_row_has_the_columns_of_its_table():
    columns = [column.key for column in SearchKey.__table__.columns if column.key != "id"]
    assert list(keys.Key._fields) == columns
