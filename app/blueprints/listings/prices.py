"""The price history as a drawing: steps on a line, a finding for its title, a table behind it. Pure geometry."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.blueprints.listings import amounts
from app.blueprints.listings.words import percent
from app.display import day, money
from app.domain.listings.queries import Told

WIDTH, HEIGHT = 752, 188
LEFT, RIGHT, TOP, FLOOR = 52, 728, 34, 160
LABEL_ROOM = 116
"""Pixels a price's label needs; steps closer than that show theirs in the table only."""
FACTORS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))


@dataclass(frozen=True)
class Step:
    """One price: when it began, where it is drawn, what is said beside it."""

    at: datetime
    price: Decimal
    x: float
    y: float
    change: str
    told: int
    labelled: bool
    room: bool
    """Is there room beside the price for how many were told?"""
    anchor: str
    label_x: float
    label_y: float


@dataclass(frozen=True)
class History:
    """All that the template draws."""

    finding: str
    description: str
    steps: list[Step]
    path: str
    area: str
    grid: list[tuple[float, str]]
    ticks: list[tuple[float, str, str]]
    """(x, words, anchor)"""


def history(prices: Sequence[Any], told: dict[int, Told], until: datetime) -> History | None:
    """The prices (seq, occurred_at, list_price; oldest first) up to `until`. None without any."""
    points: list[tuple[datetime, Decimal, int]] = []
    for row in prices:
        if not points or points[-1][1] != row.list_price:
            points.append((row.occurred_at, row.list_price, told.get(row.seq, Told()).sent))
    if not points:
        return None
    start = points[0][0]
    until = max(until, points[-1][0])
    length = max((until - start).total_seconds(), 1.0)

    def x_of(moment: datetime) -> float:
        return round(LEFT + (RIGHT - LEFT) * min((moment - start).total_seconds() / length, 1), 1)

    low, high, grid_values = scale([price for _, price, _ in points])

    def y_of(price: Decimal) -> float:
        return round(FLOOR - (FLOOR - TOP) * float((price - low) / (high - low)), 1)

    spots = [(x_of(at), y_of(price)) for at, price, _ in points]
    shown = labelled([x for x, _ in spots])
    steps = []
    for index, (at, price, buyers) in enumerate(points):
        x, y = spots[index]
        late = x > RIGHT - 2 * LABEL_ROOM
        rises = index > 0 and price > points[index - 1][1]
        steps.append(
            Step(
                at,
                price,
                x,
                y,
                change_words(points[index - 1][1], price) if index else "",
                buyers,
                index in shown,
                all(abs(x - spots[other][0]) >= 2 * LABEL_ROOM for other in shown if other != index),
                "end" if late else "start",
                (RIGHT if late and index == len(points) - 1 else x) + (-8 if late else 8),
                y + 18 if late and not rises and y < FLOOR - 24 else y - 9,
            )
        )
    path = f"M{spots[0][0]} {spots[0][1]}" + "".join(f"H{x}V{y}" for x, y in spots[1:]) + f"H{RIGHT}"
    return History(
        finding([price for _, price, _ in points], start, until),
        "Asking price: " + "; ".join(f"{money(price)} from {day(at)}" for at, price, _ in points[-8:]),
        steps,
        path,
        f"{path}V{FLOOR}H{LEFT}z",
        [(y_of(value), amounts.short(value)) for value in grid_values],
        ticks(start, until, x_of),
    )


def scale(prices: Sequence[Decimal]) -> tuple[Decimal, Decimal, list[Decimal]]:
    """Lowest and highest value of the drawing, and three to five round values between for its lines."""
    low, high = min(prices), max(prices)
    span = max(high - low, high / 20, Decimal(1))
    power = Decimal(10) ** (math.floor(math.log10(float(span) / 3)))
    step = next((factor * power for factor in FACTORS if span / (factor * power) <= 4), 10 * power)
    bottom = (low // step) * step
    if low - bottom < step / 4:
        bottom = max(bottom - step, Decimal(0))
    values = [bottom + step * index for index in range(1, 8) if bottom + step * index <= high + step]
    return bottom, max(values[-1], high), values


def labelled(xs: Sequence[float]) -> set[int]:
    """Which steps have room for their price: the last, the first, then those between that fit."""
    last = len(xs) - 1
    chosen = {last}
    for index in (0, *range(last - 1, 0, -1)):
        if all(abs(xs[index] - xs[other]) >= LABEL_ROOM for other in chosen):
            chosen.add(index)
    return chosen


def ticks(start: datetime, until: datetime, x_of: Any) -> list[tuple[float, str, str]]:
    """Dates below the line: the ends, and evenly between."""
    found = [(float(LEFT), day(start), "start")]
    count = 4 if (until - start).days >= 4 else 1
    for index in range(1, count):
        moment = start + (until - start) * index / count
        found.append((x_of(moment), day(moment), "middle"))
    if day(start) != day(until):
        found.append((float(RIGHT), day(until), "end"))
    words: set[str] = set()
    return [tick for tick in found if not (tick[1] in words or words.add(tick[1]))]  # type: ignore[func-returns-value]


def change_words(before: Decimal, after: Decimal) -> str:
    """−$20,000 (3.9 %)"""
    sign = "−" if after < before else "+"
    return f"{sign}{money(abs(after - before))} ({percent(before, after)})"


def finding(prices: Sequence[Decimal], start: datetime, until: datetime) -> str:
    """The drawing's title says what it shows: "Price fell twice in 23 days, 7.6 % in all"."""
    pairs = list(itertools.pairwise(prices))
    falls = sum(after < before for before, after in pairs)
    rises = len(pairs) - falls
    days = max((until - start).days, 0)
    span = "today" if days == 0 else "in 1 day" if days == 1 else f"in {days:,} days"
    if not pairs:
        return f"{money(prices[0])} since {day(start)}, never changed"
    first, last = prices[0], prices[-1]
    if first == last:
        total = "back at the first price"
    else:
        total = f"{percent(first, last)} {'in all' if not (falls and rises) else 'down in all' if last < first else 'up in all'}"
    done = [f"{word} {times(count)}" for word, count in (("fell", falls), ("rose", rises)) if count]
    return f"Price {' and '.join(done)} {span}, {total}"


def times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
