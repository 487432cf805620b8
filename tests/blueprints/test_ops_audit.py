"""The audit: who did what, found again by anybody who may read the works."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.models import AuditEntry, JobRun, Role
from app.domain.ops import audit, due
from app.extensions import db as database
from app.jobs.schedule import SCHEDULE
from tests.counting import queries_of


def wrote(user, action: str = "run.started", subject: tuple[str, object] = ("run", 12), **named) -> AuditEntry:
    entry = audit.record(user, action, *subject, named.pop("sentence", f"{action} {subject[1]}"), **named)
    database.session.commit()
    return entry


@pytest.fixture
def people(make, office):
    return (
        make.user(office=office, role=Role.ADMIN, full_name="Ruth Calloway"),
        make.user(office=office, role=Role.ADMIN, full_name="Sam Ortiz"),
    )


def test_readers_of_the_works_read_it_and_agents_do_not(request, db):
    for role in ("as_admin", "as_staff", "as_viewer"):
        assert "Whoever runs, retries" in request.getfixturevalue(role).get("/ops/audit").text
    assert request.getfixturevalue("as_agent").get("/ops/audit").status_code == 403


def test_it_is_found_by_person_action_subject_and_day(as_viewer, people, db):
    ruth, sam = people
    wrote(ruth, "run.retried", ("run", 12), sentence="Retried run 12")
    wrote(sam, "schedule.paused", ("schedule", "alerts"), sentence="Paused alerts")
    wrote(None, "run.started", ("run", 13), sentence="Started run 13")
    old = wrote(ruth, "run.cancelled", ("run", 11), sentence="Cancelled run 11")
    old.created_at = datetime.now(UTC) - timedelta(days=40)
    db.session.commit()

    def shown(query: str) -> list[str]:
        page = as_viewer.get(f"/ops/audit?{query}").text
        return [row.split("</th>")[0] for row in page.split('<th scope="row" class="fill">')[1:]]

    assert shown("") == ["Cancelled run 11", "Started run 13", "Paused alerts", "Retried run 12"]
    assert shown(f"person={ruth.id}") == ["Cancelled run 11", "Retried run 12"]
    assert shown("person=command-line") == ["Started run 13"]
    assert shown("action=schedule.paused") == ["Paused alerts"]
    assert shown("subject=run&id=13") == ["Started run 13"]
    assert shown(f"since={datetime.now(UTC) - timedelta(days=2):%Y-%m-%d}&subject=run") == [
        "Started run 13",
        "Retried run 12",
    ]
    assert shown("since=&person=&id=12") == ["Retried run 12"]
    for wrong in ("since=yesterday", "person=Ruth"):
        assert as_viewer.get(f"/ops/audit?{wrong}").status_code == 422, "everything would be taken for what was asked"
    assert shown("person=%00&action=x") == []


def test_a_subject_leads_to_its_page(as_staff, people, db):
    due.write_schedule(SCHEDULE)
    run = JobRun(kind="alerts", queue="alerts", trigger="manual", state="cancelled")
    db.session.add(run)
    db.session.flush()
    wrote(people[0], "run.cancelled", ("run", run.id))
    wrote(people[0], "schedule.paused", ("schedule", "alerts"))
    wrote(people[0], "user.added", ("user", 7))
    wrote(people[0], "run.lost", ("run", "all of them"))
    page = as_staff.get("/ops/audit").text
    assert f'href="/ops/runs/{run.id}"' in page
    assert 'href="/ops/schedules/alerts"' in page
    assert "user 7</td>" in page, "what has no page of its own is named"
    assert "run all of them</td>" in page


def test_it_is_paged_by_key(as_staff, people, db):
    for number in range(55):
        audit.record(people[0], "run.started", "run", number, f"Started run {number}")
    db.session.commit()
    page = as_staff.get("/ops/audit?subject=run").text
    assert page.count('<th scope="row" class="fill">') == 50
    older = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    wrote(people[0], sentence="Started meanwhile")
    shown = as_staff.get(older).text
    assert shown.count('<th scope="row" class="fill">') == 5
    assert "Started run 4<" in shown


def test_an_office_sees_its_own_affairs_and_the_works_that_all_share(sign_in, make, people, office, db):
    wrote(people[0], "user.added", ("user", 7), sentence="Added Vera Lindqvist", office_id=office.id)
    wrote(people[0], "run.started", ("run", 12), sentence="Started run 12")
    stranger = sign_in(make.user(office=make.office()))
    page = stranger.get("/ops/audit").text
    assert "Vera" not in page
    assert "user.added" not in page, "not even among the choices"
    assert "Started run 12" in page


def test_it_needs_few_statements_however_much_there_is(as_staff, people, db):
    as_staff.get("/ops/audit")
    database.session.expire_all()
    with queries_of() as few:
        as_staff.get("/ops/audit")
    for number in range(60):
        audit.record(people[number % 2], f"run.{number}", "run", number, "Something")
    db.session.commit()
    database.session.expire_all()
    with queries_of() as many:
        as_staff.get("/ops/audit")
    assert len(many) <= len(few) <= 12


def test_htmx_gets_the_list_alone_and_an_address_without_what_was_left_empty(as_staff, db):
    answer = as_staff.get("/ops/audit?person=&action=run.started", headers={"HX-Request": "true"})
    assert answer.text.strip().startswith('<div id="results"')
    assert answer.headers["HX-Push-Url"] == "/ops/audit?action=run.started"
