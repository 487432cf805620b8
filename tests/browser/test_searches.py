"""The builder of a search in a real browser: counting while typing, places and choices by keyboard, and all without
script."""

from __future__ import annotations

import itertools
import re
from datetime import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.domain.contacts import book
from app.domain.listings import record as listings
from app.domain.models import Office, SavedSearch
from app.domain.searches import saved
from app.extensions import db
from tests.browser.test_access import breaches
from tests.browser.test_feedback import BACK, sign_in_again

NUMBERS = itertools.count(1)


@pytest.fixture
def place(live) -> str:
    """A town nobody else has, with homes at 300, 400 and 500 thousand."""
    town = f"Builder Cove {next(NUMBERS)}"
    with live.app.app_context():
        office = db.session.scalar(select(Office.id))
        for price in (300_000, 400_000, 500_000):
            listings.create(
                office,
                {
                    "standard_status": "Active",
                    "list_price": price,
                    "unparsed_address": f"{price // 1000} {town} Road",
                    "city": town,
                    "property_type": "Residential",
                },
            )
        db.session.commit()
    return town


@pytest.fixture
def buyer(live) -> int:
    number = next(NUMBERS)
    with live.app.app_context():
        office = db.session.scalar(select(Office.id))
        contact = book.create(
            office, {"first_name": "Sofia", "last_name": f"No. {number}", "email": f"s{number}@example.com"}
        )
        db.session.commit()
        return int(contact.id)


@pytest.fixture
def search(live, buyer, place) -> int:
    """A search for that town that sends every day at 7."""
    with live.app.app_context():
        office = db.session.scalar(select(Office.id))
        made = saved.create(
            office, buyer, f"Homes in {place}", {"city": [place]}, schedule_type="Daily", send_time=time(7)
        )
        db.session.commit()
        return int(made.id)


def stored(live: Any, search_id: int) -> dict[str, Any]:
    with live.app.app_context():
        return db.session.get(SavedSearch, search_id).criteria


def column(page: Page) -> Any:
    return page.get_by_role("complementary", name="What this search would do")


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.name || document.activeElement.id")


def test_typing_a_price_counts_again_and_the_focus_stays(open_as, search, place, live):
    page = open_as("staff", f"/searches/{search}")
    expect(column(page)).to_contain_text("3 homes")
    page.evaluate("window.still = true")
    highest = page.get_by_label("Highest price")
    highest.click()
    page.keyboard.type("450k", delay=40)
    expect(column(page)).to_contain_text("2 homes")
    expect(column(page)).to_contain_text("1 fewer than version 1")
    expect(page.get_by_text(f"Homes of any type in {place}, up to $450,000.")).to_be_visible()
    expect(page.get_by_text("Version 2, not saved yet.")).to_be_visible()
    assert (focused(page), highest.input_value()) == ("price_high", "450k")
    assert page.evaluate("window.still"), "no page was loaded anew"
    assert "list_price" not in stored(live, search)


def test_a_line_that_cannot_be_read_is_named_at_once_and_forgotten_once_mended(open_as, search):
    page = open_as("staff", f"/searches/{search}")
    lowest = page.get_by_label("Lowest price")
    lowest.fill("cheap")
    expect(page.locator("main").get_by_text("“cheap” is not a number").first).to_be_visible()
    expect(column(page)).to_contain_text("Not counted")
    lowest.fill("350000")
    expect(column(page)).to_contain_text("2 homes")
    expect(page.locator("#fault-list_price")).to_be_empty()


