"""What the search screens read: the list by what a person would type, places while typing, never another office's."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from app.domain.errors import NotFound
from app.domain.searches.criteria import Criteria
from app.domain.searches.desk import queries
from app.domain.searches.desk.queries import Filters
from app.domain.searches.queries import skipped_unknown

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def names(office, sort="name", descending=False, **filters):
    rows = queries.search_rows(office.id, Filters(**filters), sort=sort, descending=descending, now=NOW)
    assert queries.count_searches(office.id, Filters(**filters)) == len(rows)
    return [row.name for row in rows]


def search(make, contact, name, **values):
    return make.subscription(make.saved_search(contact, saved_search_name=name), **values)


def test_a_search_is_found_by_its_name_its_buyer_or_the_address(office, make):
    sofia = make.contact(office, full_name="Sofia Delgado", email="sofia@shore.example")
    search(make, sofia, "By the water")
    search(make, make.contact(office, full_name="Ben Aldous"), "First_home")
    assert names(office, q="water") == ["By the water"]
    assert names(office, q="delgado") == ["By the water"]
    assert names(office, q="shore WATER") == ["By the water"]
    assert names(office, q="t_h") == ["First_home"], "an underscore is a letter, not a pattern"
    assert names(make.office(), q="water") == []


def test_the_list_narrows_by_agent_schedule_and_state(office, make):
    dana = make.member(office)
    buyer = make.contact(office)
    search(make, buyer, "asap", owner_member_id=dana.id)
    search(make, buyer, "daily", schedule_type="Daily", send_time=time(7))
    search(make, buyer, "days", schedule_type="Daily", send_time=time(7), daily_schedule=["Monday AM"])
    search(make, buyer, "paused", active_yn=False, reason_active_or_disabled="Agent Disabled")
    search(make, buyer, "broad", active_yn=False, reason_active_or_disabled="Over Limit")
    assert names(office, member_id=dana.id) == ["asap"]
    assert names(office, schedule="asap", state="on") == ["asap"]
    assert names(office, schedule="daily") == ["daily"]
    assert names(office, schedule="days") == ["days"]
    assert names(office, state="off") == ["broad", "paused"]
    assert names(office, state="Over Limit") == ["broad"]


def test_rows_without_a_time_come_last_both_ways(office, make):
    buyer = make.contact(office)
    search(make, buyer, "never")
    search(make, buyer, "soon", schedule_type="Daily", send_time=time(7), next_send_timestamp=NOW)
    search(make, buyer, "later", schedule_type="Daily", send_time=time(7), next_send_timestamp=NOW + timedelta(days=1))
    assert names(office, sort="next") == ["soon", "later", "never"]
    assert names(office, sort="next", descending=True) == ["later", "soon", "never"]


@pytest.mark.parametrize(
    ("values", "blocked"),
    [
        ({"scope": "stream"}, True),
        ({"scope": "address", "reason": "bounced"}, True),
        ({"scope": "stream", "lifted_at": NOW}, False),
        ({"scope": "stream", "expires_at": NOW - timedelta(days=1)}, False),
    ],
)
def test_pa_24_a_row_says_when_the_address_is_suppressed(office, make, values, blocked):
    buyer = make.contact(office)
    search(make, buyer, "one")
    make.suppression(office, buyer.email, **values)
    [row] = queries.search_rows(office.id, Filters(), now=NOW)
    assert row.is_blocked is blocked


def test_pa_24_a_stop_of_one_search_holds_back_that_one_only(office, make):
    buyer = make.contact(office)
    stopped = search(make, buyer, "stopped")
    search(make, buyer, "free")
    make.suppression(office, buyer.email, scope="subscription", alert_subscription_id=stopped.id)
    rows = queries.search_rows(office.id, Filters(), sort="name", descending=False, now=NOW)
    assert [(row.name, row.is_blocked) for row in rows] == [("free", False), ("stopped", True)]
    assert queries.search_with_subscription(office.id, stopped.saved_search_id, now=NOW).blocks


def test_another_offices_search_is_not_found(office, make):
    other = search(make, make.contact(make.office()), "theirs")
    with pytest.raises(NotFound):
        queries.search_with_subscription(office.id, other.saved_search_id, now=NOW)


def test_places_are_offered_from_their_beginning_or_a_later_word_the_closest_first(office, make):
    for name, kind in (
        ("Alder Glen", "city"),
        ("Alder Glen", "subdivision_name"),
        ("Old Alder Wharf", "subdivision_name"),
        ("Calder", "city"),
        ("04100", "postal_code"),
    ):
        make.area(office, name, kind)
    make.area(make.office(), "Alderney", "city")
    assert queries.places_like(office.id, " ALDER  g") == [("city", "Alder Glen"), ("subdivision_name", "Alder Glen")]
    assert queries.places_like(office.id, "alder")[-1] == ("subdivision_name", "Old Alder Wharf")
    assert queries.places_like(office.id, "041") == [("postal_code", "04100")]
    assert queries.places_like(office.id, "%") == []
    assert queries.places_like(office.id, "  ") == []


def test_a_place_is_named_however_it_is_spelled(office, make):
    make.area(office, "Alder Glen", "city")
    make.area(office, "Alder Glen", "subdivision_name")
    make.area(office, "04100", "postal_code")
    assert queries.places_named(office.id, "alder  GLEN") == [
        ("city", "Alder Glen"),
        ("subdivision_name", "Alder Glen"),
    ]
    assert queries.places_named(office.id, "04100-1234") == [("postal_code", "04100")]
    assert queries.places_named(office.id, "Alder") == []


def test_pa_06_homes_that_do_not_say_what_is_asked_are_counted_by_field(office, make):
    place = make.area(office, "Port Ellery")
    for values in (
        {},
        {"living_area": None},
        {"living_area": None, "bedrooms_total": 5},
        {"bedrooms_total": None},
        {"bedrooms_total": None, "living_area": None},
    ):
        make.listing(office, city_area_id=place.id, **values)
    wanted = Criteria.parse({"city": ["Port Ellery"], "living_area": {"ge": 1000}, "bedrooms_total": {"ge": 3}})
    assert skipped_unknown(office.id, wanted) == {"living_area": 2, "bedrooms_total": 1}
    assert skipped_unknown(office.id, Criteria.parse({"city": ["Port Ellery"]})) == {}


def test_the_matches_are_counted_and_the_newest_came_to_the_market_last(office, make):
    place = make.area(office, "Port Ellery")
    for days in (3, 1, None, 2):
        at = NOW - timedelta(days=days) if days else None
        make.listing(office, city_area_id=place.id, unparsed_address=f"{days}", on_market_timestamp=at)
    matches, found = queries.matches_and_newest(office.id, Criteria.parse({"city": ["port ellery"]}), limit=100)
    assert matches == 4
    assert [home.unparsed_address for home in found] == ["1", "2", "3"]


def test_nothing_that_matches_is_a_zero(office):
    assert queries.matches_and_newest(office.id, Criteria.parse({"city": ["Nowhere"]}), limit=100) == (0, [])
