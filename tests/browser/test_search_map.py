"""The map of the builder and its places while typing: by mouse, by keyboard, with the form as the truth."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.domain.listings import record as listings
from app.domain.models import Office
from app.extensions import db
from tests.browser.test_access import breaches
from tests.browser.test_searches import buyer, column, place, search, stored

__all__ = ["buyer", "place", "search"]


@pytest.fixture
def spots(live, place) -> str:
    """Three more homes of that town, on a diagonal of the map, and one without coordinates."""
    with live.app.app_context():
        office = db.session.scalar(select(Office.id))
        for number in range(3):
            at = {"latitude": 44.10 + number / 50, "longitude": -70.20 + number / 50}
            home = {"standard_status": "Active", "list_price": 350_000 + number, "city": place}
            listings.create(office, home | at | {"unparsed_address": f"{number} Diagonal Road"})
        listings.create(office, {"standard_status": "Active", "list_price": 1, "city": place})
        db.session.commit()
    return place


@pytest.fixture
def opened(open_as, search, spots) -> Any:
    del spots

    def opened(**how: Any) -> Page:
        page = open_as("staff", f"/searches/{search}", **how)
        page.get_by_text("see what matches, draw where").click()
        expect(said(page)).to_contain_text("3 of 7 homes on the map; 4 without coordinates")
        return page

    return opened


def said(page: Page) -> Any:
    return page.locator("#map-said")


def click_at(page: Page, *spots: tuple[float, float]) -> None:
    """Parts of the map's width and height."""
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    for across, down in spots:
        page.mouse.click(box["x"] + box["width"] * across, box["y"] + box["height"] * down)


def test_an_area_is_drawn_counted_moved_and_taken_away(opened, search, live):
    page = opened()
    page.get_by_role("button", name="Remove Builder Cove").first.click()
    expect(page.get_by_text("Not ready yet")).to_be_visible()
    page.get_by_role("button", name="Draw an area").click()
    click_at(page, (0.02, 0.45), (0.98, 0.45), (0.98, 0.98), (0.02, 0.98))
    expect(said(page)).to_have_text("4 corners.")
    page.get_by_role("button", name="Done").click()
    expect(column(page)).to_contain_text("2 homes")
    expect(page.get_by_role("button", name=re.compile("^Remove the drawn area of"))).to_be_visible()
    knob = page.get_by_title("Corner; drag to move").first.bounding_box()
    page.mouse.move(knob["x"] + 7, knob["y"] + 7)
    page.mouse.down()
    page.mouse.move(knob["x"] + 7, knob["y"] - 200, steps=4)
    page.mouse.up()
    expect(page.locator("#headline")).to_contain_text("not saved yet")
    page.get_by_role("button", name="Save and keep sending").click()
    expect(page.get_by_text("Saved as version 2")).to_be_visible()
    [area] = stored(live, search)["polygons"]
    assert len(area) == 4
    page.get_by_role("button", name=re.compile("^Remove the drawn area of")).click()
    expect(page.get_by_text("Not ready yet")).to_be_visible()


def test_the_map_is_drawn_on_and_walked_by_keyboard_alone(opened):
    page = opened(measured=True)
    page.get_by_role("button", name="Draw a circle").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("application", name="Map of the homes that match")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Miles", exact=True)).to_have_value("1")
    expect(page.locator("#chips-where")).to_contain_text("Within 1 mi")
    page.get_by_role("button", name="Cross out an area").focus()
    page.keyboard.press("Enter")
    for key in ("Enter", "ArrowRight", "Enter", "ArrowDown", "Enter", "ArrowLeft", "Enter", "Backspace"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
    expect(said(page)).to_have_text("3 corners.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Cross out an area")).to_have_attribute("aria-pressed", "false")
    homes = page.get_by_role("button", name=re.compile(r"Diagonal Road$"))
    homes.first.focus()
    before = page.evaluate("document.activeElement.title")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.title") != before
    page.keyboard.press("Enter")
    card = page.get_by_role("application").get_by_role("link", name=re.compile("Diagonal Road"))
    expect(card).to_be_visible()
    assert breaches(page) == []


