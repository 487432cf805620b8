"""The keyboard reaches everything, and single keys never get in the way of typing."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect


def focused_name(page: Page) -> str:
    return page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText || ''")


def test_the_first_stop_is_the_way_past_the_rail(open_as):
    page = open_as("staff", "/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_focus_is_seen_at_every_stop_and_never_under_the_bar(open_as):
    page = open_as("staff", "/")
    hidden = []
    for _ in range(25):
        page.keyboard.press("Tab")
        stop = page.evaluate(
            """() => {
                const here = document.activeElement, style = getComputedStyle(here), box = here.getBoundingClientRect();
                const bar = document.querySelector('.topbar').getBoundingClientRect();
                const outlined = [here, here.parentElement, here.closest('form') ?? here]
                    .some((one) => getComputedStyle(one).outlineStyle !== 'none');
                const under = document.querySelector('main').contains(here) && box.height && box.top < bar.bottom - 1;
                return {name: here.outerHTML.slice(0, 80), outlined, under};
            }"""
        )
        if not stop["outlined"] or stop["under"]:
            hidden.append(stop)
    assert not hidden


def test_control_k_goes_to_the_find_box_from_anywhere(open_as):
    page = open_as("staff", "/contacts")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("searchbox", name="Find a listing")).to_be_focused()
    page.keyboard.type("alder")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/listings\?q=alder"))


def test_slash_goes_to_the_search_of_the_page(open_as):
    page = open_as("staff", "/contacts")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Find a buyer")).to_be_focused()
    page.keyboard.type("g/")
    expect(page.get_by_role("searchbox", name="Find a buyer")).to_have_value("g/")


def test_g_and_a_letter_go_to_a_place(open_as):
    page = open_as("staff", "/")
    for letter, path in (("l", "/listings"), ("b", "/contacts"), ("s", "/searches"), ("h", "/")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        page.wait_for_url(re.compile(re.escape(path) + "$"))


def test_j_and_k_walk_the_rows_and_enter_opens_one(open_as):
    page = open_as("staff", "/contacts")
    rows = page.get_by_role("table").get_by_role("row").filter(has=page.get_by_role("link"))
    links = rows.get_by_role("link")
    page.keyboard.press("j")
    expect(rows.nth(1).get_by_role("link").first).to_be_focused()
    page.keyboard.press("j")
    expect(rows.nth(2).get_by_role("link").first).to_be_focused()
    page.keyboard.press("k")
    expect(rows.nth(1).get_by_role("link").first).to_be_focused()
    assert links.count()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/contacts/\d+$"))


def test_question_mark_shows_the_keys_and_escape_gives_focus_back(open_as):
    page = open_as("staff", "/contacts")
    page.keyboard.press("j")
    before = focused_name(page)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    assert focused_name(page) == before


def test_single_keys_rest_while_one_types(open_as):
    page = open_as("staff", "/contacts")
    box = page.get_by_role("searchbox", name="Find a buyer")
    box.focus()
    page.keyboard.type("gh?jk")
    expect(box).to_have_value("gh?jk")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()


def test_single_keys_can_be_switched_off_and_stay_off(open_as):
    page = open_as("staff", "/")
    page.keyboard.press("?")
    page.get_by_role("checkbox", name="no single-key shortcuts").check()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("searchbox", name="Find a listing")).to_be_focused()


def test_the_menu_of_the_person_opens_by_keyboard_and_closes_with_escape(open_as):
    page = open_as("staff", "/")
    trigger = page.get_by_role("button", name=re.compile("Sam Ortiz"))
    trigger.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('#me').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(trigger).to_be_focused()


def test_a_question_before_the_irrevocable_starts_on_cancel(open_as):
    page = open_as("admin", "/styleguide")
    page.get_by_role("button", name="Stop these mails…").click()
    question = page.get_by_role("dialog", name="Stop mailing Amelia Carter?")
    expect(question).to_be_visible()
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(question).to_be_hidden()
    expect(page).to_have_url(re.compile("/styleguide$"))
