"""The operations pages: what a person reads there, who may, and that nothing makes them hang."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from app.domain.models import (
    Digest,
    DigestState,
    EventType,
    Incident,
    MessageEvent,
    MessageState,
    OutboundMessage,
    ProcessHeartbeat,
    RunState,
    Trigger,
)
from app.domain.ops import due, ledger, probing
from app.domain.ops.heartbeat import Heart
from app.domain.ops.ledger import Work
from app.extensions import db as database
from app.jobs.schedule import SCHEDULE
from app.web import letter_alone
from devstack.mailbox import Catcher
from tests.blueprints.test_health import app_with

PAGES = ["/ops", "/ops/balance", "/ops/balance?since=7d", "/ops/runs", "/ops/messages"]
WORK = Work("alerts", 2, skips_overlap=False)


def ended_run(kind: str = "alerts", counts: dict | None = None, error: str = "", **named):
    run = ledger.add(kind, WORK, trigger=Trigger.MANUAL, **named)
    claimed = ledger.claim(run.id, "alerts-1", 60)
    if error:
        ledger.fail(run.id, claimed.lease_token, "ValueError", error, again=False)
    else:
        ledger.finish(run.id, claimed.lease_token, counts or {})
    database.session.commit()
    return run


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("role", ["as_admin", "as_staff", "as_viewer"])
def test_admins_staff_and_viewers_read_every_page(request, role, path):
    assert request.getfixturevalue(role).get(path).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_agents_do_not(as_agent, path):
    assert as_agent.get(path).status_code == 403


def test_only_an_admin_starts_a_run(request, db):
    for role in ("as_staff", "as_viewer", "as_agent"):
        assert request.getfixturevalue(role).post("/ops/runs", data={"kind": "alerts"}).status_code == 403


def test_run_now_starts_one_run_and_shows_it(as_admin):
    answer = as_admin.post("/ops/runs", data={"kind": "alerts"})
    assert answer.status_code == 303
    page = as_admin.get(answer.location)
    assert "is on its way" in page.text
    assert "It waits for a worker" in page.text
    again = as_admin.post("/ops/runs", data={"kind": "alerts"})
    assert again.location == answer.location, "the same one, not another"
    page = as_admin.get(again.location)
    assert "waits or works already: no other was started" in page.text
    assert "is on its way" not in page.text


def test_a_job_that_needs_arguments_cannot_be_started_by_hand(as_admin):
    assert as_admin.post("/ops/runs", data={"kind": "imports"}).status_code == 422


def test_a_failed_run_shows_its_error_and_can_be_run_again(as_admin, db):
    run = ended_run(error="Traceback: the roof fell in")
    page = as_admin.get(f"/ops/runs/{run.id}")
    assert "the roof fell in" in page.text
    assert "Run again" in page.text
    again = as_admin.post(f"/ops/runs/{run.id}/retry")
    assert again.status_code == 303
    assert f"again of {run.id}" not in page.text
    assert "Retry of" in as_admin.get(again.location).text


def test_a_waiting_run_can_be_cancelled_and_a_finished_one_cannot(as_admin, db):
    waiting = ledger.add("alerts", WORK, trigger=Trigger.MANUAL)
    db.session.commit()
    as_admin.post(f"/ops/runs/{waiting.id}/cancel")
    assert "Cancelled" in as_admin.get(f"/ops/runs/{waiting.id}").text
    assert as_admin.post(f"/ops/runs/{waiting.id}/cancel").status_code == 409


def test_runs_are_filtered_and_paged_by_key(as_viewer, db):
    for _ in range(55):
        ended_run()
    ended_run("digests", error="no")
    page = as_viewer.get("/ops/runs?kind=alerts")
    assert page.text.count('<tr><th scope="row">') == 50
    assert "digests</td>" not in page.text
    older = page.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert as_viewer.get(older).text.count('<tr><th scope="row">') == 5
    assert "ValueError" in as_viewer.get("/ops/runs?state=failed").text


def test_arguments_that_are_not_ids_or_moments_are_masked(as_viewer, db):
    run = ended_run(args={"batch_id": 7, "to": "amelia@example.com"})
    page = as_viewer.get(f"/ops/runs/{run.id}").text
    assert "amelia" not in page
    assert "<dd>7</dd>" in page


def test_the_page_is_red_and_says_why_when_nothing_ever_ran(as_staff):
    page = as_staff.get("/ops").text
    assert "The scheduler has never run" in page
    assert 'data-tone="bad"' in page


def test_the_red_hero_says_that_nothing_is_lost_and_an_admin_takes_it_on_there(as_admin, as_staff, db):
    since = datetime.now(UTC) - timedelta(minutes=44)
    incident = Incident(
        key="silent:scheduler",
        tone="bad",
        sentence="The scheduler has never run",
        opened_by="web",
        opened_at=datetime.now(UTC),
        seen_at=datetime.now(UTC),
        detail={"since": since.isoformat(), "why": "", "follows": []},
    )
    db.session.add(incident)
    db.session.commit()
    assert "44 min</span>" in as_staff.get("/ops").text, "since it is so, not since somebody looked"
    assert "I am on it" not in as_staff.get("/ops").text
    page = as_admin.get("/ops").text
    assert "<b>Nothing is lost:</b> every row is accounted for" in page
    assert f'action="/ops/incidents/{incident.id}/acknowledge"' in page
    as_admin.post(f"/ops/incidents/{incident.id}/acknowledge")
    page = as_admin.get("/ops").text
    assert "Somebody is on it, since" in page
    assert "/acknowledge" not in page


def reader_of(app, user):
    """Somebody signed in to another app on the same rows."""
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = user.get_id()
    return client


def test_the_page_is_green_only_when_everything_runs(app, make, office, tmp_path, works):
    with Catcher(tmp_path / "mail") as catcher:
        staff = reader_of(app_with(app, tmp_path, smtp_url=catcher.url), make.user(office=office))
        assert f"All {len(SCHEDULE)} schedules on time, and every row is accounted for." in staff.get("/ops").text
        assert "Everything works" in staff.get("/ops/runs").text, "and so says the lamp"
        database.session.query(ProcessHeartbeat).filter_by(queue="alerts").delete()
        database.session.commit()
        assert "No worker takes jobs from “alerts”" in staff.get("/ops").text


def test_a_worker_that_was_restarted_is_not_mourned(as_staff, works):
    minutes_ago = works - timedelta(minutes=10)
    Heart("worker", queue="bulk", pid=4711, started_at=minutes_ago).beat(now=minutes_ago)
    Heart("worker", queue="attic", pid=4712, started_at=minutes_ago).beat(now=minutes_ago)
    database.session.commit()
    page = as_staff.get("/ops").text
    assert "4711" not in page, "another one works its queue"
    assert "4712" in page
    assert "4 of 5 alive" in page


def test_it_renders_and_says_so_when_redis_and_the_relay_are_down(app, make, office, tmp_path):
    broken = app_with(app, tmp_path, redis_url="redis://127.0.0.1:9/0", smtp_url="smtp://127.0.0.1:9")
    staff = reader_of(broken, make.user(office=office))
    began = time.monotonic()
    page = staff.get("/ops")
    assert page.status_code == 200
    assert time.monotonic() - began < 16
    assert "does not answer (ConnectionError); hints wait, nothing is lost" in page.text
    assert "does not take mail" in page.text


def test_a_relay_that_is_frozen_does_not_hold_the_page_up(app, make, office, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        frozen = app_with(app, tmp_path, smtp_url=f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        staff = reader_of(frozen, make.user(office=office))
        began = time.monotonic()
        assert staff.get("/ops").status_code == 200
        assert time.monotonic() - began < 16


@pytest.fixture
def works(db):
    """A house in which everything runs."""
    now = datetime.now(UTC)
    due.write_schedule(SCHEDULE, now=now)
    for role, queue in (("scheduler", None), ("worker", "alerts"), ("worker", "messages"), ("worker", "bulk")):
        Heart(role, queue=queue).beat(now=now)
    db.session.commit()
    probing.forget()
    return now


def count_queries(client, path: str) -> int:
    """From a fresh session, transaction words not counted, nor what a look at the house's state asks now and then."""
    client.get(path)
    database.session.expire_all()
    seen = []

    def listen(*given) -> None:
        if "SAVEPOINT" not in given[2]:
            seen.append(given[2])

    event.listen(database.engine, "before_cursor_execute", listen)
    try:
        assert client.get(path).status_code == 200
    finally:
        event.remove(database.engine, "before_cursor_execute", listen)
    return len(seen)


