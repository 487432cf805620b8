"""Open houses: each write leaves the event that buyers are told by, once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.listings import openings
from app.domain.listings.openings import announce, cancel, change, create
from app.domain.listings.record import change as change_listing
from app.domain.models import ListingEvent, OpenHouse

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
DAY = timedelta(days=1)
SUNDAY = datetime(2026, 11, 22, 18, tzinfo=UTC)
OPEN_HOUSE = 16


@pytest.fixture
def home(make, office):
    return make.listing(office, list_price=Decimal(489_000))


@pytest.fixture
def events(db):
    def of_listing(home) -> list[ListingEvent]:
        found = select(ListingEvent).where(ListingEvent.listing_id == home.id).order_by(ListingEvent.seq)
        return list(db.session.scalars(found))

    return of_listing


def test_one_that_is_near_leaves_an_event_with_the_home_as_it_is_pa_01(office, home, events):
    opening = create(
        office.id, home.id, starts=SUNDAY, ends=SUNDAY + timedelta(hours=2), remarks="Ring twice.", now=NOW
    )
    [event] = events(home)
    assert (event.change_type, event.kinds, event.alertable, event.open_house_id) == (
        "Open House",
        OPEN_HOUSE,
        True,
        opening.id,
    )
    assert (event.list_price, event.standard_status, event.recorded_at) == (Decimal(489_000), "Active", NOW)
    assert event.changes == {
        "open_house_status": [None, "Active"],
        "open_house_start_time": [None, "2026-11-22T18:00:00+00:00"],
    }
    assert opening.announced_at == NOW
    assert opening.open_house_date == date(2026, 11, 22)


def test_the_day_is_that_on_the_wall_of_the_property(make, office, db):
    home = make.listing(office, property_time_zone_name="Pacific/Honolulu")
    late = datetime(2026, 11, 23, 4, tzinfo=UTC)
    assert create(office.id, home.id, starts=late, now=NOW).open_house_date == date(2026, 11, 22)
    elsewhere = make.listing(office, property_time_zone_name="Atlantis/Center")
    assert create(office.id, elsewhere.id, starts=late, now=NOW).open_house_date == date(2026, 11, 22), "the office's"


def test_one_that_is_far_away_is_announced_when_it_is_seven_days_off_and_once(office, home, events):
    opening = create(office.id, home.id, starts=NOW + 10 * DAY, now=NOW)
    assert events(home) == []
    assert announce(NOW + 2 * DAY) == 0
    assert announce(NOW + 3 * DAY) == 1
    assert announce(NOW + 3 * DAY) == 0
    assert [event.open_house_id for event in events(home)] == [opening.id]


@pytest.mark.parametrize(
    ("values", "of_home"),
    [
        ({"kind": "Broker"}, {}),
        ({}, {"standard_status": "Pending"}),
        ({}, {"internet_entire_listing_display_yn": False}),
    ],
)
def test_what_buyers_may_not_see_is_not_announced(make, office, events, values, of_home):
    home = make.listing(office, **of_home)
    create(office.id, home.id, starts=SUNDAY, now=NOW, **values)
    assert announce(NOW) == 0
    assert events(home) == []


def test_one_that_has_begun_is_announced_no_more(make, office, events):
    home = make.listing(office, standard_status="Pending")
    create(office.id, home.id, starts=SUNDAY, now=NOW)
    change_listing(home.id, {"standard_status": "Active"}, office_id=office.id, now=NOW + DAY)
    assert announce(SUNDAY) == 0
    assert announce(SUNDAY - timedelta(minutes=1)) == 1


def test_another_time_and_that_it_is_off_are_events_and_other_words_are_none(office, home, events):
    opening = create(office.id, home.id, starts=SUNDAY, now=NOW)
    change(opening.id, {"open_house_remarks": "Park behind the house."}, office_id=office.id, now=NOW)
    assert len(events(home)) == 1
    change(opening.id, {"open_house_start_time": SUNDAY + DAY}, office_id=office.id, now=NOW)
    cancel(opening.id, office_id=office.id, now=NOW)
    cancel(opening.id, office_id=office.id, now=NOW)
    assert [event.changes for event in events(home)[1:]] == [
        {"open_house_start_time": ["2026-11-22T18:00:00+00:00", "2026-11-23T18:00:00+00:00"]},
        {"open_house_status": ["Active", "Canceled"]},
    ]


def test_what_is_put_right_before_anybody_was_told_leaves_no_event(office, home, events):
    opening = create(office.id, home.id, starts=NOW + 10 * DAY, now=NOW)
    cancel(opening.id, office_id=office.id, now=NOW)
    assert announce(NOW + 5 * DAY) == 0
    assert events(home) == []


def test_a_correction_alerts_nobody_pa_02(office, home, events):
    opening = create(office.id, home.id, starts=SUNDAY, now=NOW)
    change(opening.id, {"open_house_start_time": SUNDAY + DAY}, office_id=office.id, origin="correction", now=NOW)
    assert [(event.alertable, event.not_alertable_reason) for event in events(home)] == [
        (True, None),
        (False, "correction"),
    ]


def test_a_source_says_its_open_houses_again_and_nothing_happens_twice(make, office, events, db):
    home = make.listing(office, originating_system_name="Coast MLS", originating_system_key="A-1")
    row = {"open_house_key": "OH-1", "originating_system_key": "A-1", "open_house_start_time": SUNDAY}
    unknown = row | {"open_house_key": "OH-2", "originating_system_key": "nobody has it"}
    say = lambda *rows, **more: openings.record(  # noqa: E731
        office.id, "Coast MLS", rows, **{"origin": "live_sync", "now": NOW} | more
    )
    assert say(row, unknown) == 1
    assert say(row) == 0
    assert say(row | {"open_house_status": "Canceled"}) == 1
    assert len(events(home)) == 2
    assert db.session.query(OpenHouse).count() == 1


def test_the_first_file_of_a_source_announces_nothing_now_or_later_pa_02(make, office, events):
    home = make.listing(office, originating_system_name="Coast MLS", originating_system_key="A-1")
    rows = [
        {"open_house_key": f"OH-{days}", "originating_system_key": "A-1", "open_house_start_time": NOW + days * DAY}
        for days in (2, 10)
    ]
    openings.record(office.id, "Coast MLS", rows, origin="backfill", now=NOW)
    assert announce(NOW + 5 * DAY) == 0
    assert [event.not_alertable_reason for event in events(home)] == ["backfill", "backfill"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"starts": NOW - DAY}, "open_house_start_time"),
        ({"starts": SUNDAY, "ends": SUNDAY}, "open_house_end_time"),
        ({"starts": SUNDAY, "ends": SUNDAY + 2 * DAY}, "open_house_end_time"),
        ({"starts": SUNDAY, "remarks": "x" * 501}, "open_house_remarks"),
    ],
)
def test_what_cannot_be_is_refused_with_the_field(office, home, values, field):
    with pytest.raises(Invalid) as refused:
        create(office.id, home.id, now=NOW, **values)
    assert refused.value.field == field


def test_another_offices_open_houses_are_not_there(make, office, home):
    other = make.office()
    opening = create(office.id, home.id, starts=SUNDAY, now=NOW)
    with pytest.raises(NotFound):
        create(other.id, home.id, starts=SUNDAY, now=NOW)
    with pytest.raises(NotFound):
        cancel(opening.id, office_id=other.id, now=NOW)


def test_a_form_sent_twice_makes_one_and_an_old_form_is_refused(office, home, db):
    first = create(office.id, home.id, starts=SUNDAY, key="form-1", now=NOW)
    assert create(office.id, home.id, starts=SUNDAY, key="form-1", now=NOW) is first
    version = first.lock_version
    change(first.id, {"open_house_remarks": "Ring."}, office_id=office.id, lock_version=version, now=NOW)
    with pytest.raises(Conflict):
        change(first.id, {"open_house_remarks": "Knock."}, office_id=office.id, lock_version=version, now=NOW)
