"""Key rows in columns, and the homes that they take. Pure: arrays in, pairs out; no database, safe in several threads.

The encodings are those of search_key (searches/keys.py) and of the homes in alerts/queries.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.domain.alerts.engine.shapes import Shapes, ranges
from app.domain.searches.keys import BIG_LOW, FURTHER, INT_HIGH, INT_LOW, PARTLY, SMALL_HIGH, SMALL_LOW

Array = npt.NDArray[Any]
Columns = Mapping[str, Array]

SUBSCRIPTIONS = 25_000
"""In one block: while its matches are written, those of the next are found, and no more than a few are in memory."""
CANDIDATES = 1 << 16
"""Compared at once: they and their columns stay in the processor's cache."""

_PRICE_BITS = 32

_TESTS: tuple[tuple[str, str, Any], ...] = (
    ("price_lo", "price_floor", np.less_equal),
    ("beds_lo", "beds", np.less_equal),
    ("sub_types", "sub_type", np.bitwise_and),
    ("baths_lo", "baths", np.less_equal),
    ("living_lo", "living_floor", np.less_equal),
    ("year_lo", "year_floor", np.less_equal),
    ("living_hi", "living_ceil", np.greater_equal),
    ("year_hi", "year_ceil", np.greater_equal),
    ("lot_lo", "lot_floor", np.less_equal),
    ("triggers", "status", np.bitwise_and),
    ("triggers", "kinds", np.bitwise_and),
)
"""A column of the key, one of the home, and how they compare; what rejects most comes first."""
_OPEN = {
    "beds_lo": SMALL_LOW,
    "baths_lo": SMALL_LOW,
    "living_lo": INT_LOW,
    "living_hi": INT_HIGH,
    "year_lo": SMALL_LOW,
    "year_hi": SMALL_HIGH,
    "lot_lo": BIG_LOW,
}
"""What a bound is when it is not asked."""

KEY_COLUMNS: dict[str, str] = {
    "key": "i8",
    "price_hi": "i4",
    "price_lo": "i4",
    "living_lo": "i4",
    "living_hi": "i4",
    "lot_lo": "i8",
    "sub_types": "i8",
    "triggers": "i4",
    "year_lo": "i2",
    "year_hi": "i2",
    "beds_lo": "i2",
    "baths_lo": "i2",
    "flags": "i2",
    "alert_subscription_id": "i8",
    "saved_search_id": "i8",
}
"""The columns of search_key that matching reads, and their types."""


@dataclass(frozen=True)
class Homes:
    """Rows of homes, each under the keys that a search could have and that it would answer.

    `event` numbers the events of the batch from 0; an event may have two rows. `only_if_new`: news only for those who
    would not have taken what the home was before.
    """

    columns: Columns
    event: Array
    latitude: Array
    longitude: Array
    only_if_new: Array
    keys: Array
    homes: Array
    """keys[i] is one of the keys of row homes[i]; sorted by key."""


class Hits(NamedTuple):
    """Key rows and rows of homes that fit, as far as numbers say."""

    rows: Array
    homes: Array


class Taken(NamedTuple):
    """What a block takes: codes (subscription · events + event) that are sure, and hits that need another look."""

    sure: Array
    doubtful: Hits


