"""What must be true of a home for a search to take it, field by field, in SQL.

Criteria.judge says the same in Python, one home at a time: true, false, or NULL where nobody said (PA-06).
"""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    and_,
    any_,
    cast,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute

from app.domain.listings.areas import normalise
from app.domain.listings.carried import CONDITION_BITS, FEATURES, NO, PLACE_COLUMNS, YES
from app.domain.listings.words import words_of
from app.domain.models import AreaName, Listing, ListingEvent
from app.domain.searches.criteria import (
    CHOICES,
    CONDITIONS_NOT,
    EXCLUDED,
    KEYWORDS,
    NOT_POLYGONS,
    PLACE,
    PLACE_LISTS,
    RANGES,
    Criteria,
)
from app.domain.searches.keys import PLACE_COLUMN
from app.domain.searches.shapes import CELL_SIZES, COLUMNS, GRID, LEVEL, SCALE, Circle, Ring, Shape, flat

Home = type[Listing] | type[ListingEvent]
Condition = ColumnElement[bool]

_HAIR = Decimal("0.000001")
MOST_CELLS = 512
_AREA_COLUMNS = {kind.value: column for column, kind in PLACE_COLUMNS.items()}


def asked(home: Home, office_id: int, criteria: Criteria) -> list[Condition]:
    """All of it: a home that the search takes makes each of these true."""
    return [
        or_(condition, unknown(home, criteria, field)) if field in criteria.include_unknown else condition
        for field, condition in conditions(home, office_id, criteria).items()
    ]


def conditions(home: Home, office_id: int, criteria: Criteria) -> dict[str, Condition]:
    """Each field that is asked, with what must be true of it; as Criteria.known names and judges them."""
    found: dict[str, Condition] = {
        field: getattr(home, field).in_(values) for field in CHOICES if (values := getattr(criteria, field))
    }
    for field in RANGES:
        if bounds := getattr(criteria, field):
            column = getattr(home, field)
            sides = ([column >= bounds.ge] if bounds.ge is not None else []) + (
                [column <= bounds.le] if bounds.le is not None else []
            )
            found[field] = and_(*sides)
    if criteria.has_place:
        found[PLACE] = or_(*_places(home, office_id, criteria))
    for feature in FEATURES:
        if (wish := getattr(criteria, feature)) is not None:
            found[feature] = _feature(home, feature, wish=wish)
    return found | _left_out(home, criteria)


def unknown(home: Home, criteria: Criteria, field: str) -> Condition:
    """Whether nobody said what is asked of this field. Of the place: of any part of it that is asked."""
    if field == PLACE:
        parts = [getattr(home, _AREA_COLUMNS[kind]).is_(None) for kind in PLACE_LISTS if getattr(criteria, kind)]
        return or_(*parts, *([_nowhere(home)] if criteria.shape else []))
    if field == NOT_POLYGONS:
        return _nowhere(home)
    if field in FEATURES and home is ListingEvent:
        return ListingEvent.features.op("&")(YES[field] | NO[field]) == 0
    if field == CONDITIONS_NOT:
        said = Listing.special_listing_conditions if home is Listing else ListingEvent.special_conditions
        return said.is_(None)
    if field in KEYWORDS:
        return _words(home).is_(None)
    return getattr(home, field).is_(None)  # type: ignore[no-any-return]


def _nowhere(home: Home) -> Condition:
    return Listing.latitude.is_(None) if home is Listing else ListingEvent.latitude_e6.is_(None)


def _words(home: Home) -> ColumnElement[str | None]:
    return func.nullif(home.remarks_words, "")


def _feature(home: Home, feature: str, *, wish: bool) -> Condition:
    if home is Listing:
        return getattr(Listing, feature).is_(wish)  # type: ignore[no-any-return]
    return ListingEvent.features.op("&")((YES if wish else NO)[feature]) != 0


def _left_out(home: Home, criteria: Criteria) -> dict[str, Condition]:
    found: dict[str, Condition] = {}
    if criteria.not_polygons:
        found[NOT_POLYGONS] = not_(_inside(home, Shape(None, None, criteria.not_polygons)))
    if ruled_out := criteria.special_listing_conditions_not:
        if home is Listing:
            listed = cast(list(ruled_out), ARRAY(Text))
            found[CONDITIONS_NOT] = not_(Listing.special_listing_conditions.bool_op("&&")(listed))
        else:
            bits = sum(CONDITION_BITS[one] for one in ruled_out)
            found[CONDITIONS_NOT] = ListingEvent.special_conditions.op("&")(bits) == 0
    for field in KEYWORDS:
        if keywords := getattr(criteria, field):
            any_of = or_(*(func.strpos(_words(home), words_of(one)) > 0 for one in keywords))
            found[field] = any_of if field == "keywords_any" else not_(any_of)
    if criteria.excluded_listing_keys:
        if home is Listing:
            found[EXCLUDED] = Listing.listing_key.not_in(criteria.excluded_listing_keys)
        else:
            keys = select(Listing.id).where(Listing.listing_key.in_(criteria.excluded_listing_keys))
            found[EXCLUDED] = ListingEvent.listing_id.not_in(keys)
    return found


def _places(home: Home, office_id: int, criteria: Criteria) -> list[Condition]:
    places: list[Condition] = []
    for field in PLACE_LISTS:
        if names := getattr(criteria, field):
            column: InstrumentedAttribute[int | None] = getattr(home, _AREA_COLUMNS[field])
            numbers = select(AreaName.id).where(
                AreaName.office_id == office_id,
                AreaName.kind == field,
                AreaName.name_normal.in_([normalise(field, name) for name in names]),
            )
            # An array made once, so that each place can use its index.
            places.append(column == any_(func.array(numbers.scalar_subquery(), type_=ARRAY(Integer))))
    if criteria.shape:
        places.append(_inside(home, criteria.shape))
    return places


