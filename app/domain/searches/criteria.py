"""What a search asks for: read strictly, said in one sentence, and judged against one home at a time.

AND across fields, OR within one. City, postal code, county, subdivision, MLS area, radius, box and polygons are one
field, the place: any of them will do. Bounds are whole units (baths: quarters) and inclusive; so are the edges of what
is drawn. A value nobody gave fails whatever is asked of it, unless the search includes the unknown of that field
(PA-06). The same rules in SQL are in queries.py and in app/domain/alerts/queries.py; tests hold them together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, NoReturn

from app.domain.errors import Invalid
from app.domain.listings.areas import micro_degrees, normalise
from app.domain.listings.carried import CONDITION_BITS, FEATURES
from app.domain.listings.words import words_of
from app.domain.models import AreaKind
from app.domain.models.lookups import PropertySubType, PropertyType, StandardStatus
from app.domain.searches.shapes import Box, Circle, Ring, Shape

MOST_VALUES = 50
MOST_LETTERS = 100
MOST_MILES = 100
MOST_LATITUDE = 85
"""A circle's centre: nearer to a pole the map is not flat."""
MOST_DEGREES = 4
"""A box's and a polygon's height and width."""
MOST_POLYGONS = 10
MOST_POINTS = 200
MOST_KEYWORDS = 20
MOST_EXCLUDED = 500

PLACE = "place"
"""What the place is called where it is judged as one field."""
PLACE_LISTS = tuple(kind.value for kind in AreaKind)
PLACES = (*PLACE_LISTS, "radius", "box", "polygons")
ASKABLE_STATUSES = tuple(s.value for s in StandardStatus if s not in {StandardStatus.DELETE, StandardStatus.INCOMPLETE})


@dataclass(frozen=True)
class Bounds:
    """Inclusive; None = open on that side."""

    ge: Decimal | int | None = None
    le: Decimal | int | None = None

    def hold(self, value: Any) -> bool:
        return (self.ge is None or value >= self.ge) and (self.le is None or value <= self.le)


@dataclass(frozen=True)
class Range:
    """What bounds a field takes: which sides, from where to where, and what people call it."""

    called: str
    sides: tuple[str, ...]
    least: int
    most: int
    quarters: bool = False


