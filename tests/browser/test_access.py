"""WCAG 2.2 A and AA on every page there is, by day on a desk and by night on a phone; and nothing is lost at 320 px."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import Live
from tests.browser.world import addresses

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PUBLIC = {"auth.sign_in", "public.digest", "public.listing", "public.unsubscribe"}


def breaches(page: Page) -> list[str]:
    """Each as: rule, how often, the first place."""
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]})
    return [
        f"{one['id']} × {len(one['nodes'])}: {one['nodes'][0]['html'][:160]} ({one['nodes'][0]['failureSummary'][:200]})"
        for one in found.response["violations"]
    ]


def pages(live: Live) -> list[tuple[str, str]]:
    """Every address that is no download, that is not for machines, and that is no letter as it was sent: a letter stands
    in a frame in which no script runs, a checker's neither."""
    return [
        (endpoint, path)
        for endpoint, path in addresses(live.app, live.world)
        if "." not in path.rsplit("/", 1)[-1] and not endpoint.startswith("health.") and not path.endswith("/html")
    ]


def is_page(page: Page) -> bool:
    return page.evaluate("document.contentType") == "text/html" and page.locator("html[lang]").count() == 1


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("theme", "width"), [("light", 1440), ("dark", 390)], ids=["by day on a desk", "by night on a phone"]
)
def test_every_page_is_free_of_barriers(open_as, live, theme, width):
    member = open_as("admin", theme=theme, width=width, measured=True)
    stranger = open_as(None, theme=theme, width=width, measured=True)
    found, seen = {}, 0
    for endpoint, path in [*pages(live), ("", "/nothing-here")]:
        page = stranger if endpoint in PUBLIC else member
        page.goto(path)
        if not is_page(page):
            continue
        seen += 1
        if wrong := breaches(page):
            found[path] = wrong
    assert seen >= 6
    assert found == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_opens_over_a_page_is_free_of_barriers_too(open_as, theme):
    page = open_as("admin", "/styleguide", theme=theme, measured=True)
    page.keyboard.press("?")
    assert breaches(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Ruth Calloway").click()
    assert breaches(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Stop these mails…").click()
    assert breaches(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_refused_sign_in_is_free_of_barriers(open_as, theme):
    page = open_as(None, "/sign-in", theme=theme, measured=True)
    page.get_by_label("Email").fill("nobody@harborvine.example")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    assert breaches(page) == []


def test_no_page_scrolls_sideways_at_320_pixels(open_as, live):
    member, stranger = open_as("admin", width=320), open_as(None, width=320)
    wide = {}
    for endpoint, path in pages(live):
        page = stranger if endpoint in PUBLIC else member
        page.goto(path)
        if is_page(page) and page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide[path] = page.evaluate("document.documentElement.scrollWidth")
    assert wide == {}
