"""The OData $filter of a search: what it says in plain cases, and that it never says less than the search asks."""

from __future__ import annotations

import operator
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from app.domain.listings.fields import FIELDS
from app.domain.searches.criteria import Criteria
from app.domain.searches.odata import LONGEST, query_of
from tests.domain.searches import worlds


def said(**asked: Any) -> str:
    return query_of(Criteria.parse(asked)).filter.removeprefix("StandardStatus eq 'Active'").removeprefix(" and ")


@pytest.mark.parametrize(
    ("asked", "filter_"),
    [
        ({}, ""),
        ({"list_price": {"ge": 100, "le": 500_000}}, "ListPrice ge 100 and ListPrice le 500000"),
        ({"property_type": ["Residential", "Land"]}, "(PropertyType eq 'Residential' or PropertyType eq 'Land')"),
        ({"city": ["Coeur d'Alene"]}, "tolower(City) eq 'coeur d''alene'"),
        ({"postal_code": ["04101-1234"]}, "startswith(PostalCode,'04101')"),
        ({"mls_area_major": ["North Shore"]}, "tolower(MLSAreaMajor) eq 'north shore'"),
        (
            {"box": {"south": 43, "west": -71, "north": 44.5, "east": -70}},
            "(Latitude ge 43 and Latitude le 44.5 and Longitude ge -71 and Longitude le -70)",
        ),
        ({"waterfront_yn": True, "senior_community_yn": False}, "WaterfrontYN eq true and SeniorCommunityYN eq false"),
        (
            {"living_area": {"ge": 900, "le": 1600}, "include_unknown": ["living_area"]},
            "((LivingArea ge 900 and LivingArea le 1600) or LivingArea eq null)",
        ),
        (
            {"special_listing_conditions_not": ["Auction", "Short Sale"]},
            "SpecialListingConditions/any() and not SpecialListingConditions/any(one: one eq 'Auction' or one eq 'Short Sale')",
        ),
        (
            {"keywords_any": ["sea view", "Dock"]},
            (
                "(contains(tolower(PublicRemarks),'dock') or (contains(tolower(PublicRemarks),'sea') and"
                " contains(tolower(PublicRemarks),'view')))"
            ),
        ),
        ({"excluded_listing_keys": ["b", "a"]}, "ListingKey ne 'a' and ListingKey ne 'b'"),
        ({"garage_spaces": {"ge": 2}}, "GarageSpaces ge 2"),
    ],
)
def test_what_a_filter_can_say(asked, filter_):
    assert said(**asked) == filter_


@pytest.mark.parametrize(
    ("asked", "exception"),
    [
        ({"baths_equivalent": {"ge": 2.5}}, "At least 2.5 baths"),
        ({"radius": worlds.CIRCLES[0]}, "Within 0.5 miles of 43.66, -70.25"),
        ({"polygons": worlds.POLYGONS[:1]}, "Inside the drawn area of 4 points around 43.66, -70.26"),
        ({"not_polygons": worlds.POLYGONS[:1]}, "Outside the drawn area of 4 points"),
        ({"keywords_any": ["dock"]}, "Keywords are whole words and phrases: any of “dock”."),
        ({"keywords_none": ["dock"]}, "The remarks say none of the words and phrases “dock”."),
    ],
)
def test_what_it_cannot_say_is_an_exception_in_words(asked, exception):
    (sentence,) = query_of(Criteria.parse(asked)).exceptions
    assert exception in sentence


def test_most_searches_are_said_in_full():
    asked = {
        "city": ["Port Ellery"],
        "list_price": {"le": 500_000},
        "bedrooms_total": {"ge": 3},
        "pool_private_yn": True,
    }
    assert query_of(Criteria.parse(asked)).exceptions == []


