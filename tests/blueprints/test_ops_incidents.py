"""The pages of incidents: what is wrong, since when, who was told, who is on it, and what to do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.models import Alarm, AuditEntry, Incident
from app.extensions import db as database
from tests.blueprints.test_health import app_with
from tests.blueprints.test_ops import reader_of
from tests.counting import queries_of

NOW = datetime.now(UTC)
NOBODY = "Nobody is told."


def trouble(**values: object) -> Incident:
    incident = Incident(
        **{
            "key": "silent:worker:alerts",
            "tone": "bad",
            "sentence": "No worker takes jobs from “alerts”",
            "opened_by": "scheduler",
            "opened_at": NOW - timedelta(minutes=44),
            "seen_at": NOW,
            "detail": {"follows": ["“alerts” has stopped"], "why": "", "since": None},
        }
        | values
    )
    database.session.add(incident)
    database.session.commit()
    return incident


@pytest.mark.parametrize("role", ["as_admin", "as_staff", "as_viewer"])
def test_admins_staff_and_viewers_read_them(request, role, db):
    person = request.getfixturevalue(role)
    assert person.get("/ops/incidents").status_code == 200
    assert person.get(f"/ops/incidents/{trouble().id}").status_code == 200


def test_agents_do_not(as_agent, db):
    assert as_agent.get("/ops/incidents").status_code == 403
    assert as_agent.get(f"/ops/incidents/{trouble().id}").status_code == 403


def test_one_that_does_not_exist_is_not_found(as_admin):
    assert as_admin.get("/ops/incidents/77").status_code == 404


def test_what_is_open_stands_above_what_is_over(as_viewer, db):
    trouble(key="failing:digests", sentence="“digests” failed (KeyError)", closed_at=NOW - timedelta(minutes=3))
    trouble()
    page = as_viewer.get("/ops/incidents").text
    assert page.index("No worker takes jobs") < page.index("“digests” failed")
    only_open = as_viewer.get("/ops/incidents?show=open").text
    assert "No worker takes jobs" in only_open
    assert "“digests” failed" not in only_open
    only_over = as_viewer.get("/ops/incidents?show=closed").text
    assert "No worker takes jobs" not in only_over
    assert "“digests” failed" in only_over


def test_what_is_over_is_paged_by_key(as_viewer, db):
    for minutes in range(55):
        trouble(sentence=f"Trouble {minutes:02}", closed_at=NOW - timedelta(minutes=minutes))
    page = as_viewer.get("/ops/incidents?show=closed").text
    assert "Trouble 49" in page
    assert "Trouble 50" not in page
    older = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    rest = as_viewer.get(older).text
    assert "Trouble 49" not in rest
    assert "Trouble 54" in rest


def test_a_page_says_what_follows_from_it_who_was_told_and_what_to_do(as_viewer, db):
    incident = trouble(notified_at=NOW)
    for channel, outcome, words in (("slack", "failed", "answered 500"), ("email", "sent", "1 of 1 taken")):
        row = Alarm(incident_id=incident.id, occasion="opened", channel=channel, outcome=outcome, words=words)
        database.session.add(row)
    database.session.commit()
    page = as_viewer.get(f"/ops/incidents/{incident.id}").text
    assert "How to restart it" in page
    assert "flask worker alerts" in page
    assert "“alerts” has stopped" in page
    assert "failed: answered 500" in page
    assert "<small>1 of 1 taken" in page
    assert "I am on it" not in page, "a viewer acts on nothing"


def test_an_admin_is_on_it_and_everybody_sees_who(as_admin, as_viewer, db):
    incident = trouble(notified_at=NOW, next_notice_at=NOW + timedelta(days=1))
    assert "I am on it" in as_admin.get(f"/ops/incidents/{incident.id}").text
    answer = as_admin.post(f"/ops/incidents/{incident.id}/acknowledge", follow_redirects=True)
    assert "You are on it" in answer.text
    assert '<button class="btn btn-primary">I am on it' not in answer.text
    assert "Ruth Calloway is on it" in as_viewer.get(f"/ops/incidents/{incident.id}").text
    assert "Ruth Calloway" in as_viewer.get("/ops/incidents").text
    assert db.session.query(AuditEntry.sentence).scalar() == "Is on it: “No worker takes jobs from “alerts””"


def test_nobody_is_on_what_is_over(as_admin, db):
    incident = trouble(closed_at=NOW)
    assert as_admin.post(f"/ops/incidents/{incident.id}/acknowledge").status_code == 409


def test_only_an_admin_is_on_it(request, db):
    incident = trouble()
    for role in ("as_staff", "as_viewer", "as_agent"):
        person = request.getfixturevalue(role)
        assert person.post(f"/ops/incidents/{incident.id}/acknowledge").status_code == 403


def test_where_no_channel_is_set_the_pages_say_that_nobody_is_told(app, as_viewer, tmp_path, make):
    incident = trouble()
    for path in ("/ops/incidents", f"/ops/incidents/{incident.id}"):
        assert NOBODY in as_viewer.get(path).text
    other = app_with(app, tmp_path, alarm_email="ruth@harborvine.example")
    person = other.test_client()
    with person.session_transaction() as session:
        session["_user_id"] = make.user(office=make.office()).get_id()
    database.session.commit()
    page = person.get("/ops/incidents").text
    assert NOBODY not in page
    assert "email, ruth@harborvine.example" in page


def test_a_list_of_many_costs_no_statement_a_row(as_viewer, make, db):
    ruth = make.user(office=make.office())
    for number in range(12):
        trouble(key=f"failing:{number}", acknowledged_by_id=ruth.id, acknowledged_at=NOW)
        trouble(key=f"failing:{number + 50}", closed_at=NOW)
    with queries_of() as statements:
        as_viewer.get("/ops/incidents")
    assert len(statements) <= 12


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.fixture
def told_by_mail(app, tmp_path, make, office):
    """A reader of a house that tells people by mail."""
    return reader_of(app_with(app, tmp_path, alarm_email="ruth@harborvine.example"), make.user(office=office))


@pytest.mark.parametrize(
    ("values", "in_list", "on_page"),
    [
        ({"tone": "wait"}, "not needed", "It is shown, and calls nobody."),
        (
            {"acknowledged_at": NOW - timedelta(minutes=43)},
            "no need, somebody was on it",
            "on it 1 min 0 s after it was opened; nobody had been told by then.",
        ),
        (
            {"closed_at": NOW - timedelta(minutes=43, seconds=20)},
            "no, it was over",
            "It was over 40 s after it was opened; nobody had been told by then.",
        ),
        ({"next_notice_at": NOW + timedelta(seconds=40)}, "at ", "It is told if it still holds"),
    ],
)
def test_why_nobody_was_told_is_said_as_it_happened(told_by_mail, db, values, in_list, on_page):
    incident = trouble(**values)
    assert on_page in text_of(told_by_mail.get(f"/ops/incidents/{incident.id}").text)
    row = text_of(told_by_mail.get("/ops/incidents").text).split("No worker takes jobs from")[1]
    assert in_list in row


def test_tries_in_vain_are_told_in_the_list_and_when_it_is_tried_again(told_by_mail, db):
    incident = trouble(next_notice_at=NOW + timedelta(minutes=4))
    for channel in ("slack", "email"):
        row = Alarm(incident_id=incident.id, occasion="opened", channel=channel, outcome="failed", words="away")
        database.session.add(row)
    database.session.commit()
    assert "not yet, 2 tries failed" in told_by_mail.get("/ops/incidents").text
    assert "Tried again" in told_by_mail.get(f"/ops/incidents/{incident.id}").text


def test_it_lasted_since_the_trouble_began_not_since_a_look_found_it(as_viewer, db):
    since = (NOW - timedelta(hours=3)).isoformat()
    incident = trouble(closed_at=NOW, detail={"since": since, "why": "", "follows": []})
    assert "3 h 0 min" in as_viewer.get("/ops/incidents").text
    assert "It lasted 3 h 0 min." in as_viewer.get(f"/ops/incidents/{incident.id}").text
