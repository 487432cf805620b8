"""The page of why and why not: asked by words or by number, only of one's own office, and it writes nothing."""

from __future__ import annotations

import pytest

from tests.make import event, listing, match


@pytest.fixture
def told(office, make, db):
    """A buyer whose search asks up to $525,000, and a home at $489,000 with its news."""
    buyer = make.contact(office, full_name="Amelia Carter")
    search = make.saved_search(buyer)
    subscription = make.subscription(search, since_snapshot="1:1:")
    place = make.area(office, "Port Ellery")
    home = listing(office, unparsed_address="418 Alder Court", search_text="418 alder court")
    found = event(home, city_area_id=place.id)
    match(subscription, found)
    return buyer, home, found


def test_the_answer_names_the_step_where_it_stands_and_both_values(as_viewer, told):
    buyer, home, _ = told
    page = as_viewer.get(f"/why?buyer={buyer.id}&home={home.id}").text
    assert "It waits for their next mail, as soon as possible." in page
    assert "up to $525,000" in page
    assert "$489,000" in page
    assert "Was the drop large enough?" in page


def test_buyer_and_home_are_found_by_words_and_one_found_needs_no_choosing(as_agent, told, make, office):
    page = as_agent.get("/why?who=amelia&what=alder").text
    assert "It waits for their next mail" in page
    make.contact(office, full_name="Amelia Stone")
    page = as_agent.get("/why?who=amelia&what=alder").text
    assert "Which buyer?" in page
    assert "Amelia Stone" in page


def test_another_offices_people_and_homes_are_not_even_named(as_admin, make):
    other = make.office()
    stranger, theirs = make.contact(other, full_name="Zelda Far"), listing(other, unparsed_address="9 Far Lane")
    page = as_admin.get(f"/why?buyer={stranger.id}&home={theirs.id}").text
    assert "Zelda" not in page
    assert "Far Lane" not in page
    assert "Name a buyer and a home" in page


def test_a_moment_that_is_none_is_refused_in_words(as_staff, told):
    buyer, home, _ = told
    answer = as_staff.get(f"/why?buyer={buyer.id}&home={home.id}&as_of=yesterday")
    assert answer.status_code == 422
    assert "is no moment" in answer.text


def test_the_terminal_walks_the_same_chain(app, told):
    buyer, home, found = told
    said = app.test_cli_runner().invoke(args=["alerts", "why", str(buyer.id), str(home.id)])
    assert said.exit_code == 0, said.output
    assert "It waits for their next mail" in said.output
    assert f"event {found.seq}" in said.output
    assert "asked up to $525,000 | had $489,000 | holds" in said.output
    missing = app.test_cli_runner().invoke(args=["alerts", "why", "999999", str(home.id)])
    assert missing.exit_code == 1
    assert "no such buyer and home" in missing.output


def test_a_replay_is_asked_by_its_window_and_says_the_verdict(as_staff, as_agent):
    assert "Name a window" in as_staff.get("/replay").text
    answer = as_staff.get("/replay", query_string={"since": "2026-01-01T00:00", "until": "2026-01-02T00:00"})
    assert answer.status_code == 422
    assert "kept for 90 days" in answer.text
    assert as_agent.get("/replay").status_code == 403


def test_what_waits_is_listed_and_each_mail_can_be_looked_at(as_agent, as_viewer, told, make):
    buyer, _, _ = told
    assert "Amelia Carter" in as_viewer.get("/previews").text
    page = as_viewer.get(f"/previews/{buyer.id}").text
    assert "nobody counts as told" in page
    assert "Send to me" not in page
    assert "Send to me" in as_agent.get(f"/previews/{buyer.id}").text
    frame = as_viewer.get(f"/previews/{buyer.id}/html")
    assert "sandbox" in frame.headers["Content-Security-Policy"]
    assert "418 Alder Court" in frame.text
    assert as_viewer.post(f"/previews/{buyer.id}/send").status_code == 403
    stranger = make.contact(make.office())
    assert as_viewer.get(f"/previews/{stranger.id}").status_code == 404