def test_a_home_is_left_out_from_the_map_and_the_map_stays_open(opened, live, search):
    page = opened()
    page.get_by_role("button", name="$350,000, 0 Diagonal Road").dispatch_event("click")
    page.get_by_role("button", name="Leave this home out").click()
    expect(page.get_by_role("button", name="Remove 0 Diagonal Road")).to_be_visible()
    expect(column(page)).to_contain_text("6 homes")
    expect(said(page)).to_contain_text("2 of 6 homes on the map")
    expect(page.get_by_role("application")).to_be_visible()
    assert "excluded_listing_keys" not in stored(live, search), "nothing is saved by looking"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_map_on_a_phone_is_no_barrier(opened, theme):
    page = opened(width=390, theme=theme, measured=True)
    page.get_by_text("Fee, garage, water, pool, words…").click()
    page.get_by_text("Inside corners").click()
    page.get_by_label("Areas, one a line").fill("44.0, -70.3; 44.3, -70.3; 44.3, -70.0")
    expect(page.get_by_role("button", name=re.compile("^Remove the drawn area of"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert breaches(page) == []


def test_without_script_corners_are_typed_and_a_wrong_one_is_named(open_as, search):
    page = open_as("staff", f"/searches/{search}", js=False)
    expect(page.get_by_text("see what matches, draw where")).to_be_hidden()
    page.get_by_text("Inside corners").click()
    page.get_by_label("Areas, one a line").fill("44.0, -70.3; somewhere")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_text("“somewhere” is no corner.").first).to_be_visible()
    page.get_by_label("Areas, one a line").fill("44.0, -70.3; 44.3, -70.3; 44.3, -70.0")
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("button", name=re.compile("^Remove the drawn area of"))).to_be_visible()
    page.get_by_role("button", name="Save and keep sending").click()
    expect(page.get_by_text("Saved as version 2")).to_be_visible()


def test_places_are_a_combobox_that_speaks_closes_and_keeps_what_was_typed(open_as, search, place):
    page = open_as("staff", f"/searches/{search}", measured=True)
    box = page.get_by_role("combobox", name="Add a place")
    box.click()
    page.keyboard.type(place[:9].lower(), delay=20)
    expect(box).to_have_attribute("aria-expanded", "true")
    options = page.get_by_role("listbox", name="Places").get_by_role("option")
    expect(options.first).to_be_visible()
    page.keyboard.press("ArrowUp")
    chosen = page.get_by_role("listbox", name="Places").get_by_role("option", selected=True)
    expect(chosen).to_have_count(1)
    expect(box).to_have_attribute("aria-activedescendant", re.compile(r"^place-\d+$"))
    assert breaches(page) == []
    page.keyboard.press("Escape")
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(box).to_be_focused()
    assert box.input_value() == place[:9].lower()
    page.keyboard.type(" nowhere")
    expect(page.locator("[data-combobox] [role=status]")).to_have_text("No such place")
    expect(box).to_have_attribute("aria-expanded", "false")


def test_what_is_too_broad_offers_a_price_and_the_way_to_the_line(open_as, search, place, live):
    with live.app.app_context():
        office = db.session.scalar(select(Office.id))
        homes = [
            {
                "originating_system_key": f"{place}-{number}",
                "standard_status": "Active",
                "list_price": 600_000 + number * 1_000,
                "city": place,
            }
            for number in range(520)
        ]
        listings.record(office, "Broad MLS", homes, origin="backfill")
        db.session.commit()
    page = open_as("staff", f"/searches/{search}")
    expect(column(page)).to_contain_text("It cannot be switched on like this")
    column(page).get_by_role("link", name="Go to the price").click()
    expect(page.get_by_label("Highest price")).to_be_focused()
    offer = column(page).get_by_role(
        "button", name=re.compile(r"^Up to \$[\d,]+ leaves 4\d\d homes$|leaves 500 homes$")
    )
    offer.click()
    expect(column(page)).not_to_contain_text("It cannot be switched on like this")
    assert page.get_by_label("Highest price").input_value().startswith("1")