RANGES = {
    "list_price": Range("price", ("ge", "le"), 0, 2_000_000_000),
    "bedrooms_total": Range("number of beds", ("ge",), 0, 999),
    "baths_equivalent": Range("number of baths", ("ge",), 0, 300, quarters=True),
    "living_area": Range("living area", ("ge", "le"), 0, 2_000_000_000),
    "lot_size_square_feet": Range("lot size", ("ge",), 0, 100_000_000_000),
    "year_built": Range("year built", ("ge", "le"), 1600, 2200),
    "association_fee_monthly": Range("association fee", ("le",), 0, 1_000_000_000),
    "garage_spaces": Range("number of garage spaces", ("ge",), 0, 999),
}
CHOICES = {
    "standard_status": ("status", ASKABLE_STATUSES),
    "property_type": ("property type", tuple(value.value for value in PropertyType)),
    "property_sub_type": ("property sub type", tuple(value.value for value in PropertySubType)),
}
NAMES = {
    "city": "cities",
    "postal_code": "postal codes",
    "county_or_parish": "counties",
    "subdivision_name": "subdivisions",
    "mls_area_major": "MLS areas",
}
KEYWORDS = {"keywords_any": "keywords", "keywords_none": "keywords to leave out"}
CONDITIONS_NOT = "special_listing_conditions_not"
NOT_POLYGONS = "not_polygons"
EXCLUDED = "excluded_listing_keys"
INCLUDE_UNKNOWN = "include_unknown"
FIELDS = (*CHOICES, *RANGES, *PLACES, NOT_POLYGONS, *FEATURES, CONDITIONS_NOT, *KEYWORDS, EXCLUDED, INCLUDE_UNKNOWN)
MAY_BE_UNKNOWN = {
    "property_type": "type",
    "property_sub_type": "kind of home",
    **{field: asked.called for field, asked in RANGES.items()},
    PLACE: "place",
    NOT_POLYGONS: "position",
    "waterfront_yn": "waterfront",
    "pool_private_yn": "pool",
    "new_construction_yn": "new construction",
    "senior_community_yn": "senior community",
    CONDITIONS_NOT: "conditions of the sale",
    "keywords_any": "remarks",
    "keywords_none": "remarks",
}
"""Fields whose unknown a search may include (PA-06), and what nobody said of a home where it is unknown."""


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """One version of a search's wishes, checked and canonical: equal wishes are equal values."""

    standard_status: tuple[str, ...] = (StandardStatus.ACTIVE.value,)
    property_type: tuple[str, ...] = ()
    property_sub_type: tuple[str, ...] = ()
    list_price: Bounds | None = None
    bedrooms_total: Bounds | None = None
    baths_equivalent: Bounds | None = None
    living_area: Bounds | None = None
    lot_size_square_feet: Bounds | None = None
    year_built: Bounds | None = None
    city: tuple[str, ...] = ()
    postal_code: tuple[str, ...] = ()
    county_or_parish: tuple[str, ...] = ()
    subdivision_name: tuple[str, ...] = ()
    mls_area_major: tuple[str, ...] = ()
    radius: Circle | None = None
    box: Box | None = None
    polygons: tuple[Ring, ...] = ()
    not_polygons: tuple[Ring, ...] = ()
    waterfront_yn: bool | None = None
    pool_private_yn: bool | None = None
    new_construction_yn: bool | None = None
    senior_community_yn: bool | None = None
    association_fee_monthly: Bounds | None = None
    garage_spaces: Bounds | None = None
    special_listing_conditions_not: tuple[str, ...] = ()
    keywords_any: tuple[str, ...] = ()
    """As they were typed; words_of says what is looked for."""
    keywords_none: tuple[str, ...] = ()
    excluded_listing_keys: tuple[str, ...] = ()
    include_unknown: tuple[str, ...] = ()
    """Of the fields that are asked: those that a home need not say (PA-06)."""

    @classmethod
    def parse(cls, given: Any) -> Criteria:
        """Read criteria from JSON. Raises Invalid naming the first field that cannot be used, and what is wrong with it.

        Absent, None, [] and {} all mean "does not matter"; a search that names no status asks for Active.
        """
        if not isinstance(given, Mapping):
            raise Invalid("Criteria are an object of field names and what is asked of them.")
        for key in given:
            if key not in FIELDS:
                _refuse(str(key)[:MOST_LETTERS], f"A search cannot ask for “{str(key)[:MOST_LETTERS]}”.")
        found: dict[str, Any] = {}
        for field in FIELDS:
            value = given.get(field)
            if value is None or value in ([], (), {}):
                continue
            found[field] = _READERS[field](field, value)
        read = cls(**{field: value for field, value in found.items() if value is not None})
        asked = read.asked
        return replace(read, include_unknown=tuple(field for field in read.include_unknown if field in asked))

    def as_dict(self) -> dict[str, Any]:
        """The canonical JSON: what parse() read, sorted, without repeats, only what is asked."""
        said: dict[str, Any] = {}
        for field in FIELDS:
            value = getattr(self, field)
            if field in {"polygons", NOT_POLYGONS}:
                said[field] = [[[_degrees(y), _degrees(x)] for y, x in ring.points] for ring in value]
            elif isinstance(value, tuple):
                said[field] = list(value)
            elif isinstance(value, bool):
                said[field] = value
            elif isinstance(value, Bounds):
                said[field] = {side: plain(getattr(value, side)) for side in ("ge", "le") if _given(value, side)}
        said = {field: value for field, value in said.items() if value not in ([], {})}
        if self.radius:
            said["radius"] = {
                "latitude": _degrees(self.radius.latitude),
                "longitude": _degrees(self.radius.longitude),
                "miles": plain(Decimal(self.radius.hundredths) / 100),
            }
        if self.box:
            said["box"] = {side: _degrees(getattr(self.box, side)) for side in ("south", "west", "north", "east")}
        return said

    @property
    def has_place(self) -> bool:
        """Without one a search may be looked at, not switched on (PA-14)."""
        return any(getattr(self, field) for field in PLACES)

    @cached_property
    def asked(self) -> frozenset[str]:
        """The fields that are asked of, as judge() names them."""
        fields = {field for field in FIELDS if field not in PLACES and getattr(self, field) not in (None, ())}
        return frozenset(fields - {INCLUDE_UNKNOWN} | ({PLACE} if self.has_place else set()))

    @property
    def areas(self) -> set[tuple[AreaKind, str]]:
        """Every named place, as app.domain.listings.areas numbers them."""
        return {(AreaKind(field), name) for field in PLACE_LISTS for name in getattr(self, field)}

    @cached_property
    def shape(self) -> Shape | None:
        return Shape(self.radius, self.box, self.polygons) if self.radius or self.box or self.polygons else None

    # What is asked, picked out once: each of many homes is judged by it.

    @cached_property
    def _tests(self) -> tuple[tuple[str, Callable[[Any], bool]], ...]:
        choices = [(field, wanted.__contains__) for field in CHOICES if (wanted := getattr(self, field))]
        return (*choices, *((field, bounds.hold) for field in RANGES if (bounds := getattr(self, field))))

    @cached_property
    def _places(self) -> tuple[tuple[str, frozenset[str]], ...]:
        lists = [(field, getattr(self, field)) for field in PLACE_LISTS]
        return tuple((field, frozenset(normalise(field, name) for name in names)) for field, names in lists if names)

    @cached_property
    def _features(self) -> tuple[tuple[str, bool], ...]:
        return tuple((feature, wish) for feature in FEATURES if (wish := getattr(self, feature)) is not None)

    @cached_property
    def _leaves_out(self) -> bool:
        return any(getattr(self, field) for field in (NOT_POLYGONS, CONDITIONS_NOT, *KEYWORDS, EXCLUDED))

    def judge(self, home: Any) -> dict[str, bool | None]:
        """For each field that is asked of: does this home have it? None = unknown, and that is not included (PA-06).
        The place is judged as "place".

        `home` is a mapping or an object with RESO names; absent and empty are unknown.
        """
        verdicts = self.known(home)
        for field in self.include_unknown:
            if field in verdicts and verdicts[field] is None:
                verdicts[field] = True
        return verdicts

    def known(self, home: Any) -> dict[str, bool | None]:
        """As judge(), whatever the search includes: None = nobody said."""
        verdicts: dict[str, bool | None] = {}
        for field, takes in self._tests:
            value = _of(home, field)
            verdicts[field] = None if value is None else takes(value)
        if self._places or self.shape:
            verdicts[PLACE] = self._in_place(home)
        for feature, wish in self._features:
            value = _of(home, feature)
            verdicts[feature] = None if value is None else value is wish
        return verdicts | self._left_out(home) if self._leaves_out else verdicts

    def matches(self, home: Any) -> bool:
        """Whether every field that is asked of is as asked, or unknown where that is included (PA-06)."""
        return all(verdict is True for verdict in self.judge(home).values())

    def unknown(self, home: Any) -> list[str]:
        """The fields that are asked of, that nobody gave for this home, and that keep it away (PA-06)."""
        return [field for field, verdict in self.judge(home).items() if verdict is None]

    def sentence(self) -> str:
        """All of it in one sentence for people."""
        from app.domain.searches.sentence import say  # it needs the class this is in

        return say(self)

    def _in_place(self, home: Any) -> bool | None:
        verdicts: list[bool | None] = []
        for field, names in self._places:
            name = normalise(field, _of(home, field))
            verdicts.append(name in names if name else None)
        if self.shape:
            point = _point_of(home)
            verdicts.append(self.shape.contains(*point) if point else None)
        if True in verdicts:
            return True
        return None if None in verdicts else False

    def _left_out(self, home: Any) -> dict[str, bool | None]:
        """What is judged by more than a look at one value: drawn out, ruled out, searched for in the remarks."""
        verdicts: dict[str, bool | None] = {}
        if self.not_polygons:
            point = _point_of(home)
            verdicts[NOT_POLYGONS] = not any(ring.contains(*point) for ring in self.not_polygons) if point else None
        if self.special_listing_conditions_not:
            said = _of(home, "special_listing_conditions")
            verdicts[CONDITIONS_NOT] = not set(said) & set(self.special_listing_conditions_not) if said else None
        if self.keywords_any or self.keywords_none:
            words = words_of(_of(home, "public_remarks"))
            if self.keywords_any:
                verdicts["keywords_any"] = any(words_of(one) in words for one in self.keywords_any) if words else None
            if self.keywords_none:
                none = not any(words_of(one) in words for one in self.keywords_none)
                verdicts["keywords_none"] = none if words else None
        if self.excluded_listing_keys:
            verdicts[EXCLUDED] = _of(home, "listing_key") not in self.excluded_listing_keys
        return verdicts


