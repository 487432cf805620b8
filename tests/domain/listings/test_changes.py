"""What a listing write means, as a table of cases. Pure: no database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.listings.changes import Silence, describe_change, moments
from app.domain.models.lookups import ON_MARKET, ChangeType, Origin, StandardStatus

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
NEW, DROP, BACK, MATCHES, STATUS = 1, 2, 4, 8, 32
S = StandardStatus


def hours(count: float) -> datetime:
    return NOW - timedelta(hours=count)


def days(count: float) -> datetime:
    return NOW - timedelta(days=count)


def home(status: StandardStatus = S.ACTIVE, price: int | None = 500_000, **values):
    """A listing as the table would hold it: on the market for thirty days, in its first spell, unless said otherwise."""
    on_market = status in ON_MARKET
    return {
        "standard_status": status.value,
        "list_price": None if price is None else Decimal(price),
        "original_list_price": None if price is None else Decimal(price),
        "internet_entire_listing_display_yn": True,
        "market_spell_no": 0 if status in (S.INCOMPLETE, S.DELETE) else 1,
        "on_market_timestamp": days(30),
        "off_market_timestamp": None if on_market else days(2),
        "back_on_market_timestamp": None,
    } | values


def fresh(status: StandardStatus = S.ACTIVE, price: int | None = 500_000, **values):
    """A listing seen for the first time."""
    return home(status, price, market_spell_no=0, on_market_timestamp=None, off_market_timestamp=None) | values


NEVER_SEEN = None

CASES = {
    # name: (before, after, occurred_at, change_type, kinds, reason)
    "first sight, Active": (NEVER_SEEN, fresh(), NOW, "New Listing", NEW, None),
    "first sight, Active Under Contract": (NEVER_SEEN, fresh(S.ACTIVE_UNDER_CONTRACT), NOW, "New Listing", NEW, None),
    "first sight, Coming Soon": (NEVER_SEEN, fresh(S.COMING_SOON), NOW, "Coming Soon", NEW, None),
    "first sight, Pending": (NEVER_SEEN, fresh(S.PENDING), NOW, "Pending", 0, Silence.OFF_MARKET),
    "first sight, Closed": (NEVER_SEEN, fresh(S.CLOSED), NOW, "Closed", 0, Silence.OFF_MARKET),
    "first sight, Incomplete": (NEVER_SEEN, fresh(S.INCOMPLETE), NOW, "Attributes", 0, Silence.NOT_VALID),
    "first sight, Delete": (NEVER_SEEN, fresh(S.DELETE), NOW, "Deleted", 0, Silence.NOT_VALID),
    "first sight, no price": (NEVER_SEEN, fresh(price=None), NOW, "New Listing", NEW, None),
    "PA-03 first sight, told 8 days late": (NEVER_SEEN, fresh(), days(8), "New Listing", 0, Silence.STALE),
    "PA-03 first sight, told 7 days late": (NEVER_SEEN, fresh(), days(7), "New Listing", NEW, None),
    "PA-03 first sight, 15 days on the market": (
        NEVER_SEEN,
        fresh(on_market_timestamp=days(15)),
        NOW,
        "New Listing",
        0,
        Silence.STALE,
    ),
    "PA-03 first sight, 14 days on the market": (
        NEVER_SEEN,
        fresh(on_market_timestamp=days(14)),
        NOW,
        "New Listing",
        NEW,
        None,
    ),
    "PA-05 first sight, hidden": (
        NEVER_SEEN,
        fresh(internet_entire_listing_display_yn=False),
        NOW,
        "New Listing",
        NEW,
        Silence.HIDDEN,
    ),
    "Incomplete becomes Active": (
        home(S.INCOMPLETE, on_market_timestamp=None),
        home(on_market_timestamp=None),
        NOW,
        "New Listing",
        NEW,
        None,
    ),
    "Coming Soon becomes Active": (
        home(S.COMING_SOON, on_market_timestamp=None),
        home(on_market_timestamp=None),
        NOW,
        "New Listing",
        NEW,
        None,
    ),
    "Coming Soon becomes Active, cheaper": (
        home(S.COMING_SOON, on_market_timestamp=None),
        home(price=490_000, on_market_timestamp=None),
        NOW,
        "New Listing",
        NEW | DROP,
        None,
    ),
    "Active by mistake Coming Soon, and Active again": (
        home(S.COMING_SOON, on_market_timestamp=days(3)),
        home(),
        NOW,
        "Active",
        0,
        Silence.BRIEF_FLIP,
    ),
    "came back as Coming Soon, becomes Active": (
        home(S.COMING_SOON, market_spell_no=2, back_on_market_timestamp=days(1)),
        home(),
        NOW,
        "Back On Market",
        BACK,
        None,
    ),
    "price drop": (home(), home(price=499_999), NOW, "Price Change", DROP | MATCHES, None),
    "price drop of a cent": (
        home(),
        home() | {"list_price": Decimal("499999.99")},
        NOW,
        "Price Change",
        DROP | MATCHES,
        None,
    ),
    "price drop, told 9 days late": (home(), home(price=1), days(9), "Price Change", DROP | MATCHES, None),
    "price drop under contract": (
        home(S.ACTIVE_UNDER_CONTRACT),
        home(S.ACTIVE_UNDER_CONTRACT, 400_000),
        NOW,
        "Price Change",
        DROP | MATCHES,
        None,
    ),
    "PA-05 price drop off the market": (
        home(S.PENDING),
        home(S.PENDING, 1),
        NOW,
        "Price Change",
        0,
        Silence.OFF_MARKET,
    ),
    "PA-05 price drop while hidden": (
        home(),
        home(price=1, internet_entire_listing_display_yn=False),
        NOW,
        "Price Change",
        DROP | MATCHES,
        Silence.HIDDEN,
    ),
    "PA-05 price rise": (home(), home(price=510_000), NOW, "Price Change", 0, Silence.PRICE_RISE),
    "a price becomes known": (home(price=None), home(), NOW, "Price Change", 0, Silence.ATTRIBUTES),
    "a price becomes unknown": (home(), home(price=None), NOW, "Price Change", 0, Silence.ATTRIBUTES),
    "PA-05 remarks, photos, agent": (home(), home(public_remarks="sunny"), NOW, "Attributes", 0, Silence.ATTRIBUTES),
    "PA-05 remarks off the market": (home(S.CLOSED), home(S.CLOSED), NOW, "Attributes", 0, Silence.OFF_MARKET),
    "T3 back after 2 hours": (
        home(S.PENDING, off_market_timestamp=hours(2)),
        home(),
        NOW,
        "Active",
        0,
        Silence.BRIEF_FLIP,
    ),
    "T3 back after 11 h 59": (
        home(S.PENDING, off_market_timestamp=hours(12) + timedelta(minutes=1)),
        home(),
        NOW,
        "Active",
        0,
        Silence.BRIEF_FLIP,
    ),
    "T3 back after 12 hours": (
        home(S.PENDING, off_market_timestamp=hours(12)),
        home(),
        NOW,
        "Back On Market",
        BACK,
        None,
    ),
    "T3 back after 2 days": (home(S.PENDING), home(), NOW, "Back On Market", BACK, None),
    "T3 measured by the source's time": (
        home(S.PENDING, off_market_timestamp=days(2)),
        home(),
        days(2) + timedelta(hours=1),
        "Active",
        0,
        Silence.BRIEF_FLIP,
    ),
    "back after 2 hours, cheaper": (
        home(S.HOLD, off_market_timestamp=hours(2)),
        home(price=450_000),
        NOW,
        "Active",
        DROP | MATCHES,
        None,
    ),
    "back after 2 days, cheaper": (home(S.WITHDRAWN), home(price=450_000), NOW, "Back On Market", BACK | DROP, None),
    "back after 2 days, dearer": (home(S.EXPIRED), home(price=550_000), NOW, "Back On Market", BACK, None),
    "back as Coming Soon": (home(S.EXPIRED), home(S.COMING_SOON), NOW, "Coming Soon", BACK, None),
    "first seen Pending 3 hours ago, now Active": (
        home(S.PENDING, market_spell_no=0, off_market_timestamp=hours(3)),
        home(on_market_timestamp=None),
        NOW,
        "New Listing",
        NEW,
        None,
    ),
    "first seen Pending 3 days ago, now Active": (
        home(S.PENDING, market_spell_no=0, off_market_timestamp=days(3)),
        home(),
        NOW,
        "Back On Market",
        BACK,
        None,
    ),
    "goes under contract": (
        home(),
        home(S.ACTIVE_UNDER_CONTRACT),
        NOW,
        "Active Under Contract",
        MATCHES | STATUS,
        None,
    ),
    "offer fell through, still on the market": (
        home(S.ACTIVE_UNDER_CONTRACT),
        home(),
        NOW,
        "Active",
        MATCHES,
        None,
    ),
    "goes Pending": (home(), home(S.PENDING), NOW, "Pending", STATUS, None),
    "goes Pending, cheaper": (home(), home(S.PENDING, 1), NOW, "Pending", STATUS, None),
    "Pending closes": (home(S.PENDING), home(S.CLOSED), NOW, "Closed", STATUS, None),
    "goes Pending while hidden": (
        home(internet_entire_listing_display_yn=False),
        home(S.PENDING, internet_entire_listing_display_yn=False),
        NOW,
        "Pending",
        STATUS,
        Silence.HIDDEN,
    ),
    "PA-05 withdrawn": (home(), home(S.WITHDRAWN), NOW, "Withdrawn", 0, Silence.OFF_MARKET),
    "PA-05 on hold, then sold": (home(S.HOLD), home(S.CLOSED), NOW, "Closed", 0, Silence.OFF_MARKET),
    "a detail filled in on the 14th day": (
        home(bedrooms_total=None, on_market_timestamp=days(14)),
        home(bedrooms_total=3, on_market_timestamp=days(14)),
        NOW,
        "Attributes",
        MATCHES,
        None,
    ),
    "a detail filled in on the 15th day": (
        home(bedrooms_total=None, on_market_timestamp=days(15)),
        home(bedrooms_total=3, on_market_timestamp=days(15)),
        NOW,
        "Attributes",
        0,
        Silence.ATTRIBUTES,
    ),
    "a price filled in on the 14th day": (
        home(price=None, on_market_timestamp=days(14)),
        home(on_market_timestamp=days(14)),
        NOW,
        "Price Change",
        MATCHES,
        None,
    ),
    "PA-05 price rise on the second day": (
        home(on_market_timestamp=days(2)),
        home(price=510_000, on_market_timestamp=days(2)),
        NOW,
        "Price Change",
        0,
        Silence.PRICE_RISE,
    ),
    "PA-05 remarks on the second day": (
        home(on_market_timestamp=days(2)),
        home(on_market_timestamp=days(2), public_remarks="sunny", photos_count=3),
        NOW,
        "Attributes",
        0,
        Silence.ATTRIBUTES,
    ),
    "deleted": (home(), home(S.DELETE), NOW, "Deleted", 0, Silence.NOT_VALID),
    "hidden becomes visible": (
        home(internet_entire_listing_display_yn=False, on_market_timestamp=days(3)),
        home(on_market_timestamp=days(3)),
        NOW,
        "New Listing",
        NEW,
        None,
    ),
    "hidden for a month becomes visible": (
        home(internet_entire_listing_display_yn=False),
        home(),
        NOW,
        "New Listing",
        0,
        Silence.STALE,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_live_write_means(name):
    before, after, occurred_at, change_type, kinds, reason = CASES[name]
    said = describe_change(before, after, Origin.LIVE_SYNC, occurred_at, NOW)
    assert (said.change_type, said.kinds, said.reason) == (change_type, kinds, reason)
    assert said.alertable is (reason is None)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("origin", [Origin.CORRECTION, Origin.BACKFILL, Origin.MIGRATION, Origin.REPLAY])
def test_only_live_and_manual_writes_alert_pa_02(name, origin):
    before, after, occurred_at, change_type, kinds, _ = CASES[name]
    said = describe_change(before, after, origin, occurred_at, NOW)
    assert (said.change_type, said.kinds) == (change_type, kinds), "what happened is the same, whoever says it"
    assert (said.alertable, said.reason) == (False, origin.value)


@pytest.mark.parametrize("name", CASES)
def test_a_manual_write_means_what_a_live_one_does_pa_02(name):
    before, after, occurred_at, _, _, _ = CASES[name]
    assert describe_change(before, after, "manual", occurred_at, NOW) == describe_change(
        before, after, "live_sync", occurred_at, NOW
    )


def test_every_alertable_case_has_a_kind_and_every_status_a_change_type():
    for before, after, occurred_at, *_ in CASES.values():
        said = describe_change(before, after, Origin.MANUAL, occurred_at, NOW)
        assert not said.alertable or said.kinds
    for status in StandardStatus:
        assert describe_change(None, fresh(status), Origin.MANUAL, NOW, NOW).change_type in ChangeType


def test_entering_the_market_begins_a_spell():
    assert moments(None, fresh(), NOW)["market_spell_no"] == 1
    found = moments(home(S.PENDING), home(), NOW)
    assert (found["market_spell_no"], found["on_market_timestamp"], found["back_on_market_timestamp"]) == (2, NOW, NOW)


def test_a_brief_flip_goes_on_with_the_same_spell_t3():
    found = moments(home(S.PENDING, off_market_timestamp=hours(2)), home(), NOW)
    assert not found.keys() & {"market_spell_no", "on_market_timestamp", "back_on_market_timestamp"}


def test_coming_soon_is_the_first_step_of_the_spell_that_active_goes_on_with():
    coming = moments(None, fresh(S.COMING_SOON), NOW)
    assert coming["market_spell_no"] == 1
    assert "on_market_timestamp" not in coming, "RESO: on market begins with Active"
    active = moments(home(S.COMING_SOON, on_market_timestamp=None), home(on_market_timestamp=None), NOW)
    assert active["on_market_timestamp"] == NOW
    assert "market_spell_no" not in active


def test_leaving_the_market_is_dated_once():
    assert moments(home(), home(S.PENDING), NOW)["off_market_timestamp"] == NOW
    assert "off_market_timestamp" not in moments(home(S.PENDING), home(S.CLOSED), NOW)
    assert moments(None, fresh(S.CLOSED), NOW)["off_market_timestamp"] == NOW


def test_the_price_before_and_the_first_price_are_kept():
    found = moments(home(), home(price=480_000), NOW)
    assert found["previous_list_price"] == Decimal(500_000)
    assert found["price_change_timestamp"] == NOW
    assert "original_list_price" not in found
    assert moments(home(price=None), home(), NOW)["original_list_price"] == Decimal(500_000)