class Block:
    """The key rows of some subscriptions, sorted by key, then by the price up to which they go."""

    def __init__(self, columns: Columns, shapes: Mapping[int, Sequence[int]]) -> None:
        """`shapes`: of these subscriptions' searches, by the search's id; others may be among them."""
        order = np.lexsort((columns["price_hi"], columns["key"]))
        sorted_keys = columns["key"][order]
        (starts,) = np.nonzero(np.diff(sorted_keys, prepend=sorted_keys[:1] - 1))
        self.keys = sorted_keys[starts]
        self.starts = np.append(starts, len(order))
        number = np.repeat(np.arange(len(self.keys)), np.diff(self.starts))
        self.rank = (number << _PRICE_BITS) + (columns["price_hi"][order].astype(np.int64) - INT_LOW)
        """A key's number and a price in one: a range of it are the rows of a key that go up to a price or further."""
        self.subscriptions, local = np.unique(columns["alert_subscription_id"], return_inverse=True)
        self.local = local[order].astype(np.int32)
        self.searches = np.zeros(len(self.subscriptions), np.int64)
        self.searches[local] = columns["saved_search_id"]
        self.flags = columns["flags"][order]
        partly = np.unique(columns["saved_search_id"][columns["flags"] & PARTLY != 0]).tolist()
        self.shapes = Shapes({search: shapes[search] for search in partly if search in shapes})
        self.columns = {
            name: columns[name][order]
            for name in dict.fromkeys(name for name, _, _ in _TESTS)
            if name not in _OPEN or (columns[name] != _OPEN[name]).any()
        }
        self.tests = [test for test in _TESTS if test[0] in self.columns]

    def __len__(self) -> int:
        return len(self.local)

    @property
    def bytes(self) -> int:
        arrays = (*self.columns.values(), self.rank, self.local, self.flags, self.subscriptions, self.searches)
        return sum(array.nbytes for array in arrays) + self.shapes.bytes

    def forget(self, subscriptions: Array) -> None:
        """Their rows take nothing from now on."""
        gone = np.isin(self.subscriptions, subscriptions, assume_unique=True)
        if gone.any():
            self.columns["price_lo"][gone[self.local]] = INT_HIGH  # above every price, and above that of a home without

    def take(self, homes: Homes, former: Homes, *, events: int, young: Array) -> Taken:
        """Who takes what. Doubtful: a search asks further than its key says, or a subscription in `young` (sorted ids)
        may have begun after the event."""
        hits = self._placed(self._hits(homes), homes)
        if len(former.event) and homes.only_if_new.any():
            hits = self._news(hits, homes, self._placed(self._hits(former), former), former, events)
        doubted = self.flags[hits.rows] & FURTHER != 0
        if len(young):
            doubted |= np.isin(self.subscriptions, young)[self.local[hits.rows]]
        if not doubted.any():
            return Taken(self.codes(hits, homes, events), Hits(hits.rows[:0], hits.homes[:0]))
        sure = Hits(hits.rows[~doubted], hits.homes[~doubted])
        return Taken(self.codes(sure, homes, events), Hits(hits.rows[doubted], hits.homes[doubted]))

    def codes(self, hits: Hits, homes: Homes, events: int) -> Array:
        """Subscription and event in one number, in no order, some perhaps twice."""
        small = "i4" if len(self.subscriptions) * events < INT_HIGH else "i8"
        found: Array = self.local[hits.rows].astype(small)
        found *= events
        found += homes.event[hits.homes].astype(small)
        return found

    def _hits(self, homes: Homes) -> Hits:
        number = np.minimum(np.searchsorted(self.keys, homes.keys), len(self.keys) - 1)
        (known,) = np.nonzero(self.keys[number] == homes.keys)
        number, home = number[known], homes.homes[known]
        price = homes.columns["price_ceil"][home].astype(np.int64) - INT_LOW
        lows = np.searchsorted(self.rank, (number << _PRICE_BITS) + price)
        highs = self.starts[number + 1]
        (some,) = np.nonzero(lows < highs)
        home, lows, highs = home[some], lows[some], highs[some]
        ends = np.cumsum(highs - lows)
        rows, found = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        first = 0
        while first < len(home):
            before = ends[first - 1] if first else 0
            last = max(int(np.searchsorted(ends, before + CANDIDATES, "right")), first + 1)
            which, row = ranges(lows[first:last], highs[first:last])
            hits = self._compared(row, home[first:last][which], homes.columns)
            rows.append(hits.rows)
            found.append(hits.homes)
            first = last
        return Hits(np.concatenate(rows), np.concatenate(found))

    def _compared(self, row: Array, home: Array, homes: Columns) -> Hits:
        for asked, given, compare in self.tests:
            (fit,) = np.nonzero(compare(self.columns[asked][row], homes[given][home]))
            row, home = row[fit], home[fit]
        return Hits(row, home)

    def _placed(self, hits: Hits, homes: Homes) -> Hits:
        """Without those whose cell is only partly inside the shape, where the point is not."""
        (partly,) = np.nonzero(self.flags[hits.rows] & PARTLY)
        if not len(partly):
            return hits
        home = hits.homes[partly]
        searches = self.searches[self.local[hits.rows[partly]]]
        inside = self.shapes.hold(searches, homes.latitude[home], homes.longitude[home])
        keep = np.ones(len(hits.rows), bool)
        keep[partly[~inside]] = False
        return Hits(hits.rows[keep], hits.homes[keep])

    def _news(self, hits: Hits, homes: Homes, then: Hits, former: Homes, events: int) -> Hits:
        """Without what is news only for those who would not have taken it before, for those who would have."""
        by_key = self.flags[then.rows] & FURTHER == 0
        took = self.codes(Hits(then.rows[by_key], then.homes[by_key]), former, events)
        old = homes.only_if_new[hits.homes] & np.isin(self.codes(hits, homes, events), took)
        return Hits(hits.rows[~old], hits.homes[~old])


class Grouped(NamedTuple):
    """An array of events for each subscription: events[starts[i]:starts[i + 1]] are those of subscriptions[i]."""

    subscriptions: Array
    starts: Array
    events: Array


def grouped(codes: Array, subscriptions: Array, events: int) -> Grouped:
    """The codes of a block by subscription, each pair once, in order."""
    codes = np.sort(codes)
    codes = codes[np.diff(codes, prepend=codes[:1] - 1) != 0]
    local, event = np.divmod(codes, events)
    (starts,) = np.nonzero(np.diff(local, prepend=local[:1] - 1))
    return Grouped(subscriptions[local[starts]], np.append(starts, len(codes)), event)


def blocks(columns: Columns, shapes: Mapping[int, Sequence[int]], most: int = SUBSCRIPTIONS) -> list[Block]:
    """The rows in blocks of at most `most` subscriptions, in the order of their ids."""
    order = np.argsort(columns["alert_subscription_id"], kind="stable")
    ordered = columns["alert_subscription_id"][order]
    (firsts,) = np.nonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    cuts = [*firsts[::most].tolist(), len(order)]
    return [
        Block({name: column[order[first:last]] for name, column in columns.items()}, shapes)
        for first, last in pairwise(cuts)
    ]