@pytest.mark.parametrize("path", ["/ops", "/ops/runs", "/ops/messages"])
def test_a_page_needs_few_statements_however_much_there_is(as_staff, works, path):
    as_staff.get(path)
    few = count_queries(as_staff, path)
    for number in range(30):
        ended_run(counts={"events": number}, error="no" if number % 3 else "")
    assert count_queries(as_staff, path) <= few
    assert few <= 12


# --- Messages ---


@pytest.fixture
def message(make, office, db):
    return sent_message(make, office)


def sent_message(make, office, **named):
    contact = make.contact(office=office)
    now = datetime.now(UTC)
    digest = Digest(
        office_id=office.id,
        contact_id=contact.id,
        recipient=contact.email,
        window_end=now,
        state=DigestState.BUILT.value,
        token=f"token-{contact.id}",
    )
    database.session.add(digest)
    database.session.flush()
    values = {
        "office_id": office.id,
        "contact_id": contact.id,
        "digest_id": digest.id,
        "stream": "alerts",
        "dedupe_key": f"key-{contact.id}",
        "message_id": f"<{contact.id}@example.com>",
        "recipient": contact.email,
        "subject": "2 new homes in Port Ellery",
        "body_text": "Two homes",
        "body_html": "<p>Two <b>homes</b><script>alert(1)</script></p>",
        "state": MessageState.SENT.value,
        "sent_at": now,
        "expires_at": now + timedelta(hours=4),
    } | named
    message = OutboundMessage(**values)
    database.session.add(message)
    database.session.flush()
    database.session.add(
        MessageEvent(
            outbound_message_id=message.id,
            source="smtp",
            event_id=f"{message.id}/1/sent",
            event_type=EventType.SENT.value,
            reply="250 ok queued",
            occurred_at=now,
        )
    )
    database.session.commit()
    return message


