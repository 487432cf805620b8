"""The inbox of the unknown: decided with the mouse or the keyboard, by day and by night, and taken back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.test_access import breaches

INBOX = "/ops/messages?state=unknown"


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_the_inbox_is_free_of_barriers_and_fits(open_as, theme, width):
    page = open_as("admin", INBOX, theme=theme, width=width, measured=True)
    expect(page.get_by_role("button", name="Send it again")).to_have_count(1)
    assert breaches(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_message_id_is_copied_for_the_relays_log(open_as):
    page = open_as("staff", INBOX)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the Message-ID").click()
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").endswith("@alerts.harborvine.example>")
    expect(page.get_by_role("button", name="mark sent")).to_have_count(0)


@pytest.mark.parametrize("js", [True, False], ids=["with script", "without"])
def test_what_is_ticked_is_marked_and_the_mark_is_taken_back(open_as, js):
    page = open_as("admin", INBOX, js=js)
    if js:
        page.get_by_role("checkbox", name="All 1 of this page").check()
    else:
        page.get_by_role("checkbox", name="Choose message").check()
    expect(page.get_by_role("checkbox", name="Choose message")).to_be_checked()
    page.get_by_role("textbox", name="Note").fill("Found in the relay’s log")
    page.get_by_role("button", name="Mark the ticked ones sent").click()
    expect(page.get_by_text("1 message marked as sent.")).to_be_visible()
    expect(page.get_by_text("Nothing to decide")).to_be_visible()
    page.get_by_role("button", name="Undo the mark").click()
    expect(page.get_by_text("This mail may or may not have arrived.")).to_be_visible()