def test_a_place_is_added_and_dropped_from_the_keyboard(open_as, search, place, live):
    other = f"Second {place}"
    with live.app.app_context():
        office = db.session.scalar(select(Office.id))
        listings.create(office, {"standard_status": "Active", "list_price": 310_000, "city": other})
        db.session.commit()
    page = open_as("staff", f"/searches/{search}")
    page.get_by_label("Add a place").focus()
    page.keyboard.type(other.lower()[:12], delay=20)
    expect(page.get_by_role("option", name=f"{other} city")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    remove = page.get_by_role("button", name=f"Remove {place}", exact=True)
    expect(page.get_by_role("button", name=f"Remove {other}", exact=True)).to_be_visible()
    expect(column(page)).to_contain_text("4 homes")
    expect(page.get_by_label("Add a place"), "the next place can be typed at once").to_be_focused()
    remove.focus()
    page.keyboard.press("Enter")
    expect(remove).to_have_count(0)
    expect(column(page)).to_contain_text("1 home")
    expect(page.get_by_label("Add a place")).to_be_focused()
    assert stored(live, search)["city"] == [place], "nothing was saved by looking"


def test_a_name_of_two_places_is_asked_about(open_as, search, place, live):
    with live.app.app_context():
        office = db.session.scalar(select(Office.id))
        listings.create(
            office,
            {"standard_status": "Active", "list_price": 1_000, "city": "Elsewhere", "subdivision_name": place},
        )
        db.session.commit()
    page = open_as("staff", f"/searches/{search}", measured=True)
    page.get_by_label("Add a place").fill(place)
    page.keyboard.press("Enter")
    choice = page.get_by_role("button", name=f"{place}, subdivision")
    expect(choice).to_be_visible()
    assert breaches(page) == []
    choice.click()
    expect(column(page)).to_contain_text("4 homes")


def test_enter_in_a_price_looks_and_does_not_save(open_as, search, live):
    page = open_as("staff", f"/searches/{search}")
    page.get_by_label("Highest price").fill("310000")
    page.keyboard.press("Enter")
    expect(column(page)).to_contain_text("1 home")
    expect(page.get_by_text("not saved yet")).to_be_visible()
    assert "list_price" not in stored(live, search)


def test_choices_open_and_are_ticked_without_a_mouse(open_as, search):
    page = open_as("staff", f"/searches/{search}")
    page.locator("#more-property_type").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Remove Residential", exact=True)).to_be_visible()
    assert page.evaluate("document.activeElement.value") == "Residential"
    page.get_by_role("radio", name="As it happens").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Time of day")).to_be_visible()


def test_a_search_is_saved_right_after_typing_and_says_from_now_on(open_as, search, live):
    page = open_as("staff", f"/searches/{search}")
    page.get_by_label("Highest price").fill("410000")
    page.get_by_role("button", name="Save and keep sending").click()
    expect(page.get_by_text("Saved as version 2, in force from now on.")).to_be_visible()
    expect(page.get_by_text("Version 2 has been sending since")).to_be_visible()
    assert stored(live, search)["list_price"] == {"le": 410000}


def test_a_value_dropped_while_a_count_is_on_its_way_stays_dropped(open_as, search, place, live):
    page = open_as("staff", f"/searches/{search}")
    page.route("**/preview", lambda route: (page.wait_for_timeout(600), route.continue_()))
    page.get_by_label("Highest price").fill("450k")
    with page.expect_request("**/preview"):
        pass
    page.get_by_role("button", name=f"Remove {place}", exact=True).click()
    expect(page.get_by_text("Not ready yet")).to_be_visible()
    page.wait_for_timeout(900)
    expect(page.get_by_role("button", name=f"Remove {place}", exact=True)).to_have_count(0)
    assert page.get_by_label("Highest price").input_value() == "450k"


def test_a_refused_search_takes_the_focus_to_the_wrong_line_and_lets_it_go_again(open_as, search):
    page = open_as("staff", f"/searches/{search}", measured=True)
    page.get_by_label("Lowest price").fill("900000")
    page.get_by_label("Highest price").fill("100000")
    page.get_by_role("button", name="Save and keep sending").click()
    expect(page.locator("#fault-list_price")).to_have_text("The lowest price is above the highest.")
    expect(page.get_by_label("Lowest price")).to_be_focused()
    assert breaches(page) == []
    area = page.get_by_label("Least living area, square feet")
    area.click()
    with page.expect_response("**/preview"):
        page.keyboard.type("1600", delay=30)
    page.wait_for_timeout(100)
    expect(area).to_be_focused()
    assert area.input_value() == "1600"


def test_a_newer_version_is_shown_beside_mine_and_i_choose(open_as, search, live):
    page = open_as("staff", f"/searches/{search}", measured=True)
    page.get_by_label("Highest price").fill("700000")
    with live.app.app_context():
        office = db.session.scalar(select(Office.id))
        theirs = stored(live, search) | {"list_price": {"le": 400000}}
        saved.edit(search, office_id=office, version=1, criteria=theirs)
        db.session.commit()
    page.get_by_role("button", name="Save and keep sending").click()
    expect(page.get_by_text("Version 2 was saved while you were typing")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile(r"Price up to \$400,000 up to \$700,000"))).to_be_visible()
    assert breaches(page) == []
    page.get_by_role("button", name="Save and keep sending").click()
    expect(page.get_by_text("Saved as version 3")).to_be_visible()
    assert stored(live, search)["list_price"] == {"le": 700000}