def test_a_filter_too_long_for_the_standard_leaves_out_its_longest_wish_and_says_so():
    cities = [f"{n:03} {'x' * 96}" for n in range(50)]
    query = query_of(Criteria.parse({"city": cities, "postal_code": cities, "list_price": {"le": 500_000}}))
    assert query.filter == "StandardStatus eq 'Active' and ListPrice le 500000"
    assert query.exceptions == ["The filter is too short for what is asked of the place."]


@settings(max_examples=30, deadline=None)
@given(rnd=worlds.SEEDS)
def test_a_filter_lets_through_every_home_that_the_search_takes_and_no_other_where_it_names_no_exception(rnd):
    homes = [worlds.values_of(worlds.BLANK | worlds.a_home(rnd)) for _ in range(40)]
    for _ in range(20):
        criteria, _ = worlds.a_search(rnd, [home["listing_key"] for home in homes])
        query = query_of(criteria)
        assert len(query.filter) <= LONGEST
        for home in homes:
            taken = worlds.takes(criteria.as_dict(), home)
            if not _is_spelled_plainly(home):
                continue
            if taken or not query.exceptions:
                assert passes(query.filter, home) is taken, (query.filter, home)


def _is_spelled_plainly(home: dict[str, Any]) -> bool:
    """OData compares letters: it knows of no double spaces, of no two ways to write ß or fi, of no remarks of dashes."""
    names = all(home[kind] == " ".join(home[kind].split()) for kind in worlds.PLACES)
    return names and home["public_remarks"].isascii() and home["public_remarks"] != " --- "


class Known:
    """A value in a filter: null makes every comparison false."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def _compare(self, other: Any, by: Any) -> bool:
        other = other.value if isinstance(other, Known) else other
        return self.value is not None and bool(by(self.value, other))

    def __eq__(self, other: object) -> bool:
        return self.value is None if other is None else self._compare(other, operator.eq)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __ge__(self, other: Any) -> bool:
        return self._compare(other, operator.ge)

    def __le__(self, other: Any) -> bool:
        return self._compare(other, operator.le)

    __hash__ = None  # type: ignore[assignment]


def passes(filter_: str, home: dict[str, Any]) -> bool:
    """The filter read as a server would: by turning each of its few forms into Python's."""
    if not filter_:
        return True
    fee = home["association_fee_monthly"]
    names: dict[str, Any] = {FIELDS[name].reso: Known(value) for name, value in home.items() if name in FIELDS}
    names |= {
        "AssociationFee": Known(fee),
        "AssociationFeeFrequency": Known(None if fee is None else "Monthly"),
        "ListingKey": Known(home["listing_key"]),
        "SpecialListingConditions": [Known(one) for one in home["special_listing_conditions"] or ()],
        **{FIELDS[kind].reso: Known(home[kind] or None) for kind in worlds.PLACES},
        "PublicRemarks": Known(home["public_remarks"] or None),
        "tolower": lambda one: Known(None if one.value is None else one.value.lower()),
        "contains": lambda one, part: one.value is not None and part in one.value,
        "startswith": lambda one, part: one.value is not None and one.value.startswith(part),
        "true": True, "false": False, "null": None, "Decimal": Decimal,
    }  # fmt: skip
    texts: list[str] = []

    def keep(found: re.Match[str]) -> str:
        texts.append(found[0][1:-1].replace("''", "'"))
        return f"_texts[{len(texts) - 1}]"

    python = re.sub(r"'(?:[^']|'')*'", keep, filter_)
    python = re.sub(r"(\w+)/any\(\)", r"bool(\1)", python)
    python = re.sub(r"(\w+)/any\(one: ([^)]*)\)", r"any(\2 for one in \1)", python)
    python = re.sub(r"(?<![\w.\[])-?\d+(?:\.\d+)?(?!\])", lambda number: f"Decimal('{number[0]}')", python)
    for word, sign in (("eq", "=="), ("ne", "!="), ("ge", ">="), ("le", "<=")):
        python = python.replace(f" {word} ", f" {sign} ")
    return bool(eval(python, {"_texts": texts, "any": any, "bool": bool}, names))
