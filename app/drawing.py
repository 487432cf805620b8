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


def draw_spark(points: Sequence[Number], *, from_zero: bool = False) -> Spark:
    """A line in a box of 120 × 28, lowest point at the bottom, or zero; a flat row of numbers is a flat line in the
    middle."""
    values = [float(point or 0) for point in points] or [0.0]
    low, high = 0.0 if from_zero and min(values) < max(values) else min(values), max(values)
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


def draw_stacks(rows: Sequence[tuple[str, Number, Number, str]]) -> dict[str, Any]:
    """Bars from zero, oldest left, each of two parts: what went well, and on top what did not; and where each leads. A
    part that is there is seen: it is at least a pixel and a half high."""
    frame = Frame(ceiling(max((well + ill for _, well, ill, _ in rows), default=0)))
    step = (frame.width - frame.left) / max(len(rows), 1)
    width = round(min(step * 0.72, 40), 1)
    floor = frame.y(0)
    bars = []
    for index, (label, well, ill, url) in enumerate(rows):
        middle = round(frame.left + step * (index + 0.5), 1)
        ill_height = max(floor - frame.y(ill), 1.5) if ill else 0.0
        well_height = max(floor - frame.y(well), 1.5) if well else 0.0
        sticks_out = middle + len(label) * LETTER / 2 > frame.width
        bars.append(
            {
                "label": label,
                "well": well,
                "ill": ill,
                "url": url,
                "x": round(middle - width / 2, 1),
                "width": width,
                "well_y": round(floor - well_height, 1),
                "well_height": round(well_height, 1),
                "ill_y": round(floor - well_height - ill_height, 1),
                "ill_height": round(ill_height, 1),
                "label_x": frame.width if sticks_out else middle,
                "anchor": "end" if sticks_out else "middle",
                "shows_label": _shows_label(index, len(rows)),
            }
        )
    return _box(frame) | {"bars": bars}


def draw_lines(rows: Sequence[tuple[str, Number | None, Number | None]]) -> dict[str, Any]:
    """Two lines from zero, oldest left, the second the higher one. Where there is no number there is no line: a point
    that stands alone is drawn as a dot."""
    frame = Frame(ceiling(max((value for row in rows for value in row[1:] if value is not None), default=0)))
    stride = (frame.width - frame.left - 8) / max(len(rows) - 1, 1)

    def spots(place: int) -> list[tuple[float, float] | None]:
        return [
            (round(frame.left + 4 + stride * index, 1), frame.y(value)) if isinstance(value, int | float) else None
            for index, value in enumerate(row[place] for row in rows)
        ]

    def path(points: list[tuple[float, float] | None]) -> str:
        return "".join(
            f"{'L' if before else 'M'}{point[0]} {point[1]}"
            for before, point in zip([None, *points], points, strict=False)
            if point
        )

    upper = spots(2)
    alone = [
        {"x": point[0], "y": point[1]}
        for before, point, after in zip([None, *upper], upper, [*upper[1:], None], strict=False)
        if point and not before and not after
    ]

    labels = [
        {
            "label": row[0],
            "x": round(frame.left + 4 + stride * index, 1),
            "anchor": "start" if index == 0 else "end" if index == len(rows) - 1 else "middle",
        }
        for index, row in enumerate(rows)
        if _shows_label(index, len(rows))
    ]
    return _box(frame) | {"lower": path(spots(1)), "upper": path(upper), "alone": alone, "labels": labels}


def _box(frame: Frame) -> dict[str, Any]:
    return {"top": frame.top, "width": frame.width, "height": frame.height, "left": frame.left, "grid": frame.grid}


GLOBALS = {
    "draw_spark": draw_spark,
    "draw_bars": draw_bars,
    "draw_line": draw_line,
    "draw_stacks": draw_stacks,
    "draw_lines": draw_lines,
}
