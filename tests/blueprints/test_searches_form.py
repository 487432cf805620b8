"""Reading the builder's form: numbers as people write them, nothing typed is lost, every fault beside its line."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from app.blueprints.searches.forms import PLACE_WORDS, SearchForm, read_amount, read_degrees, split_place
from app.blueprints.searches.words import lit
from app.domain.errors import Invalid
from app.domain.models.lookups import ScheduleType
from app.domain.searches.criteria import Criteria


def form(*pairs, **values):
    return SearchForm.read(MultiDict([*pairs, *values.items()]))


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("450000", 450_000),
        ("$450,000", 450_000),
        ("450k", 450_000),
        ("$0.45M", 450_000),
        (".5 acre", 21_780),
        ("2 acres", 87_120),
        ("1,600 sq ft", 1_600),
        ("1600sqft", 1_600),
        ("2.5 baths", Decimal("2.5")),
        (" 7 ", 7),
    ],
)
def test_an_amount_is_read_as_people_write_it(typed, number):
    assert read_amount(typed) == number


@pytest.mark.parametrize("typed", ["", "abc", "-5", "1e9", "4 5", "$", ",", "k", "NaN", "٣", "0x10", "450,000; DROP"])
def test_what_is_no_amount_is_none(typed):
    assert read_amount(typed) is None


@given(st.text(max_size=20))
def test_no_text_breaks_the_readers(typed):
    for read in (read_amount, read_degrees):
        number = read(typed)
        assert number is None or number.is_finite()


@pytest.mark.parametrize(
    ("typed", "degrees"),
    [("43.6615", "43.6615"), ("−70.25", "-70.25"), ("-70.25", "-70.25"), ("+5", "5"), ("1e5", None), ("4000", None)],
)
def test_degrees_have_a_sign_and_a_point(typed, degrees):
    assert read_degrees(typed) == (Decimal(degrees) if degrees else None)


def test_everything_typed_becomes_criteria():
    read = form(
        ("city", "Port Ellery"),
        ("subdivision_name", "Alder Glen"),
        ("property_type", "Residential"),
        ("standard_status", "Active"),
        ("standard_status", "Coming Soon"),
        price_low="380k",
        price_high="$525,000",
        beds="3",
        baths="2.5",
        living_low="1,600 sq ft",
        lot_low="0.5 acre",
        year_low="1990",
        radius_latitude="43.66",
        radius_longitude="−70.25",
        radius_miles="2",
    )
    assert read.criteria().as_dict() == {
        "city": ["Port Ellery"],
        "subdivision_name": ["Alder Glen"],
        "property_type": ["Residential"],
        "standard_status": ["Active", "Coming Soon"],
        "list_price": {"ge": 380000, "le": 525000},
        "bedrooms_total": {"ge": 3},
        "baths_equivalent": {"ge": 2.5},
        "living_area": {"ge": 1600},
        "lot_size_square_feet": {"ge": 21780},
        "year_built": {"ge": 1990},
        "radius": {"latitude": 43.66, "longitude": -70.25, "miles": 2},
    }


def test_stored_criteria_come_back_the_same_through_the_form(office, make):
    criteria = {
        "standard_status": ["Active", "Pending"],
        "property_type": ["Land", "Residential"],
        "property_sub_type": ["Cabin"],
        "list_price": {"ge": 100001, "le": 1999999},
        "bedrooms_total": {"ge": 7},
        "baths_equivalent": {"ge": 2.25},
        "living_area": {"ge": 1, "le": 123456},
        "lot_size_square_feet": {"ge": 99999999999},
        "year_built": {"ge": 1600, "le": 2200},
        "city": ["Port Ellery"],
        "postal_code": ["04100"],
        "county_or_parish": ["O'Brien"],
        "subdivision_name": ["Alder Glen, Phase 2"],
        "radius": {"latitude": 43.661234, "longitude": -70.251, "miles": 0.25},
        "box": {"south": 43.6, "west": -70.3, "north": 43.7, "east": -70.2},
    }
    canonical = Criteria.parse(criteria).as_dict()
    search = make.saved_search(make.contact(office), criteria=canonical)
    shown = SearchForm.of(search, make.subscription(search))
    posted = MultiDict([(name, one) for name, many in shown.lists.items() for one in many] + list(shown.typed.items()))
    assert SearchForm.read(posted).criteria().as_dict() == canonical


def test_every_line_that_cannot_be_read_is_named_at_once():
    read = form(price_high="abc", beds="many", year_low="3", living_low="2000", living_high="1000", box_south="1")
    with pytest.raises(Invalid):
        read.criteria()
    assert read.faults == {
        "list_price": "“abc” is not a number. Write it like 450,000 or 450k.",
        "rooms": "“many” is not a number. Write it like 3.",
        "year_built": "The year built must be between 1600 and 2200.",
        "living_area": "The lowest living area is above the highest.",
        "where": "A box also needs its west, north, east.",
    }
    assert read.typed["price_high"] == "abc"


def test_values_are_added_and_dropped_one_by_one():
    kept = [("city", "Port Ellery"), ("city", "Alder Glen"), ("property_type", "Land")]
    assert form(*kept, drop="city:Alder Glen").lists["city"] == ["Port Ellery"]
    assert form(*kept, drop="property_type:Land").lists["property_type"] == []
    assert form(*kept, add="postal_code:04100").places[-1] == ("postal_code", "04100")
    assert form(*kept, add="city:Port Ellery").lists["city"] == ["Port Ellery", "Alder Glen"]
    dropped = form(radius_latitude="1", radius_longitude="2", radius_miles="3", drop="radius:")
    assert dropped.typed["radius_miles"] == ""
    assert form(*kept, drop="office_id:1", add="name:x").lists["city"] == ["Port Ellery", "Alder Glen"]


def test_a_place_that_is_plain_joins_the_others_and_one_that_is_not_is_asked_about():
    plain = form(place="port ellery")
    plain.take_place([("city", "Port Ellery")])
    assert plain.places == [("city", "Port Ellery")]
    assert plain.typed["place"] == ""
    double = form(place="alder glen")
    double.take_place([("city", "Alder Glen"), ("subdivision_name", "Alder Glen")])
    assert [words for *_, words in double.offers] == ["Alder Glen, city", "Alder Glen, subdivision"]
    assert "more than one place" in double.faults["where"]
    unknown = form(place="Atlantis")
    unknown.take_place([])
    assert [kind for kind, *_ in unknown.offers] == list(PLACE_WORDS)
    assert unknown.typed["place"] == "Atlantis"


def test_an_address_that_two_homes_share_asks_for_the_mls_number():
    shared = form(exclude="442 Cooper Street")
    shared.take_home(["one", "another"])
    assert shared.faults["never"] == (
        "“442 Cooper Street” is what more than one home is called. Give its MLS number instead."
    )
    assert shared.typed["exclude"] == "442 Cooper Street"


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("Alder Glen, city", ("Alder Glen", "city")),
        ("Alder Glen, Phase 2, Subdivision", ("Alder Glen, Phase 2", "subdivision_name")),
        ("Alder Glen, Maine", ("Alder Glen, Maine", None)),
        ("04100, postal code", ("04100", "postal_code")),
    ],
)
def test_a_suggestion_names_its_kind(typed, place):
    assert split_place(typed) == place


@pytest.mark.parametrize(
    ("typed", "schedule"),
    [
        ({"schedule": "asap", "send_time": "x"}, (ScheduleType.ASAP, None, ())),
        ({"schedule": "daily", "send_time": "07:30"}, (ScheduleType.DAILY, time(7, 30), ())),
        ({"schedule": "days", "send_time": "18:00", "day": "Monday"}, (ScheduleType.DAILY, time(18), ("Monday",))),
        ({"schedule": "monthly", "send_time": "07:00"}, (ScheduleType.MONTHLY, time(7), ())),
    ],
)
def test_the_schedule_is_read_whole(typed, schedule):
    read = form(**typed).schedule()
    assert (read["schedule_type"], read["send_time"], read["daily_schedule"]) == schedule


@pytest.mark.parametrize(
    "typed",
    [
        {"schedule": "hourly"},
        {"schedule": "daily", "send_time": ""},
        {"schedule": "daily", "send_time": "25:00"},
        {"schedule": "days", "send_time": "07:00"},
        {"schedule": "days", "send_time": "07:00", "day": "Someday"},
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(typed):
    with pytest.raises(Invalid):
        form(**typed).schedule()


def test_the_sentence_lights_the_wishes_and_escapes_the_rest():
    criteria = Criteria.parse(
        {
            "city": ["<b>Port</b> $5,000", "Alder Glen"],
            "list_price": {"le": 525000},
            "bedrooms_total": {"ge": 3},
            "living_area": {"ge": 1600},
            "radius": {"latitude": 43.66, "longitude": -70.25, "miles": 2},
        }
    )
    said = str(lit(criteria))
    assert "<b>Alder Glen</b>" in said
    assert "<b>&lt;b&gt;Port&lt;/b&gt; $5,000</b>" in said
    assert "<b>$525,000</b>," in said
    assert "<b>3 beds or more</b>" in said
    assert "<b>1,600 sq ft</b>" in said
    assert "<b>within 2 miles of 43.6600, −70.2500</b>" in said


@given(st.lists(st.text(min_size=1, max_size=12), max_size=3))
def test_the_sentence_loses_no_letter(names):
    try:
        criteria = Criteria.parse({"city": names, "list_price": {"le": 500000}})
    except Invalid:
        return
    said = str(lit(criteria)).replace("<b>", "").replace("</b>", "")
    assert "<" not in said
    assert unescape(said) == criteria.sentence()
