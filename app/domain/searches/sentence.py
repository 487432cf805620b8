"""Criteria as people would say them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from app.domain.models.lookups import PropertySubType, PropertyType, StandardStatus
from app.domain.searches.criteria import MAY_BE_UNKNOWN, PLACE_LISTS, Bounds, Criteria, plain

_PLURALS = {
    PropertyType.RESIDENTIAL: "homes",
    PropertyType.RESIDENTIAL_INCOME: "residential income properties",
    PropertyType.RESIDENTIAL_LEASE: "homes to rent",
    PropertyType.LAND: "land",
    PropertyType.FARM: "farms",
    PropertyType.COMMERCIAL_SALE: "commercial properties",
    PropertyType.COMMERCIAL_LEASE: "commercial space to rent",
    PropertyType.BUSINESS_OPPORTUNITY: "businesses",
    PropertyType.MANUFACTURED_IN_PARK: "manufactured homes in a park",
}
_SUB_PLURALS = {
    PropertySubType.AGRICULTURE: "agricultural properties",
    PropertySubType.BUSINESS: "businesses",
    PropertySubType.CO_OWNERSHIP: "co-ownerships",
    PropertySubType.DEEDED_PARKING: "deeded parking",
    PropertySubType.DUPLEX: "duplexes",
    PropertySubType.HOTEL_MOTEL: "hotels and motels",
    PropertySubType.INDUSTRIAL: "industrial properties",
    PropertySubType.MANUFACTURED_ON_LAND: "manufactured homes on land",
    PropertySubType.MIXED_USE: "mixed-use properties",
    PropertySubType.MULTI_FAMILY: "multi-family homes",
    PropertySubType.OWN_YOUR_OWN: "own-your-own apartments",
    PropertySubType.QUADRUPLEX: "quadruplexes",
    PropertySubType.RANCH: "ranches",
    PropertySubType.RETAIL: "retail properties",
    PropertySubType.SINGLE_FAMILY_RESIDENCE: "single family homes",
    PropertySubType.STOCK_COOPERATIVE: "stock cooperatives",
    PropertySubType.TENANCY_IN_COMMON: "tenancies in common",
    PropertySubType.TRIPLEX: "triplexes",
    PropertySubType.UNIMPROVED_LAND: "unimproved land",
}
_YES_NO = {
    "waterfront_yn": {True: "on the water", False: "not on the water"},
    "pool_private_yn": {True: "a private pool", False: "no private pool"},
    "new_construction_yn": {True: "newly built", False: "not newly built"},
    "senior_community_yn": {True: "in a senior community", False: "not in a senior community"},
}
_ABOUT = ("waterfront_yn", "new_construction_yn", "senior_community_yn")


def say(criteria: Criteria) -> str:
    """All that is asked, in one sentence that ends in a full stop."""
    words = _what(criteria)
    if where := _where(criteria):
        words += f" {where}"
    if criteria.not_polygons:
        words += f", outside {_areas(len(criteria.not_polygons), 'and')}"
    if price := criteria.list_price:
        words += f", {_span(price, '${:,}', 'from {}', 'up to {}', 'from {} to {}', 'for {}')}"
    words += _with(criteria)
    if year := criteria.year_built:
        words += f", built {_span(year, '{}', 'in {} or later', 'in {} or earlier', 'from {} to {}', 'in {}')}"
    if about := [_YES_NO[feature][wish] for feature in _ABOUT if (wish := getattr(criteria, feature)) is not None]:
        words += f", {_list(about, 'and')}"
    if criteria.standard_status != (StandardStatus.ACTIVE,):
        words += f"; {_list(criteria.standard_status, 'or')}"
    words += _left_out(criteria)
    return words[0].upper() + words[1:] + "."


def _left_out(criteria: Criteria) -> str:
    words = ""
    if criteria.keywords_any:
        words += f"; the remarks say {_quoted(criteria.keywords_any, 'or')}"
    if criteria.keywords_none:
        words += f"; the remarks do not say {_quoted(criteria.keywords_none, 'or')}"
    if conditions := criteria.special_listing_conditions_not:
        words += f"; not sold as {_list(conditions, 'or')}"
    if left_out := len(criteria.excluded_listing_keys):
        words += f"; {left_out} {'home' if left_out == 1 else 'homes'} left out"
    if criteria.include_unknown:
        unsaid = dict.fromkeys(MAY_BE_UNKNOWN[field] for field in criteria.include_unknown)
        words += f"; also with unknown {_list([*unsaid], 'or')}"
    return words


def _quoted(keywords: Sequence[str], last: str) -> str:
    return _list([f"“{keyword}”" for keyword in keywords], last)


def _areas(count: int, last: str) -> str:
    return "the drawn area" if count == 1 else f"{'all' if last == 'and' else 'one'} of {count} drawn areas"


def _what(criteria: Criteria) -> str:
    types = [_PLURALS[PropertyType(value)] for value in criteria.property_type]
    subs = [_SUB_PLURALS.get(PropertySubType(value), f"{value.lower()}s") for value in criteria.property_sub_type]
    if not subs:
        return _list(types, "and") if types else "homes of any type"
    if not types or criteria.property_type == (PropertyType.RESIDENTIAL,):
        return _list(subs, "and")
    return f"{_list(subs, 'and')} among {_list(types, 'and')}"


def _where(criteria: Criteria) -> str:
    named = [name for field in PLACE_LISTS for name in getattr(criteria, field)]
    drawn = []
    if circle := criteria.radius:
        miles = Decimal(circle.hundredths) / 100
        drawn.append(
            f"within {plain(miles)} {'mile' if miles == 1 else 'miles'} of"
            f" {circle.latitude / 1_000_000:.4f}, {circle.longitude / 1_000_000:.4f}".replace("-", "−")
        )
    if criteria.box:
        drawn.append("inside the drawn box")
    if criteria.polygons:
        drawn.append(f"inside {_areas(len(criteria.polygons), 'or')}")
    if named:
        named[0] = f"in {named[0]}"
    return _list([*named, *drawn], "or")


def _with(criteria: Criteria) -> str:
    wishes = []
    if beds := criteria.bedrooms_total:
        wishes.append(f"{beds.ge} {'bed' if beds.ge == 1 else 'beds'} or more")
    if baths := criteria.baths_equivalent:
        wishes.append(f"{baths.ge} {'bath' if baths.ge == 1 else 'baths'} or more")
    if living := criteria.living_area:
        wishes.append(_span(living, "{:,}", "at least {}", "at most {}", "{} to {}", "exactly {}") + " sq ft")
    if lot := criteria.lot_size_square_feet:
        wishes.append(f"a lot of at least {lot.ge:,} sq ft")
    if garage := criteria.garage_spaces:
        wishes.append(f"{garage.ge} garage {'space' if garage.ge == 1 else 'spaces'} or more")
    if (pool := criteria.pool_private_yn) is not None:
        wishes.append(_YES_NO["pool_private_yn"][pool])
    if fee := criteria.association_fee_monthly:
        wishes.append(f"an association fee of at most ${fee.le:,} a month" if fee.le else "no association fee")
    return f", with {_list(wishes, 'and')}" if wishes else ""


def _span(  # noqa: PLR0917  one phrase for each way to be bounded, read side by side at the call
    bounds: Bounds, form: str, low: str, high: str, both: str, same: str
) -> str:
    if bounds.ge is None:
        return high.format(form.format(bounds.le))
    if bounds.le is None:
        return low.format(form.format(bounds.ge))
    if bounds.ge == bounds.le:
        return same.format(form.format(bounds.ge))
    return both.format(form.format(bounds.ge), form.format(bounds.le))


def _list(words: Sequence[str], last: str) -> str:
    *others, end = words or [""]
    return f"{', '.join(others)} {last} {end}" if others else end
