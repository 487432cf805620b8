"""When the next mail of a subscription is due: a wall clock in the buyer's zone (PA-20). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import NamedTuple, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.errors import Invalid
from app.domain.models.lookups import ScheduleType

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Schedule:
    """Checked: a Daily or Monthly one has its time of day, and days are RESO's "Monday AM", in the order of the week."""

    schedule_type: ScheduleType = ScheduleType.ASAP
    send_time: time | None = None
    daily_schedule: tuple[str, ...] = ()

    @classmethod
    def parse(cls, schedule_type: str, send_time: time | None = None, daily_schedule: Sequence[str] = ()) -> Schedule:
        """Raises Invalid. Days may be given with or without their half; it is the send time's. All seven = every day."""
        if schedule_type not in {kind.value for kind in ScheduleType}:
            _refuse("schedule_type", f"“{schedule_type}” is not a schedule.")
        kind = ScheduleType(schedule_type)
        if kind is ScheduleType.ASAP:
            return cls()
        if send_time is None:
            _refuse("send_time", "Say at what time of day.")
        if send_time.tzinfo is not None:
            _refuse("send_time", "The time of day is the buyer’s wall clock: give it without a zone.")
        at = send_time.replace(second=0, microsecond=0)
        if kind is ScheduleType.MONTHLY:
            return cls(kind, at)
        chosen = {_weekday(value) for value in daily_schedule}
        half = "AM" if at.hour < 12 else "PM"
        days = () if len(chosen) == len(WEEKDAYS) else tuple(f"{day} {half}" for day in WEEKDAYS if day in chosen)
        return cls(kind, at, days)

    def includes(self, day: date) -> bool:
        if self.schedule_type is ScheduleType.MONTHLY:
            return day.day == 1
        return not self.daily_schedule or WEEKDAYS[day.weekday()] in {d.split()[0] for d in self.daily_schedule}


def first_zone(*names: str | None) -> ZoneInfo:
    """The first of these that is a time zone; UTC when none is (PA-20)."""
    for name in names:
        try:
            if name:
                return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            continue
    return ZoneInfo("UTC")


class Quiet(NamedTuple):
    """Quiet hours on a wall clock; they may go over midnight. The same time twice is none."""

    begin: time
    end: time

    def end_after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """When the quiet hours that hold at this moment end, in UTC; None when none do (PA-21)."""
        local = moment.astimezone(zone)
        wall, day = local.time(), local.date()
        if self.begin <= self.end:
            is_quiet = self.begin <= wall < self.end
        else:
            is_quiet = wall >= self.begin or wall < self.end
            day += timedelta(days=wall >= self.begin)
        if not is_quiet:
            return None
        ends = [datetime.combine(day, self.end.replace(fold=fold), tzinfo=zone).astimezone(UTC) for fold in (0, 1)]
        # An hour that comes twice is quiet both times when it is once.
        return next((end for end in ends if end > moment), None)

    def began_before(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """When the quiet hours that hold at this moment began, in UTC; None when none do."""
        if self.end_after(moment, zone) is None:
            return None
        day = moment.astimezone(zone).date()
        begins = [datetime.combine(day - timedelta(days=n), self.begin, tzinfo=zone).astimezone(UTC) for n in (0, 1)]
        return next((begin for begin in begins if begin <= moment), None)


def next_send(after: datetime, schedule: Schedule, zone: ZoneInfo) -> datetime | None:
    """The first due moment strictly after `after`, in UTC; None for ASAP, which every run serves (PA-20).

    One on each local day: a wall time that a clock change skips is read on the clock before it (02:30 becomes 03:30),
    one that comes twice is its first.
    """
    return next((due for due in _due(after, schedule, zone, 1) if due > after), None)


def last_send(before: datetime, schedule: Schedule, zone: ZoneInfo) -> datetime | None:
    """The last due moment at or before `before`, in UTC; None for ASAP."""
    return next((due for due in _due(before, schedule, zone, -1) if due <= before), None)


def _due(start: datetime, schedule: Schedule, zone: ZoneInfo, step: int) -> Iterator[datetime]:
    if schedule.send_time is None:
        return
    first = start.astimezone(zone).date() - timedelta(days=step)
    for days in count():
        day = first + timedelta(days=days * step)
        if schedule.includes(day):
            yield datetime.combine(day, schedule.send_time, tzinfo=zone).astimezone(UTC)


def _weekday(value: str) -> str:
    day, _, half = value.partition(" ")
    if day not in WEEKDAYS or half not in {"", "AM", "PM"}:
        _refuse("daily_schedule", f"“{value}” is not a day of the week.")
    return day


def _refuse(field: str, sentence: str) -> NoReturn:
    raise Invalid(sentence, field=field)
