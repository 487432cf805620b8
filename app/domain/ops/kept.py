"""Values that are dear to count, kept for a while. What is cheap is counted each time.

A value that took long is given again for FACTOR times as long as it took; after that it is counted anew behind the
reader's back, who gets the old one once more. So a page never waits for a count but the first, and counting takes a
twentieth of one processor at most. Each process keeps its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

DEAR = 0.1
"""Seconds: what took less is counted each time."""
FACTOR = 20
OLDEST = 600.0
"""Seconds. What is older is not given any more: the reader waits for a new one."""
MOST = 50
"""Values kept at most; yesterday's leave."""

T = TypeVar("T")


@dataclass(frozen=True)
class Counted(Generic[T]):
    """`at`: when the counting began. `seconds`: what it took. `is_kept`: it was dear, so the next reader gets it too."""

    value: T
    at: datetime
    seconds: float
    is_kept: bool
    then: float


class Kept(Generic[T]):
    """`clock`: seconds that only grow."""

    def __init__(
        self, *, dear: float = DEAR, factor: float = FACTOR, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._dear, self._factor, self._clock = dear, factor, clock
        self._lock = threading.Lock()
        self._values: dict[Hashable, Counted[T]] = {}
        self._being_counted: set[Hashable] = set()

    def get(self, key: Hashable, count: Callable[[], T], later: Callable[[Callable[[], None]], object]) -> Counted[T]:
        """The value for this key: counted now, or kept. `later` runs what it is given in another thread; what is raised
        there leaves the old value, and the next reader tries again."""
        with self._lock:
            kept = self._values.get(key)
            if kept is not None:
                age = self._clock() - kept.then
                if age <= self._factor * kept.seconds:
                    return kept
                if age <= OLDEST:
                    if key not in self._being_counted:
                        self._being_counted.add(key)
                        later(lambda: self._count_again(key, count))
                    return kept
        return self._count(key, count)

    def forget(self) -> None:
        """Count anew next time."""
        with self._lock:
            self._values.clear()
            self._being_counted.clear()

    def _count(self, key: Hashable, count: Callable[[], T]) -> Counted[T]:
        at, then = datetime.now(UTC), self._clock()
        value = count()
        took = self._clock() - then
        counted = Counted(value, at, took, took >= self._dear, then)
        with self._lock:
            self._values.pop(key, None)
            if counted.is_kept:
                self._values[key] = counted
                for old in list(self._values)[:-MOST]:
                    del self._values[old]
        return counted

    def _count_again(self, key: Hashable, count: Callable[[], T]) -> None:
        try:
            self._count(key, count)
        finally:
            with self._lock:
                self._being_counted.discard(key)
