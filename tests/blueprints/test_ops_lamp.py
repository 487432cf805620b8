"""The lamp of every page, as an open page asks for it again and again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.domain.ops import due, health
from app.extensions import db as database
from app.extensions import settings
from tests.counting import queries_of

WHY = "the relay is being moved"
ASK = {"HX-Request": "true"}


def test_an_open_page_asks_for_the_lamp_alone_and_gets_every_place_of_it(as_admin, well):
    page = as_admin.get("/listings").text
    assert 'data-ask="/ops/lamp"' in page
    due.pause("alerts", WHY, None)
    database.session.commit()
    health.dim(settings().database_url)
    answer = as_admin.get("/ops/lamp", headers=ASK).text
    assert "<html" not in answer
    for place in ('id="lamp"', 'id="pauses"', 'id="house-word"'):
        assert place in answer
        assert place in page
    assert 'data-tone="wait"' in answer
    assert f"“alerts” is paused: {WHY}" in answer
    assert "Resume alerts" in answer


def test_the_lamp_costs_no_statement_but_for_who_asks(as_admin, well):
    as_admin.get("/ops/lamp", headers=ASK)
    database.session.expire_all()
    with queries_of() as seen:
        as_admin.get("/ops/lamp", headers=ASK)
    assert not [statement for statement in seen if "job_" in statement or "process_heartbeat" in statement]
    assert len(seen) <= 2


def test_everybody_sees_the_lamp_and_the_bars_stand_where_they_belong(as_agent, as_staff, well):
    due.pause("alerts", WHY, None)
    database.session.commit()
    health.dim(settings().database_url)
    assert 'id="lamp"' in as_agent.get("/ops/lamp", headers=ASK).text
    assert "pause-bar" not in as_agent.get("/ops/lamp?works=1", headers=ASK).text
    assert "pause-bar" not in as_staff.get("/ops/lamp", headers=ASK).text
    assert 'data-ask="/ops/lamp?works=1"' in as_staff.get("/ops/runs").text
    assert "pause-bar" in as_staff.get("/ops/lamp?works=1", headers=ASK).text


def test_a_page_that_was_left_open_keeps_nobody_signed_in(as_admin, well):
    assert as_admin.get("/listings").headers.getlist("Set-Cookie"), "a visit prolongs the session"
    assert not as_admin.get("/ops/lamp", headers=ASK).headers.getlist("Set-Cookie")


def test_who_pauses_a_line_sees_the_bar_at_once_also_from_a_process_that_judged_before(as_admin, well):
    """Another process keeps its own verdict: it was judged a moment ago, and nobody dims it."""
    key = settings().database_url
    before = health.verdict()
    as_admin.post("/ops/schedules/alerts/pause", data={"reason": WHY})
    health.light(key, before)
    assert "“alerts” is paused" in as_admin.get("/listings").text
    as_admin.post("/ops/schedules/alerts/resume")
    paused = health.verdict(datetime.now(UTC) - timedelta(seconds=5))
    health.light(key, paused)
    assert "pause-bar" not in as_admin.get("/listings").text


def test_a_poll_of_the_works_brings_the_lamp_along_and_a_page_does_not(as_admin, well):
    brought = as_admin.get("/ops", headers=ASK).text.partition("<template data-lamp>")[2]
    assert 'id="lamp"' in brought
    assert "data-lamp" not in as_admin.get("/ops").text
