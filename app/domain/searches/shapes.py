"""Circles and boxes in whole micro-degrees, and the grid cells that cover them.

All of it is integer arithmetic, so that Python and PostgreSQL cannot disagree about a home on an edge. Edges are inside.

A circle is drawn on a flat map around its centre: with dy and dx the differences in micro-degrees (dx the shorter way
round the globe), a point is inside when dy² + ((|dx| · cosine) >> 20)² ≤ reach². The cosine is that of the centre's
latitude, in 2^-20; a mile is 14,473.16 micro-degrees of a great circle. queries.py says the same in SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isqrt

SCALE = 20
"""Bits after the binary point of a cosine."""
_MILE_HUNDREDTHS = 1_447_316  # micro-degrees in a hundred miles
_FIXED = 60
_PI = 3_622_009_729_038_561_421  # π · 2^60
_TURN = 360_000_000

CELL_SIZES = (10_000, 50_000, 250_000)
"""Sides of the grid's cells in micro-degrees, finest first. A search uses one size, a listing is looked up in all."""
GRID = 1 << 32
"""Places from here on are grid cells; below are area ids."""
LEVEL = 1 << 30
"""From the cells of one size to those of the next."""
COLUMNS = 36_001
"""Cells of the finest grid around the globe, and one for longitude +180 itself."""

Numbers = tuple[int, int, int, int, int, int, int, int]
"""South, west, north, east of the box; latitude, longitude, cosine, reach² of the circle: as saved_search.shape."""
_NO_BOX = (1, 0, 0, 0)
_NO_CIRCLE = (0, 0, 0, -1)


def cosine(latitude: int) -> int:
    """The cosine of a latitude in micro-degrees, times 2^20, rounded: the same on every machine."""
    x = abs(latitude) * _PI // 180_000_000
    square = x * x >> _FIXED
    term = total = 1 << _FIXED
    sign, step = 1, 0
    while term:
        sign, step = -sign, step + 2
        term = (term * square >> _FIXED) // (step * (step - 1))
        total += sign * term
    return (total + (1 << (_FIXED - SCALE - 1))) >> (_FIXED - SCALE)


@dataclass(frozen=True)
class Circle:
    """Centre in micro-degrees, radius in hundredths of a mile."""

    latitude: int
    longitude: int
    hundredths: int

    @cached_property
    def reach(self) -> int:
        return self.hundredths * _MILE_HUNDREDTHS // 10_000

    @cached_property
    def cosine(self) -> int:
        return cosine(self.latitude)

    def contains(self, latitude: int, longitude: int) -> bool:
        dx = abs(longitude - self.longitude)
        return self._within(abs(latitude - self.latitude), min(dx, _TURN - dx))

    def _within(self, dy: int, dx: int) -> bool:
        return dy * dy + (dx * self.cosine >> SCALE) ** 2 <= self.reach**2

    def width_at(self, dy: int) -> int:
        """The farthest dx that may be inside at this dy, or a little more."""
        return ((isqrt(self.reach**2 - dy * dy) + 1) << SCALE) // self.cosine

    def cells(self, size: int) -> Iterator[tuple[int, int, bool]]:
        """Row, column and whether only a part is inside, for every cell that the circle may touch."""
        around = _TURN // size
        first = max(self.latitude - self.reach + 90_000_000, 0) // size
        last = min(self.latitude + self.reach + 90_000_000, 180_000_000) // size
        for row in range(first, last + 1):
            south = row * size - 90_000_000
            near = max(south - self.latitude, self.latitude - south - size, 0)
            far = max(abs(south - self.latitude), abs(south + size - self.latitude))
            if near > self.reach:
                continue
            width = self.width_at(near)
            for unfolded in range(
                (self.longitude - width + 180_000_000) // size, (self.longitude + width + 180_000_000) // size + 1
            ):
                west = unfolded * size - 180_000_000
                dx = max(abs(west - self.longitude), abs(west + size - self.longitude))
                column = unfolded % around
                yield row, column, not self._within(far, dx)
                if column == 0:
                    yield row, around, True


@dataclass(frozen=True)
class Box:
    """Between two parallels and two meridians, in micro-degrees; it does not cross the antimeridian."""

    south: int
    west: int
    north: int
    east: int

    def contains(self, latitude: int, longitude: int) -> bool:
        return self.south <= latitude <= self.north and self.west <= longitude <= self.east

    def cells(self, size: int) -> Iterator[tuple[int, int, bool]]:
        for row in range((self.south + 90_000_000) // size, (self.north + 90_000_000) // size + 1):
            south = row * size - 90_000_000
            for column in range((self.west + 180_000_000) // size, (self.east + 180_000_000) // size + 1):
                west = column * size - 180_000_000
                whole = self.contains(south, west) and self.contains(south + size, west + size)
                yield row, column, not whole


@dataclass(frozen=True)
class Shape:
    """A circle, a box, or both: inside either is inside."""

    circle: Circle | None
    box: Box | None

    @property
    def drawn(self) -> tuple[Circle | Box, ...]:
        return tuple(part for part in (self.circle, self.box) if part)

    def contains(self, latitude: int, longitude: int) -> bool:
        return any(part.contains(latitude, longitude) for part in self.drawn)

    @property
    def numbers(self) -> Numbers:
        box, circle = self.box, self.circle
        return (
            *((box.south, box.west, box.north, box.east) if box else _NO_BOX),
            *((circle.latitude, circle.longitude, circle.cosine, circle.reach**2) if circle else _NO_CIRCLE),
        )

    @property
    def bounds(self) -> tuple[int, int, int, int] | None:
        """South, west, north, east of a box around everything inside; None when it would cross the antimeridian."""
        corners = []
        if self.box:
            corners.append((self.box.south, self.box.west, self.box.north, self.box.east))
        if circle := self.circle:
            width = circle.width_at(0)
            west, east = circle.longitude - width, circle.longitude + width
            if west <= -180_000_000 or east >= 180_000_000:
                return None
            corners.append((circle.latitude - circle.reach, west, circle.latitude + circle.reach, east))
        souths, wests, norths, easts = zip(*corners, strict=True)
        return min(souths), min(wests), max(norths), max(easts)

    def places(self, most: int) -> dict[int, bool]:
        """The cells of the finest grid that needs at most this many (else of the coarsest), and which are partly inside."""
        found: dict[int, bool] = {}
        for level, size in enumerate(CELL_SIZES):
            if level < len(CELL_SIZES) - 1 and self._at_least(size) > most:
                continue
            found = self._cells(level, size)
            if len(found) <= most:
                break
        return found

    def _at_least(self, size: int) -> int:
        """No fewer cells than this lie inside a shape of this area."""
        area = 0
        if self.box:
            area = (self.box.north - self.box.south) * (self.box.east - self.box.west)
        if self.circle:
            area = max(area, 2 * self.circle.reach * self.circle.reach)
        return area // (size * size)

    def _cells(self, level: int, size: int) -> dict[int, bool]:
        found: dict[int, bool] = {}
        for part in self.drawn:
            for row, column, partly in part.cells(size):
                place = GRID + level * LEVEL + row * COLUMNS + column
                found[place] = partly and found.get(place, True)
        return found
