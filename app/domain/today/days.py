"""Days on an office's wall, and what a number of today means beside them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

SPARK = 14
"""Days drawn, today among them."""
USUAL = (7, 14, 21, 28)
"""How many days ago the days lie that today is compared with: the same weekday, four weeks back."""


@dataclass(frozen=True)
class Window:
    """One local day in UTC: midnight to midnight, and the moment of it that had the clock time of now."""

    days_ago: int
    start: datetime
    end: datetime
    until: datetime


def windows(now: datetime, time_zone: str) -> list[Window]:
    """The days that a number needs: the last 14, and the same weekday of four weeks. Each starts at the zone's own
    midnight, also when the clock was changed that day."""
    zone = ZoneInfo(time_zone)
    wall = now.astimezone(zone).replace(tzinfo=None)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)

    def utc(local: datetime) -> datetime:
        return local.replace(tzinfo=zone).astimezone(UTC)

    return [
        Window(
            days_ago,
            utc(midnight - timedelta(days=days_ago)),
            utc(midnight - timedelta(days=days_ago - 1)),
            now if days_ago == 0 else utc(wall - timedelta(days=days_ago)),
        )
        for days_ago in sorted({*range(SPARK), *USUAL}, reverse=True)
    ]


@dataclass(frozen=True)
class Figure:
    """A number of today, its last 14 days, and the median of the same weekday by this time of day (None: the office is
    too young to say)."""

    today: int
    days: tuple[int, ...]
    usual: float | None

    @property
    def above_usual(self) -> int | None:
        return None if self.usual is None else round(self.today - self.usual)


def figure(counted: Sequence[tuple[int, int, int]]) -> Figure:
    """From (days ago, count of the day, count by this time of day)."""
    whole = {days_ago: day for days_ago, day, _ in counted}
    so_far = {days_ago: part for days_ago, _, part in counted}
    before = any(whole.get(days_ago) for days_ago in whole if days_ago)
    return Figure(
        today=whole.get(0, 0),
        days=tuple(whole.get(days_ago, 0) for days_ago in reversed(range(SPARK))),
        usual=float(median(so_far.get(days_ago, 0) for days_ago in USUAL)) if before else None,
    )
