"""Circles, boxes and drawn rings in whole micro-degrees, and the grid cells that cover them.

All of it is integer arithmetic, so that Python and PostgreSQL cannot disagree about a home on an edge. Edges are inside.

A circle is drawn on a flat map around its centre: with dy and dx the differences in micro-degrees (dx the shorter way
round the globe), a point is inside when dy² + ((|dx| · cosine) >> 20)² ≤ reach². The cosine is that of the centre's
latitude, in 2^-20; a mile is 14,473.16 micro-degrees of a great circle. queries.py says the same in SQL, and the
functions of migration 0004 for rings: a point is inside a ring when a ray from it crosses an odd number of its edges,
or when it lies on one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

Point = tuple[int, int]
"""Latitude, longitude in micro-degrees."""
Numbers = tuple[int, ...]
"""As saved_search.shape: south, west, north, east of the box; latitude, longitude, cosine, reach² of the circle; then
each ring, led by its south, west, north, east and how many numbers follow."""
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


def _turn(a: Point, b: Point, c: Point) -> int:
    """Above zero when c lies to one side of the way from a to b, below for the other, zero on it."""
    return (b[1] - a[1]) * (c[0] - a[0]) - (c[1] - a[1]) * (b[0] - a[0])


def _between(a: Point, b: Point, c: Point) -> bool:
    """Whether c, on the line through a and b, lies between them."""
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the edges a–b and c–d have a point in common."""
    first, second, third, fourth = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if (first > 0) != (second > 0) and (third > 0) != (fourth > 0) and first and second and third and fourth:
        return True
    return (
        (first == 0 and _between(a, b, c))
        or (second == 0 and _between(a, b, d))
        or (third == 0 and _between(c, d, a))
        or (fourth == 0 and _between(c, d, b))
    )


