"""The listings in a real browser: finding while typing, walking by keyboard, saving, and all of it without script."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.domain.listings import record as listings
from app.domain.models import Office, Role, User
from app.extensions import db
from tests.browser.test_access import breaches


@pytest.fixture
def own_home(live):
    """A home that only this test changes; make it with an address nobody else has."""

    def build(address: str, **values: object) -> int:
        with live.app.app_context():
            listing = listings.create(
                db.session.scalar(select(Office.id)),
                {
                    "standard_status": "Active",
                    "list_price": Decimal(300_000),
                    "unparsed_address": address,
                    "city": "Far Haven",
                }
                | values,
                origin="backfill",
            )
            db.session.commit()
            return int(listing.id)

    return build


def save_meanwhile(live: Any, listing_id: int, **changes: object) -> None:
    """Somebody else saves."""
    with live.app.app_context():
        dana = db.session.scalars(select(User).where(User.role == Role.AGENT)).one()
        listings.change(listing_id, changes, office_id=dana.office_id, user_id=dana.id, origin="correction")
        db.session.commit()


def rows(page: Page) -> list[str]:
    return page.locator("table a.row-link").all_inner_texts()


def expect_rows(page: Page, names: list[str]) -> None:
    """Waits: a click that opens a page returns before the page is there."""
    expect(page.locator("table a.row-link")).to_have_text(names)


def test_typing_narrows_the_list_keeps_the_focus_and_writes_the_address(open_as):
    page = open_as("viewer", "/listings?view=all")
    page.keyboard.press("/")
    box = page.get_by_role("searchbox", name="Find in these listings")
    expect(box).to_be_focused()
    page.keyboard.type("alder", delay=40)
    expect(page.get_by_role("status").filter(has_text=re.compile("^1 listing$"))).to_be_attached()
    expect_rows(page, ["418 Alder Court"])
    expect(page).to_have_url(re.compile(r"/listings\?view=all&q=alder$"))
    expect(box).to_be_focused()
    page.keyboard.type(" co")
    expect(page).to_have_url(re.compile(r"q=alder\+co$"))
    expect(box).to_have_value("alder co")
    page.reload()
    expect_rows(page, ["418 Alder Court"])
    expect(box).to_have_value("alder co")


def test_back_returns_the_list_as_it_was(open_as):
    page = open_as("viewer", "/listings?view=all")
    before = rows(page)
    page.get_by_role("searchbox", name="Find in these listings").fill("lane")
    expect(page).to_have_url(re.compile("q=lane"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"view=all$"))
    expect(page.get_by_role("searchbox", name="Find in these listings")).to_have_value("")
    expect_rows(page, before)


def test_words_typed_keep_the_filters_and_chips_lose_one_at_a_time(open_as):
    page = open_as("viewer", "/listings?view=all&price_max=600k&beds=3")
    page.get_by_role("searchbox", name="Find in these listings").fill("port ellery")
    expect(page).to_have_url(re.compile("q=port"))
    assert "price_max=600000" in page.url
    page.get_by_role("link", name="Remove Beds 3+").click()
    expect(page).to_have_url(re.compile(r"/listings\?view=all&q=port\+ellery&price_max=600000$"))


def test_the_filter_opens_closes_and_applies_by_keyboard(open_as):
    page = open_as("viewer", "/listings")
    opener = page.get_by_role("button", name="Filter", exact=True)
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Filter")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_label("Highest price").fill("400k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Remove Price up to $400k")).to_be_visible()
    assert rows(page)
    assert set(rows(page)) <= {
        "9 Chandlery Row",
        "600 Battery Walk, Unit 8C",
        "1904 Fiddler Creek Road",
        "66 Cooper Street",
        "73 Quarry Lane",
    } | {row for row in rows(page) if "Test" in row}


def test_the_row_cursor_walks_and_opens_and_the_record_walks_on(open_as):
    page = open_as("viewer", "/listings?view=all&sort=address&q=quarry")
    names = rows(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name=names[1])).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(names[1])
    expect(page.get_by_text(f"2 of {len(names)}")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", level=1)).to_contain_text(names[2])
    page.keyboard.press("p")
    expect(page.get_by_role("heading", level=1)).to_contain_text(names[1])


def test_a_price_is_changed_by_keyboard_alone(open_as, own_home):
    page = open_as("agent", f"/listings/{own_home('1 Test Price')}")
    page.get_by_text("Change price or status").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    price = page.get_by_label("Price", exact=True)
    expect(price).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("$289,000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Price $300,000 → $289,000.")).to_be_visible()
    expect(page.locator(".price")).to_contain_text("$289,000")


@pytest.mark.parametrize("js", [True, False], ids=["with script", "without script"])
def test_a_wrong_price_is_said_beside_its_field_which_has_the_focus(open_as, own_home, js):
    page = open_as("agent", f"/listings/{own_home(f'2 Test Wrong {js}')}/edit", js=js)
    page.get_by_label("Price", exact=True).fill("call us")
    page.get_by_role("button", name="Save").click()
    field = page.get_by_label("Price", exact=True)
    expect(field).to_have_value("call us")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("“call us” is not a price.")).to_be_visible()
    expect(field).to_be_focused()


def test_the_edit_key_opens_the_form_and_a_dirty_form_warns(open_as, own_home):
    page = open_as("agent", f"/listings/{own_home('3 Test Dirty')}")
    page.keyboard.press("e")
    page.get_by_label("City").fill("Elsewhere")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_role("link", name="Cancel").click()
    expect(page).to_have_url(re.compile(r"/listings/\d+$"))
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_two_people_at_one_listing_see_both_values_and_choose(open_as, live, own_home, theme):
    listing_id = own_home(f"4 Test Clash {theme}")
    page = open_as("staff", f"/listings/{listing_id}/edit", theme=theme, measured=True)
    save_meanwhile(live, listing_id, list_price=Decimal(280_000))
    page.get_by_label("Price", exact=True).fill("290,000")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Dana Whitlock changed this listing while you were typing")).to_be_visible()
    expect(page.get_by_role("radio", name=re.compile(r"Keep theirs: \$280,000"))).to_be_visible()
    assert breaches(page) == []
    page.get_by_role("radio", name=re.compile(r"Use yours: \$290,000")).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Price $280,000 → $290,000.")).to_be_visible()


def test_without_script_one_finds_filters_pages_and_saves(open_as, own_home):
    own_home("5 Test Plain")
    page = open_as("agent", "/listings", js=False)
    page.get_by_role("searchbox", name="Find in these listings").fill("test plain")
    page.get_by_role("button", name="Find", exact=True).click()
    expect_rows(page, ["5 Test Plain"])
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_label("Lowest price").fill("$1m")
    page.get_by_role("button", name="Show listings").click()
    expect(page.get_by_role("heading", name="left nothing")).to_be_visible()
    page.get_by_role("link", name="Remove Price $1m and up").first.click()
    page.get_by_role("link", name="5 Test Plain").click()
    page.get_by_text("Change price or status").click()
    page.get_by_label("Price", exact=True).fill("310k")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Price $300,000 → $310,000.")).to_be_visible()


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_what_opens_and_what_is_refused_is_free_of_barriers(open_as, own_home, theme, width):
    listing_id = own_home(f"6 Test Barriers {theme}")
    page = open_as("admin", "/listings?price_min=abc&beds=2", theme=theme, width=width, measured=True)
    assert breaches(page) == []
    page.get_by_role("button", name="Filter", exact=True).click()
    assert breaches(page) == []
    page.goto("/listings?q=nothing+like+it&beds=3")
    assert breaches(page) == []
    page.goto(f"/listings/{listing_id}")
    page.get_by_text("Change price or status").click()
    page.get_by_label("Price", exact=True).fill("call us")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("“call us” is not a price.")).to_be_visible()
    assert breaches(page) == []
