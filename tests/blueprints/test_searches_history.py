"""What becomes of a search: versions and their differences, what a pause missed, copies, deletion."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from app.domain.models import SavedSearch
from app.domain.searches import saved
from app.extensions import db as database
from tests.blueprints.test_searches import area_of, buyer, page, post, search, subscription_of, typed
from tests.counting import queries_of

__all__ = ["buyer", "search"]

NARROWER = {"city": ["Port Ellery", "Marsh Landing"], "list_price": {"le": 400000}}


@pytest.fixture
def edited(office, search, as_staff):
    """Two versions: the second asks for another town too, for less money."""
    del as_staff
    saved.edit(search.id, office_id=office.id, version=1, criteria=NARROWER)
    database.session.commit()
    return search


# Versions


def test_any_two_versions_are_told_apart_field_by_field(as_viewer, edited):
    shown = page(as_viewer, f"/searches/{edited.id}/versions")
    assert "Version 1 → 2" in shown
    assert "up to $525,000" in shown
    assert "up to $400,000" in shown
    assert "added </span>Marsh Landing" in shown
    assert "Bring back version 1" not in shown, "a viewer only looks"
    assert "Choose another version" in page(as_viewer, f"/searches/{edited.id}/versions?from=2&to=2")
    assert "Version 1 → 2" in page(as_viewer, f"/searches/{edited.id}/versions?from=7&to=x"), "garbled is the default"


def test_the_order_of_the_two_does_not_matter(as_staff, edited):
    one = page(as_staff, f"/searches/{edited.id}/versions?from=1&to=2", headers={"HX-Request": "true"})
    other = page(as_staff, f"/searches/{edited.id}/versions?from=2&to=1", headers={"HX-Request": "true"})
    assert "<html" not in one
    assert [line for line in one.splitlines() if "csrf" not in line] == [
        line for line in other.splitlines() if "csrf" not in line
    ]


def test_an_older_version_comes_back_as_a_new_one(as_staff, edited):
    post(as_staff, f"/searches/{edited.id}/versions/1/restore", 303, {"version": "2"})
    database.session.expire_all()
    found = database.session.get(SavedSearch, edited.id)
    assert found.version == 3
    assert found.criteria["list_price"] == {"le": 525000}
    shown = page(as_staff, f"/searches/{edited.id}/versions")
    assert "Version 1 is in force again, as version 3." in shown
    assert "Version 1 again" in shown


def test_a_version_is_not_brought_back_over_one_that_was_saved_meanwhile(as_staff, edited):
    post(as_staff, f"/searches/{edited.id}/versions/1/restore", 303, {"version": "1"})
    assert "was changed meanwhile" in page(as_staff, f"/searches/{edited.id}/versions")
    assert database.session.get(SavedSearch, edited.id).version == 2


def test_the_page_of_versions_costs_the_same_few_queries_at_any_length(as_staff, office, edited):
    def cost():
        with queries_of() as asked:
            page(as_staff, f"/searches/{edited.id}/versions")
        return len(asked)

    few = cost()
    for number in range(2, 12):
        changed = NARROWER | {"list_price": {"le": 400_000 + number}}
        saved.edit(edited.id, office_id=office.id, version=number, criteria=changed)
    database.session.commit()
    assert cost() == few


# What a pause missed


def test_pa_16_what_was_missed_is_shown_newest_first_and_only_what_would_have_been_told(
    as_viewer, office, make, search
):
    now = datetime.now(UTC)
    city = {"city_area_id": area_of(office, "Port Ellery")}
    one = subscription_of(search.id)
    one.original_entry_timestamp = now - timedelta(days=30)
    one.active_yn, one.stopped_at, one.kinds = False, now - timedelta(days=3), 1
    homes = [make.listing(office, unparsed_address=f"{n} Missed Lane", list_price=450_000, **city) for n in range(4)]
    for days, home in zip((9, 2, 1, 1), homes, strict=True):
        make.event(home, recorded_at=now - timedelta(days=days), **city)
    make.event(homes[3], kinds=2, recorded_at=now - timedelta(hours=1), **city)
    elsewhere = make.listing(office, unparsed_address="1 Elsewhere", list_price=450_000)
    make.event(elsewhere, recorded_at=now - timedelta(days=1))
    database.session.commit()
    shown = page(as_viewer, f"/searches/{search.id}/missed")
    places = [shown.find(f"{n} Missed Lane") for n in (3, 2, 1)]
    assert places == sorted(places)
    assert -1 not in places
    assert "0 Missed Lane" not in shown, "it was told before the pause"
    assert "1 Elsewhere" not in shown
    assert "Price drop" not in shown, "the search does not tell of drops"


def test_a_search_that_never_stopped_missed_nothing(as_viewer, search):
    assert "was never paused" in page(as_viewer, f"/searches/{search.id}/missed")


# Copies


def test_a_duplicate_opens_unsaved_with_the_same_wishes_and_another_name(as_staff, search, buyer):
    shown = page(as_staff, f"/searches/new?contact={buyer.id}&like={search.id}")
    assert 'value="Copy of Family home"' in shown
    assert 'value="$525,000"' in shown
    assert 'name="city" value="Port Ellery"' in shown
    assert database.session.query(SavedSearch).count() == 1


def test_a_copy_for_another_buyer_is_chosen_by_name_and_saved_as_theirs(as_staff, office, make, search, buyer):
    other = make.contact(office, full_name="Zelda Quist")
    shown = page(as_staff, f"/searches/{search.id}/copy?q=zeld", headers={"HX-Request": "true"})
    assert f"/searches/new?contact={other.id}&amp;like={search.id}" in shown
    assert buyer.full_name not in shown
    assert f"contact={buyer.id}&" not in page(as_staff, f"/searches/{search.id}/copy"), "not to the same buyer"
    form = page(as_staff, f"/searches/new?contact={other.id}&like={search.id}")
    assert f"A copy of Family home of {buyer.full_name}." in form
    post(as_staff, "/searches", 303, typed(contact=other.id))
    assert database.session.query(SavedSearch).filter_by(contact_id=other.id).one().criteria == search.criteria


# Deleting


def test_a_deleted_search_leaves_the_lists_and_its_page_offers_to_bring_it_back(as_staff, search, buyer):
    post(as_staff, f"/searches/{search.id}/delete", 303, {})
    shown = page(as_staff, f"/searches/{search.id}")
    assert "Bring it back" in shown
    assert "Save and" not in shown
    assert not subscription_of(search.id).active_yn
    assert "Family home" not in page(as_staff, "/searches")
    assert "No searches yet" in page(as_staff, f"/contacts/{buyer.id}")
    post(as_staff, f"/searches/{search.id}", 409, typed(version="1", name="Other"))
    post(as_staff, f"/searches/{search.id}/bring-back", 303, {})
    assert "Family home" in page(as_staff, "/searches")
    assert not subscription_of(search.id).active_yn, "back, and still off"


# Who may


@pytest.mark.parametrize("act", ["versions/1/restore", "delete", "bring-back", "pause"])
def test_a_viewer_changes_nothing(as_viewer, edited, act):
    post(as_viewer, f"/searches/{edited.id}/{act}", 403, {"version": "2"})


@pytest.mark.parametrize("act", ["versions/1/restore", "delete", "bring-back"])
def test_another_offices_search_is_not_found(as_staff, make, act):
    foreign = saved.create(
        (elsewhere := make.office()).id,
        make.contact(elsewhere).id,
        "",
        {"city": ["Port Ellery"]},
        schedule_type="Daily",
        send_time=time(7),
    )
    database.session.commit()
    post(as_staff, f"/searches/{foreign.id}/{act}", 404, {"version": "1"})
    for shown in ("versions", "missed", "copy"):
        page(as_staff, f"/searches/{foreign.id}/{shown}", 404)
    mine = make.contact(make.office())
    page(as_staff, f"/searches/new?contact={mine.id}&like={foreign.id}", 404)
