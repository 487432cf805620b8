"""Runs as a person at a keyboard finds and ticks them."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def test_a_filter_changes_the_list_and_the_address_and_a_bad_one_is_told_beside_it(open_as):
    page = open_as("admin", "/ops/runs")
    page.get_by_role("search", name="Runs").get_by_label("State").select_option("failed")
    expect(page).to_have_url(re.compile(r"/ops/runs\?state=failed$"))
    expect(page.get_by_role("link", name="Remove State failed")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("what is wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("“what is wrong” is not understood")
    expect(page.get_by_label("Run number or argument")).to_have_value("what is wrong")


def test_failed_runs_are_walked_and_ticked_by_keys(open_as):
    page = open_as("admin", "/ops/runs?state=failed")
    page.keyboard.press("j")
    page.keyboard.press("x")
    ticked = page.locator('[name="run"]:checked')
    expect(ticked).to_have_count(1)
    page.get_by_label("All failed runs of this page").check()
    expect(ticked).to_have_count(page.locator('[name="run"]').count())
    page.get_by_role("button", name="Dismiss all…").click()
    dialog = page.get_by_role("dialog", name=re.compile("Dismiss .+ failed run"))
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
