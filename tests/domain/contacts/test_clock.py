"""A buyer who moves keeps one daily mail a local day (PA-20)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.contacts import book
from app.domain.contacts.clock import moved_send
from app.domain.searches import saved
from app.domain.searches.schedule import Schedule, next_send

NEW_YORK, LOS_ANGELES = ZoneInfo("America/New_York"), ZoneInfo("America/Los_Angeles")
DAILY = Schedule.parse("Daily", time(7))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("old", "new", "now", "due", "why"),
    [
        (NEW_YORK, LOS_ANGELES, "2026-11-20T13:00", "2026-11-21T15:00", "today's mail went at 7 in New York"),
        (NEW_YORK, LOS_ANGELES, "2026-11-20T11:00", "2026-11-20T15:00", "today's mail has not gone yet"),
        (
            LOS_ANGELES,
            NEW_YORK,
            "2026-11-20T13:00",
            "2026-11-20T15:00",
            "7 in New York has passed: once more the old hour",
        ),
        (LOS_ANGELES, NEW_YORK, "2026-11-20T16:00", "2026-11-21T12:00", "today's mail went at 7 in Los Angeles"),
        (LOS_ANGELES, NEW_YORK, "2026-11-20T11:00", "2026-11-20T12:00", "both hours are still to come"),
    ],
)
def test_pa_20_a_move_neither_doubles_nor_skips_a_day(old, new, now, due, why):
    planned = next_send(at(now), DAILY, old)
    assert moved_send(planned, DAILY, old, new, began=LONG_AGO, now=at(now)) == at(due), why


def test_pa_20_a_search_made_after_the_old_hour_may_still_send_today():
    now = at("2026-11-20T13:00")
    planned = next_send(now, DAILY, NEW_YORK)
    due = moved_send(planned, DAILY, NEW_YORK, LOS_ANGELES, began=now - timedelta(minutes=5), now=now)
    assert due == at("2026-11-20T15:00")


@given(
    minutes=st.integers(0, 400 * 24 * 60),
    hour=st.integers(0, 23),
    old=st.sampled_from(["America/New_York", "America/Los_Angeles", "Europe/Berlin", "Pacific/Honolulu"]),
    new=st.sampled_from(["America/New_York", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata"]),
)
def test_pa_20_the_mail_after_a_move_is_on_the_next_day_that_has_none(minutes, hour, old, new):
    schedule = Schedule.parse("Daily", time(hour, 30))
    before, after = ZoneInfo(old), ZoneInfo(new)
    now = at("2026-01-01T00:00") + timedelta(minutes=minutes)
    due = moved_send(next_send(now, schedule, before), schedule, before, after, began=LONG_AGO, now=now)
    assert due > now
    assert due - now <= timedelta(hours=48), "nobody waits longer than over the date line"


def test_an_edit_of_the_zone_moves_the_next_mail(office, make):
    contact = make.contact(office, time_zone="America/New_York")
    now = at("2026-11-20T11:00")
    search = saved.create(
        office.id,
        contact.id,
        "By the water",
        {"city": ["Port Ellery"]},
        schedule_type="Daily",
        send_time=time(7),
        now=now,
    )
    values = {"first_name": "Amelia", "last_name": "Carter", "email": contact.email, "time_zone": "America/Los_Angeles"}
    book.edit(contact.id, values, office_id=office.id, now=now)
    [subscription] = book.queries.subscriptions_of(contact.id)
    assert subscription.saved_search_id == search.id
    assert subscription.next_send_timestamp == at("2026-11-20T15:00")
