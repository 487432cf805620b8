"""What goes with a run and what waits, as arithmetic."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from app.domain.digests.cadence.plan import Buyer, Limits, Quiet, Wait, plan, served_day, too_old, wait_of
from app.domain.models import WaitsFor
from app.domain.searches.schedule import Schedule, ScheduleType, next_send

NEW_YORK = ZoneInfo("America/New_York")
NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
NIGHT = Quiet(time(21), time(8))
BUYER = Buyer(zone=NEW_YORK, quiet=NIGHT)
HOUR = timedelta(hours=1)


def local(text: str, zone: ZoneInfo = NEW_YORK, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


def row(number=1, schedule="ASAP", **values) -> SimpleNamespace:
    usual = {
        "alert_subscription_id": number,
        "schedule_type": schedule,
        "active_yn": True,
        "concierge_yn": False,
        "waits_until": None,
        "waits_for": None,
        "newest": NOON,
    }
    return SimpleNamespace(**usual | values)


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-11-20 20:59:59", None),
        ("2026-11-20 21:00", "2026-11-21 08:00"),
        ("2026-11-21 00:30", "2026-11-21 08:00"),
        ("2026-11-21 07:59:59", "2026-11-21 08:00"),
        ("2026-11-21 08:00", None),
        ("2026-10-31 22:00", "2026-11-01 08:00"),  # that night has 25 hours
        ("2026-03-07 22:00", "2026-03-08 08:00"),  # and that one 23
    ],
)
def test_pa_21_quiet_hours_are_read_on_the_buyers_wall(moment, end):
    assert NIGHT.end_after(local(moment), NEW_YORK) == (local(end) if end else None)


def test_pa_21_an_end_that_comes_twice_or_never_is_still_ahead():
    twice = Quiet(time(23), time(1, 30))
    assert twice.end_after(local("2026-11-01 01:10"), NEW_YORK) == local("2026-11-01 01:30")
    assert twice.end_after(local("2026-11-01 01:10", fold=1), NEW_YORK) == local("2026-11-01 01:30", fold=1)
    skipped = Quiet(time(23), time(2, 30))
    assert skipped.end_after(local("2026-03-08 01:00"), NEW_YORK) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


def test_pa_21_the_same_hour_twice_is_no_quiet_hour_at_all():
    for hour in range(24):
        assert Quiet(time(9), time(9)).end_after(NOON + hour * HOUR, NEW_YORK) is None


@pytest.mark.parametrize(
    ("changed", "wait"),
    [
        ({}, None),
        ({"last_window": NOON - HOUR, "last_at": NOON - HOUR}, None),
        ({"last_window": NOON - HOUR / 4, "last_at": NOON}, Wait(NOON + HOUR * 3 / 4, WaitsFor.HOUR)),
        ({"last_window": NOON - HOUR, "last_at": NOON - HOUR / 4}, Wait(NOON + HOUR * 2 / 3, WaitsFor.HOUR)),
        ({"today": 3}, None),
        ({"today": 4}, Wait(local("2026-11-21 07:00"), WaitsFor.DAY)),
        ({"today": 4, "next_daily": local("2026-11-20 18:00")}, Wait(local("2026-11-20 18:00"), WaitsFor.DAY)),
        ({"today": 4, "next_daily": local("2026-11-30 18:00")}, Wait(local("2026-11-21 07:00"), WaitsFor.DAY)),
        ({"quiet": Quiet(time(12), time(13))}, Wait(local("2026-11-20 13:00"), WaitsFor.QUIET)),
    ],
)
def test_pa_10_an_hour_and_a_day_have_their_number(changed, wait):
    assert wait_of(NOON, NOON, replace(BUYER, **changed)) == wait


def test_pa_10_the_limits_are_settings():
    buyer = replace(
        BUYER, limits=Limits(timedelta(minutes=15), 9), last_window=NOON - HOUR / 4, last_at=NOON - HOUR / 4
    )
    assert wait_of(NOON, NOON, replace(buyer, today=8)) is None
    assert wait_of(NOON, NOON, replace(buyer, today=9)) is not None


def test_pa_08_a_daily_mail_that_goes_anyway_takes_along_what_would_wait():
    daily, instant = row(1, "Daily"), row(2)
    found = plan([daily, instant], replace(BUYER, today=4), NOON, NOON)
    assert (found.taken, found.held, found.is_instant) == ([daily, instant], [], False)


def test_pa_26_what_is_older_than_72_hours_goes_with_the_daily_mail():
    old, young = row(newest=NOON - timedelta(hours=72, minutes=1)), row(newest=NOON - timedelta(hours=72))
    found = plan([old, young], BUYER, NOON, NOON)
    assert found.taken == [young]
    assert found.held == [(old, Wait(local("2026-11-21 07:00"), WaitsFor.AGE))]
    again = row(newest=None, waits_until=local("2026-11-21 07:00"), waits_for="age")
    seven = local("2026-11-21 07:00")  # a quiet hour: the daily mail is none of those it holds
    assert plan([again], BUYER, seven, seven).taken == [again]
    assert not plan([again], BUYER, seven, seven).is_instant


def test_what_ended_is_accounted_for_at_any_hour():
    ended = row(active_yn=False)
    found = plan([ended], BUYER, local("2026-11-20 23:00"), local("2026-11-20 23:00"))
    assert (found.taken, found.is_instant) == ([ended], False)


def test_what_an_agent_approves_first_needs_no_hour():
    asked = row(concierge_yn=True)
    found = plan([asked], replace(BUYER, today=4), NOON, NOON)
    assert (found.taken, found.is_instant) == ([asked], False)


def test_pa_20_what_had_its_mail_of_the_day_waits():
    served, other = row(1, "Daily"), row(2, "Daily")
    assert plan([served, other], BUYER, NOON, NOON, frozenset({1})).taken == [other]


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland", "Europe/London", "Asia/Kathmandu"])
@pytest.mark.parametrize("at", [time(0), time(1, 30), time(2, 30), time(23, 59)])
def test_pa_20_each_local_day_of_a_year_is_served_once(zone, at):
    schedule, zone = Schedule(ScheduleType.DAILY, at), ZoneInfo(zone)
    due = next_send(datetime(2026, 1, 1, tzinfo=UTC), schedule, zone)
    days = []
    for _ in range(380):
        days.append(served_day(due + timedelta(seconds=7), due, schedule, zone))
        due = next_send(due, schedule, zone)
    assert days == [days[0] + timedelta(days=n) for n in range(380)]


@pytest.mark.parametrize(("old", "new"), [("America/New_York", "Asia/Tokyo"), ("America/New_York", "Pacific/Honolulu")])
@pytest.mark.parametrize("hour", range(24))
def test_pa_20_a_zone_changed_in_the_middle_of_a_day_gives_no_day_two_mails(old, new, hour):
    """Whatever the next due moment is made of, the date decides."""
    schedule = Schedule(ScheduleType.DAILY, time(18))
    moved = datetime(2026, 6, 10, hour, 20, tzinfo=UTC)
    served, mails = None, []
    zone = ZoneInfo(old)
    due = next_send(datetime(2026, 6, 8, tzinfo=UTC), schedule, zone)
    while due < datetime(2026, 6, 14, tzinfo=UTC):
        if due > moved:
            zone = ZoneInfo(new)
        day = served_day(due, due, schedule, zone)
        if served is None or day > served:
            mails.append(due)
            served = day
        due = next_send(due, schedule, zone)
    days = [mail.astimezone(ZoneInfo(old if mail <= moved else new)).date() for mail in mails]
    assert len(set(days)) == len(days)
    assert all((later - earlier).days <= 2 for earlier, later in pairwise(days))


@pytest.mark.parametrize(
    ("schedule", "weekdays", "days", "is_old"),
    [
        ("ASAP", 0, 6.9, False),
        ("ASAP", 0, 7.1, True),
        ("Daily", 0, 7.1, False),
        ("Daily", 0, 8.1, True),
        ("Daily", 1, 13, False),
        ("Daily", 1, 15, True),
        ("Monthly", 0, 37, False),
        ("Monthly", 0, 39, True),
    ],
)
def test_pa_26_a_week_is_too_old_beyond_what_the_schedule_itself_waits(schedule, weekdays, days, is_old):
    assert too_old(NOON - timedelta(days=days), schedule, weekdays, NOON) is is_old


def test_the_served_day_of_a_window_that_comes_late_is_that_of_its_last_hour():
    schedule = Schedule(ScheduleType.DAILY, time(18))
    planned = local("2026-11-17 18:00")
    assert served_day(local("2026-11-20 12:00"), planned, schedule, NEW_YORK) == date(2026, 11, 19)