def _of(home: Any, field: str) -> Any:
    is_mapping = type(home) is dict or isinstance(home, Mapping)  # the first is quick
    value = home.get(field) if is_mapping else getattr(home, field)
    return None if value == "" else value


def _point_of(home: Any) -> tuple[int, int] | None:
    latitude, longitude = (micro_degrees(_of(home, field)) for field in ("latitude", "longitude"))
    return None if latitude is None or longitude is None else (latitude, longitude)


def _refuse(field: str, sentence: str) -> NoReturn:
    raise Invalid(sentence, field=field)


def _read_choices(field: str, value: Any) -> tuple[str, ...]:
    called, allowed = CHOICES[field]
    for one in _as_list(field, called, value):
        if one not in allowed:
            shown = one[:MOST_LETTERS] if isinstance(one, str) else type(one).__name__
            _refuse(field, f"“{shown}” is not a {called} a search can ask for.")
    return tuple(one for one in allowed if one in value)


def _read_names(field: str, value: Any) -> tuple[str, ...]:
    called = NAMES[field]
    spelt: dict[str, str] = {}
    for one in _as_list(field, called, value):
        if not isinstance(one, str):
            _refuse(field, f"Each of the {called} must be text, not {type(one).__name__}.")
        name = " ".join(one.split())
        if not name:
            _refuse(field, f"One of the {called} is empty.")
        if len(name) > MOST_LETTERS:
            _refuse(field, f"“{name[:40]}…” is too long: names end at {MOST_LETTERS} letters.")
        if not name.isprintable():
            _refuse(field, f"One of the {called} holds a character that cannot be printed.")
        normal = normalise(field, name)
        spelt[normal] = min(name, spelt.get(normal, name))
    return tuple(spelt[normal] for normal in sorted(spelt))


