"""The works renew themselves every 15 s, and nobody who reads or types there notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from app.domain.models import JobSchedule
from app.domain.ops import due, health
from app.extensions import db, settings


@pytest.fixture
def resumed(live) -> Iterator[None]:
    """The line that the world has paused runs while the test does."""
    with live.app.app_context():
        row = db.session.get(JobSchedule, "retention")
        kept = (row.enabled, row.paused_reason, row.paused_at, row.paused_by_id)
        due.resume("retention")
        db.session.commit()
        health.dim(settings().database_url)
    yield
    with live.app.app_context():
        row = db.session.get(JobSchedule, "retention")
        row.enabled, row.paused_reason, row.paused_at, row.paused_by_id = kept
        db.session.commit()
        health.dim(settings().database_url)


def open_with_clock(open_as, path: str, **named) -> Page:
    page = open_as("admin", **named)
    page.clock.install()
    page.goto(path)
    return page


def mark(page: Page, part: str) -> None:
    page.evaluate("(part) => { document.querySelector(part).dataset.drawn = 'before'; }", part)


def is_marked(page: Page, part: str) -> bool:
    return page.evaluate("(part) => document.querySelector(part).dataset.drawn === 'before'", part)


def renew(page: Page, part: str) -> None:
    """Let 16 seconds pass, and wait until the part was drawn anew."""
    mark(page, part)
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        page.clock.run_for(16_000)
    page.wait_for_function("(part) => document.querySelector(part)?.dataset.drawn === undefined", arg=part)
    page.wait_for_function("() => !document.querySelector('.htmx-settling, .htmx-swapping, .htmx-request')")


def stays(page: Page, part: str) -> None:
    """Let a minute pass, in which the part is left alone."""
    mark(page, part)
    page.clock.run_for(60_000)
    assert is_marked(page, part)


def test_a_page_of_the_works_keeps_focus_and_scroll_while_it_renews_itself(open_as):
    page = open_with_clock(open_as, "/ops")
    link = page.get_by_role("link", name="Check it yourself")
    link.focus()
    page.evaluate("scrollTo(0, 240)")
    renew(page, "#ops")
    expect(link).to_be_focused()
    assert page.evaluate("scrollY") == 240


def test_a_button_that_has_the_focus_keeps_it(open_as):
    page = open_with_clock(open_as, "/ops/schedules")
    button = page.get_by_role("button", name="Run alerts now")
    button.focus()
    renew(page, "#schedules")
    expect(button).to_be_focused()


def test_a_table_that_was_scrolled_sideways_stays_so_wherever_the_focus_is(open_as):
    page = open_with_clock(open_as, "/ops", width=390)
    box = page.get_by_role("group", name="Jobs, may scroll sideways")
    box.evaluate("(box) => { box.scrollLeft = 130; }")
    renew(page, "#ops")
    assert box.evaluate("(box) => box.scrollLeft") == 130


def test_numbers_that_were_opened_stay_open_and_their_head_keeps_the_focus(open_as):
    page = open_with_clock(open_as, "/ops/schedules/alerts")
    head = page.get_by_text("Show the numbers")
    head.click()
    expect(page.get_by_role("columnheader", name="Day")).to_be_visible()
    renew(page, "#schedule")
    expect(page.get_by_role("columnheader", name="Day")).to_be_visible()
    expect(head).to_be_focused()
    head.click()
    renew(page, "#schedule")
    expect(page.get_by_role("columnheader", name="Day")).to_be_hidden()


def test_a_half_typed_reason_is_left_alone_also_when_one_looks_elsewhere(open_as):
    page = open_with_clock(open_as, "/ops/schedules/alerts")
    reason = page.get_by_label("Why")
    reason.fill("the relay is")
    stays(page, "#schedule")
    page.get_by_role("link", name="All").first.focus()
    stays(page, "#schedule")
    expect(reason).to_have_value("the relay is")
    reason.fill("")
    page.get_by_role("link", name="All").first.focus()
    renew(page, "#schedule")


def test_a_page_that_nobody_sees_asks_nothing_and_catches_up_at_once(open_as):
    page = open_with_clock(open_as, "/ops")
    page.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    stays(page, "#ops")
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


def test_an_admin_pauses_a_line_reads_why_everywhere_and_resumes_it(open_as, resumed):
    page = open_as("admin", "/ops/schedules")
    page.get_by_role("link", name="Pause retention…").click()
    page.get_by_role("button", name="Pause retention").click()
    expect(page.get_by_label("Why")).to_be_focused()  # the browser asks for the reason first
    page.get_by_label("Why").fill("the backup still runs")
    page.get_by_role("button", name="Pause retention").click()
    expect(page.get_by_role("note").filter(has_text="“retention” is paused")).to_contain_text("the backup still runs")
    page.goto("/listings")
    bar = page.get_by_role("note").filter(has_text="“retention” is paused")
    expect(bar).to_contain_text("by Ruth Calloway: the backup still runs")
    bar.get_by_role("button", name="Resume retention").click()
    expect(page.get_by_role("region", name="Messages")).to_contain_text("“retention” runs again")
    expect(page.get_by_role("heading", name="Retention", level=1)).to_be_visible()
    expect(bar).to_have_count(0)


def test_without_script_a_line_is_paused_too_and_a_short_reason_comes_back(open_as, resumed):
    page = open_as("admin", "/ops/schedules/retention", js=False)
    page.get_by_label("Why").evaluate("(field) => field.removeAttribute('minlength')")
    page.get_by_label("Why").fill("no")
    page.get_by_role("button", name="Pause retention").click()
    expect(page.get_by_label("Why")).to_have_value("no")
    expect(page.get_by_text("Say why, in 3 to 200 characters")).to_be_visible()
    page.get_by_label("Why").fill("no backup yet")
    page.get_by_role("button", name="Pause retention").click()
    expect(page.get_by_role("note").filter(has_text="“retention” is paused")).to_contain_text("no backup yet")
