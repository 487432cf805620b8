"""Every listing write and the event it leaves, in one transaction."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, text

from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.listings.areas import area_ids
from app.domain.listings.record import OWN_SOURCE, change, create, record
from app.domain.models import AreaKind, Listing, ListingEvent
from app.domain.models.lookups import Origin
from tests.counting import queries_of

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
DAY = timedelta(days=1)


def row(key="A-1", **values):
    return {
        "originating_system_key": key,
        "standard_status": "Active",
        "list_price": Decimal(500_000),
        "property_type": "Residential",
        "city": "Port Ellery",
        "postal_code": "04101-2233",
        "county_or_parish": "Cumberland",
        "unparsed_address": "418 Alder Court",
        "bedrooms_total": 3,
        "bathrooms_full": 2,
        "bathrooms_half": 1,
        "latitude": Decimal("43.65912345"),
        "longitude": Decimal("-70.2568"),
    } | values


def say(office, *rows, origin=Origin.LIVE_SYNC, now=NOW, **more):
    return record(office.id, "Coast MLS", rows, origin=origin, now=now, **more)


def the(db, model, **where):
    return db.session.scalars(
        select(model)
        .filter_by(**where)
        .execution_options(populate_existing=True)
        .order_by(*model.__mapper__.primary_key)
    ).all()


def test_a_first_sight_writes_the_listing_and_its_event_pa_01(db, office):
    written = say(office, row())
    (listing,) = the(db, Listing, office_id=office.id)
    (event,) = the(db, ListingEvent, listing_id=listing.id)
    assert (written.created, written.updated, written.unchanged, written.alertable) == (1, 0, 0, 1)
    assert written.event_seqs == [event.seq]
    assert (listing.originating_system_name, listing.originating_system_key) == ("Coast MLS", "A-1")
    assert listing.listing_key
    assert listing.on_market_timestamp == listing.status_change_timestamp == NOW
    assert (listing.market_spell_no, listing.original_list_price) == (1, Decimal(500_000))
    assert listing.search_text == "418 alder court port ellery 04101-2233"
    assert (listing.baths_equivalent, listing.bathrooms_total_integer) == (Decimal("2.50"), 3)
    assert (event.change_type, event.kinds, event.alertable) == ("New Listing", 1, True)
    assert event.changes == {"standard_status": [None, "Active"], "list_price": [None, "500000.00"]}
    assert (event.list_price, event.previous_list_price) == (Decimal(500_000), None)
    assert (event.bedrooms_total, event.baths_equivalent) == (3, Decimal("2.50"))
    assert (event.latitude_e6, event.longitude_e6) == (43_659_123, -70_256_800)
    assert (event.occurred_at, event.recorded_at) == (NOW, NOW)
    assert event.market_spell_no == 1


def test_an_event_carries_the_numbers_of_its_places(db, office):
    say(office, row(subdivision_name="Alder  Glen", mls_area_major="North Shore"))
    (event,) = the(db, ListingEvent, office_id=office.id)
    places = {
        (AreaKind.CITY, "PORT  ellery"),
        (AreaKind.POSTAL_CODE, "04101"),
        (AreaKind.COUNTY, "cumberland"),
        (AreaKind.SUBDIVISION, "alder glen"),
        (AreaKind.MLS_AREA, "north shore"),
    }
    assert set(area_ids(office.id, places, create=False).values()) == {
        event.city_area_id,
        event.postal_code_area_id,
        event.county_area_id,
        event.subdivision_area_id,
        event.mls_area_id,
    }


def test_an_event_carries_what_a_search_may_ask_further(db, office):
    say(
        office,
        row(
            waterfront_yn=True,
            pool_private_yn=False,
            garage_spaces=2,
            association_fee=Decimal(1_200),
            association_fee_frequency="Annually",
            special_listing_conditions=["Trust", "Raffle", "Auction", "Trust"],
            public_remarks="Sea-view, 3 minutes to the FERRY.",
        ),
    )
    (listing,), (event,) = the(db, Listing, office_id=office.id), the(db, ListingEvent, office_id=office.id)
    assert listing.special_listing_conditions == ["Auction", "Raffle", "Trust"]
    assert listing.remarks_words == event.remarks_words == " sea view 3 minutes to the ferry "
    assert (event.garage_spaces, event.association_fee_monthly) == (2, Decimal("100.00"))
    assert event.features == 0b1001, "two bits each: the water's yes, the pool's no, two that nobody said"
    assert event.special_conditions == 1 | 1 << 11 | 1 << 30, "and one for the word we do not know"


def test_an_event_that_may_alert_nobody_leaves_the_words_out_and_unknown_is_not_no(db, office):
    say(office, row(public_remarks="Sea view", special_listing_conditions=[]), origin=Origin.BACKFILL)
    (listing,), (event,) = the(db, Listing, office_id=office.id), the(db, ListingEvent, office_id=office.id)
    assert (listing.remarks_words, event.remarks_words) == (" sea view ", None)
    assert (listing.special_listing_conditions, event.special_conditions, event.features) == (None, None, 0)


@pytest.mark.parametrize(
    ("values", "monthly"),
    [
        ({"association_fee": 250, "association_fee_frequency": "Monthly"}, "250.00"),
        ({"association_fee": 1_000, "association_fee_frequency": "Quarterly"}, "333.33"),
        ({"association_fee": 100, "association_fee_frequency": "Weekly"}, "433.33"),
        ({"association_fee": 100, "association_fee_frequency": "Semi-Monthly"}, "200.00"),
        ({"association_fee": 100, "association_fee_frequency": "Bi-Monthly"}, "50.00"),
        ({"association_fee": 0}, "0.00"),
        ({"association_fee": 250}, None),
        ({"association_fee": 250, "association_fee_frequency": "One Time"}, None),
        ({"association_fee": 250, "association_fee_frequency": "Now and then"}, None),
        ({"association_fee_frequency": "Monthly"}, None),
        ({"association_fee": 250, "association_fee_monthly": 99}, "99.00"),
        ({"association_fee_monthly": 99}, "99.00"),
    ],
)
def test_pa_06_a_fee_is_brought_to_a_month_and_never_guessed(db, office, values, monthly):
    say(office, row(**values))
    (listing,) = the(db, Listing, office_id=office.id)
    assert listing.association_fee_monthly == (None if monthly is None else Decimal(monthly))


def test_a_fee_follows_its_frequency_when_only_that_changes(db, office):
    say(office, row(association_fee=1_200, association_fee_frequency="Monthly"))
    (listing,) = the(db, Listing, office_id=office.id)
    event = change(listing.id, {"association_fee_frequency": "Annually"}, office_id=office.id, now=NOW)
    assert event.association_fee_monthly == Decimal("100.00")
    assert event.changes == {
        "association_fee_frequency": ["Monthly", "Annually"],
        "association_fee_monthly": ["1200.00", "100.00"],
    }


def test_saying_it_again_changes_nothing_and_logs_nothing(db, office):
    say(office, row(), row("A-2"))
    again = say(office, row(), row("A-2"), now=NOW + DAY)
    assert (again.created, again.updated, again.unchanged, again.event_seqs) == (0, 0, 2, [])
    assert len(the(db, ListingEvent, office_id=office.id)) == 2
    assert {listing.lock_version for listing in the(db, Listing, office_id=office.id)} == {1}


def test_the_same_values_spelled_otherwise_are_no_change(db, office):
    say(office, row())
    again = say(
        office,
        row(list_price=Decimal("500000.00"), city=" Port  Ellery ", list_office_name=None, modification_timestamp=NOW),
        now=NOW + DAY,
    )
    assert (again.unchanged, again.event_seqs) == (1, [])
    (listing,) = the(db, Listing, office_id=office.id)
    assert (listing.lock_version, listing.modification_timestamp) == (1, NOW)


def test_a_price_drop_says_the_price_before(db, office):
    say(office, row())
    written = say(office, row(list_price=Decimal(489_000)), now=NOW + DAY)
    (listing,) = the(db, Listing, office_id=office.id)
    event = the(db, ListingEvent, listing_id=listing.id)[-1]
    assert (written.updated, written.alertable) == (1, 1)
    assert (event.change_type, event.kinds) == ("Price Change", 10)
    assert event.changes == {"list_price": ["500000.00", "489000.00"]}
    assert (event.previous_list_price, event.list_price) == (Decimal(500_000), Decimal(489_000))
    assert (listing.previous_list_price, listing.original_list_price) == (Decimal(500_000), Decimal(500_000))
    assert (listing.price_change_timestamp, listing.modification_timestamp) == (NOW + DAY, NOW + DAY)
    assert listing.lock_version == 2


def test_an_attribute_change_repeats_the_price_as_the_one_before(db, office):
    say(office, row())
    say(office, row(public_remarks="Sunny."), now=NOW + DAY)
    event = the(db, ListingEvent, office_id=office.id)[-1]
    assert (event.change_type, event.alertable, event.not_alertable_reason) == ("Attributes", False, "attributes")
    assert event.previous_list_price == event.list_price == Decimal(500_000)


def test_a_column_left_out_keeps_its_value_and_one_that_is_none_is_emptied(db, office):
    say(office, row(public_remarks="Sunny."))
    say(office, {"originating_system_key": "A-1", "bedrooms_total": None}, now=NOW + DAY)
    (listing,) = the(db, Listing, office_id=office.id)
    assert (listing.bedrooms_total, listing.public_remarks, listing.standard_status) == (None, "Sunny.", "Active")


def test_timestamps_left_empty_by_the_source_stay_ours(db, office):
    say(office, row())
    say(office, row(on_market_timestamp=None, original_list_price=None, list_price=Decimal(1)), now=NOW + DAY)
    (listing,) = the(db, Listing, office_id=office.id)
    assert (listing.on_market_timestamp, listing.original_list_price) == (NOW, Decimal(500_000))


def test_off_and_back_after_two_days_is_back_on_market_t3(db, office):
    say(office, row())
    say(office, row(standard_status="Pending"), now=NOW + DAY)
    say(office, row(), now=NOW + 3 * DAY)
    (listing,) = the(db, Listing, office_id=office.id)
    event = the(db, ListingEvent, listing_id=listing.id)[-1]
    assert (event.change_type, event.kinds, event.alertable) == ("Back On Market", 4, True)
    assert (listing.market_spell_no, event.market_spell_no) == (2, 2)
    assert (listing.off_market_timestamp, listing.back_on_market_timestamp) == (NOW + DAY, NOW + 3 * DAY)


def test_off_and_back_within_two_hours_is_a_brief_flip_t3(db, office):
    say(office, row())
    say(office, row(standard_status="Pending"), now=NOW + DAY)
    say(office, row(), now=NOW + DAY + timedelta(hours=2))
    (listing,) = the(db, Listing, office_id=office.id)
    event = the(db, ListingEvent, listing_id=listing.id)[-1]
    assert (event.kinds, event.alertable, event.not_alertable_reason) == (0, False, "brief_flip")
    assert (listing.market_spell_no, listing.on_market_timestamp, listing.back_on_market_timestamp) == (1, NOW, None)


def test_the_source_dates_its_changes_by_the_timestamp_that_belongs_to_them(db, office):
    say(office, row(modification_timestamp=NOW - DAY))
    say(office, row(list_price=Decimal(1), price_change_timestamp=NOW - timedelta(hours=3), modification_timestamp=NOW))
    say(
        office,
        row(standard_status="Hold", status_change_timestamp=NOW - timedelta(hours=1), modification_timestamp=NOW),
    )
    first, drop, hold = the(db, ListingEvent, office_id=office.id)
    assert [first.occurred_at, drop.occurred_at, hold.occurred_at] == [
        NOW - DAY,
        NOW - timedelta(hours=3),
        NOW - timedelta(hours=1),
    ]
    (listing,) = the(db, Listing, office_id=office.id)
    assert listing.off_market_timestamp == NOW - timedelta(hours=1)


def test_a_source_whose_clock_is_ahead_does_not_write_into_the_future(db, office):
    say(office, row(modification_timestamp=NOW + DAY))
    (event,) = the(db, ListingEvent, office_id=office.id)
    assert event.occurred_at == NOW


def test_a_listing_two_weeks_on_the_market_at_first_sight_is_not_new_pa_03(db, office):
    say(office, row(on_market_timestamp=NOW - 15 * DAY))
    (event,) = the(db, ListingEvent, office_id=office.id)
    assert (event.kinds, event.not_alertable_reason) == (0, "stale")


@pytest.mark.parametrize(
    ("again", "after", "reason"),
    [
        ({}, 10, "relist"),
        ({"list_price": Decimal(510_000)}, 10, "relist"),
        ({"list_price": Decimal(499_999)}, 10, None),
        ({"list_price": None}, 10, None),
        ({}, 30, "relist"),
        ({}, 31, None),
        ({"unparsed_address": "420 Alder Court"}, 10, None),
        ({"unit_number": "2B"}, 10, None),
        ({"postal_code": "04102"}, 10, None),
        ({"unparsed_address": "", "parcel_number": "77-1"}, 10, "relist"),
        ({"unparsed_address": "9 Elm Street", "parcel_number": "77-1"}, 10, None),
    ],
)
def test_a_home_relisted_under_a_new_key_is_news_only_when_cheaper_pa_05(db, office, again, after, reason):
    first = row(parcel_number="77-1")
    say(office, first)
    say(office, first | {"standard_status": "Expired"}, now=NOW + DAY)
    say(
        office,
        row("A-2", parcel_number="77-1" if again.get("parcel_number") else "") | again,
        now=NOW + (1 + after) * DAY,
    )
    event = the(db, ListingEvent, office_id=office.id)[-1]
    assert (event.change_type, event.not_alertable_reason, event.kinds) == ("New Listing", reason, 1)


def test_an_offer_that_was_given_up_long_ago_is_no_relist_though_its_row_was_edited_since_pa_05(db, office):
    say(office, row())
    say(office, row(standard_status="Expired"), now=NOW + DAY)
    say(office, row(standard_status="Expired", public_remarks="Sold by hand."), now=NOW + 40 * DAY)
    assert say(office, row("A-2"), now=NOW + 41 * DAY).alertable == 1


@pytest.mark.parametrize("first", ["Coming Soon", "Incomplete"])
@pytest.mark.parametrize(("price", "alertable"), [(500_000, False), (499_999, True)])
def test_a_relist_that_comes_in_two_steps_is_no_news_when_it_becomes_active_either_pa_05(
    db, office, first, price, alertable
):
    say(office, row())
    say(office, row(standard_status="Expired"), now=NOW + DAY)
    again = row("A-2", list_price=Decimal(price))
    say(office, again | {"standard_status": first}, now=NOW + 2 * DAY)
    assert say(office, again, now=NOW + 3 * DAY).alertable == alertable
    say(office, row("A-3", list_price=Decimal(price), standard_status=first), now=NOW + 2 * DAY)
    by_hand = next(home for home in the(db, Listing, office_id=office.id) if home.originating_system_key == "A-3")
    event = change(by_hand.id, {"standard_status": "Active"}, office_id=office.id, now=NOW + 3 * DAY)
    assert event.alertable == alertable


def test_a_relist_in_the_very_same_file_is_seen_pa_05(db, office):
    say(office, row())
    say(office, row("A-2"), row(standard_status="Canceled"), now=NOW + DAY)
    reasons = {event.change_type: event.not_alertable_reason for event in the(db, ListingEvent, office_id=office.id)}
    assert reasons == {"New Listing": "relist", "Canceled": "off_market"}


def test_a_home_sold_and_offered_again_is_news(db, office):
    say(office, row())
    say(office, row(standard_status="Closed"), now=NOW + DAY)
    assert say(office, row("A-2"), now=NOW + 10 * DAY).alertable == 1


def test_nine_thousand_rows_of_a_backfill_alert_nobody_t9(db, office):
    written = say(office, *(row(f"A-{n}") for n in range(9_000)), origin=Origin.BACKFILL)
    assert (written.created, written.alertable, len(written.event_seqs)) == (9_000, 0, 9_000)
    reasons = db.session.execute(
        text("SELECT not_alertable_reason, kinds, count(*) FROM listing_event GROUP BY 1, 2")
    ).all()
    assert [tuple(line) for line in reasons] == [("backfill", 1, 9_000)]


def test_a_thousand_rows_take_a_handful_of_statements(db, office):
    say(office, *(row(f"A-{n}") for n in range(1_000)))
    with queries_of() as seen:
        say(office, *(row(f"A-{n}", list_price=Decimal(400_000 + n)) for n in range(1_000)), now=NOW + DAY)
    assert len(seen) <= 8, seen


def test_of_two_rows_with_one_key_the_later_wins(db, office):
    written = say(office, row(list_price=Decimal(1)), row(list_price=Decimal(2)))
    (listing,) = the(db, Listing, office_id=office.id)
    assert listing.list_price == Decimal(2)
    assert [result.outcome for result in written.rows] == ["unchanged", "created"]
    assert len(the(db, ListingEvent, office_id=office.id)) == 1


def test_two_sources_and_two_offices_may_use_one_key(db, make, office):
    other = make.office()
    say(office, row())
    record(office.id, "Inland MLS", [row()], origin="live_sync", now=NOW)
    record(other.id, "Coast MLS", [row()], origin="live_sync", now=NOW)
    assert len(the(db, Listing, office_id=office.id)) == 2
    assert len(the(db, Listing, office_id=other.id)) == 1


@pytest.mark.parametrize(
    ("values", "equivalent", "simple"),
    [
        ({"bathrooms_full": 2, "bathrooms_half": 1}, "2.50", 3),
        ({"bathrooms_half": None, "bathrooms_three_quarter": 1, "bathrooms_one_quarter": 2}, "3.25", 5),
        ({"bathrooms_full": None, "bathrooms_half": 1, "bathrooms_total_integer": 3}, "2.50", 3),
        ({"bathrooms_full": None, "bathrooms_half": None, "bathrooms_total_integer": 3}, None, 3),
        ({"bathrooms_full": None, "bathrooms_half": None, "baths_equivalent": Decimal("2.25")}, "2.25", None),
        ({"bathrooms_full": 0, "bathrooms_half": None}, "0.00", 0),
    ],
)
def test_baths_are_counted_and_never_guessed(db, office, values, equivalent, simple):
    say(office, row(**values))
    (listing,) = the(db, Listing, office_id=office.id)
    assert listing.baths_equivalent == (None if equivalent is None else Decimal(equivalent))
    assert listing.bathrooms_total_integer == simple


def test_the_simple_sum_follows_the_counts(db, office):
    listing = create(office.id, row(), now=NOW)
    change(listing.id, {"bathrooms_half": 2}, office_id=office.id, now=NOW)
    assert (listing.bathrooms_total_integer, listing.baths_equivalent) == (4, Decimal("3.00"))


def test_half_a_position_is_no_position(db, office):
    say(office, row(longitude=None))
    (event,) = the(db, ListingEvent, office_id=office.id)
    assert (event.latitude_e6, event.longitude_e6) == (None, None)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"list_price": Decimal(0)}, "list_price"),
        ({"list_price": Decimal("NaN")}, "list_price"),
        ({"list_price": "call us"}, "list_price"),
        ({"living_area": Decimal(-1)}, "living_area"),
        ({"bedrooms_total": Decimal("2.5")}, "bedrooms_total"),
        ({"bedrooms_total": 1000}, "bedrooms_total"),
        ({"year_built": 0}, "year_built"),
        ({"standard_status": "Sold"}, "standard_status"),
        ({"standard_status": None}, "standard_status"),
        ({"close_date": NOW}, "close_date"),
        ({"on_market_timestamp": datetime(2026, 1, 1)}, "on_market_timestamp"),
        ({"city": "x" * 101}, "city"),
        ({"originating_system_key": " "}, "originating_system_key"),
        ({"favourite_colour": "blue"}, "favourite_colour"),
    ],
)
def test_a_value_the_table_cannot_keep_is_refused_by_name(office, values, field):
    with pytest.raises(Invalid) as refusal:
        say(office, row(**values))
    assert refusal.value.field == field


def test_a_first_sight_needs_a_status(office):
    with pytest.raises(Invalid) as refusal:
        say(office, {"originating_system_key": "A-1"})
    assert refusal.value.field == "standard_status"


def test_a_listing_made_by_hand_is_ours_and_new(db, make, office):
    user = make.user(office)
    listing = create(
        office.id,
        {"standard_status": "Active", "list_price": Decimal(1), "close_date": date(2026, 1, 2)},
        user_id=user.id,
        now=NOW,
    )
    (event,) = the(db, ListingEvent, listing_id=listing.id)
    assert listing.originating_system_name == OWN_SOURCE
    assert (event.origin, event.alertable, event.user_id) == ("manual", True, user.id)


def test_a_key_is_not_made_twice(office):
    values = {"standard_status": "Active", "originating_system_key": "X", "originating_system_name": "By phone"}
    create(office.id, values)
    with pytest.raises(Conflict):
        create(office.id, values)


def test_a_change_by_hand_logs_who_and_what(db, make, office):
    user = make.user(office)
    listing = create(office.id, row(), now=NOW)
    event = change(
        listing.id,
        {"list_price": Decimal(489_000)},
        office_id=office.id,
        user_id=user.id,
        lock_version=1,
        now=NOW + DAY,
    )
    assert event is not None
    assert (event.user_id, event.origin, event.kinds, event.alertable) == (user.id, "manual", 10, True)
    assert (listing.list_price, listing.lock_version) == (Decimal(489_000), 2), "the row in hand is up to date"


def test_a_change_that_changes_nothing_leaves_no_event(db, office):
    listing = create(office.id, row(), now=NOW)
    assert change(listing.id, {"list_price": Decimal(500_000)}, office_id=office.id, now=NOW + DAY) is None
    assert (listing.lock_version, listing.modification_timestamp) == (1, NOW)
    assert len(the(db, ListingEvent, listing_id=listing.id)) == 1


def test_a_correction_changes_without_alerting_pa_02(office):
    listing = create(office.id, row(), now=NOW)
    event = change(listing.id, {"list_price": Decimal(1)}, office_id=office.id, origin=Origin.CORRECTION, now=NOW + DAY)
    assert event is not None
    assert (event.alertable, event.not_alertable_reason, event.kinds) == (False, "correction", 10)


def test_a_stale_form_is_refused_and_told_who_changed_what(make, office):
    user = make.user(office, full_name="Dana Whitlock")
    listing = create(office.id, row(), now=NOW)
    change(
        listing.id, {"list_price": Decimal(489_000), "city": "Saltford"}, office_id=office.id, user_id=user.id, now=NOW
    )
    with pytest.raises(Conflict) as refusal:
        change(listing.id, {"list_price": Decimal(485_000)}, office_id=office.id, lock_version=1, now=NOW)
    assert "Dana Whitlock" in refusal.value.sentence
    assert "list price" in refusal.value.sentence
    assert "city" in refusal.value.sentence


def test_another_offices_listing_is_not_there(make, office):
    listing = create(office.id, row())
    with pytest.raises(NotFound):
        change(listing.id, {"list_price": Decimal(1)}, office_id=make.office().id)


def test_an_agent_of_another_office_cannot_be_named(make, office):
    stranger = make.member(make.office())
    with pytest.raises(Invalid) as refusal:
        create(office.id, row(list_agent_id=stranger.id))
    assert refusal.value.field == "list_agent_id"
    assert create(office.id, row(list_agent_id=make.member(office).id)).list_agent_id


def test_an_edit_made_here_stands_until_the_source_says_something_new(db, office):
    say(office, row())
    (listing,) = the(db, Listing, office_id=office.id)
    change(listing.id, {"list_price": Decimal(480_000)}, office_id=office.id, now=NOW)
    assert say(office, row(), now=NOW + DAY).unchanged == 1
    assert the(db, Listing, id=listing.id)[0].list_price == Decimal(480_000)
    say(office, row(list_price=Decimal(470_000)), now=NOW + DAY)
    event = the(db, ListingEvent, listing_id=listing.id)[-1]
    assert event.changes["list_price"] == ["480000.00", "470000.00"]


@pytest.mark.committed
def test_a_rolled_back_write_leaves_neither_listing_nor_event_pa_01(db, office):
    say(office, row())
    db.session.rollback()
    assert the(db, Listing) == []
    assert the(db, ListingEvent) == []


@pytest.mark.committed
def test_two_writers_of_one_source_at_once_lose_and_double_nothing(app, db, make):
    office_id = make.office().id
    failures: list[BaseException] = []

    def write(price: int) -> None:
        try:
            with app.app_context():
                for start in range(0, 600, 150):
                    rows = [
                        row(f"A-{n}", list_price=Decimal(price), city=f"City {n % 40}")
                        for n in range(start, start + 300)
                    ]
                    record(office_id, "Coast MLS", rows, origin="live_sync")
                    db.session.commit()
                db.session.remove()
        except BaseException as failure:
            failures.append(failure)

    writers = [threading.Thread(target=write, args=(500_000 + n,)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert len(the(db, Listing)) == 750
    first_sights = db.session.scalar(text("SELECT count(*) FROM listing_event WHERE change_type = 'New Listing'"))
    assert first_sights == 750
    # Each event begins with the price the one before it ended with: no write was lost.
    breaks = db.session.scalar(
        text(
            "SELECT count(*) FROM (SELECT previous_list_price p, lag(list_price) OVER (PARTITION BY listing_id ORDER BY seq) b"
            " FROM listing_event) e WHERE p IS DISTINCT FROM b"
        )
    )
    assert breaks == 0
