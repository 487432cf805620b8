"""What an alert says."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from app.domain.digests import words
from app.domain.digests.words import News, Search
from app.domain.models import AlertKind

NEW_YORK = ZoneInfo("America/New_York")


def home(**values):
    return SimpleNamespace(
        **{
            "unparsed_address": "418 Alder Court",
            "unit_number": "",
            "city": "Port Ellery",
            "state_or_province": "ME",
            "postal_code": "04100",
            "property_type": "Residential",
            "property_sub_type": "Single Family Residence",
            "bedrooms_total": 4,
            "baths_equivalent": Decimal("2.50"),
            "living_area": Decimal("2140.00"),
            "lot_size_square_feet": None,
            "year_built": 1998,
            "list_office_name": "Millrace Homes",
            "list_office_phone": "(555) 555-0162",
            "internet_address_display_yn": True,
            "preferred_photo_url": "",
        }
        | values
    )


def search(name="Family home, Alder Glen", number=1, **values):
    return Search(
        **{
            "alert_subscription_id": number,
            "name": words.quoted(name),
            "schedule_type": "ASAP",
            "send_time": None,
            "token": "t",
        }
        | values
    )


def line(news=None, searches=None, **values):
    news = news or News(AlertKind.NEW, None, Decimal(489_000))
    searches = [search()] if searches is None else searches
    return words.line_of(news, home(**values), 1, searches=searches, url="https://x.example/1", zone=NEW_YORK)


def test_a_line_says_what_where_how_much_and_who_lists_it():
    said = line()
    assert (said.badge, said.headline, said.place) == ("New", "418 Alder Court", "Port Ellery, ME 04100")
    assert (said.price, said.was, said.plate) == ("$489,000", "", "418")
    assert said.facts == "4 beds · 2.5 baths · 2,140 sq ft · built 1998"
    assert said.why == "Matches “Family home, Alder Glen”."
    assert said.by == "Listed by Millrace Homes, (555) 555-0162"


def test_a_drop_says_how_much_and_what_the_buyer_saw():
    news = News(AlertKind.PRICE_DROP, Decimal(509_000), Decimal(489_000), datetime(2026, 11, 9, 3, tzinfo=UTC))
    said = line(news)
    assert (said.badge, said.price, said.was) == ("Price drop, $20,000", "$489,000", "$509,000")
    assert said.why.endswith("You saw it at $509,000 on November 8.")


def test_an_address_the_seller_hides_is_nowhere():
    said = line(internet_address_display_yn=False, unit_number="7B")
    assert said.headline == "4-bed single family home"
    assert said.place == "Port Ellery, ME"
    assert "418" not in str(said)
    assert "04100" not in str(said)
    assert "7B" not in str(said)


@pytest.mark.parametrize(
    ("whole", "unit", "street"),
    [
        ("418 Alder Court", "", "418 Alder Court"),
        ("418 Alder Court, Port Ellery, ME 04100", "", "418 Alder Court"),
        ("418 Alder Court, Rear", "", "418 Alder Court, Rear"),
        ("12 Quay Street", "7B", "12 Quay Street, unit 7B"),
        ("12 Quay Street #7B", "7B", "12 Quay Street #7B"),
        ("  12\r\nQuay\tStreet ", "", "12 Quay Street"),
        ("", "", ""),
    ],
)
def test_the_street_is_the_first_line_of_the_address(whole, unit, street):
    assert words.street_of(home(unparsed_address=whole, unit_number=unit)) == street


@pytest.mark.parametrize(
    ("street", "plate"),
    [("418 Alder", "418"), ("12B Quay", "12B"), ("Alder Court", ""), ("1234567 Rural Route", ""), ("4", "")],
)
def test_a_plate_is_a_house_number_or_nothing(street, plate):
    assert words.plate_of(street) == plate


def test_only_what_is_known_is_said():
    assert words.facts_of(home(bedrooms_total=None, baths_equivalent=None, living_area=None, year_built=None)) == ""
    assert words.facts_of(home(bedrooms_total=1, baths_equivalent=Decimal(1))).startswith("1 bed · 1 bath ·")


def test_many_searches_are_counted_and_the_first_three_named():
    said = line(searches=[search(name, n) for n, name in enumerate(("A", "B", "C", "D", "E"))])
    assert said.why == "Matches five of your searches: “A”, “B”, “C” and 2 more."


def test_no_search_is_named_where_others_may_look():
    assert line(searches=[]).why == ""


def test_the_subject_says_what_happened_to_the_first_and_how_many_there_are_pa_11():
    drop = line(News(AlertKind.PRICE_DROP, Decimal(509_000), Decimal(489_000)))
    back = line(News(AlertKind.BACK_ON_MARKET, None, Decimal(489_000)))
    assert words.subject_of([drop], 0) == "418 Alder Court is down $20,000"
    assert words.subject_of([back, drop], 0) == "2 homes: 418 Alder Court is back on the market"
    assert words.subject_of([line()] * 25, 12) == "25 homes and 12 more: 418 Alder Court is new at $489,000"
    assert words.subject_of([line(News(AlertKind.NEW, None, None))], 0) == "418 Alder Court is new"


@pytest.mark.parametrize(
    ("kinds", "total", "title"),
    [
        ([AlertKind.NEW], 1, "One new home, Amelia"),
        ([AlertKind.NEW] * 3, 3, "Three new homes, Amelia"),
        ([AlertKind.PRICE_DROP], 1, "One price came down, Amelia"),
        ([AlertKind.BACK_ON_MARKET] * 2, 2, "Two back on the market, Amelia"),
        ([AlertKind.NEW, AlertKind.PRICE_DROP], 2, "Two homes for you, Amelia"),
        ([AlertKind.NEW] * 25, 37, "37 homes for you, Amelia"),
    ],
)
def test_the_greeting_counts(kinds, total, title):
    lines = [line(News(kind, None, Decimal(1))) for kind in kinds]
    assert words.title_of(lines, total, "Amelia") == title


def test_the_small_print_says_when_and_for_what():
    daily = search("Near Mom", 2, schedule_type="Daily", send_time=time(7, 0))
    assert words.because_of([search()]) == (
        "You get this as it happens because we watch “Family home, Alder Glen” for you."
    )
    assert words.because_of([daily]) == "You get this every day at 7:00 AM because we watch “Near Mom” for you."
    assert words.because_of([search(), daily]).startswith("You get this because we watch “Family home, Alder Glen” and")


def test_times_are_the_readers_wall_clock():
    at = datetime(2026, 11, 20, 16, 58, tzinfo=UTC)
    assert words.as_of(at, NEW_YORK) == "Prices and status as of 11:58 AM EST, November 20."
    assert words.clock_of(time(0, 5)) == "12:05 AM"
    assert words.clock_of(time(12, 5)) == "12:05 PM"
    assert words.zone_named("Not/AZone") == ZoneInfo("UTC")