def test_a_message_shows_its_words_its_headers_and_what_happened_to_it(as_agent, message):
    page = as_agent.get(f"/ops/messages/{message.id}").text
    assert "2 new homes in Port Ellery" in page
    assert "250 ok queued" in page
    assert f"&lt;{message.contact_id}@example.com&gt;" in page
    assert "<script>alert(1)" not in page


def test_a_mails_html_is_served_alone_where_it_can_do_nothing(as_agent, message):
    answer = as_agent.get(f"/ops/messages/{message.id}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_the_pictures_of_a_mail_shown_alone_come_from_where_photographs_may_lie(another_app):
    with another_app(photo_origins=("http://photos.example",)).test_request_context():
        policy = letter_alone("<p>A home</p>").headers["Content-Security-Policy"]
    pictures = next(part for part in policy.split("; ") if part.startswith("img-src"))
    assert {"http://photos.example", "https:"} <= set(pictures.split())


def test_nobody_can_stop_a_buyers_mail_from_its_preview(as_admin, as_viewer, message, db):
    link = "https://porchlight.test/u/A-key_of.the.buyer"
    message.body_html = (
        f'<p>Homes <a href="{link}">Stop these mails</a> <a href="mailto:unsub+the.key@x.example">s</a></p>'
    )
    message.body_text = f"Homes\n\nStop these mails: {link}\n"
    db.session.commit()
    for reader in (as_viewer, as_admin):
        for path in (f"/ops/messages/{message.id}", f"/ops/messages/{message.id}/html"):
            shown = reader.get(path).text
            assert "/u/•••" in shown
            assert "key_of" not in shown
            assert "the.key" not in shown


def test_another_offices_message_does_not_exist(sign_in, make, message):
    stranger = sign_in(make.user(office=make.office()))
    assert stranger.get(f"/ops/messages/{message.id}").status_code == 404
    assert stranger.get(f"/ops/messages/{message.id}/html").status_code == 404
    assert "2 new homes" not in stranger.get("/ops/messages").text


def test_unknown_messages_are_said_loudly(as_staff, make, office, message):
    unknown = sent_message(
        make, office, state=MessageState.UNKNOWN.value, sent_at=None, state_reason="lost in await250"
    )
    page = as_staff.get("/ops/messages").text
    assert "1 message of the last 7 days may or may not have arrived" in page
    assert "may or may not have arrived" in as_staff.get(f"/ops/messages/{unknown.id}").text
    assert "1 message may or may not have arrived" in as_staff.get("/ops").text


def test_messages_are_listed_by_state(as_staff, make, office, message):
    failed = sent_message(
        make, office, state=MessageState.FAILED.value, sent_at=None, subject="Refused", state_reason="5.1.1"
    )
    page = as_staff.get("/ops/messages?state=failed").text
    assert "Refused" in page
    assert "2 new homes" not in page
    assert failed.state == RunState.FAILED


def test_a_run_that_is_missing_is_404(as_staff):
    assert as_staff.get("/ops/runs/999999999").status_code == 404


@pytest.mark.parametrize("path", ["/ops", "/ops/runs"])
def test_htmx_gets_the_live_part_alone(as_staff, path):
    answer = as_staff.get(path, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert answer.text.strip().startswith("<div id=")
