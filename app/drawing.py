"""The geometry of charts: numbers in, coordinates out. Pure; the macros in templates/components/charts.html draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Number = float | int
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 176, 44, 12, 20
LETTER = 7
"""The width of a letter of a label, rather too much than too little."""
LABELS = 7
"""At most so many labels below a chart, the newest always among them."""


@dataclass(frozen=True)
class Spark:
    path: str
    last: str


def draw_spark(points: Sequence[Number]) -> Spark:
    """A line in a box of 120 × 28, lowest point at the bottom; a flat row of numbers is a flat line in the middle."""
    values = [float(point or 0) for point in points] or [0.0]
    low, high = min(values), max(values)
    step = 116 / max(len(values) - 1, 1)
    span = high - low
    spots = [(1 + index * step, 24 - 20 * (value - low) / span if span else 14.0) for index, value in enumerate(values)]
    return Spark("M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in spots), f"M{spots[-1][0]:.1f} {spots[-1][1]:.1f}h.01")


def ceiling(value: Number) -> int:
    """The next round number: 1, 2, 4, 5 or 8 times a power of ten, so that half of it is whole or short."""
    if value <= 2:
        return 2
    power = 10 ** math.floor(math.log10(value))
    return next(int(step * power) for step in (1, 2, 4, 5, 8, 10) if step * power >= value)


@dataclass(frozen=True)
class Frame:
    """A chart's box, its lowest and highest value and the rules between."""

    top: int
    bottom: int = 0
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT

    @property
    def grid(self) -> list[dict[str, Any]]:
        middle = (self.bottom + self.top) / 2
        values = (self.bottom, int(middle), self.top) if middle.is_integer() else (self.bottom, self.top)
        return [{"value": value, "y": self.y(value)} for value in values]

    def y(self, value: Number) -> float:
        floor = self.height - BOTTOM
        return round(floor - (floor - TOP) * (float(value) - self.bottom) / (self.top - self.bottom), 1)


def _shows_label(index: int, count: int, labels: int = LABELS) -> bool:
    stride = math.ceil(count / labels)
    return (count - 1 - index) % stride == 0


def draw_bars(rows: Sequence[tuple[str, Number]], *, narrow: bool = False) -> dict[str, Any]:
    """Bars from zero, oldest left. `narrow` is drawn for a side column, so that its words keep their size."""
    top = ceiling(max((value or 0 for _, value in rows), default=0))
    frame = Frame(top, width=336, height=104, left=24) if narrow else Frame(top)
    step = (frame.width - frame.left) / max(len(rows), 1)
    width = round(min(step * 0.68, 40), 1)
    floor = frame.y(0)

    def place(label: str, middle: float) -> dict[str, Any]:
        """Under its bar; where it would stick out at the right, it ends at the edge."""
        if middle + len(label) * LETTER / 2 > frame.width:
            return {"label_x": frame.width, "anchor": "end"}
        return {"label_x": middle, "anchor": "middle"}

    bars = [
        {
            "label": label,
            "value": value,
            "x": round(frame.left + step * index + (step - width) / 2, 1),
            "width": width,
            "y": frame.y(value or 0),
            "height": round(floor - frame.y(value or 0), 1),
            "shows_label": _shows_label(index, len(rows), 4 if narrow else LABELS),
        }
        | place(label, round(frame.left + step * (index + 0.5), 1))
        for index, (label, value) in enumerate(rows)
    ]
    return {"top": frame.top, "width": frame.width, "height": frame.height, "left": frame.left, "grid": frame.grid} | {
        "bars": bars
    }


def draw_line(rows: Sequence[tuple[str, Number]], *, from_zero: bool = True) -> dict[str, Any]:
    """A line, oldest left, its newest point marked. `from_zero=False` for what never comes near zero, like a price."""
    values: list[Number] = [value or 0 for _, value in rows]
    if from_zero or not values or max(values) == min(values):
        frame = Frame(ceiling(max(values, default=0)))
    else:
        step = ceiling((max(values) - min(values)) / 2)
        floor_value = math.floor(min(values) / step) * step
        frame = Frame(floor_value + step * math.ceil((max(values) - floor_value) / step), bottom=floor_value)
    stride = (frame.width - frame.left - 8) / max(len(rows) - 1, 1)
    spots = [(round(frame.left + stride * index, 1), frame.y(value or 0)) for index, (_, value) in enumerate(rows)]
    path = "M" + " ".join(f"{x} {y}" for x, y in spots) if spots else ""
    base = frame.y(frame.bottom)
    labels = [
        {
            "label": label,
            "x": spots[index][0],
            "anchor": "start" if index == 0 else "end" if index == len(rows) - 1 else "middle",
        }
        for index, (label, _) in enumerate(rows)
        if _shows_label(index, len(rows))
    ]
    return {"top": frame.top, "width": frame.width, "height": frame.height, "left": frame.left, "grid": frame.grid} | {
        "bottom": frame.bottom,
        "path": path,
        "area": f"{path} {spots[-1][0]} {base} {spots[0][0]} {base}Z" if spots else "",
        "labels": labels,
        "last": {"x": spots[-1][0], "y": spots[-1][1]} if spots else None,
    }


GLOBALS = {"draw_spark": draw_spark, "draw_bars": draw_bars, "draw_line": draw_line}
