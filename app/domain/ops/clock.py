"""When things are due: pure arithmetic on cron lines in a named zone. No clock is read here, no row either."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from croniter import croniter

LOOK_BACK = (timedelta(minutes=5), timedelta(hours=1), timedelta(hours=26), timedelta(days=8), timedelta(days=400))
A_MINUTE = timedelta(minutes=1)
LONGEST_GAP = timedelta(days=400)
AHEAD = timedelta(minutes=1)
"""What lies further ahead of the clock than this was written by one that was wrong."""
MOST_COUNTED = 10_000
"""Due times are counted no further: a minute's line makes half a million a year."""


Span = tuple[datetime, datetime]
"""From, to: a due time at the first moment lies outside, at the last one inside."""


@dataclass(frozen=True)
class Line:
    """One line of the schedule. `grace_seconds`: a due time this long past without a success is overdue."""

    name: str
    kind: str
    cron: str
    time_zone: str
    grace_seconds: int


def occurrences(cron: str, time_zone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """The due times in (after, until], in UTC, in order.

    Across a change of clocks: a wall time that does not exist moves to the first minute after the gap; a wall time
    that exists twice counts once, the first time. A line of every hour or of every few minutes goes by the wall times
    that there are, however often.
    """
    steps = croniter(cron, after.astimezone(ZoneInfo(time_zone)), ret_type=datetime)
    names_its_hour = cron.split()[1] != "*"
    while True:
        wall: datetime = steps.get_next(datetime)
        due = wall.astimezone(UTC)
        if due > until:
            return
        if due > after and not (names_its_hour and _is_second_of_two(wall)):
            yield due


def spans(after: datetime, until: datetime, pauses: Iterable[Span]) -> list[Span]:
    """The parts of (after, until] that lie outside the pauses, in order. Of a pause, its end still belongs to it."""
    found = []
    for begin, end in sorted(pauses):
        if begin > after and begin <= until:
            found.append((after, begin))
        after = max(after, end)
    return [*found, (after, until)] if after < until else found


def owed(cron: str, time_zone: str, after: datetime, until: datetime, pauses: Iterable[Span]) -> Iterator[datetime]:
    """The due times in (after, until] that fell into no pause."""
    for begin, end in spans(after, until, pauses):
        yield from occurrences(cron, time_zone, begin, end)


def last_owed(cron: str, time_zone: str, until: datetime, since: datetime, pauses: Iterable[Span]) -> datetime | None:
    """The newest due time in (since, until] that fell into no pause, or None."""
    for begin, end in reversed(spans(since, until, pauses)):
        newest = last_due(cron, time_zone, end, begin)
        if newest is not None:
            return newest
    return None


def next_due(cron: str, time_zone: str, after: datetime) -> datetime:
    """The first due time after `after`."""
    return next(occurrences(cron, time_zone, after, after + LONGEST_GAP))


def is_ahead(cron: str, time_zone: str, last: datetime | None, upcoming: datetime | None, now: datetime) -> bool:
    """These two due times, the last and the next of a line, were made by a clock that was ahead: a due time of the future
    was taken, or one that comes first left out. Until the time is there the line would stand still."""
    if last is not None and last > now + AHEAD:
        return True
    return upcoming is not None and upcoming > now + AHEAD and upcoming > next_due(cron, time_zone, now + AHEAD)


def last_due(cron: str, time_zone: str, until: datetime, since: datetime) -> datetime | None:
    """The newest due time in (since, until], or None.

    Looks forward from further and further back: croniter's own backward steps go wrong around a change of clocks.
    """
    for reach in LOOK_BACK:
        start = max(since, until - reach)
        newest = deque(occurrences(cron, time_zone, start, until), maxlen=1)
        if newest:
            return newest[0]
        if start == since:
            break
    return None


def count_due(cron: str, time_zone: str, after: datetime, until: datetime) -> int:
    """How many due times lie in (after, until]; counting stops at MOST_COUNTED."""
    return sum(1 for _ in islice(occurrences(cron, time_zone, after, until), MOST_COUNTED))


def next_of_all(lines: Iterable[Line], after: datetime, limit: int = 10) -> list[tuple[datetime, Line]]:
    """The next due times of all lines together, in order. A line that is due each minute stands there once, with its
    next one: it would take all the places."""
    upcoming = []
    for place, line in enumerate(lines):
        moments = list(islice(occurrences(line.cron, line.time_zone, after, after + LONGEST_GAP), limit))
        shown = moments[:1] if is_each_minute(moments) else moments
        upcoming += [(moment, place, line) for moment in shown]
    return [(moment, line) for moment, _, line in sorted(upcoming, key=lambda each: each[:2])[:limit]]


def is_each_minute(moments: Sequence[datetime]) -> bool:
    return len(moments) > 2 and all(after - one <= A_MINUTE for one, after in pairwise(moments))


def _is_second_of_two(wall: datetime) -> bool:
    """The repeated hour of an autumn night, seen for the second time."""
    return wall.replace(fold=0).astimezone(UTC) < wall.astimezone(UTC)
