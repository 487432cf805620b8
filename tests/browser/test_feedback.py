"""What the page says back: messages, refusals, live parts, forms that are not lost."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, Route, expect

from tests.browser.world import PASSWORD


def say(page: Page, **message: str) -> None:
    page.evaluate("(detail) => document.body.dispatchEvent(new CustomEvent('toast', {detail, bubbles: true}))", message)


def messages(page: Page):
    return page.get_by_role("region", name="Messages")


def test_a_success_leaves_by_itself_and_an_error_stays(open_as):
    page = open_as("staff")
    page.clock.install()
    page.goto("/")
    say(page, tone="good", text="The search is saved.")
    say(page, tone="bad", text="That was not saved.", reference="7f3a22")
    expect(messages(page).get_by_role("status")).to_contain_text("The search is saved.")
    expect(messages(page).get_by_role("alert")).to_contain_text("Reference 7f3a22")
    page.clock.run_for(6000)
    expect(messages(page).get_by_role("status")).to_have_count(0)
    expect(messages(page).get_by_role("alert")).to_have_count(1)


def test_a_success_waits_while_one_reads_it(open_as):
    page = open_as("staff")
    page.clock.install()
    page.goto("/")
    say(page, tone="good", text="The search is saved.")
    messages(page).get_by_role("status").hover()
    page.clock.run_for(20_000)
    expect(messages(page).get_by_role("status")).to_have_count(1)


def test_escape_closes_the_newest_message_first(open_as):
    page = open_as("staff", "/")
    say(page, tone="bad", text="One.")
    say(page, tone="bad", text="Two.")
    page.keyboard.press("Escape")
    expect(messages(page)).to_contain_text("One.")
    expect(messages(page)).not_to_contain_text("Two.")
    messages(page).get_by_role("button", name="Close").click()
    expect(messages(page).get_by_role("alert")).to_have_count(0)


def test_a_message_is_text_and_never_markup(open_as):
    page = open_as("staff", "/")
    say(page, tone="bad", text="<img src=x onerror=alert(1)>")
    expect(messages(page)).to_contain_text("<img src=x onerror=alert(1)>")


def test_what_a_view_flashed_is_a_message_after_the_redirect(open_as):
    page = open_as(None, "/sign-in")
    page.get_by_label("Email").fill("x@harborvine.example")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("That email and password do not belong together.")
    expect(page.get_by_label("Email")).to_have_value("x@harborvine.example")
    expect(page.get_by_label("Password")).to_be_focused()


def refuse(status: int, **headers: str):
    def answer(route: Route) -> None:
        if route.request.headers.get("hx-request"):
            route.fulfill(status=status, body="no", headers=headers)
        else:
            route.continue_()

    return answer


def search(page: Page, words: str) -> None:
    page.get_by_role("searchbox", name="Find a buyer").fill(words)


def test_a_failed_part_leaves_the_page_alone_and_says_so_once(open_as):
    page = open_as("staff", "/contacts")
    rows = page.get_by_role("row").count()
    toast = json.dumps({"toast": {"tone": "bad", "text": "Something went wrong on our side.", "reference": "ab12"}})
    page.route(re.compile("/contacts"), refuse(409, **{"HX-Trigger": toast, "HX-Reswap": "none"}))
    search(page, "wei")
    expect(messages(page).get_by_role("alert")).to_contain_text("Reference ab12")
    expect(messages(page).get_by_role("alert")).to_have_count(1)
    assert page.get_by_role("row").count() == rows


def test_an_answer_from_something_in_between_is_a_message_too(open_as):
    page = open_as("staff", "/contacts")
    page.route(re.compile("/contacts"), refuse(403))
    search(page, "wei")
    expect(messages(page).get_by_role("alert")).to_contain_text("Nothing was changed.")


def test_a_connection_that_is_gone_is_a_message_too(open_as):
    page = open_as("staff", "/contacts")
    page.route(re.compile("/contacts"), lambda route: route.abort())
    search(page, "wei")
    expect(messages(page).get_by_role("alert")).to_contain_text("Porchlight does not answer.")
    expect(messages(page).get_by_role("alert")).to_have_count(1)


def sign_in_again(page: Page, role: str = "staff") -> None:
    page.wait_for_url(re.compile(r"/sign-in\?next="))
    page.get_by_label("Email").fill(f"{role}@harborvine.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


BACK = "What you had typed is back; it is not saved yet."


def test_a_session_that_ended_leads_to_the_sign_in_page_and_back_to_the_typed_words(open_as):
    page = open_as("staff", "/contacts")
    page.context.clear_cookies()
    search(page, "wei")
    page.wait_for_url(re.compile(r"/sign-in\?next="))
    expect(page.get_by_text("Your session ended; sign in and go on.")).to_be_visible()
    sign_in_again(page)
    assert "/contacts?q=wei" in page.url
    expect(page.get_by_role("searchbox", name="Find a buyer")).to_have_value("wei")


def test_a_plain_form_sent_after_the_session_ended_is_put_back_unsaved(open_as):
    page = open_as("staff", "/contacts/new")
    page.get_by_label("First name").fill("Nora")
    page.get_by_label("Last name").fill("Quill")
    page.context.clear_cookies()
    page.get_by_role("main").locator("form").get_by_role("button").last.click()
    sign_in_again(page)
    expect(messages(page)).to_contain_text(BACK)
    expect(page.get_by_label("First name")).to_have_value("Nora")
    expect(page.get_by_label("Last name")).to_have_value("Quill")


def test_what_was_typed_is_not_shown_to_another_person(open_as):
    page = open_as("staff", "/contacts/new")
    page.get_by_label("First name").fill("Nora")
    page.context.clear_cookies()
    page.get_by_role("main").locator("form").get_by_role("button").last.click()
    sign_in_again(page, "admin")
    expect(page.get_by_label("First name")).to_have_value("")
    assert page.evaluate("sessionStorage.length") == 0


def test_a_form_that_arrived_is_not_put_back(open_as):
    page = open_as("staff", "/contacts/new")
    page.get_by_label("First name").fill("Nora")
    page.get_by_label("Last name").fill("Arrived")
    page.get_by_role("main").locator("form").get_by_role("button").last.click()
    page.wait_for_url(re.compile(r"/contacts/\d+"))
    assert page.evaluate("sessionStorage.length") == 0
    page.goto("/contacts/new")
    expect(page.get_by_label("First name")).to_have_value("")


def test_what_was_typed_more_than_two_hours_ago_stays_away(open_as):
    page = open_as("staff", "/contacts/new")
    page.get_by_label("First name").fill("Nora")
    page.context.clear_cookies()
    page.get_by_role("main").locator("form").get_by_role("button").last.click()
    page.wait_for_url(re.compile(r"/sign-in\?next="))
    page.evaluate(
        """() => {
            for (const [name, draft] of Object.entries(sessionStorage)) {
                const older = JSON.parse(draft);
                older.at -= 7_201_000;
                sessionStorage.setItem(name, JSON.stringify(older));
            }
        }"""
    )
    sign_in_again(page)
    expect(page.get_by_label("First name")).to_have_value("")


def test_a_live_part_asks_every_15_seconds_while_it_is_seen_and_not_worked_in(open_as):
    page = open_as("admin")
    page.clock.install()
    page.goto("/styleguide")
    page.evaluate(
        """() => {
            const part = document.createElement('div');
            part.dataset.poll = '15';
            part.innerHTML = '<label>Note <input></label>';
            window.asked = 0;
            part.addEventListener('poll', () => { window.asked += 1; });
            document.querySelector('main').prepend(part);
        }"""
    )
    page.clock.run_for(31_000)
    first = page.evaluate("asked")
    assert first in (1, 2)
    page.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    page.clock.run_for(60_000)
    assert page.evaluate("asked") == first
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    assert page.evaluate("asked") == first + 1
    page.get_by_label("Note").focus()
    page.clock.run_for(60_000)
    assert page.evaluate("asked") == first + 1


def test_the_first_page_renews_itself_and_leaves_focus_and_scroll_alone(open_as):
    page = open_as("admin")
    page.clock.install()
    page.goto("/")
    page.evaluate("document.querySelector('#now').dataset.seen = 'before'")
    link = page.get_by_role("table").get_by_role("link", name="Miriam Okafor").first
    link.focus()
    page.evaluate("scrollTo(0, 120)")
    with page.expect_response(
        lambda answer: answer.request.headers.get("hx-request") == "true" and "lamp" not in answer.url
    ):
        page.clock.run_for(62_000)
    page.wait_for_function("() => document.querySelector('#now').dataset.seen === undefined")
    expect(link).to_be_focused()
    assert page.evaluate("scrollY") == 120


def test_a_file_that_is_too_large_is_refused_before_it_travels(open_as):
    page = open_as("admin", "/styleguide")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "market.csv", "mimeType": "text/csv", "buffer": b"x" * 2_000_000}
    )
    expect(page.get_by_role("alert").filter(has_text="market.csv has 2 MB; the limit here is 1 MB.")).to_be_visible()
    assert not page.get_by_label("File", exact=True).evaluate("(field) => field.validity.valid")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "market.csv", "mimeType": "text/csv", "buffer": b"x"}
    )
    expect(page.get_by_text("the limit here is 1 MB.")).to_have_count(0)
    assert page.get_by_label("File", exact=True).evaluate("(field) => field.validity.valid")


def test_leaving_a_form_with_something_in_it_asks_first(open_as):
    page = open_as("staff", "/contacts/new")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_role("link", name="Today").first.click()
    page.wait_for_url(re.compile("/$"))
    assert not asked
    page.goto("/contacts/new")
    page.get_by_role("textbox").first.type("Nora")
    page.get_by_role("link", name="Today").first.click()
    page.wait_for_url(re.compile("/$"))
    assert asked == ["beforeunload"]
