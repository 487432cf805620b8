"""The clock's pages: what a line says of itself, and that its pause is loud until it ends."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.models import AuditEntry, JobHour, JobRun, JobSchedule, Role
from app.domain.ops import due, health
from app.domain.ops.heartbeat import Heart
from app.domain.ops.schedules import closeup, seconds_in_words
from app.domain.ops.tallies import BUCKETS
from app.extensions import db as database
from app.extensions import settings
from app.jobs.schedule import SCHEDULE
from tests.counting import queries_of

WHY = "the relay is being moved"


@pytest.fixture
def clockwork(db):
    """The lines of the code, on the clock for a month."""
    now = datetime.now(UTC).replace(microsecond=0)
    due.write_schedule(SCHEDULE, now=now - timedelta(days=30))
    for row in db.session.query(JobSchedule):
        row.last_due_at, row.next_due_at = now, None
    Heart("scheduler").beat()
    db.session.commit()
    yield now
    health.dim(settings().database_url)


def runs_of_alerts(now: datetime, count: int = 25, failed: int = -1) -> None:
    for number in range(count):
        moment = (now - timedelta(minutes=15 * number + 2)).replace(second=0)
        database.session.add(
            JobRun(
                kind="alerts",
                queue="alerts",
                schedule_name="alerts",
                due_at=moment,
                trigger="schedule",
                state="failed" if number == failed else "succeeded",
                attempt=1,
                created_at=moment,
                started_at=moment,
                finished_at=moment + timedelta(seconds=2.4),
                counts={"events": 71, "pairs": 23},
                error_class="ValueError" if number == failed else None,
            )
        )
    database.session.commit()


def cost(client, path: str) -> int:
    database.session.expire_all()
    with queries_of() as seen:
        assert client.get(path).status_code == 200
    return len(seen)


def tally(now: datetime, days_ago: int, bucket: int, succeeded: int = 96, failed: int = 0) -> None:
    durations = [0] * BUCKETS
    durations[bucket] = succeeded + failed
    database.session.add(
        JobHour(
            hour=(now - timedelta(days=days_ago)).replace(minute=0, second=0),
            kind="alerts",
            schedule_name="alerts",
            queue="alerts",
            succeeded=succeeded,
            failed=failed,
            durations=durations,
            waits=[0] * BUCKETS,
        )
    )
    database.session.commit()


@pytest.mark.parametrize("path", ["/ops/schedules", "/ops/schedules/alerts"])
def test_readers_of_the_works_read_the_clock_and_agents_do_not(request, clockwork, path):
    for role in ("as_admin", "as_staff", "as_viewer"):
        assert request.getfixturevalue(role).get(path).status_code == 200
    assert request.getfixturevalue("as_agent").get(path).status_code == 403


def test_each_line_says_its_clock_what_it_covers_and_how_it_went(as_viewer, clockwork):
    runs_of_alerts(clockwork, failed=3)
    tally(clockwork, 1, bucket=7, succeeded=95, failed=5)
    page = as_viewer.get("/ops/schedules").text
    assert "every 15 minutes" in page
    assert "every day at 3:15, New York time" in page
    assert 'title="15 3 * * * America/New_York"' in page, "the cron line itself, for who reads it"
    assert "alerts: 1 failed of the last 20" in page
    assert "71 events, 23 matches" in page
    assert "On time" in page
    assert ">95 %<" in page
    assert "holds it against every saved search" in page
    assert "Run now" not in page, "a viewer changes nothing"


def test_a_line_that_no_scheduler_has_put_on_the_clock_is_said_to_be_so(as_staff, db):
    assert "Not on the clock" in as_staff.get("/ops/schedules").text


def test_a_line_that_owes_a_run_is_late(as_staff, clockwork):
    assert "Has never run" in as_staff.get("/ops/schedules").text
    runs_of_alerts(clockwork - timedelta(hours=5))
    page = as_staff.get("/ops/schedules/alerts").text
    assert "Late" in page
    assert "late since" in page


def test_one_line_shows_its_next_ten_due_times_in_its_zone_and_in_utc(as_staff, clockwork):
    page = as_staff.get("/ops/schedules/retention").text
    table = page.split('id="due-h"')[1].split("</table>")[0]
    assert table.count("<tr>") == 11
    assert table.count(", 3:15</td>") == 10, "New York's wall"
    assert ">New York<" in table
    assert ">UTC<" in table
    every_quarter = as_staff.get("/ops/schedules/alerts").text.split('id="due-h"')[1].split("</table>")[0]
    assert re.findall(r'<th scope="col"[^>]*>([^<]+)<', every_quarter) == ["New York", "UTC"], "the reader's wall"
    assert "recorded as missed, 7 days back at most" in page
    assert "skipped, and recorded so" in page


def test_who_lives_by_another_wall_than_a_line_sees_both(sign_in, make, clockwork):
    reader = sign_in(make.user(office=make.office(time_zone="America/Chicago"), role=Role.VIEWER))
    for name, walls in (("retention", ["New York", "Chicago"]), ("alerts", ["Chicago", "UTC"])):
        table = reader.get(f"/ops/schedules/{name}").text.split('id="due-h"')[1].split("</table>")[0]
        assert re.findall(r'<th scope="col"[^>]*>([^<]+)<', table) == walls


def test_its_last_fifty_runs_are_listed(as_staff, clockwork):
    runs_of_alerts(clockwork, 60)
    page = as_staff.get("/ops/schedules/alerts").text
    assert page.split('id="runs-h"')[1].count('<tr><th scope="row">') == 50


def test_the_title_of_the_durations_is_what_they_show(clockwork):
    found = lambda: closeup("alerts", "America/New_York", clockwork).finding  # noqa: E731
    assert found() == "No run ended in 14 days"
    for days_ago in range(10):
        tally(clockwork, days_ago, bucket=7)
    assert found() == "On each of 10 days that had any, 19 of 20 runs were done in 2.4 s or less"
    tally(clockwork - timedelta(hours=1), 3, bucket=14, succeeded=500)
    slow = clockwork - timedelta(days=3, hours=1)
    assert found().startswith("Slow on "), slow
    assert found().endswith(": 19 of 20 runs were done in 5 min")


@pytest.mark.parametrize(("seconds", "words"), [(0.0512, "0.051 s"), (2.41, "2.4 s"), (48.2, "48 s"), (300, "5 min")])
def test_a_duration_in_a_title_is_short(seconds, words):
    assert seconds_in_words(seconds) == words


def test_what_is_not_on_the_clock_is_404(as_admin, clockwork):
    assert as_admin.get("/ops/schedules/nobody").status_code == 404
    assert as_admin.post("/ops/schedules/nobody/pause", data={"reason": WHY}).status_code == 404
    assert as_admin.post("/ops/schedules/nobody/resume").status_code == 404


def test_only_an_admin_pauses_and_resumes(request, clockwork, db):
    for role in ("as_staff", "as_viewer", "as_agent"):
        client = request.getfixturevalue(role)
        assert client.post("/ops/schedules/alerts/pause", data={"reason": WHY}).status_code == 403
        assert client.post("/ops/schedules/alerts/resume").status_code == 403
    assert db.session.get(JobSchedule, "alerts").enabled


def test_a_pause_is_loud_on_every_page_of_an_admin_and_on_the_works_of_the_others(sign_in, make, office, clockwork):
    admin = sign_in(make.user(office=office, role=Role.ADMIN, full_name="Ruth Calloway"))
    staff, agent = (sign_in(make.user(office=office, role=role)) for role in (Role.STAFF, Role.AGENT))
    admin.post("/ops/schedules/alerts/pause", data={"reason": WHY})
    for path in ("/", "/listings", "/contacts", "/ops", "/ops/runs", "/ops/schedules"):
        page = admin.get(path).text
        assert "“alerts” is paused" in page, path
        assert "by Ruth Calloway" in page, path
        assert WHY in page, path
        assert 'aria-label="Resume alerts"' in page, path
    shown = staff.get("/ops/runs").text
    assert WHY in shown
    assert "Resume" not in shown
    assert 'class="pause-bar"' not in staff.get("/listings").text
    assert 'class="pause-bar"' not in agent.get("/listings").text
    admin.post("/ops/schedules/alerts/resume")
    assert WHY not in admin.get("/listings").text


def test_the_bar_of_a_pause_costs_no_statement(as_admin, clockwork):
    as_admin.get("/contacts")
    before = cost(as_admin, "/contacts")
    as_admin.post("/ops/schedules/alerts/pause", data={"reason": WHY})
    assert WHY in as_admin.get("/contacts").text
    assert cost(as_admin, "/contacts") == before


def test_a_pause_without_a_reason_comes_back_with_what_was_typed(as_admin, clockwork, db):
    answer = as_admin.post("/ops/schedules/alerts/pause", data={"reason": "x" * 201})
    assert answer.status_code == 422
    assert f'value="{"x" * 201}"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "Say why, in 3 to 200 characters" in answer.text
    assert db.session.get(JobSchedule, "alerts", populate_existing=True).enabled
    assert as_admin.post("/ops/schedules/alerts/pause", data={}).status_code == 422


def test_a_pause_says_how_long_it_lasted_and_how_many_due_times_it_held_back(as_admin, clockwork, db):
    as_admin.post("/ops/schedules/alerts/pause", data={"reason": WHY})
    row = db.session.get(JobSchedule, "alerts", populate_existing=True)
    row.paused_at -= timedelta(hours=3)
    db.session.commit()
    page = as_admin.post("/ops/schedules/alerts/resume", follow_redirects=True).text
    assert "paused 3 h 0 min; 12 due times were not owed" in page
    assert f"Paused “alerts”: {WHY}" in page
    entry = db.session.query(AuditEntry).filter_by(action="schedule.resumed").one()
    assert (entry.fields["not_owed"], entry.fields["reason"]) == (12, WHY)
    assert (entry.subject_type, entry.subject_id, entry.office_id) == ("schedule", "alerts", None)


def test_a_second_pause_and_a_second_resume_are_told_so(as_admin, clockwork):
    as_admin.post("/ops/schedules/alerts/pause", data={"reason": WHY})
    refused = as_admin.post("/ops/schedules/alerts/pause", data={"reason": "another reason"})
    assert refused.status_code == 409
    assert WHY in refused.text
    as_admin.post("/ops/schedules/alerts/resume")
    assert as_admin.post("/ops/schedules/alerts/resume").status_code == 409


@pytest.mark.parametrize("path", ["/ops/schedules", "/ops/schedules/alerts"])
def test_the_clocks_pages_need_few_statements_however_much_there_is(as_staff, clockwork, path):
    as_staff.get(path)
    few = cost(as_staff, path)
    runs_of_alerts(clockwork, 60)
    assert cost(as_staff, path) <= few <= 12


@pytest.mark.parametrize("path", ["/ops/schedules", "/ops/schedules/alerts"])
def test_htmx_gets_the_live_part_alone(as_staff, clockwork, path):
    answer = as_staff.get(path, headers={"HX-Request": "true"})
    assert answer.text.strip().startswith("<div id=")
    assert "<html" not in answer.text
