"""Days on the office's wall, and what a number means beside a usual weekday."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.today.days import SPARK, USUAL, figure, windows

NEW_YORK = "America/New_York"


def test_today_begins_at_the_offices_midnight():
    now = datetime(2026, 11, 20, 3, 30, tzinfo=UTC)  # still the 19th in New York
    today = windows(now, NEW_YORK)[-1]
    assert today.days_ago == 0
    assert today.start == datetime(2026, 11, 19, 5, tzinfo=UTC)
    assert today.end == datetime(2026, 11, 20, 5, tzinfo=UTC)
    assert today.until == now


def test_fourteen_days_are_drawn_and_four_weeks_compared():
    found = {window.days_ago for window in windows(datetime(2026, 11, 20, 15, tzinfo=UTC), NEW_YORK)}
    assert found == set(range(SPARK)) | set(USUAL)


@pytest.mark.parametrize(
    ("now", "days_ago", "hours"),
    [
        (datetime(2026, 11, 3, 15, tzinfo=UTC), 2, 25),  # the clock went back on November 1
        (datetime(2026, 3, 10, 15, tzinfo=UTC), 2, 23),  # and forward on March 8
        (datetime(2026, 6, 10, 15, tzinfo=UTC), 2, 24),
    ],
)
def test_a_day_is_as_long_as_its_wall_clock_says(now, days_ago, hours):
    day = next(window for window in windows(now, NEW_YORK) if window.days_ago == days_ago)
    assert day.end - day.start == timedelta(hours=hours)


def test_an_earlier_day_is_compared_up_to_the_same_time_on_the_wall():
    now = datetime(2026, 11, 6, 15, 30, tzinfo=UTC)  # 10:30 in winter time
    before = next(window for window in windows(now, NEW_YORK) if window.days_ago == 7)
    assert before.until == datetime(2026, 10, 30, 14, 30, tzinfo=UTC)  # 10:30 in summer time


def test_usual_is_the_median_of_the_same_weekday_by_this_time():
    counted = [(0, 9, 9), (7, 20, 4), (14, 30, 6), (21, 20, 8), (28, 90, 60), (1, 50, 50)]
    found = figure(counted)
    assert found.today == 9
    assert found.usual == 7
    assert found.above_usual == 2
    assert len(found.days) == SPARK
    assert found.days[-1] == 9
    assert found.days[-2] == 50


def test_a_young_office_has_nothing_to_compare_with():
    assert figure([(0, 9, 9)]).usual is None
    assert figure([(0, 9, 9)]).above_usual is None
    assert figure([]).today == 0