def _as_list(field: str, called: str, value: Any, most: int = MOST_VALUES) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        _refuse(field, f"Give the {called} as a list, not as {type(value).__name__}.")
    if len(value) > most:
        _refuse(field, f"{len(value)} values are too many: {most} is the limit.")
    return value


def _read_bounds(field: str, value: Any) -> Bounds | None:
    asked = RANGES[field]
    if not isinstance(value, Mapping):
        _refuse(field, f"Give the {asked.called} as bounds, not as {type(value).__name__}.")
    for side in value:
        if side not in asked.sides:
            shown = " and ".join(f"“{one}”" for one in asked.sides)
            _refuse(field, f"The {asked.called} takes {shown}, not “{str(side)[:40]}”.")
    bounds = Bounds(*(_read_bound(field, asked, value.get(side)) for side in ("ge", "le")))
    if bounds.ge is not None and bounds.le is not None and bounds.ge > bounds.le:
        _refuse(field, f"The lowest {asked.called} is above the highest.")
    return None if bounds == Bounds() else bounds


def _read_bound(field: str, asked: Range, value: Any) -> Decimal | int | None:
    if value is None:
        return None
    units = "whole or quarter" if asked.quarters else "whole"
    number = _number(value)
    if number is None:
        _refuse(field, f"The {asked.called} must be a {units} number.")
    if not asked.least <= number <= asked.most:
        least, most = (f"{one}" if field == "year_built" else f"{one:,}" for one in (asked.least, asked.most))
        _refuse(field, f"The {asked.called} must be between {least} and {most}.")
    if number % (Decimal("0.25") if asked.quarters else 1):
        _refuse(field, f"The {asked.called} must be a {units} number.")
    return int(number) if number == number.to_integral_value() else number.normalize()


