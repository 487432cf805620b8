"""What a search asks for: read strictly, said in one sentence, and judged against one home at a time.

AND across fields, OR within one. City, postal code, county, subdivision, radius and box are one field, the place: any
of them will do. Bounds are whole units (baths: quarters) and inclusive. A value nobody gave fails whatever is asked of
it (PA-06). The same rules in SQL are in queries.py; tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, NoReturn

from app.domain.errors import Invalid
from app.domain.listings.areas import micro_degrees, normalise
from app.domain.models import AreaKind
from app.domain.models.lookups import PropertySubType, PropertyType, StandardStatus
from app.domain.searches.shapes import Box, Circle, Shape

MOST_VALUES = 50
MOST_LETTERS = 100
MOST_MILES = 100
MOST_LATITUDE = 85
"""A circle's centre: nearer to a pole the map is not flat."""
MOST_DEGREES = 4
"""A box's height and width."""

PLACE_LISTS = tuple(kind.value for kind in AreaKind)
PLACES = (*PLACE_LISTS, "radius", "box")
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
FIELDS = (*CHOICES, *RANGES, *PLACES)


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
        return cls(**{field: value for field, value in found.items() if value is not None})

    def as_dict(self) -> dict[str, Any]:
        """The canonical JSON: what parse() read, sorted, without repeats, only what is asked."""
        said: dict[str, Any] = {}
        for field in FIELDS:
            value = getattr(self, field)
            if isinstance(value, tuple):
                said[field] = list(value)
            elif isinstance(value, Bounds):
                said[field] = {side: plain(getattr(value, side)) for side in ("ge", "le") if _given(value, side)}
        said = {field: value for field, value in said.items() if value}
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

    @property
    def areas(self) -> set[tuple[AreaKind, str]]:
        """Every named place, as app.domain.listings.areas numbers them."""
        return {(AreaKind(field), name) for field in PLACE_LISTS for name in getattr(self, field)}

    @cached_property
    def shape(self) -> Shape | None:
        return Shape(self.radius, self.box) if self.radius or self.box else None

    def judge(self, home: Any) -> dict[str, bool | None]:
        """For each field that is asked of: does this home have it? None = unknown. The place is judged as "place".

        `home` is a mapping or an object with RESO names; absent and empty are unknown.
        """
        verdicts: dict[str, bool | None] = {}
        for field in CHOICES:
            if wanted := getattr(self, field):
                value = _of(home, field)
                verdicts[field] = None if value is None else value in wanted
        for field in RANGES:
            if bounds := getattr(self, field):
                value = _of(home, field)
                verdicts[field] = None if value is None else bounds.hold(value)
        if self.has_place:
            verdicts["place"] = self._in_place(home)
        return verdicts

    def matches(self, home: Any) -> bool:
        """Whether every field that is asked of is known and as asked (PA-06)."""
        return all(verdict is True for verdict in self.judge(home).values())

    def unknown(self, home: Any) -> list[str]:
        """The fields that are asked of and that nobody gave for this home (PA-06)."""
        return [field for field, verdict in self.judge(home).items() if verdict is None]

    def sentence(self) -> str:
        """All of it in one sentence for people."""
        from app.domain.searches.sentence import say  # it needs the class this is in

        return say(self)

    def _in_place(self, home: Any) -> bool | None:
        verdicts: list[bool | None] = []
        for field in PLACE_LISTS:
            if names := getattr(self, field):
                name = normalise(field, _of(home, field))
                verdicts.append(name in {normalise(field, wanted) for wanted in names} if name else None)
        if self.shape:
            latitude, longitude = (micro_degrees(_of(home, field)) for field in ("latitude", "longitude"))
            known = latitude is not None and longitude is not None
            verdicts.append(self.shape.contains(latitude, longitude) if known else None)  # type: ignore[arg-type]
        if True in verdicts:
            return True
        return None if None in verdicts else False


def _of(home: Any, field: str) -> Any:
    value = home.get(field) if isinstance(home, Mapping) else getattr(home, field)
    return None if value == "" else value


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


def _as_list(field: str, called: str, value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        _refuse(field, f"Give the {called} as a list, not as {type(value).__name__}.")
    if len(value) > MOST_VALUES:
        _refuse(field, f"{len(value)} values are too many: {MOST_VALUES} is the limit.")
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


_READERS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(CHOICES, _read_choices),
    **dict.fromkeys(RANGES, _read_bounds),
    **dict.fromkeys(PLACE_LISTS, _read_names),
    "radius": _read_radius,
    "box": _read_box,
}


def _given(bounds: Bounds, side: str) -> bool:
    return getattr(bounds, side) is not None


def plain(number: Decimal | int) -> int | float:
    """As JSON and people write it: 3, 2.5."""
    return int(number) if number == int(number) else float(number)


def _degrees(micro: int) -> int | float:
    return plain(Decimal(micro) / 1_000_000)
