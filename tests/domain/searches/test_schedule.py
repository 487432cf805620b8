"""When a mail is due: a wall clock in the buyer's zone (PA-20)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import Invalid
from app.domain.searches.schedule import Schedule, last_send, next_send

NEW_YORK = ZoneInfo("America/New_York")


def daily(at: time, *days: str) -> Schedule:
    return Schedule.parse("Daily", at, days)


def dues(after: datetime, schedule: Schedule, zone: ZoneInfo, count: int) -> list[datetime]:
    found = []
    for _ in range(count):
        after = next_send(after, schedule, zone)
        found.append(after)
    return found


def test_t10_an_hour_that_the_clock_skips_is_sent_once_on_the_next():
    """Daily 02:30 in New York on 8 March 2026: one mail, at 03:30 EDT."""
    found = dues(datetime(2026, 3, 7, 12, tzinfo=UTC), daily(time(2, 30)), NEW_YORK, 3)
    assert found == [
        datetime(2026, 3, 8, 7, 30, tzinfo=UTC),
        datetime(2026, 3, 9, 6, 30, tzinfo=UTC),
        datetime(2026, 3, 10, 6, 30, tzinfo=UTC),
    ]
    assert found[0].astimezone(NEW_YORK).time() == time(3, 30)


def test_t10_an_hour_that_comes_twice_is_sent_the_first_time_only():
    """Daily 01:30 on 1 November 2026: 05:30Z, not again at 06:30Z."""
    found = dues(datetime(2026, 10, 31, 12, tzinfo=UTC), daily(time(1, 30)), NEW_YORK, 2)
    assert found == [datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 2, 6, 30, tzinfo=UTC)]


@settings(max_examples=60)
@given(
    zone=st.sampled_from(
        ("America/New_York", "America/Phoenix", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu")
    ),
    at=st.times().map(lambda moment: moment.replace(second=0, microsecond=0)),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
)
def test_pa_20_every_local_day_has_exactly_one_due_moment(zone, at, start):
    zone = ZoneInfo(zone)
    start = start.replace(tzinfo=UTC)
    found = dues(start, daily(at), zone, 10)
    first = found[0].astimezone(zone).date()
    assert [due.astimezone(zone).date() for due in found] == [first + timedelta(days=n) for n in range(10)]
    for before, after in zip([start, *found], found, strict=False):
        assert before < after
        assert last_send(after, daily(at), zone) == after
        assert last_send(after - timedelta(seconds=1), daily(at), zone) <= before


def test_chosen_days_are_local_days_and_name_the_half_of_the_send_time():
    schedule = daily(time(19, 5, 40), "Monday", "Thursday AM")
    assert schedule.daily_schedule == ("Monday PM", "Thursday PM")
    assert schedule.send_time == time(19, 5)
    found = dues(datetime(2026, 11, 20, tzinfo=UTC), schedule, NEW_YORK, 3)
    # Friday in UTC is still Thursday evening in New York.
    assert [due.astimezone(NEW_YORK).strftime("%a %H:%M") for due in found] == ["Thu 19:05", "Mon 19:05", "Thu 19:05"]


def test_all_seven_days_are_every_day():
    assert daily(time(7), "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday") == daily(
        time(7)
    )


def test_monthly_is_the_first_of_the_month():
    found = dues(datetime(2026, 11, 20, tzinfo=UTC), Schedule.parse("Monthly", time(7)), NEW_YORK, 2)
    assert [due.astimezone(NEW_YORK).date() for due in found] == [date(2026, 12, 1), date(2027, 1, 1)]


def test_as_it_happens_has_no_due_moment():
    assert next_send(datetime(2026, 11, 20, tzinfo=UTC), Schedule.parse("ASAP", time(7)), NEW_YORK) is None
    assert Schedule.parse("ASAP", time(7), ["Monday"]) == Schedule()


@pytest.mark.parametrize(
    ("given_schedule", "field"),
    [
        (("Weekly", time(7)), "schedule_type"),
        (("Daily", None), "send_time"),
        (("Monthly", None), "send_time"),
        (("Daily", time(7, tzinfo=UTC)), "send_time"),
        (("Daily", time(7), ["Someday"]), "daily_schedule"),
        (("Daily", time(7), ["Monday noon"]), "daily_schedule"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(given_schedule, field):
    with pytest.raises(Invalid) as refused:
        Schedule.parse(*given_schedule)
    assert refused.value.field == field
