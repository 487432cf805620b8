"""The rule book's cases T1 to T9, each from what a source says to what arrives in the mail."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from app.domain.listings.openings import change
from app.domain.models import BuyerListing, ListingEvent, ListingOwner
from app.domain.models.lookups import Origin
from app.domain.searches.saved import edit
from tests.domain.digests.street import Street, a_buyer, dropped, told
from tests.domain.digests.world import NOON, digests, items, messages

pytestmark = pytest.mark.committed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SIX = time(18)
EVENING = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
"""18:00 on the wall of the office."""


@pytest.fixture
def street(db, office, relay, catcher):
    return Street(office, relay, catcher)


@pytest.fixture
def buyer(db, office):
    return a_buyer(office)


def the_search(street, buyer, schedule, **asked):
    return street.watch(buyer, "Family home", at=SIX if schedule == "daily" else None, **asked)


def moment_of(schedule):
    return EVENING if schedule == "daily" else NOON + 2 * HOUR


@pytest.mark.parametrize("schedule", ["daily", "asap"])
class TestT1AndT3:
    def test_t1_a_price_that_falls_into_range_makes_the_home_match(self, street, buyer, schedule):
        street.were_there("7", list_price=510_000)
        the_search(street, buyer, schedule, list_price={"le": 500_000})
        street.say(NOON + HOUR, "7", list_price=499_000)
        [mail] = street.run(moment_of(schedule))
        [item] = items()
        assert (item.kind, item.cause, item.fingerprint) == ("Now matches", "price", "1")
        assert (item.price_before, item.price_shown) == (Decimal(510_000), Decimal(499_000))
        assert "NOW MATCHES: PRICE CAME DOWN $11,000" in mail.text
        assert "PRICE DROP" not in mail.text
        assert ". NEW" not in mail.text

    def test_t1_to_who_had_the_home_in_view_it_is_a_price_drop(self, street, buyer, schedule):
        street.were_there("7", list_price=510_000)
        the_search(street, buyer, schedule, list_price={"le": 600_000})
        street.say(NOON + HOUR, "7", list_price=499_000)
        street.run(moment_of(schedule))
        assert told() == [("Price drop", "7 Alder Court")]

    def test_t1_who_did_not_ask_for_homes_that_come_to_match_is_not_told(self, street, buyer, schedule):
        street.were_there("7", list_price=510_000)
        the_search(street, buyer, schedule, list_price={"le": 500_000}, kinds=1 | 2)
        street.say(NOON + HOUR, "7", list_price=499_000)
        assert street.run(moment_of(schedule)) == []
        assert dropped() == [("Now matches", "not_wanted")]

    def test_t1_a_home_listed_and_lowered_in_one_window_is_new(self, street, buyer, schedule):
        the_search(street, buyer, schedule, list_price={"le": 500_000})
        street.say(NOON + HOUR, "7", list_price=510_000)
        street.say(NOON + HOUR + MINUTE, "7", list_price=499_000)
        street.run(moment_of(schedule))
        assert told() == [("New", "7 Alder Court")]

    def test_t3_off_the_market_for_two_hours_is_nothing(self, street, buyer, schedule):
        street.were_there("7")
        the_search(street, buyer, schedule)
        street.say(NOON + MINUTE, "7", standard_status="Pending")
        street.say(NOON + 2 * HOUR, "7", standard_status="Active")
        assert street.run(moment_of(schedule)) == []
        assert items() == []

    def test_t3_off_the_market_for_two_days_is_one_back_on_market(self, street, buyer, schedule):
        street.were_there("7")
        the_search(street, buyer, schedule)
        street.say(NOON + MINUTE, "7", standard_status="Pending")
        for day in range(2):
            assert street.run(moment_of(schedule) + day * DAY) == []
        street.say(NOON + 2 * DAY + MINUTE, "7", standard_status="Active")
        assert len(street.run(moment_of(schedule) + 2 * DAY)) == 1
        assert street.run(moment_of(schedule) + 3 * DAY) == []
        assert told() == [("Back on market", "7 Alder Court")]

    def test_t3_two_days_off_the_market_between_two_mails_is_one_back_on_market_too(self, street, buyer, schedule):
        street.were_there("7")
        the_search(street, buyer, schedule)
        street.say(NOON + MINUTE, "7", standard_status="Pending")
        street.say(NOON + 2 * DAY + MINUTE, "7", standard_status="Active")
        assert len(street.run(moment_of(schedule) + 2 * DAY)) == 1
        assert told() == [("Back on market", "7 Alder Court")]

    def test_t6_a_photo_of_each_of_180_homes_is_no_mail(self, street, buyer, schedule):
        keys = [str(number) for number in range(180)]
        street.were_there(*keys)
        the_search(street, buyer, schedule)
        street.say(NOON + HOUR, *keys, photos_count=12, public_remarks="Now with photographs.")
        assert street.run(moment_of(schedule)) == []
        assert items() == []

    def test_t9_the_first_file_of_a_source_is_no_mail(self, street, buyer, schedule, db):
        the_search(street, buyer, schedule)
        street.say(NOON + HOUR, *(str(number) for number in range(90)), origin=Origin.BACKFILL)
        assert street.run(moment_of(schedule)) == []
        assert db.session.scalar(select(func.count()).where(ListingEvent.not_alertable_reason == "backfill")) == 90

    def test_pa_04_down_and_up_and_listed_and_sold_between_two_mails_is_nothing(self, street, buyer, schedule):
        street.were_there("7", list_price=510_000)
        the_search(street, buyer, schedule, list_price={"le": 500_000})
        street.say(NOON + HOUR, "7", list_price=499_000)
        street.say(NOON + HOUR + MINUTE, "7", list_price=510_000)
        street.say(NOON + HOUR, "9")
        street.say(NOON + HOUR + MINUTE, "9", standard_status="Closed")
        assert street.run(moment_of(schedule)) == []
        assert sorted(dropped()) == [("New", "sold_before_send"), ("Now matches", "no_longer_matches")]

    def test_pa_05_a_price_that_rises_into_range_is_nothing(self, street, buyer, schedule):
        street.were_there("7", list_price=490_000)
        the_search(street, buyer, schedule, list_price={"ge": 500_000})
        street.say(NOON + HOUR, "7", list_price=505_000)
        assert street.run(moment_of(schedule)) == []
        assert items() == []

    def test_pa_05_a_rise_is_no_cause_beside_another_change_either(self, street, buyer, schedule):
        """A status that is asked for whatever it is, and a price that rose into range: only the rise made it match."""
        street.were_there("7", list_price=490_000)
        statuses = ["Active", "Active Under Contract"]
        the_search(street, buyer, schedule, list_price={"ge": 500_000}, standard_status=statuses)
        street.say(NOON + HOUR, "7", list_price=505_000, standard_status="Active Under Contract")
        assert street.run(moment_of(schedule)) == []
        assert dropped() == [("Now matches", "no_cause")]

    def test_a_home_whose_offer_fell_through_matches_now(self, street, buyer, schedule):
        street.were_there("7", standard_status="Active Under Contract")
        the_search(street, buyer, schedule)
        street.say(NOON + HOUR, "7", standard_status="Active")
        [mail] = street.run(moment_of(schedule))
        assert told() == [("Now matches", "7 Alder Court")]
        assert items()[0].cause == "status"
        assert "NOW MATCHES: IT IS ACTIVE AGAIN" in mail.text

    def test_a_detail_filled_in_while_it_is_new_makes_it_match_once(self, street, buyer, schedule):
        street.say(NOON - 3 * DAY, "7", bedrooms_total=None, origin=Origin.BACKFILL)
        the_search(street, buyer, schedule, bedrooms_total={"ge": 3})
        street.say(NOON + HOUR, "7", bedrooms_total=3)
        [mail] = street.run(moment_of(schedule))
        assert [(item.kind, item.cause) for item in items()] == [("Now matches", "details")]
        assert "NOW MATCHES: ITS DETAILS WERE FILLED IN" in mail.text
        street.say(NOON + 4 * HOUR, "7", bedrooms_total=2)
        street.run(moment_of(schedule) + DAY)
        street.say(NOON + DAY + 5 * HOUR, "7", bedrooms_total=3)
        assert street.run(moment_of(schedule) + 2 * DAY) == []
        assert dropped() == [("Now matches", "already_told")]


def test_t2_drops_accumulate_to_one_against_the_price_last_shown(street, buyer):
    street.watch(buyer, "Family home", NOON - DAY)
    street.say(NOON, "7", list_price=500_000)
    assert len(street.run(NOON)) == 1
    mails = []
    for step, price in enumerate((497_000, 494_000, 500_000, 494_000), 1):
        at = NOON + step * DAY
        street.say(at, "7", list_price=price)
        mails.append(street.run(at))
    assert [len(sent) for sent in mails] == [0, 1, 0, 0]
    assert told() == [("New", "7 Alder Court"), ("Price drop", "7 Alder Court")]
    assert dropped() == [("Price drop", "below_threshold"), ("Price drop", "no_net_change")]
    drop = next(item for item in items() if item.kind == "Price drop" and item.outcome == "shown")
    assert (drop.price_before, drop.price_shown) == (Decimal(500_000), Decimal(494_000))
    [mail] = mails[1]
    assert "$500,000" in mail.text
    assert "$494,000" in mail.text


def test_t2_in_one_daily_mail_what_ends_where_it_began_is_nothing(street, buyer):
    street.were_there("7", list_price=500_000)
    street.watch(buyer, "Family home", at=SIX)
    for step, price in enumerate((497_000, 490_000, 500_000), 1):
        street.say(NOON + step * HOUR, "7", list_price=price)
    assert street.run(EVENING) == []
    assert {reason for _, reason in dropped()} == {"no_net_change"}


def test_pa_04_a_rise_before_the_drop_counts_for_who_was_never_shown_the_home(street, buyer):
    street.were_there("7", list_price=480_000)
    street.watch(buyer, "Family home", at=SIX)
    street.say(NOON + HOUR, "7", list_price=500_000)
    street.say(NOON + 2 * HOUR, "7", list_price=490_000)
    assert street.run(EVENING) == []
    assert dropped() == [("Price drop", "no_net_change")]


def test_pa_04_a_home_that_came_without_news_begins_where_it_was_first_seen(street, buyer):
    """On the market for three weeks when it was first seen, so not New; what became of it since is told."""
    street.watch(buyer, "Family home", at=SIX, list_price={"le": 500_000})
    street.say(NOON + HOUR, "7", list_price=510_000, on_market_timestamp=NOON - 21 * DAY)
    street.say(NOON + 2 * HOUR, "7", list_price=499_000)
    street.run(EVENING)
    assert [(item.kind, item.cause, item.price_before) for item in items()] == [
        ("Now matches", "price", Decimal(510_000))
    ]


def test_t4_a_home_sold_between_matching_and_the_batch_is_not_mailed(street, buyer):
    street.watch(buyer, "Family home")
    street.say(NOON + MINUTE, "7")
    street.match(NOON + 2 * MINUTE)
    street.say(NOON + 10 * MINUTE, "7", standard_status="Closed")
    assert street.send(NOON + 15 * MINUTE) == []
    assert dropped() == [("New", "sold_before_send")]
    assert messages() == []


def test_t5_one_instant_line_that_names_the_instant_search_and_nothing_in_the_daily(street, buyer):
    street.watch(buyer, "At once")
    street.watch(buyer, "Evening one", at=SIX)
    street.watch(buyer, "Evening two", at=SIX)
    street.say(NOON + HOUR, "7")
    [mail] = street.run(NOON + 2 * HOUR)
    assert "“At once”" in mail.text
    assert "Evening" not in mail.text
    assert street.run(EVENING) == []
    assert told() == [("New", "7 Alder Court")]
    assert dropped() == [("New", "already_told")] * 2


def test_t7_a_wider_search_is_told_of_what_is_new_to_the_market_only(street, buyer):
    old = [str(number) for number in range(100, 160)]
    street.were_there(*old, list_price=550_000)
    search = street.watch(buyer, "Family home", NOON - 2 * DAY, at=SIX, list_price={"le": 500_000})
    street.run(EVENING - DAY)
    street.say(NOON - 2 * HOUR, "7", list_price=540_000)
    street.match(NOON - HOUR)
    widened(street, search, NOON)
    [mail] = street.run(EVENING)
    assert told() == [("New", "7 Alder Court")]
    street.say(EVENING + HOUR, "123", list_price=530_000)
    assert len(street.run(EVENING + DAY)) == 1
    assert told()[1:] == [("Price drop", "123 Alder Court")]
    assert "123 Alder Court" not in mail.text


def test_t7_as_it_happens_a_wider_search_begins_with_the_next_batch(street, buyer):
    old = [str(number) for number in range(100, 160)]
    street.were_there(*old, list_price=550_000)
    search = street.watch(buyer, "Family home", NOON - 2 * DAY, list_price={"le": 500_000})
    street.run(NOON - HOUR)
    street.say(NOON - 5 * MINUTE, "7", list_price=540_000)
    widened(street, search, NOON)
    street.run(NOON + 10 * MINUTE)
    street.say(NOON + HOUR, "123", list_price=530_000)
    street.run(NOON + 2 * HOUR)
    assert told() == [("New", "7 Alder Court"), ("Price drop", "123 Alder Court")]


def test_t7_a_home_that_only_the_edit_brings_into_range_is_no_home_that_matches_now(street, buyer):
    """It was lowered in the window, but the new version had it in view before that already."""
    street.were_there("7", list_price=540_000)
    search = street.watch(buyer, "Family home", NOON - 2 * DAY, at=SIX, list_price={"le": 500_000})
    street.run(EVENING - DAY)
    street.say(NOON - 2 * HOUR, "7", list_price=520_000)
    street.match(NOON - HOUR)
    widened(street, search, NOON)
    street.run(EVENING)
    assert told() == [("Price drop", "7 Alder Court")]


def widened(street, search, now):
    from app.extensions import db

    edit(
        search.id,
        office_id=street.office.id,
        version=1,
        criteria={"city": ["Port Ellery"], "list_price": {"le": 600_000}},
        now=now,
    )
    db.session.commit()


def test_t8_after_26_hours_one_mail_without_what_was_sold_meanwhile(street, buyer):
    street.were_there("900", list_price=450_000)
    street.watch(buyer, "Family home", NOON - 2 * DAY)
    down = NOON - 26 * HOUR
    keys = [str(number) for number in range(1, 41)]
    for number, key in enumerate(keys):
        street.say(down + number * MINUTE, key)
    street.say(NOON - 20 * HOUR, *keys[:6], standard_status="Closed")
    street.say(NOON - 19 * HOUR, "900", list_price=430_000)
    street.say(NOON - 18 * HOUR, "900", list_price=450_000)
    [mail] = street.run(NOON)
    [digest] = digests()
    assert digest.items_shown == 34
    assert {address for _, address in told()} == {f"{key} Alder Court" for key in keys[6:]}
    assert "and 9 more" in mail.text
    assert mail.text.count("Alder Court\n") == 25 or mail.text.count(" Alder Court") >= 25
    assert not [key for key in keys[:6] if f" {key} Alder Court" in mail.text]
    assert {reason for _, reason in dropped()} == {"sold_before_send", "no_net_change"}
    assert len(messages()) == 1


def test_pa_05_a_home_the_buyer_discarded_is_never_told_again(street, buyer, db):
    street.watch(buyer, "Family home")
    street.say(NOON + HOUR, "7", list_price=450_000)
    street.run(NOON + 2 * HOUR)
    shown = db.session.get(BuyerListing, (buyer.id, street.home("7").id))
    shown.contact_listing_preference = "Discard"
    db.session.commit()
    street.say(NOON + 3 * HOUR, "7", list_price=400_000)
    assert street.run(NOON + 4 * HOUR) == []
    assert dropped() == [("Price drop", "buyer_discarded")]


def test_pa_05_who_sells_a_home_is_not_told_of_it(street, buyer, db):
    street.watch(buyer, "Family home")
    street.say(NOON + HOUR, "7")
    db.session.add(ListingOwner(listing_id=street.home("7").id, contact_id=buyer.id))
    db.session.commit()
    assert street.run(NOON + 2 * HOUR) == []
    assert dropped() == [("New", "own_home")]


@pytest.mark.parametrize("schedule", ["daily", "asap"])
class TestStatusChange:
    def test_a_change_of_status_is_told_to_who_asked_and_knows_the_home(self, street, buyer, schedule):
        the_search(street, buyer, schedule, kinds=63)
        street.say(NOON + HOUR, "7")
        street.run(moment_of(schedule))
        street.say(NOON + DAY, "7", standard_status="Pending")
        [mail] = street.run(moment_of(schedule) + DAY)
        item = next(item for item in items() if item.kind == "Status change")
        assert (item.outcome, item.fingerprint) == ("shown", "Pending")
        assert "NOW PENDING" in mail.text
        street.say(NOON + 2 * DAY, "7", standard_status="Closed")
        assert len(street.run(moment_of(schedule) + 2 * DAY)) == 1
        assert [kind for kind, _ in told()] == ["New", "Status change", "Status change"]

    def test_who_was_never_shown_the_home_is_not_told_of_its_status(self, street, buyer, schedule):
        street.were_there("7")
        the_search(street, buyer, schedule, kinds=63)
        street.say(NOON + HOUR, "7", standard_status="Pending")
        assert street.run(moment_of(schedule)) == []
        assert dropped() == [("Status change", "never_shown")]

    def test_who_did_not_ask_for_changes_of_status_is_not_told(self, street, buyer, schedule):
        the_search(street, buyer, schedule)
        street.say(NOON + HOUR, "7")
        street.run(moment_of(schedule))
        street.say(NOON + DAY, "7", standard_status="Pending")
        assert street.run(moment_of(schedule) + DAY) == []
        assert len(items()) == 1

    def test_pending_and_active_again_within_a_window_is_nothing(self, street, buyer, schedule):
        the_search(street, buyer, schedule, kinds=63)
        street.say(NOON + HOUR, "7")
        street.run(moment_of(schedule))
        street.say(NOON + DAY + MINUTE, "7", standard_status="Active Under Contract")
        street.say(NOON + DAY + HOUR, "7", standard_status="Active")
        assert street.run(moment_of(schedule) + DAY) == []
        assert {reason for _, reason in dropped()} == {"no_net_change", "matched_before"}


@pytest.mark.parametrize("schedule", ["daily", "asap"])
class TestOpenHouse:
    SUNDAY = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)

    def test_an_open_house_is_told_once_with_its_hour_on_the_wall_of_the_property(self, street, buyer, schedule):
        street.were_there("7", property_time_zone_name="America/Denver")
        the_search(street, buyer, schedule)
        opening = street.open_house("7", self.SUNDAY, NOON + HOUR)
        [mail] = street.run(moment_of(schedule))
        assert [(item.kind, item.fingerprint) for item in items()] == [("Open house", opening.open_house_key)]
        assert "Open house Sunday, November 22, 11:00 AM to 1:00 PM MST." in " ".join(mail.text.split())
        change(opening.id, {"open_house_remarks": "Ring twice."}, office_id=street.office.id, now=NOON + 7 * HOUR)
        assert street.run(moment_of(schedule) + DAY) == []

    def test_that_it_is_off_is_told_to_who_was_told_of_it_and_to_nobody_else(self, street, buyer, schedule, office):
        street.were_there("7")
        the_search(street, buyer, schedule)
        opening = street.open_house("7", self.SUNDAY, NOON + HOUR)
        street.run(moment_of(schedule))
        late = a_buyer(office, email="june@example.com")
        street.watch(late, "Too late", NOON + 7 * HOUR)
        street.say(NOON + 8 * HOUR, "7", standard_status="Pending")
        street.cancel(opening, NOON + 8 * HOUR)
        [mail] = street.run(moment_of(schedule) + DAY)
        assert "amelia@example.com" in mail.header("To")
        assert "OPEN HOUSE CANCELED" in mail.text
        assert told() == [("Open house", "7 Alder Court")] * 2
        assert ("Open house", "open_house_off") in dropped()

    def test_another_time_is_told_to_who_came_to_know_the_first(self, street, buyer, schedule):
        street.were_there("7")
        the_search(street, buyer, schedule)
        opening = street.open_house("7", self.SUNDAY, NOON + HOUR)
        street.run(moment_of(schedule))
        street.move(opening, self.SUNDAY + HOUR, NOON + 7 * HOUR)
        [mail] = street.run(moment_of(schedule) + DAY)
        assert "OPEN HOUSE MOVED TO SUNDAY, 2:00 PM" in mail.text
        street.move(opening, self.SUNDAY + 2 * HOUR, NOON + DAY + 7 * HOUR)
        street.move(opening, self.SUNDAY + HOUR, NOON + DAY + 8 * HOUR)
        assert street.run(moment_of(schedule) + 2 * DAY - 6 * HOUR) == []

    def test_called_off_before_the_mail_is_nothing(self, street, buyer, schedule):
        street.were_there("7")
        the_search(street, buyer, schedule)
        opening = street.open_house("7", self.SUNDAY, NOON + HOUR)
        street.cancel(opening, NOON + HOUR + MINUTE)
        assert street.run(moment_of(schedule)) == []
        assert {reason for _, reason in dropped()} == {"open_house_off"}

    def test_it_goes_along_with_stronger_news_of_the_home(self, street, buyer, schedule):
        the_search(street, buyer, schedule)
        street.say(NOON + HOUR, "7")
        street.open_house("7", self.SUNDAY, NOON + HOUR)
        [mail] = street.run(moment_of(schedule))
        assert told() == [("New", "7 Alder Court")]
        assert told(["merged"]) == [("Open house", "7 Alder Court")]
        assert "Open house Sunday, November 22, 1:00 PM to 3:00 PM EST." in " ".join(mail.text.split())

    def test_one_that_has_begun_is_not_told(self, street, buyer, schedule):
        street.were_there("7")
        the_search(street, buyer, schedule)
        street.open_house("7", NOON + HOUR + 30 * MINUTE, NOON + HOUR)
        assert street.run(moment_of(schedule)) == []
        assert dropped() == [("Open house", "open_house_over")]
