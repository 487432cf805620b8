"""Queues, workers and integrations in a browser: charts that are opened, numbers that stay open, and no barrier."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_access import breaches


def test_a_bar_opens_its_runs_and_so_does_its_row_by_keyboard(open_as):
    page = open_as("viewer", "/ops/queues?span=24h")
    queue = page.get_by_role("region", name="alerts")
    queue.locator("svg a").first.click()
    expect(page).to_have_url(re.compile(r"/ops/runs\?.*since="))
    page.go_back()
    queue.get_by_text("Show the numbers").focus()
    page.keyboard.press("Enter")
    table = queue.get_by_role("group", name="Numbers of alerts")
    expect(table).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/ops/runs\?.*since="))


def test_the_span_is_in_the_address_and_open_numbers_outlive_a_poll(open_as):
    page = open_as("viewer", "/ops/queues")
    page.get_by_role("link", name="24 hours").click()
    expect(page).to_have_url(re.compile(r"span=24h"))
    expect(page.get_by_role("link", name="24 hours")).to_have_attribute("aria-current", "true")
    summaries = page.get_by_text("Show the numbers")
    summaries.first.click()
    page.evaluate("document.querySelector('#queues').dataset.old = 'yes'")
    page.evaluate("document.querySelector('#queues').dispatchEvent(new CustomEvent('poll'))")
    expect(page.locator("#queues:not([data-old])")).to_have_count(1)
    expect(page.locator("details.numbers[open]")).to_have_count(1)
    expect(page.get_by_role("region", name="alerts").locator("details.numbers[open]")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"span=24h"))


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
@pytest.mark.parametrize("path", ["/ops/queues?span=14d", "/ops/workers", "/ops/integrations"])
def test_with_its_numbers_open_a_page_is_free_of_barriers_and_fits(open_as, path, theme, width):
    page = open_as("admin", path, theme=theme, width=width, measured=True)
    page.evaluate("document.querySelectorAll('details.numbers').forEach((box) => { box.open = true; })")
    assert breaches(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_script_the_pages_say_the_same(open_as):
    page = open_as("viewer", "/ops/workers", js=False)
    expect(page.get_by_text(re.compile(r"process(es)? (is|are) silent\."))).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("attic"))).to_contain_text("Silent, worker on porch-2")
    page.goto("/ops/integrations")
    expect(page.get_by_role("region", name="Mail relay")).to_contain_text("It last failed")