def _inside(home: Home, shape: Shape) -> Condition:
    """shapes.py in SQL: the same whole numbers."""
    if home is Listing:
        latitude, longitude = (
            cast(func.round(column * 1_000_000), BigInteger) for column in (Listing.latitude, Listing.longitude)
        )
    else:
        latitude, longitude = (
            cast(column, BigInteger) for column in (ListingEvent.latitude_e6, ListingEvent.longitude_e6)
        )
    either: list[Condition] = []
    if box := shape.box:
        either.append(and_(latitude.between(box.south, box.north), longitude.between(box.west, box.east)))
    if shape.circle:
        either.append(_in_circle(latitude, longitude, shape.circle))
    either += [_in_ring(latitude, longitude, ring) for ring in shape.rings]
    if home is Listing and (around := shape.bounds):
        # In the column's own units, so that an index of coordinates finds the few around; a micro-degree more is safe.
        south, west, north, east = (Decimal(side) / 1_000_000 for side in around)
        near = and_(
            Listing.latitude.between(south - _HAIR, north + _HAIR),
            Listing.longitude.between(west - _HAIR, east + _HAIR),
        )
        return and_(near, or_(*either))
    return or_(*either)


def _in_circle(latitude: ColumnElement[int], longitude: ColumnElement[int], circle: Circle) -> Condition:
    dy = latitude - _big(circle.latitude)
    away = func.abs(longitude - _big(circle.longitude))
    dx = func.least(away, _big(360_000_000) - away).op("*")(_big(circle.cosine)).self_group().op(">>")(SCALE)
    return and_(
        latitude.between(circle.latitude - circle.reach, circle.latitude + circle.reach),
        dy * dy + dx.self_group() * dx.self_group() <= _big(circle.reach**2),
    )


def _in_ring(latitude: ColumnElement[int], longitude: ColumnElement[int], ring: Ring) -> Condition:
    """By the cell: most homes are in one that lies wholly inside or outside, and only on its edge is the line walked."""
    places = Shape(None, None, (ring,)).places(MOST_CELLS)
    level = (min(places) - GRID) // LEVEL
    size, first = CELL_SIZES[level], GRID + level * LEVEL
    row, column = (latitude + _big(90_000_000)) // _big(size), (longitude + _big(180_000_000)) // _big(size)
    cell = row * _big(COLUMNS) + column
    whole, partly = (
        any_(literal([place - first for place, is_partly in places.items() if is_partly is wanted], ARRAY(BigInteger)))
        for wanted in (False, True)
    )
    south, west, north, east = ring.bounds
    points = literal(list(flat(ring)), ARRAY(BigInteger))
    return and_(
        latitude.between(south, north),
        longitude.between(west, east),
        or_(cell == whole, and_(cell == partly, func.ring_holds(points, latitude, longitude))),
    )


def _big(number: int) -> ColumnElement[int]:
    return literal(number, BigInteger)


# What keys do not say


def _when(further: str, field: str, test: str) -> str:
    return (
        f"CASE WHEN {further} ? '{field}' THEN coalesce({test}, {further} -> 'unknown' ? '{field}', false)"
        " ELSE true END"
    )


def holds_further(home: str, further: str) -> str:
    """Whether an event's row has what keys.further() says: SQL, for `home` and `further` as they are called there."""

    def bounds(field: str) -> str:
        asked_of = f"{further} -> '{field}'"
        return (
            f"{home}.{field} >= coalesce(({asked_of} ->> 'ge')::numeric, '-Infinity')"
            f" AND {home}.{field} <= coalesce(({asked_of} ->> 'le')::numeric, 'Infinity')"
        )

    def found(field: str) -> str:
        return (
            f"(SELECT bool_or(strpos(nullif({home}.remarks_words, ''), word) > 0)"
            f" FROM jsonb_array_elements_text({further} -> '{field}') AS word)"
        )

    in_ring = (
        "(SELECT bool_or(ring_holds(ARRAY("
        "SELECT number::bigint FROM jsonb_array_elements_text(ring) WITH ORDINALITY AS one (number, position)"
        f" ORDER BY position), {home}.latitude_e6, {home}.longitude_e6))"
        f" FROM jsonb_array_elements({further} -> '{NOT_POLYGONS}') AS ring)"
    )
    tests = {
        **{field: bounds(field) for field in RANGES},
        "property_type": f"{further} -> 'property_type' ? {home}.property_type",
        "features": f"{home}.features & ({further} ->> 'features')::int = ({further} ->> 'features')::int",
        "features_not": f"{home}.features & ({further} ->> 'features_not')::int = 0",
        NOT_POLYGONS: f"NOT {in_ring}",
        CONDITIONS_NOT: f"{home}.special_conditions & ({further} ->> '{CONDITIONS_NOT}')::int = 0",
        "keywords_any": found("keywords_any"),
        "keywords_none": f"NOT {found('keywords_none')}",
        EXCLUDED: f"NOT {further} -> '{EXCLUDED}' ?"
        f" (SELECT listing_key FROM listing WHERE listing.id = {home}.listing_id)",
    }
    return "\n        AND ".join(_when(further, field, test) for field, test in tests.items())


def is_unplaced(home: str, further: str) -> str:
    """Whether a place that the search asks for, and whose unknown will do, is not known of an event's home."""
    return " OR ".join(
        f"({further} -> '{PLACE}' ? '{column}' AND {home}.{column} IS NULL)" for column in PLACE_COLUMN.values()
    )
