"""Points against circles, boxes and rings, many at once: searches/shapes.py in columns. Whole numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from app.domain.searches.shapes import SCALE

Array = npt.NDArray[Any]

_TURN = 360_000_000
_PLAIN = 8
"""Numbers of a shape before its rings."""
_LED = 5
"""Numbers before the points of a ring: its south, west, north, east, and how many follow."""


class Shapes:
    """The shapes of some searches, by the search's id: a row for each, edges for each ring of each."""

    def __init__(self, shapes: Mapping[int, Sequence[int]]) -> None:
        self.searches = np.array(sorted(shapes), np.int64)
        plain: list[Sequence[int]] = []
        edges: list[tuple[int, ...]] = []
        edge_firsts, ring_firsts = [0], [0]
        for search in self.searches.tolist():
            shape = shapes[search]
            plain.append(shape[:_PLAIN])
            at = _PLAIN
            while at < len(shape):
                points = shape[at + _LED : at + _LED + shape[at + _LED - 1]]
                corners = list(zip(points[::2], points[1::2], strict=True))
                edges += [(*a, *b) for a, b in zip([corners[-1], *corners], corners, strict=False)]
                edge_firsts.append(len(edges))
                at += _LED + len(points)
            ring_firsts.append(len(edge_firsts) - 1)
        self._plain = np.array(plain, np.int64).reshape(-1, _PLAIN)
        self._edges = np.array(edges, np.int64).reshape(-1, 4)
        self._edge_firsts = np.array(edge_firsts, np.int64)
        self._ring_firsts = np.array(ring_firsts, np.int64)

    @property
    def bytes(self) -> int:
        return self._plain.nbytes + self._edges.nbytes

    def hold(self, searches: Array, latitude: Array, longitude: Array) -> Array:
        """Whether each search's shape holds its point, edges included; what has no shape holds none."""
        found = np.zeros(len(searches), bool)
        if not len(self.searches):
            return found
        place = np.minimum(np.searchsorted(self.searches, searches), len(self.searches) - 1)
        (known,) = np.nonzero(self.searches[place] == searches)
        place, y, x = place[known], latitude[known].astype(np.int64), longitude[known].astype(np.int64)
        south, west, north, east, centre_y, centre_x, cosine, reach = self._plain[place].T
        dx = np.abs(x - centre_x)
        dx = np.minimum(dx, _TURN - dx) * cosine >> SCALE
        inside = (south <= y) & (y <= north) & (west <= x) & (x <= east)
        inside |= (y - centre_y) ** 2 + dx**2 <= reach
        point, ring = spread(self._ring_firsts, place)
        ringed = self._rings_hold(ring, y[point], x[point])
        inside |= np.bincount(point[ringed], minlength=len(place)) > 0
        found[known] = inside
        return found

    def _rings_hold(self, ring: Array, y: Array, x: Array) -> Array:
        """Every point beside every edge of its ring: inside when it crosses an odd number of them, or lies on one."""
        point, edge = spread(self._edge_firsts, ring)
        y1, x1, y2, x2 = self._edges[edge].T
        py, px = y[point], x[point]
        turn = (x2 - x1) * (py - y1) - (px - x1) * (y2 - y1)
        on = (turn == 0) & (np.minimum(y1, y2) <= py) & (py <= np.maximum(y1, y2))
        on &= (np.minimum(x1, x2) <= px) & (px <= np.maximum(x1, x2))
        crosses = ((y1 > py) != (y2 > py)) & ((turn > 0) == (y2 > y1))
        held: Array = np.bincount(point[crosses], minlength=len(ring)) % 2 == 1
        held |= np.bincount(point[on], minlength=len(ring)) > 0
        return held


def spread(firsts: Array, groups: Array) -> tuple[Array, Array]:
    """Each group's members, one after another: which group (by its place in `groups`), and the member's number, where
    group g has the members firsts[g] up to firsts[g + 1]."""
    return ranges(firsts[groups], firsts[groups + 1])


def ranges(lows: Array, highs: Array) -> tuple[Array, Array]:
    """The whole numbers of each range lows[i] ≤ n < highs[i]: i, and n."""
    counts = highs - lows
    which = np.repeat(np.arange(len(lows)), counts)
    ends = np.cumsum(counts)
    return which, np.arange(len(which)) + np.repeat(lows - (ends - counts), counts)