@dataclass(frozen=True)
class Ring:
    """A closed line of straight edges that does not meet itself. It does not cross the antimeridian.

    Canonical: it begins at its least point and turns the same way round, so that equal rings are equal values.
    """

    points: tuple[Point, ...]

    @classmethod
    def through(cls, points: Iterable[Point]) -> Ring:
        """The canonical ring through these points; the last may repeat the first."""
        found: list[Point] = []
        for point in points:
            if not found or point != found[-1]:
                found.append(point)
        if len(found) > 1 and found[0] == found[-1]:
            found.pop()
        if found:
            start = found.index(min(found))
            found = found[start:] + found[:start]
        if len(found) > 2 and cls(tuple(found)).twice_area < 0:
            found = [found[0], *reversed(found[1:])]
        return cls(tuple(found))

    @property
    def edges(self) -> Iterator[tuple[Point, Point]]:
        return zip((self.points[-1], *self.points[:-1]), self.points, strict=True)

    @cached_property
    def twice_area(self) -> int:
        """Signed; in square micro-degrees."""
        return sum(b[1] * a[0] - a[1] * b[0] for a, b in self.edges)

    @cached_property
    def bounds(self) -> tuple[int, int, int, int]:
        latitudes, longitudes = zip(*self.points, strict=True)
        return min(latitudes), min(longitudes), max(latitudes), max(longitudes)

    def meets_itself(self) -> bool:
        """Whether two edges cross, touch or run along each other, other than where one ends and the next begins."""
        edges = list(self.edges)
        spans = [(min(a[0], b[0]), max(a[0], b[0]), min(a[1], b[1]), max(a[1], b[1])) for a, b in edges]
        last = len(edges) - 1
        for i, (a, b) in enumerate(edges):
            south, north, west, east = spans[i]
            for j in range(i + 1, len(edges)):
                if spans[j][0] > north or spans[j][1] < south or spans[j][2] > east or spans[j][3] < west:
                    continue
                c, d = edges[j]
                if j == i + 1:
                    if _turn(a, b, d) == 0 and (_between(a, b, d) or _between(c, d, a)):
                        return True
                elif i == 0 and j == last:
                    if _turn(c, d, b) == 0 and (_between(c, d, b) or _between(a, b, c)):
                        return True
                elif _meet(a, b, c, d):
                    return True
        return False

    def contains(self, latitude: int, longitude: int) -> bool:
        south, west, north, east = self.bounds
        if not (south <= latitude <= north and west <= longitude <= east):
            return False
        point, inside = (latitude, longitude), False
        for a, b in self.edges:
            if min(a[0], b[0]) <= latitude <= max(a[0], b[0]):
                turn = _turn(a, b, point)
                if turn == 0 and min(a[1], b[1]) <= longitude <= max(a[1], b[1]):
                    return True
                if (a[0] > latitude) != (b[0] > latitude) and (turn > 0) == (b[0] > a[0]):
                    inside = not inside
        return inside

    def cells(self, size: int) -> Iterator[tuple[int, int, bool]]:
        """The cells its edges may pass are partly inside; between them, one point of a stretch speaks for all."""
        edged: dict[int, set[int]] = {}
        for a, b in self.edges:
            (south, at_south), (north, at_north) = (a, b) if a[0] <= b[0] else (b, a)
            for row in range((south + 90_000_000) // size, (north + 90_000_000) // size + 1):
                low = max(south, row * size - 90_000_000)
                high = min(north, row * size - 90_000_000 + size)
                if north == south:
                    ends = [at_south, at_north]
                else:
                    # Where the edge enters and leaves the row; a micro-degree more to either side is none too few.
                    ends = [at_south + (at_north - at_south) * (y - south) // (north - south) for y in (low, high)]
                west, east = min(ends) - 1, max(ends) + 1
                columns = range((west + 180_000_000) // size, (east + 180_000_000) // size + 1)
                edged.setdefault(row, set()).update(columns)
        around = _TURN // size
        for row, columns_of_row in edged.items():
            ordered = sorted(columns_of_row)
            for column, following in zip(ordered, [*ordered[1:], None], strict=True):
                if 0 <= column <= around:
                    yield row, column, True
                if following is None or following == column + 1:
                    continue
                if self.contains(row * size - 90_000_000, (column + 1) * size - 180_000_000):
                    for between in range(column + 1, following):
                        yield row, between, False


@dataclass(frozen=True)
class Shape:
    """A circle, a box, rings, or several: inside any is inside."""

    circle: Circle | None
    box: Box | None
    rings: tuple[Ring, ...] = ()

    @property
    def drawn(self) -> tuple[Circle | Box | Ring, ...]:
        return (*(part for part in (self.circle, self.box) if part), *self.rings)

    def contains(self, latitude: int, longitude: int) -> bool:
        return any(part.contains(latitude, longitude) for part in self.drawn)

    @property
    def numbers(self) -> Numbers:
        box, circle = self.box, self.circle
        return (
            *((box.south, box.west, box.north, box.east) if box else _NO_BOX),
            *((circle.latitude, circle.longitude, circle.cosine, circle.reach**2) if circle else _NO_CIRCLE),
            *(number for ring in self.rings for number in (*ring.bounds, 2 * len(ring.points), *flat(ring))),
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
        corners += [ring.bounds for ring in self.rings]
        souths, wests, norths, easts = zip(*corners, strict=True)
        return min(souths), min(wests), max(norths), max(easts)

    def places(self, most: int) -> dict[int, bool]:
        """The cells of the finest grid that needs at most this many (else of the coarsest), and which are partly inside."""
        found: dict[int, bool] = {}
        for level, size in enumerate(CELL_SIZES):
            if level < len(CELL_SIZES) - 1 and self._at_least(size) > most:
                continue
            found = self._cells(level, size, most if level < len(CELL_SIZES) - 1 else None)
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
        for ring in self.rings:
            area = max(area, abs(ring.twice_area) // 2)
        return area // (size * size)

    def _cells(self, level: int, size: int, most: int | None) -> dict[int, bool]:
        """Where there are more than `most`, not all of them."""
        found: dict[int, bool] = {}
        for part in self.drawn:
            for row, column, partly in part.cells(size):
                place = GRID + level * LEVEL + row * COLUMNS + column
                found[place] = partly and found.get(place, True)
                if most is not None and len(found) > most:
                    return found
        return found


def flat(ring: Ring) -> Iterator[int]:
    """Latitude, longitude, latitude, longitude …: as PostgreSQL's ring_holds takes it."""
    return (number for point in ring.points for number in point)
