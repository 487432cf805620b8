"""Theme and density: drawn by the server, kept by a cookie, switched without a reload, and without script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect


def theme(page: Page) -> str | None:
    return page.evaluate("document.documentElement.dataset.bsTheme ?? null")


def ground(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("js", [True, False], ids=["with script", "without script"])
def test_a_theme_is_chosen_and_the_server_draws_it_from_then_on(open_as, js):
    page = open_as("viewer", "/", js=js)
    with page.expect_response(re.compile("/preferences$")):
        page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    assert 'data-bs-theme="dark"' in page.context.request.get("/").text()
    page.goto("/")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_the_system_decides_until_somebody_chooses(open_as):
    light, dark = open_as("viewer", "/", theme="light"), open_as("viewer", "/", theme="dark")
    assert theme(light) is None
    assert theme(dark) is None
    assert ground(light) != ground(dark)


def test_the_switch_turns_the_system_dark_into_light(open_as):
    page = open_as("viewer", "/", theme="dark")
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")


@pytest.mark.parametrize("js", [True, False], ids=["with script", "without script"])
def test_rows_are_roomier_for_who_wants_it(open_as, js):
    page = open_as("viewer", "/contacts", js=js)
    row = page.get_by_role("row").nth(2)
    dense = row.bounding_box()["height"]
    page.get_by_role("button", name=re.compile("Vera Lindqvist")).click()
    page.get_by_role("button", name="Roomy").click()
    expect(page.locator("html")).to_have_attribute("data-density", "comfortable")
    assert row.bounding_box()["height"] > dense
    assert page.url.endswith("/contacts")


def test_without_script_one_signs_in_finds_a_home_and_signs_out(open_as):
    page = open_as(None, "/contacts", js=False)
    page.get_by_label("Email").fill("leaver@harborvine.example")
    page.get_by_label("Password").fill("the porch light is on")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Buyers", level=1)).to_be_visible()
    box = page.get_by_role("searchbox", name="Find a listing")
    box.fill("alder")
    box.press("Enter")
    expect(page).to_have_url(re.compile(r"/listings\?q=alder"))
    page.get_by_role("button", name=re.compile("Lea Verne")).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Signed out, here and wherever else you were signed in.")).to_be_visible()


def test_on_a_phone_everything_is_within_reach(open_as):
    page = open_as("admin", "/", width=390)
    page.get_by_role("button", name=re.compile("More")).click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_role("link", name="Imports", exact=True)).to_be_visible()
    page.get_by_role("link", name="Operations", exact=True).click()
    expect(page).to_have_url(re.compile("/ops$"))
