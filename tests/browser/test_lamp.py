"""An open page learns by itself that something broke, that nobody answers any more, and that all is well again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from app.domain.models import JobSchedule, ProcessHeartbeat
from app.domain.ops import health
from app.domain.ops.heartbeat import Heart
from app.extensions import db, settings

SILENT = "No worker takes jobs from “alerts”"


@pytest.fixture
def workers(live) -> Iterator[list[Heart]]:
    """Every process of the house lives for an hour, whatever the world says of them."""
    later = datetime.now(UTC) + timedelta(seconds=20)
    hearts = [Heart("scheduler"), *(Heart("worker", queue) for queue in ("alerts", "messages", "bulk"))]
    with live.app.app_context():
        for heart in hearts:
            heart.beat(now=later)
        db.session.commit()
        health.dim(settings().database_url)
    yield hearts
    with live.app.app_context():
        for heart in hearts:
            heart.stop()
        db.session.commit()
        health.dim(settings().database_url)


def fall_silent(live) -> None:
    with live.app.app_context():
        db.session.query(ProcessHeartbeat).filter_by(queue="alerts").update(
            {"seen_at": datetime.now(UTC) - timedelta(minutes=5)}
        )
        db.session.commit()
        health.dim(settings().database_url)


def open_with_clock(open_as, path: str, **named) -> Page:
    page = open_as("admin", **named)
    page.clock.install()
    page.goto(path)
    return page


def lamp_of(page: Page):
    return page.get_by_role("navigation", name="Main").get_by_role("link", name=re.compile("Checked|Not checked"))


def test_a_page_that_was_left_open_turns_red_by_itself_and_keeps_the_focus(open_as, live, workers):
    page = open_with_clock(open_as, "/listings")
    lamp = lamp_of(page)
    expect(lamp).not_to_contain_text(SILENT)
    title = page.title().lstrip("●○ ")
    lamp.focus()
    fall_silent(live)
    page.clock.run_for(16_000)
    expect(lamp).to_contain_text(SILENT)
    expect(lamp).to_be_focused()
    expect(page).to_have_title(f"● {title}")


def test_a_hidden_page_asks_nothing(open_as, live, workers):
    page = open_with_clock(open_as, "/listings")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "hx-request" in request.headers else None)
    page.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    page.clock.run_for(60_000)
    assert not asked
    page.evaluate("delete document.hidden")
    with page.expect_request("**/ops/lamp*"):
        page.clock.run_for(2_000)


def test_on_the_works_the_lamp_comes_with_the_verdict(open_as, live, workers):
    page = open_with_clock(open_as, "/ops")
    fall_silent(live)
    page.clock.run_for(16_000)
    expect(page.get_by_role("status", name="Verdict")).to_contain_text(SILENT)
    expect(lamp_of(page)).to_contain_text(SILENT)


def test_what_cannot_be_renewed_turns_grey_says_since_when_and_comes_back(open_as, live, workers):
    page = open_with_clock(open_as, "/ops")
    is_away = True

    def answer(route: Route) -> None:
        route.abort() if is_away and route.request.headers.get("hx-request") else route.continue_()

    page.route("**/*", answer)
    page.clock.run_for(16_000)
    expect(
        page.get_by_text(re.compile(r"^Porchlight does not answer: not checked since \d\d:\d\d:\d\d\."))
    ).to_be_visible()
    expect(page.get_by_role("main").get_by_text(re.compile(r"^Not checked since \d\d:\d\d:\d\d$"))).to_be_visible()
    expect(lamp_of(page)).to_have_text(re.compile(r"Not checkedsince \d\d:\d\d:\d\d"))
    assert page.locator("#ops").evaluate("(part) => getComputedStyle(part).filter") == "grayscale(1)"
    expect(page).to_have_title(re.compile("^○ "))
    is_away = False
    page.clock.run_for(16_000)
    expect(page.get_by_text("Porchlight does not answer: not checked")).to_have_count(0)
    expect(lamp_of(page)).to_contain_text("Checked")
    assert page.locator("#ops").evaluate("(part) => getComputedStyle(part).filter") == "none"


def test_the_phones_ring_turns_red_with_the_lamp(open_as, live, workers):
    page = open_with_clock(open_as, "/listings", width=390)
    avatar = page.get_by_role("button", name="More").locator(".avatar")
    page.evaluate("document.querySelector('#lamp').dataset.tone = 'good'")
    assert avatar.evaluate("(mark) => getComputedStyle(mark).boxShadow") == "none"
    fall_silent(live)
    page.clock.run_for(16_000)
    page.wait_for_function("() => getComputedStyle(document.querySelector('.rail-me .avatar')).boxShadow !== 'none'")


def test_without_script_nothing_promises_to_look_again(open_as):
    expect(open_as("admin", "/ops", js=False).get_by_text("again every 15 s")).to_be_hidden()
    expect(open_as("admin", "/ops").get_by_text("again every 15 s")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_the_open_tab_is_in_sight_and_a_line_can_be_run_without_scrolling(open_as, width):
    page = open_as("admin", "/ops/audit", width=width)
    expect(page.get_by_role("navigation", name="Operations").get_by_role("link", name="Audit")).to_be_in_viewport()
    page.goto("/ops/schedules")
    expect(page.get_by_role("button", name="Run alerts now")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.get_by_role("group", name="Schedules, may scroll sideways")
    assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_word_breaks_instead_of_running_out_of_its_box(open_as, live, width):
    long = "w" * 200
    with live.app.app_context():
        row = db.session.get(JobSchedule, "retention")
        kept, row.paused_reason = row.paused_reason, long
        db.session.commit()
        health.dim(settings().database_url)
    try:
        for path in ("/", "/ops", "/ops/schedules"):
            page = open_as("admin", path, width=width)
            expect(page.get_by_role("note").filter(has_text=long)).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            out = page.evaluate(
                "() => [...document.querySelectorAll('.verdict, .pause-bar, .lamp, .stat, .list > li')]"
                ".filter((box) => box.offsetParent && box.scrollWidth > box.clientWidth + 1).map((box) => box.className)"
            )
            assert not out, path
            page.close()
    finally:
        with live.app.app_context():
            db.session.get(JobSchedule, "retention").paused_reason = kept
            db.session.commit()
            health.dim(settings().database_url)
