"""What is dear to count is kept for a while, and nobody waits for it twice."""

from __future__ import annotations

import pytest

from app.domain.ops.kept import FACTOR, OLDEST, Kept


class Counter:
    """Counts how often it was asked; each time takes `takes` seconds of a clock that a test turns."""

    def __init__(self, takes: float) -> None:
        self.takes, self.now, self.asked = takes, 1000.0, 0
        self.put_off: list = []
        self.kept: Kept[int] = Kept(clock=lambda: self.now)

    def count(self) -> int:
        self.now += self.takes
        self.asked += 1
        return self.asked

    def get(self, key: str = "today") -> int:
        return self.kept.get(key, self.count, self.put_off.append).value


def test_what_is_cheap_is_counted_each_time():
    cheap = Counter(takes=0.05)
    assert [cheap.get(), cheap.get(), cheap.get()] == [1, 2, 3]


def test_what_is_dear_is_given_again_for_twenty_times_as_long_as_it_took():
    dear = Counter(takes=2.0)
    assert dear.get() == 1
    dear.now += FACTOR * 2.0 - 3
    assert dear.get() == 1
    assert not dear.put_off


def test_after_that_the_old_one_is_given_once_more_and_counted_anew_behind_the_readers_back():
    dear = Counter(takes=2.0)
    dear.get()
    dear.now += FACTOR * 2.0
    assert [dear.get(), dear.get()] == [1, 1], "nobody waits"
    assert len(dear.put_off) == 1, "and it is counted once"
    dear.put_off.pop()()
    assert dear.get() == 2


def test_a_value_too_old_to_be_true_is_not_given_any_more():
    dear = Counter(takes=2.0)
    dear.get()
    dear.now += OLDEST + 1
    assert dear.get() == 2


def test_a_count_that_failed_leaves_the_old_value_and_is_tried_again():
    dear = Counter(takes=2.0)
    dear.get()
    dear.now += FACTOR * 2.0

    def fail() -> int:
        raise LookupError

    assert dear.kept.get("today", fail, dear.put_off.append).value == 1
    with pytest.raises(LookupError):
        dear.put_off.pop()()
    assert dear.get() == 1
    assert len(dear.put_off) == 1


def test_each_key_has_its_own_value_and_what_became_cheap_is_no_longer_kept():
    dear = Counter(takes=2.0)
    assert [dear.get("today"), dear.get("yesterday"), dear.get("today")] == [1, 2, 1]
    dear.takes = 0.05
    dear.now += FACTOR * 2.0
    dear.get("today")
    dear.put_off.pop()()
    assert [dear.get("today"), dear.get("today")] == [4, 5]
