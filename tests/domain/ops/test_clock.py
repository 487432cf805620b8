"""When things are due, across changes of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.ops.clock import Line, last_due, next_due, next_of_all, occurrences

NEW_YORK = "America/New_York"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "day", "expected"),
    [
        # Spring, 8 March 2026: 02:00–03:00 does not exist in New York.
        ("15 3 * * *", utc(2026, 3, 8, 5), [utc(2026, 3, 8, 7, 15)]),
        ("30 2 * * *", utc(2026, 3, 8, 5), [utc(2026, 3, 8, 7, 0)]),
        ("30 1 * * *", utc(2026, 3, 8, 5), [utc(2026, 3, 8, 6, 30)]),
        # Autumn, 1 November 2026: 01:00–02:00 exists twice.
        ("15 3 * * *", utc(2026, 11, 1, 4), [utc(2026, 11, 1, 8, 15)]),
        ("30 1 * * *", utc(2026, 11, 1, 4), [utc(2026, 11, 1, 5, 30)]),
    ],
)
def test_a_nightly_line_is_due_once_on_the_days_that_clocks_change(cron, day, expected):
    assert list(occurrences(cron, NEW_YORK, day, day + timedelta(hours=24))) == expected


@pytest.mark.parametrize("day", [utc(2026, 3, 8, 5), utc(2026, 11, 1, 4)])
def test_a_quarter_hourly_line_never_pauses_or_doubles_when_clocks_change(day):
    due = list(occurrences("*/15 * * * *", NEW_YORK, day, day + timedelta(hours=24)))
    assert due == [day + timedelta(minutes=15 * n) for n in range(1, 97)]


@pytest.mark.parametrize("cron", ["*/15 * * * *", "15 3 * * *", "30 2 * * *", "30 1 * * *", "0 */6 * * 1"])
def test_last_and_next_due_agree_with_the_list_of_due_times(cron):
    for start in (utc(2026, 3, 6, 12), utc(2026, 10, 30, 12)):
        due = list(occurrences(cron, NEW_YORK, start, start + timedelta(days=5)))
        for minutes in range(0, 4 * 24 * 60, 47):
            now = start + timedelta(minutes=minutes, seconds=13)
            assert last_due(cron, NEW_YORK, now, start) == max((d for d in due if d <= now), default=None)
            following = [d for d in due if d > now]
            if following:
                assert next_due(cron, NEW_YORK, now) == following[0]


def test_a_due_time_is_due_at_its_very_second():
    due = utc(2026, 11, 20, 15, 45)
    assert last_due("*/15 * * * *", "UTC", due, due - timedelta(hours=1)) == due
    assert next_due("*/15 * * * *", "UTC", due) == due + timedelta(minutes=15)


def test_the_next_due_times_of_all_lines_leave_each_its_share():
    """A line of every minute must not hide the others."""
    sweep, alerts, nightly = (
        Line("sweep", "sweep", "* * * * *", "UTC", 240),
        Line("alerts", "alerts", "*/15 * * * *", "UTC", 600),
        Line("retention", "retention", "15 3 * * *", "UTC", 3600),
    )
    now = datetime(2026, 11, 20, 10, 40, tzinfo=UTC)
    found = [(f"{moment:%d %H:%M}", line.name) for moment, line in next_of_all([sweep, alerts, nightly], now, 7)]
    assert found == [
        ("20 10:41", "sweep"),
        ("20 10:45", "alerts"),
        ("20 11:00", "alerts"),
        ("20 11:15", "alerts"),
        ("20 11:30", "alerts"),
        ("20 11:45", "alerts"),
        ("20 12:00", "alerts"),
    ]
    assert len(next_of_all([nightly], now)) == 10
    assert next_of_all([], now) == []