def test_without_script_a_search_is_built_checked_and_saved(open_as, buyer, place, live):
    page = open_as("staff", f"/searches/new?contact={buyer}", js=False)
    page.get_by_label("Add a place").fill(place)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(column(page)).to_contain_text("3 homes")
    page.get_by_label("Highest price").fill("$450,000")
    page.locator("#more-property_type").click()
    page.get_by_role("checkbox", name="Residential", exact=True).check()
    page.get_by_role("checkbox", name="Land", exact=True).check()
    page.get_by_role("button", name="Check", exact=True).click()
    expect(column(page)).to_contain_text("2 homes")
    page.get_by_role("button", name="Remove Land", exact=True).click()
    page.get_by_text("Chosen days").click()
    page.get_by_role("checkbox", name="Monday").check()
    page.get_by_role("button", name="Save and start sending").click()
    expect(page.get_by_text("It sends only what changes from now on")).to_be_visible()
    made = stored(live, int(page.url.rsplit("/", 1)[-1]))
    assert made == {
        "city": [place],
        "list_price": {"le": 450000},
        "property_type": ["Residential"],
        "standard_status": ["Active"],
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_the_count_stays_in_sight_and_nothing_is_a_barrier(open_as, search, theme):
    page = open_as("staff", f"/searches/{search}", width=390, theme=theme, measured=True)
    for name in ("Type", "Sub type", "Off the market", "Around a point", "Inside a box"):
        page.locator("summary", has_text=re.compile(rf"^\s*{name}\s*$")).click()
    page.get_by_text("Chosen days").click()
    page.get_by_label("Highest price").fill("450k")
    line = page.get_by_role("status").filter(has_text="2 homes match now")
    expect(line).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert breaches(page) == []


def test_typing_narrows_the_buyers_keeps_the_focus_and_writes_the_address(open_as, buyer):
    page = open_as("viewer", "/contacts")
    page.keyboard.press("/")
    box = page.get_by_role("searchbox", name="Find a buyer")
    expect(box).to_be_focused()
    page.keyboard.type("sofia", delay=30)
    expect(page).to_have_url(re.compile(r"/contacts\?q=sofia$"))
    expect(page.get_by_role("link", name=re.compile("^Sofia No"))).not_to_have_count(0)
    expect(box).to_be_focused()
    assert box.input_value() == "sofia"
    page.reload()
    assert page.get_by_role("searchbox", name="Find a buyer").input_value() == "sofia"


def test_a_search_saved_after_the_session_ended_is_put_back_unsaved(open_as, buyer, place):
    page = open_as("staff", f"/searches/new?contact={buyer}")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_label("Add a place").fill(place)
    page.get_by_label("Add a place").press("Enter")
    expect(page.get_by_role("button", name=f"Remove {place}")).to_be_visible()
    page.get_by_label("Highest price").fill("437500")
    expect(column(page)).to_contain_text("2 homes")
    page.context.clear_cookies()
    page.get_by_role("button", name="Save and start sending").click()
    page.wait_for_url(re.compile(r"/sign-in\?next="))
    expect(page.get_by_text("You were signed out before that was saved.")).to_be_visible()
    assert "csrf" not in page.evaluate("JSON.stringify(sessionStorage)")
    sign_in_again(page)
    assert not asked, "leaving was the page's own idea, and nothing is lost"
    expect(page.get_by_role("region", name="Messages")).to_contain_text(BACK)
    expect(page.get_by_label("Highest price")).to_have_value("437500")
    expect(page.get_by_role("button", name=f"Remove {place}")).to_have_count(1)
    expect(column(page)).to_contain_text("2 homes")
    assert page.locator(f"input[type=hidden][value='{place}']").count() == 1
    assert page.evaluate("sessionStorage.length") == 0
    page.get_by_role("button", name="Save and start sending").click()
    page.wait_for_url(re.compile(r"/searches/\d+"))
    assert not asked
