"""Criteria as an OData $filter in RESO names (SavedSearch.SearchQuery), and what it cannot say.

Whoever runs the filter gets every home that the search takes, up to the spelling of names and words. Where the
standard's fields or the language fall short it is wider than the search, and SearchQueryExceptionDetails says by what.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.listings.areas import normalise
from app.domain.listings.carried import FEATURES
from app.domain.listings.fields import FIELDS
from app.domain.listings.words import words_of
from app.domain.models import AreaKind
from app.domain.models.lookups import PAYMENTS_A_YEAR
from app.domain.searches.criteria import CHOICES, MAY_BE_UNKNOWN, PLACE_LISTS, RANGES, Bounds, Criteria, plain
from app.domain.searches.shapes import Ring, Shape

LONGEST = 8_000
"""Letters of a filter, by the standard."""


@dataclass
class Query:
    """`filter` is empty where nothing of the search can be said."""

    filter: str = ""
    exceptions: list[str] = field(default_factory=list)
    """A sentence for each thing that the filter leaves out."""


def query_of(criteria: Criteria) -> Query:
    """The filter, of at most LONGEST letters. Wishes too long for it are left out, the longest first, and said to be."""
    said = Query()
    wishes: dict[str, str] = {}
    for name in (*CHOICES, *RANGES):
        if getattr(criteria, name) and (wish := _wish(criteria, name, said)):
            wishes[name] = wish
    if criteria.has_place and (place := _place(criteria, said)):
        wishes["place"] = place
    for feature in FEATURES:
        if (value := getattr(criteria, feature)) is not None:
            wishes[feature] = _or_unknown(
                criteria, feature, f"{_reso(feature)} eq {str(value).lower()}", _reso(feature)
            )
    wishes |= _left_out(criteria, said)
    while wishes and len(_all_of(wishes.values())) > LONGEST:
        longest = max(wishes, key=lambda name: len(wishes[name]))
        del wishes[longest]
        said.exceptions.append(f"The filter is too short for what is asked of the {_called(longest)}.")
    said.filter = _all_of(wishes.values())
    return said


def _called(name: str) -> str:
    return MAY_BE_UNKNOWN.get(name) or {"standard_status": "status"}.get(name, "listings left out")


def _reso(name: str) -> str:
    return FIELDS[name].reso


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _all_of(wishes: Iterable[str]) -> str:
    return " and ".join(wishes)


def _any_of(wishes: Iterable[str]) -> str:
    given = list(wishes)
    return given[0] if len(given) == 1 else f"({' or '.join(given)})"


def _or_unknown(criteria: Criteria, name: str, wish: str, *columns: str) -> str:
    """The wish, or that nobody said; where the search includes the unknown (PA-06)."""
    if name not in criteria.include_unknown:
        return wish
    return _any_of([f"({wish})" if " and " in wish else wish, *(f"{column} eq null" for column in columns)])


def _wish(criteria: Criteria, name: str, said: Query) -> str:
    asked = getattr(criteria, name)
    if name == "baths_equivalent":
        said.exceptions.append(
            f"At least {plain(asked.ge)} baths, where a full one counts 1, a three-quarter one 0.75, a half one 0.5 and"
            " a quarter one 0.25: the standard has no field for the sum."
        )
        return ""
    if name == "association_fee_monthly":
        return _or_unknown(criteria, name, _fee(asked), "AssociationFee", "AssociationFeeFrequency")
    column = _reso(name)
    if isinstance(asked, Bounds):
        sides = [f"{column} {side} {value}" for side in ("ge", "le") if (value := getattr(asked, side)) is not None]
        return _or_unknown(criteria, name, _all_of(sides), column)
    return _or_unknown(criteria, name, _any_of(f"{column} eq {_text(value)}" for value in asked), column)


def _fee(bounds: Bounds) -> str:
    """At most so much a month, for every rhythm that has a month: cents that round to the bound are within it."""
    cents = {
        frequency: (12 * (200 * int(bounds.le or 0) + 1) - 1) // (2 * payments)
        for frequency, payments in PAYMENTS_A_YEAR.items()
    }
    return _any_of(
        [
            "AssociationFee eq 0",
            *(
                f"(AssociationFeeFrequency eq {_text(frequency)} and AssociationFee le {Decimal(most) / 100:f})"
                for frequency, most in cents.items()
            ),
        ]
    )


def _place(criteria: Criteria, said: Query) -> str:
    wishes = [_named(kind, name, _reso(kind)) for kind in PLACE_LISTS for name in getattr(criteria, kind)]
    columns = [_reso(kind) for kind in PLACE_LISTS if getattr(criteria, kind)]
    if criteria.shape:
        columns.append("Latitude")
        drawn = _drawn(criteria, said)
        if drawn is None:
            return ""
        wishes += drawn
    return _or_unknown(criteria, "place", _any_of(wishes), *columns)


def _named(kind: str, name: str, column: str) -> str:
    if kind == AreaKind.POSTAL_CODE and len(code := normalise(kind, name)) == 5 and code.isdigit():
        return f"startswith({column},{_text(code)})"
    return f"tolower({column}) eq {_text(name.lower())}"


def _drawn(criteria: Criteria, said: Query) -> list[str] | None:
    """A box around each shape; None where one has none, so that nothing can be said of the place."""
    wishes = []
    if criteria.box:
        wishes.append(_box(criteria.box.south, criteria.box.west, criteria.box.north, criteria.box.east))
    if circle := criteria.radius:
        miles = plain(Decimal(circle.hundredths) / 100)
        said.exceptions.append(
            f"Within {miles} miles of {_degrees(circle.latitude)}, {_degrees(circle.longitude)}: the filter has the box"
            " around the circle."
        )
        bounds = Shape(circle, None).bounds
        if bounds is None:
            said.exceptions.append("The circle crosses the antimeridian: the filter does not ask for the place.")
            return None
        wishes.append(_box(*bounds))
    for ring in criteria.polygons:
        wishes.append(_box(*ring.bounds))
        said.exceptions.append(f"Inside {_area(ring)}: the filter has the box around it.")
    return wishes


def _box(south: int, west: int, north: int, east: int) -> str:
    return (
        f"(Latitude ge {_degrees(south)} and Latitude le {_degrees(north)}"
        f" and Longitude ge {_degrees(west)} and Longitude le {_degrees(east)})"
    )


def _degrees(micro: int) -> str:
    return f"{Decimal(micro) / 1_000_000:f}"


def _area(ring: Ring) -> str:
    south, west, north, east = ring.bounds
    middle = f"{_degrees((south + north) // 2)}, {_degrees((west + east) // 2)}"
    return f"the drawn area of {len(ring.points)} points around {middle}"


def _left_out(criteria: Criteria, said: Query) -> dict[str, str]:
    wishes: dict[str, str] = {}
    if conditions := criteria.special_listing_conditions_not:
        column = "SpecialListingConditions"
        ruled_out = " or ".join(f"one eq {_text(value)}" for value in conditions)
        is_known = "special_listing_conditions_not" not in criteria.include_unknown
        wishes["special_listing_conditions_not"] = (f"{column}/any() and " if is_known else "") + (
            f"not {column}/any(one: {ruled_out})"
        )
    if keywords := criteria.keywords_any:
        wishes["keywords_any"] = _or_unknown(
            criteria, "keywords_any", _any_of(map(_contains, keywords)), "PublicRemarks"
        )
        said.exceptions.append(f"Keywords are whole words and phrases: any of {_quoted(keywords)}.")
    if keywords := criteria.keywords_none:
        said.exceptions.append(f"The remarks say none of the words and phrases {_quoted(keywords)}.")
    for ring in criteria.not_polygons:
        said.exceptions.append(f"Outside {_area(ring)}.")
    if keys := criteria.excluded_listing_keys:
        wishes["excluded_listing_keys"] = _all_of(f"ListingKey ne {_text(key)}" for key in keys)
    return wishes


def _contains(keyword: str) -> str:
    """Each of its words somewhere: never narrower than the phrase."""
    return _grouped(f"contains(tolower(PublicRemarks),{_text(word)})" for word in words_of(keyword).split())


def _grouped(wishes: Iterable[str]) -> str:
    given = list(wishes)
    return given[0] if len(given) == 1 else f"({' and '.join(given)})"


def _quoted(keywords: Iterable[str]) -> str:
    return ", ".join(f"“{keyword}”" for keyword in keywords)