def _number(value: Any) -> Decimal | None:
    """A finite JSON number; booleans and text are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if not isinstance(value, int) and not math.isfinite(value):
        return None
    return value if isinstance(value, Decimal) else Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _read_numbers(field: str, value: Any, names: tuple[str, ...]) -> list[Decimal]:
    if not isinstance(value, Mapping) or set(value) != set(names):
        _refuse(field, f"A {field} is {', '.join(names[:-1])} and {names[-1]}.")
    numbers = {name: _number(value[name]) for name in names}
    for name, number in numbers.items():
        if number is None:
            _refuse(field, f"The {name} must be a number.")
    return [number for number in numbers.values() if number is not None]


def _in_degrees(field: str, called: str, value: Decimal, most: int) -> int:
    if abs(value) > most:
        _refuse(field, f"The {called} must be between −{most} and {most} degrees.")
    return micro_degrees(value) or 0


def _read_radius(field: str, value: Any) -> Circle:
    latitude, longitude, miles = _read_numbers(field, value, ("latitude", "longitude", "miles"))
    if not 0 < miles <= MOST_MILES:
        _refuse(field, f"The radius must be above 0 and at most {MOST_MILES} miles.")
    hundredths = int((miles * 100).to_integral_value())
    if not hundredths:
        _refuse(field, "The radius must be at least a hundredth of a mile.")
    return Circle(
        _in_degrees(field, "latitude", latitude, MOST_LATITUDE),
        _in_degrees(field, "longitude", longitude, 180),
        hundredths,
    )


def _read_box(field: str, value: Any) -> Box:
    south, west, north, east = _read_numbers(field, value, ("south", "west", "north", "east"))
    box = Box(
        _in_degrees(field, "south", south, 90),
        _in_degrees(field, "west", west, 180),
        _in_degrees(field, "north", north, 90),
        _in_degrees(field, "east", east, 180),
    )
    if box.south >= box.north:
        _refuse(field, "The box is upside down: its south must be below its north.")
    if box.west >= box.east:
        _refuse(field, "The box is inside out: its west must be left of its east.")
    if max(box.north - box.south, box.east - box.west) > MOST_DEGREES * 1_000_000:
        _refuse(field, f"The box is too large to watch: {MOST_DEGREES} degrees each way is the limit.")
    return box


def _read_polygons(field: str, value: Any) -> tuple[Ring, ...]:
    if not isinstance(value, list | tuple):
        _refuse(field, f"Give the drawn areas as a list, not as {type(value).__name__}.")
    if len(value) > MOST_POLYGONS:
        _refuse(field, f"{len(value)} drawn areas are too many: {MOST_POLYGONS} is the limit.")
    rings = {_read_ring(field, one) for one in value}
    return tuple(sorted(rings, key=lambda ring: ring.points))


def _read_ring(field: str, value: Any) -> Ring:
    if not isinstance(value, list | tuple):
        _refuse(field, "A drawn area is a list of points, each with its latitude and longitude.")
    if len(value) > MOST_POINTS + 1:  # the last may repeat the first
        _refuse(field, f"A drawn area of {len(value)} points is too detailed: {MOST_POINTS} is the limit.")
    points = []
    for point in value:
        if not isinstance(point, list | tuple) or len(point) != 2 or None in (numbers := [*map(_number, point)]):
            _refuse(field, "Each point of a drawn area is two numbers, its latitude and its longitude.")
        latitude, longitude = (number for number in numbers if number is not None)
        points.append((_in_degrees(field, "latitude", latitude, 90), _in_degrees(field, "longitude", longitude, 180)))
    ring = Ring.through(points)
    if len(ring.points) < 3:
        _refuse(field, "A drawn area needs at least three points.")
    if len(ring.points) > MOST_POINTS:
        _refuse(field, f"A drawn area of {len(ring.points)} points is too detailed: {MOST_POINTS} is the limit.")
    south, west, north, east = ring.bounds
    if max(north - south, east - west) > MOST_DEGREES * 1_000_000:
        _refuse(field, f"The drawn area is too large to watch: {MOST_DEGREES} degrees each way is the limit.")
    if not ring.twice_area or ring.meets_itself():
        _refuse(field, "The line around a drawn area may not cross or touch itself.")
    return ring


def _read_yes_no(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        _refuse(field, f"The {MAY_BE_UNKNOWN[field]} must be true or false, not {type(value).__name__}.")
    return value


def _read_conditions(field: str, value: Any) -> tuple[str, ...]:
    called = "conditions of the sale"
    for one in _as_list(field, called, value):
        if not isinstance(one, str) or one not in CONDITION_BITS:
            shown = one[:MOST_LETTERS] if isinstance(one, str) else type(one).__name__
            _refuse(field, f"“{shown}” is not a condition of sale that a search can rule out.")
    return tuple(one for one in CONDITION_BITS if one in value)


def _read_keywords(field: str, value: Any) -> tuple[str, ...]:
    called = KEYWORDS[field]
    spelt: dict[str, str] = {}
    for one in _as_list(field, called, value, MOST_KEYWORDS):
        if not isinstance(one, str):
            _refuse(field, f"Each of the {called} must be text, not {type(one).__name__}.")
        keyword = " ".join(one.split())
        if len(keyword) > MOST_LETTERS:
            _refuse(field, f"“{keyword[:40]}…” is too long: keywords end at {MOST_LETTERS} letters.")
        if not keyword.isprintable():
            _refuse(field, f"One of the {called} holds a character that cannot be printed.")
        words = words_of(keyword)
        if not words:
            _refuse(field, f"“{keyword}” has no letter or digit to look for." if keyword else "One keyword is empty.")
        spelt[words] = min(keyword, spelt.get(words, keyword))
    return tuple(spelt[words] for words in sorted(spelt))


def _read_keys(field: str, value: Any) -> tuple[str, ...]:
    for one in _as_list(field, "listings to leave out", value, MOST_EXCLUDED):
        if not isinstance(one, str) or not one or len(one) > MOST_LETTERS or not one.isprintable():
            _refuse(field, "Each listing to leave out is given by its key.")
    return tuple(sorted(set(value)))


def _read_unknown(field: str, value: Any) -> tuple[str, ...]:
    for one in _as_list(field, "fields that may be unknown", value):
        if not isinstance(one, str) or one not in MAY_BE_UNKNOWN:
            shown = one[:MOST_LETTERS] if isinstance(one, str) else type(one).__name__
            _refuse(field, f"“{shown}” is not a field whose unknown a search can include.")
    return tuple(one for one in MAY_BE_UNKNOWN if one in value)


_READERS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(CHOICES, _read_choices),
    **dict.fromkeys(RANGES, _read_bounds),
    **dict.fromkeys(PLACE_LISTS, _read_names),
    "radius": _read_radius,
    "box": _read_box,
    "polygons": _read_polygons,
    NOT_POLYGONS: _read_polygons,
    **dict.fromkeys(FEATURES, _read_yes_no),
    CONDITIONS_NOT: _read_conditions,
    **dict.fromkeys(KEYWORDS, _read_keywords),
    EXCLUDED: _read_keys,
    INCLUDE_UNKNOWN: _read_unknown,
}


def _given(bounds: Bounds, side: str) -> bool:
    return getattr(bounds, side) is not None


def plain(number: Decimal | int) -> int | float:
    """As JSON and people write it: 3, 2.5."""
    return int(number) if number == int(number) else float(number)


def _degrees(micro: int) -> int | float:
    return plain(Decimal(micro) / 1_000_000)
