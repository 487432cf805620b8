"""Schedules, states and changes as people read them."""

from __future__ import annotations

from datetime import time

import pytest

from app.domain.models.lookups import ReasonActiveOrDisabled
from app.domain.searches.desk.words import OFF_REASONS, changes_between, days_of, schedule_words, state_of, value_words


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (("ASAP", [], None), "As it happens"),
        (("Daily", [], time(7)), "Every day, 7:00"),
        (("Daily", ["Thursday AM", "Monday AM"], time(7, 30)), "Mon, Thu, 7:30"),
        (("Monthly", [], time(18, 5)), "The 1st of every month, 18:05"),
    ],
)
def test_a_schedule_reads_as_people_say_it(schedule, words):
    assert schedule_words(*schedule) == words


def test_days_come_in_the_order_of_the_week():
    assert days_of(["Sunday PM", "Tuesday PM"]) == ["Tuesday", "Sunday"]


@pytest.mark.parametrize("reason", [None, "of another release", *ReasonActiveOrDisabled])
def test_every_state_has_a_word_and_a_sentence(reason):
    state = state_of(is_active=False, reason=reason)
    assert state.word
    assert state.sentence.endswith(".")
    is_warned = reason in {"No Listings Found Warning", "Initial Ignored Warning", "Final Ignored Warning"}
    assert state_of(is_active=True, reason=reason).word == ("About to stop" if is_warned else "Sending")


def test_a_search_that_is_on_does_not_claim_to_send_to_a_suppressed_address():
    assert state_of(is_active=True, reason=None, is_blocked=True).word == "Held back"


def test_each_reason_to_be_off_has_its_own_word():
    assert len({state_of(is_active=False, reason=reason).word for reason in OFF_REASONS}) == len(OFF_REASONS)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("list_price", {"ge": 380000, "le": 525000}, "$380,000 to $525,000"),
        ("list_price", {"le": 525000}, "up to $525,000"),
        ("living_area", {"ge": 1600}, "1,600 sq ft or more"),
        ("living_area", {"ge": 1600, "le": 2000}, "1,600 to 2,000 sq ft"),
        ("baths_equivalent", {"ge": 2.5}, "2.5 or more"),
        ("year_built", {"ge": 1998}, "1998 or more"),
        ("property_type", ["Land", "Farm"], "Land, Farm"),
        ("list_price", None, "any"),
    ],
)
def test_a_criterion_reads_as_people_write_it(field, value, words):
    assert value_words(field, value) == words


def test_an_edit_is_told_field_by_field_before_and_after_and_places_are_one_field():
    before = {"city": ["Port Ellery"], "list_price": {"le": 500000}, "standard_status": ["Active"]}
    after = {
        "subdivision_name": ["Alder Glen"],
        "radius": {"latitude": 43.66, "longitude": -70.25, "miles": 2},
        "list_price": {"le": 525000},
        "standard_status": ["Active"],
        "bedrooms_total": {"ge": 3},
    }
    changes = changes_between(before, after)
    assert [change[:3] for change in changes] == [
        ("Where", "Port Ellery", "Alder Glen, 2 mi around 43.66, -70.25"),
        ("Price", "up to $500,000", "up to $525,000"),
        ("Beds", "any", "3 or more"),
    ]
    assert changes[0].added == ("Alder Glen", "2 mi around 43.66, -70.25")
    assert changes[0].removed == ("Port Ellery",)
    assert changes_between(after, after) == []


def test_every_criterion_has_its_words_in_a_change():
    square = [[44.0, -70.0], [44.0, -69.98], [44.02, -69.98], [44.02, -70.0]]
    asked = {
        "city": ["Port Ellery"],
        "polygons": [square],
        "not_polygons": [square],
        "association_fee_monthly": {"le": 350},
        "garage_spaces": {"ge": 2},
        "waterfront_yn": True,
        "senior_community_yn": False,
        "special_listing_conditions_not": ["Short Sale"],
        "keywords_any": ["sea view", "porch"],
        "excluded_listing_keys": ["a", "b"],
        "include_unknown": ["living_area"],
    }
    said = {change.field: change.after for change in changes_between({}, asked)}
    assert said == {
        "Where": "Port Ellery, 1.4 sq mi around 44.0100, −69.9900",
        "Monthly fee": "up to $350",
        "Garage": "2 cars or more",
        "Waterfront": "yes",
        "55+ community": "no",
        "Conditions left out": "Short Sale",
        "Any of the words": "sea view, porch",
        "Not inside": "1.4 sq mi around 44.0100, −69.9900",
        "Homes left out": "2 homes",
        "Also where unknown": "living area",
    }
