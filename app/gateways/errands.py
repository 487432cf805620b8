"""Threads that are waited for only so long. Who is late comes home by itself, and nobody else is sent the same way until
then: something that answers never costs one thread, and not one for each question."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Late:
    """No answer in time. `seconds`: since it was asked. `is_former`: nobody was sent, since one sent before is still
    out."""

    seconds: float
    is_former: bool

    @property
    def words(self) -> str:
        if self.is_former:
            return f"has not answered for {self.seconds:.0f} s, and is not asked again until it does"
        return f"did not answer within {self.seconds:g} s"


class _Out(Generic[T]):
    def __init__(self, errand: Callable[[], T]) -> None:
        self._errand = errand
        self.began = time.monotonic()
        self.found: list[T] = []
        self.thread = threading.Thread(target=self._go, daemon=True)

    def _go(self) -> None:
        self.found.append(self._errand())


class Errands(Generic[T]):
    """Each way is known by what it leads to: two names for one address are one way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._late: dict[Hashable, _Out[T]] = {}

    def run(self, errands: Mapping[Hashable, Callable[[], T]], seconds: float) -> dict[Hashable, T | Late]:
        """All at once; returns after `seconds` at the latest. An errand must not raise."""
        found: dict[Hashable, T | Late] = {}
        sent: dict[Hashable, _Out[T]] = {}
        now = time.monotonic()
        with self._lock:
            for way in [way for way, out in self._late.items() if not out.thread.is_alive()]:
                del self._late[way]
            for way, errand in errands.items():
                if way in self._late:
                    found[way] = Late(now - self._late[way].began, is_former=True)
                else:
                    sent[way] = _Out(errand)
        for out in sent.values():
            out.thread.start()
        until = now + seconds
        for way, out in sent.items():
            out.thread.join(max(0.0, until - time.monotonic()))
            if out.found:
                found[way] = out.found[0]
                continue
            found[way] = Late(seconds, is_former=False)
            with self._lock:
                self._late.setdefault(way, out)
        return found
