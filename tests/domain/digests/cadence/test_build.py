"""When mails are made: by day and by night, for one buyer over days."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from app.domain.contacts import book
from app.domain.digests.build import build_some
from app.domain.models import AlertMatch, SavedSearch
from app.domain.searches.schedule import Schedule, ScheduleType, next_send
from app.extensions import db as database
from tests.domain.digests.world import build, digests, items, messages, outcomes, subscribe

pytestmark = pytest.mark.usefixtures("usual_limits")
QUARTER = timedelta(minutes=15)


def at(text: str, zone: str = "America/New_York") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.fixture
def buyer(make, office):
    return make.contact(office, email="amelia@example.com")


@pytest.fixture
def tell(make, office):
    """Something happens, and waits for these subscriptions."""

    def tell(when: datetime, *subscriptions) -> object:
        home = make.listing(office)
        event = make.event(home, 1, recorded_at=when, occurred_at=when)
        for subscription in subscriptions:
            make.match(subscription, event)
        return event

    return tell


def run(since: datetime, until: datetime) -> list[datetime]:
    """Every run of alerts from one moment to another, both included; the windows in which a mail was made."""
    sent, window = [], since
    while window <= until:
        built = build(window)
        if built and built["messages"]:
            sent.append(window)
        window += QUARTER
    return sent


def waits(db) -> set[tuple[str, datetime]]:
    found = db.session.execute(
        select(AlertMatch.waits_for, AlertMatch.waits_until).where(AlertMatch.digest_id.is_(None))
    )
    return {(why, until) for why, until in found}


def test_pa_10_a_buyer_has_one_instant_mail_an_hour_and_nothing_is_lost(buyer, tell):
    watching = subscribe(buyer)
    for n in range(8):
        tell(at("2026-11-20 10:00") + n * QUARTER, watching)
        build(at("2026-11-20 10:00") + n * QUARTER)
    assert [digest.window_end for digest in digests()] == [at("2026-11-20 10:00"), at("2026-11-20 11:00")]
    build(at("2026-11-20 12:00"))
    assert [digest.items_shown for digest in digests()] == [1, 4, 3]


@pytest.mark.parametrize("state", ["dropped", "suppressed", "expired", "failed"])
def test_pa_10_a_mail_that_never_went_takes_nobody_s_hour(buyer, tell, db, state):
    watching = subscribe(buyer)
    tell(at("2026-11-20 10:00"), watching)
    build(at("2026-11-20 10:00"))
    messages()[0].state = state
    db.session.commit()
    tell(at("2026-11-20 10:15"), watching)
    assert build(at("2026-11-20 10:15"))["messages"] == 1


def test_pa_10_a_digest_with_nothing_to_say_takes_nobody_s_hour(buyer, tell):
    tell(at("2026-11-20 10:00"), subscribe(buyer, "Drops only", kinds=2))
    assert build(at("2026-11-20 10:00"))["empty"] == 1
    tell(at("2026-11-20 10:15"), subscribe(buyer))
    assert build(at("2026-11-20 10:15"))["messages"] == 1


def test_pa_10_after_four_the_rest_of_the_day_goes_with_the_daily_mail_and_is_not_told_again_t5(buyer, tell, db):
    watching = subscribe(buyer)
    daily = subscribe(
        buyer, "Daily", schedule_type="Daily", send_time=time(18), next_send_timestamp=at("2026-11-20 18:00")
    )
    for hour in range(6):
        window = at("2026-11-20 09:00") + timedelta(hours=hour)
        tell(window, watching, daily)
        build(window)
    assert len(messages()) == 4
    assert waits(db) == {("day", at("2026-11-20 18:00")), (None, None)}
    assert run(at("2026-11-20 15:00"), at("2026-11-20 20:00")) == [at("2026-11-20 18:00")]
    last = digests()[-1]
    assert last.items_shown == 2
    assert not last.is_instant
    assert sorted(item.drop_reason for item in items(last) if item.drop_reason) == ["already_told"] * 4


def test_pa_10_without_a_daily_mail_the_rest_goes_at_seven_the_next_day(buyer, tell):
    watching = subscribe(buyer)
    for hour in range(6):
        tell(at("2026-11-20 09:00") + timedelta(hours=hour), watching)
        build(at("2026-11-20 09:00") + timedelta(hours=hour))
    assert run(at("2026-11-20 14:15"), at("2026-11-21 09:00")) == [at("2026-11-21 07:00")]
    assert digests()[-1].items_shown == 2
    tell(at("2026-11-21 09:00"), watching)
    assert run(at("2026-11-21 09:00"), at("2026-11-21 09:00")) == [at("2026-11-21 09:00")]


def test_pa_21_what_the_night_held_back_is_one_mail_in_the_morning(buyer, tell, db):
    watching = subscribe(buyer)
    other = subscribe(buyer, "Other")
    moment = at("2026-11-20 21:00")
    for n in range(20):
        tell(moment + n * QUARTER, watching if n % 2 else other)
        build(moment + n * QUARTER)
    assert messages() == []
    assert waits(db) == {("quiet", at("2026-11-21 08:00"))}
    assert run(at("2026-11-21 02:00"), at("2026-11-21 09:00")) == [at("2026-11-21 08:00")]
    assert outcomes() == ["shown"] * 20


def test_pa_21_what_was_sold_in_the_night_is_not_told_in_the_morning_t4(buyer, make, office, db):
    watching = subscribe(buyer)
    homes = [make.listing(office) for _ in range(2)]
    for home in homes:
        make.match(watching, make.event(home, 1, recorded_at=at("2026-11-20 22:00")))
    build(at("2026-11-20 22:00"))
    homes[0].standard_status = "Closed"
    db.session.commit()
    build(at("2026-11-21 08:00"))
    assert outcomes() == ["shown", "sold_before_send"]


@pytest.mark.parametrize(
    ("person", "house", "sent"),
    [
        ({"quiet_from": time(9), "quiet_until": time(9)}, {}, "2026-11-20 22:00"),
        ({}, {"quiet_from": time(23), "quiet_until": time(6)}, "2026-11-20 22:00"),
        ({"quiet_from": time(20), "quiet_until": time(10)}, {"quiet_from": time(23)}, "2026-11-21 10:00"),
        ({"time_zone": "America/Los_Angeles"}, {}, "2026-11-20 22:00"),
        ({"time_zone": "Europe/London"}, {}, "2026-11-21 03:00"),
    ],
)
def test_pa_21_the_buyer_s_hours_and_clock_go_before_the_office_s(make, office, tell, *, db, person, house, sent):
    for name, value in house.items():
        setattr(office, name, value)
    db.session.commit()
    tell(at("2026-11-20 22:00"), subscribe(make.contact(office, **person)))
    assert run(at("2026-11-20 22:00"), at("2026-11-21 12:00")) == [at(sent)]


def test_pa_20_without_a_zone_of_their_own_the_clock_is_that_of_the_homes_they_look_for(make, office, tell, db):
    watching = subscribe(make.contact(office))
    db.session.get(SavedSearch, watching.saved_search_id).time_zone = "America/Los_Angeles"
    db.session.commit()
    tell(at("2026-11-20 23:30"), watching)
    assert run(at("2026-11-20 23:30"), at("2026-11-20 23:30")) == [at("2026-11-20 23:30")]
    tell(at("2026-11-21 00:30"), watching)  # 21:30 there
    assert run(at("2026-11-21 00:30"), at("2026-11-21 12:00")) == [at("2026-11-21 11:00")]


@pytest.mark.parametrize(
    ("send_time", "zone", "before", "sent"),
    [
        (time(2, 30), "America/New_York", "2026-03-07 12:00", "2026-03-08 03:30"),
        (time(1, 30), "America/New_York", "2026-10-31 12:00", "2026-11-01 01:30"),
    ],
)
def test_t10_pa_20_a_daily_mail_goes_once_on_both_days_that_the_clocks_change(
    make, office, tell, *, db, send_time, zone, before, sent
):
    begin = at(before)
    schedule = Schedule(ScheduleType.DAILY, send_time)
    daily = subscribe(
        make.contact(office, time_zone=zone),
        schedule_type="Daily",
        send_time=send_time,
        next_send_timestamp=next_send(begin, schedule, ZoneInfo(zone)),
    )
    moments = []
    for hour in range(24):
        tell(begin + timedelta(hours=hour), daily)
        moments += run(begin + timedelta(hours=hour), begin + timedelta(hours=hour, minutes=45))
    assert moments == [at(sent)]
    db.session.refresh(daily)
    assert daily.served_on == at(sent).astimezone(ZoneInfo(zone)).date()


def test_t10_pa_20_a_zone_that_changes_after_the_mail_of_the_day_gives_that_day_no_second_one(make, office, tell, db):
    """Even when somebody sets the next due moment without looking: the date is the key."""
    buyer = make.contact(office, time_zone="America/New_York")
    daily = subscribe(buyer, schedule_type="Daily", send_time=time(9), next_send_timestamp=at("2026-11-20 09:00"))
    tell(at("2026-11-20 08:00"), daily)
    assert run(at("2026-11-20 09:00"), at("2026-11-20 09:00")) == [at("2026-11-20 09:00")]
    buyer.time_zone = "Pacific/Honolulu"
    daily.next_send_timestamp = at("2026-11-20 09:00", "Pacific/Honolulu")
    db.session.commit()
    tell(at("2026-11-20 10:00"), daily)
    assert run(at("2026-11-20 10:00"), at("2026-11-21 20:00")) == [at("2026-11-21 09:00", "Pacific/Honolulu")]
    assert outcomes() == ["shown", "shown"]


def test_t10_pa_20_a_buyer_who_is_edited_into_another_zone_has_one_mail_each_local_day(make, office, tell, db):
    buyer = make.contact(office, time_zone="America/New_York")
    daily = subscribe(
        buyer,
        schedule_type="Daily",
        send_time=time(18),
        next_send_timestamp=at("2026-11-20 18:00"),
        original_entry_timestamp=at("2026-11-01 09:00"),
    )
    sent = []
    for hour in range(24 * 4):
        now = at("2026-11-20 00:00") + timedelta(hours=hour)
        tell(now, daily)
        if now == at("2026-11-21 03:00"):
            values = {name: getattr(buyer, name) for name in book.FIELDS} | {"time_zone": "Asia/Tokyo"}
            book.edit(buyer.id, values, office_id=office.id, now=now)
            db.session.commit()
        sent += run(now, now)
    days = [
        moment.astimezone(ZoneInfo("Asia/Tokyo" if moment > at("2026-11-21 03:00") else "America/New_York")).date()
        for moment in sent
    ]
    assert len(days) == len(set(days)) >= 3


def test_the_clock_three_days_ahead_and_back_again_sends_nothing_twice_and_loses_nothing(buyer, tell, db):
    watching = subscribe(buyer)
    daily = subscribe(
        buyer, "Daily", schedule_type="Daily", send_time=time(18), next_send_timestamp=at("2026-11-20 18:00")
    )
    events = [tell(at("2026-11-20 10:00"), watching, daily)]
    build(at("2026-11-20 10:00"))
    events.append(tell(at("2026-11-20 10:30"), watching, daily))
    build(at("2026-11-23 10:30"))  # somebody set the clock
    events.append(tell(at("2026-11-20 11:00"), watching, daily))
    run(at("2026-11-20 11:00"), at("2026-11-23 12:00"))
    events.append(tell(at("2026-11-23 12:00"), watching, daily))
    run(at("2026-11-23 12:00"), at("2026-11-25 19:00"))
    shown = [item.event_seq for item in items() if item.outcome == "shown"]
    assert sorted(shown) == [event.seq for event in events]
    assert waits(db) == set()
    windows = [digest.window_end for digest in digests() if digest.items_shown]
    assert len(windows) == len(set(windows)) == len(messages())


def test_t8_pa_26_after_26_hours_each_instant_buyer_has_one_mail_without_what_is_sold(make, office, buyer, db):
    watching = subscribe(buyer)
    other = subscribe(make.contact(office, email="ben@example.com"))
    down_since = at("2026-11-19 09:00")
    homes = [make.listing(office) for _ in range(40)]
    for n, home in enumerate(homes):
        event = make.event(home, 1, recorded_at=down_since + timedelta(minutes=39 * n))
        for subscription in (watching, other):
            make.match(subscription, event)
    for home in homes[::7]:
        home.standard_status = "Closed"
    db.session.commit()
    assert build(at("2026-11-20 11:00"))["messages"] == 2
    assert [digest.items_shown for digest in digests()] == [34, 34]
    assert outcomes() == ["shown"] * 68 + ["sold_before_send"] * 12
    closed = {home.id for home in homes[::7]}
    assert not closed & {item.listing_id for item in items() if item.outcome == "shown"}
    assert [item.position for item in items(digests()[0]) if item.position] == list(range(1, 35))


def test_pa_26_what_is_older_than_a_week_is_dropped_with_its_reason(buyer, tell):
    watching = subscribe(buyer)
    for days in (8, 5, 1):
        tell(at("2026-11-20 11:00") - timedelta(days=days), watching)
    assert build(at("2026-11-20 11:00")) is not None
    assert outcomes() == ["shown"]
    build(at("2026-11-21 07:00"))
    assert outcomes() == ["shown", "shown", "too_old"]


@pytest.mark.committed
def test_two_builders_at_once_give_a_buyer_one_instant_mail_an_hour(app, make, office, buyer, tell):
    watching = subscribe(buyer)
    for _ in range(4):
        tell(at("2026-11-20 10:00"), watching)
    problems: list[Exception] = []
    start = threading.Barrier(2)

    def work(window: datetime) -> None:
        with app.app_context():
            try:
                start.wait(timeout=60)
                while build_some(window, window) is not None:
                    database.session.commit()
            except Exception as error:  # shown below
                problems.append(error)
            finally:
                database.session.remove()

    builders = [threading.Thread(target=work, args=[at("2026-11-20 10:00") + n * QUARTER]) for n in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert problems == []
    build(at("2026-11-20 10:30"))
    assert len(messages()) == 1
    assert outcomes() == ["shown"] * 4
