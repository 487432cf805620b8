"""The message pages: the list and its filters, the inbox of the unknown, and what an admin may decide."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.domain.messages.events import record_event
from app.domain.models import AuditEntry, Contact, EventType, JobRun, MessageEvent, OutboundMessage, Role
from app.extensions import db as database
from tests.blueprints.test_ops import count_queries, sent_message
from tests.blueprints.test_ops_runs import ended_run


@pytest.fixture
def unknown(make, office):
    """Makes a message that may or may not have arrived."""

    def of(name: str = "Amelia Carter", **values) -> OutboundMessage:
        now = datetime.now(UTC)
        message = make.message(
            make.contact(office, full_name=name),
            **{
                "state": "unknown",
                "state_reason": "lost in await250",
                "last_reply": "timed out",
                "attempting_at": now,
                "attempts": 1,
                "body_text": "words",
            }
            | values,
        )
        make.message_event(message, "unknown")
        return message

    return of


def state_of(message: OutboundMessage) -> str:
    database.session.expire_all()
    return message.state


def test_the_inbox_says_what_is_known_of_each(as_staff, make, unknown):
    message = unknown()
    later = make.message(database.session.get(Contact, message.contact_id), state="sent")
    make.message_event(later, "clicked", source="provider")
    page = as_staff.get("/ops/messages?state=unknown").text
    assert "All of it was handed over, and the relay’s answer did not come back" in page
    assert "timed out" in page
    assert f'data-copy="{message.message_id.replace("<", "&lt;").replace(">", "&gt;")}"' in page
    assert "1 mail to this buyer, 1 sent; the newest sent" in page
    assert "a link was opened" in page
    assert "mark sent" not in page, "staff read, admins decide"


def test_one_is_marked_as_sent_with_a_note_and_can_be_taken_back(as_admin, unknown):
    message = unknown()
    answer = as_admin.post("/ops/messages/settle", data={"only": f"sent-{message.id}", "note": "She called"})
    assert answer.status_code == 303
    assert state_of(message) == "sent"
    inbox = as_admin.get(answer.location).text
    assert "1 message marked as sent." in inbox
    assert "by Ruth Calloway: She called; it is sent now" in inbox
    page = as_admin.get(f"/ops/messages/{message.id}").text
    assert "Ruth Calloway marked it as sent: She called." in page
    assert "Marked as sent by Ruth Calloway" in page
    assert as_admin.post(f"/ops/messages/{message.id}/take-back").status_code == 303
    assert state_of(message) == "unknown"
    assert "Mark taken back by Ruth Calloway" in as_admin.get(f"/ops/messages/{message.id}").text
    entries = database.session.query(AuditEntry).order_by(AuditEntry.id).all()
    assert [(entry.action, entry.subject_id) for entry in entries] == [
        ("message.marked_sent", str(message.id)),
        ("message.taken_back", str(message.id)),
    ]
    assert all(entry.office_id == message.office_id for entry in entries)


def test_those_that_are_ticked_go_out_again_and_a_run_is_asked_to_send_them(as_admin, unknown):
    ticked, left = [unknown(), unknown("Wei Chen")], unknown("Miriam Okafor")
    answer = as_admin.post("/ops/messages/settle", data={"verb": "resend", "id": [one.id for one in ticked]})
    assert answer.status_code == 303
    assert [state_of(one) for one in (*ticked, left)] == ["queued", "queued", "unknown"]
    assert [run.kind for run in database.session.query(JobRun)] == ["messages"]
    assert database.session.query(AuditEntry).filter_by(action="message.resent").count() == 2
    assert "2 messages put into the queue again." in as_admin.get(answer.location).text


def test_what_somebody_else_settled_first_is_a_conflict_in_words_and_changes_nothing(as_admin, unknown):
    message, other = unknown(), unknown("Wei Chen")
    data = {"verb": "sent", "id": [message.id]}
    as_admin.post("/ops/messages/settle", data=data)
    answer = as_admin.post("/ops/messages/settle", data=data | {"verb": "resend"})
    assert answer.status_code == 409
    assert "Ruth Calloway settled it first: this message is sent now. Nothing was changed." in answer.text
    assert state_of(message) == "sent"
    both = as_admin.post("/ops/messages/settle", data={"verb": "resend", "id": [message.id, other.id]})
    page = as_admin.get(both.location).text
    assert "1 message put into the queue again." in page
    assert "1 left as they are." in page
    assert (state_of(message), state_of(other)) == ("sent", "queued")


def test_from_its_own_page_one_comes_back_to_it(as_admin, unknown):
    message = unknown()
    page = as_admin.get(f"/ops/messages/{message.id}").text
    assert "It arrived: mark sent" in page
    answer = as_admin.post("/ops/messages/settle", data={"from": "message", "verb": "resend", "id": message.id})
    assert answer.location.endswith(f"/ops/messages/{message.id}")
    assert "Put into the queue again by Ruth Calloway" in as_admin.get(answer.location).text


def test_only_admins_decide_and_only_about_their_offices_messages(request, sign_in, make, unknown):
    message = unknown()
    for role in ("as_staff", "as_agent", "as_viewer"):
        reader = request.getfixturevalue(role)
        assert reader.post("/ops/messages/settle", data={"only": f"sent-{message.id}"}).status_code == 403
        assert reader.post(f"/ops/messages/{message.id}/take-back").status_code == 403
    stranger = sign_in(make.user(make.office(), Role.ADMIN))
    assert stranger.post("/ops/messages/settle", data={"only": f"sent-{message.id}"}).status_code == 404
    assert "Amelia" not in stranger.get("/ops/messages?state=unknown").text
    assert state_of(message) == "unknown"


@pytest.mark.parametrize("data", [{}, {"verb": "sent"}, {"verb": "burn", "id": "1"}, {"only": "sent-x"}])
def test_a_decision_about_nothing_is_refused_in_words(as_admin, data):
    answer = as_admin.post("/ops/messages/settle", data=data)
    assert answer.status_code == 422
    assert "Tick at least one message" in answer.text


def subjects(page: str) -> list[str]:
    return re.findall(r'<td class="fill soft">([^<]+)</td>', page)


def test_messages_are_found_by_buyer_address_subject_and_message_id(as_viewer, make, office):
    wanted = make.message(
        make.contact(office, full_name="Miriam Okafor"),
        subject="3 homes in Alder Glen",
        recipient="miriam@example.com",
    )
    make.message(make.contact(office), subject="2 homes in Quarry Hill")
    for words in ("okafor", "miriam@example.com", "alder glen", wanted.message_id, wanted.message_id.strip("<>")):
        page = as_viewer.get("/ops/messages", query_string={"q": words}).text
        assert subjects(page) == ["3 homes in Alder Glen"], words
    assert "None fits these filters" in as_viewer.get("/ops/messages?q=100%25").text


def test_messages_are_found_by_day_in_the_offices_zone(as_viewer, make, office):
    # 11 in the evening of the 10th in New York
    make.message(make.contact(office), subject="late", created_at=datetime(2026, 11, 11, 4, 0, tzinfo=UTC))
    make.message(make.contact(office), subject="early", created_at=datetime(2026, 11, 11, 6, 0, tzinfo=UTC))
    assert subjects(as_viewer.get("/ops/messages?since=2026-11-10&until=2026-11-10").text) == ["late"]
    assert subjects(as_viewer.get("/ops/messages?since=2026-11-11").text) == ["early"]
    for wrong in ("since=rain", "state=sentt", "stream=%7B"):
        assert as_viewer.get(f"/ops/messages?{wrong}").status_code == 422


def test_a_filter_keeps_its_place_from_page_to_page(as_viewer, make, office):
    contact = make.contact(office)
    for number in range(52):
        make.message(contact, subject=f"homes {number:02}", state="failed" if number % 2 else "queued")
    make.message(contact, subject="other")
    page = as_viewer.get("/ops/messages?q=homes").text
    assert len(subjects(page)) == 50
    older = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert subjects(as_viewer.get(older).text) == ["homes 01", "homes 00"]
    assert len(subjects(as_viewer.get("/ops/messages?q=homes&state=failed").text)) == 26


def test_the_inbox_asks_as_few_questions_for_thirty_as_for_one(as_admin, unknown):
    unknown()
    few = count_queries(as_admin, "/ops/messages?state=unknown")
    for number in range(30):
        unknown(f"Buyer {number}")
    assert count_queries(as_admin, "/ops/messages?state=unknown") <= few <= 12


def test_a_message_leads_to_the_run_that_built_its_digest(as_staff, as_agent, make, office):
    message = sent_message(make, office)
    database.session.execute(database.text("UPDATE digest SET job_run_id = 4711"))
    database.session.commit()
    page = as_staff.get(f"/ops/messages/{message.id}").text
    assert 'href="/ops/runs/4711"' in page
    assert f'href="/d/token-{message.contact_id}"' in page
    assert "/ops/runs/" not in as_agent.get(f"/ops/messages/{message.id}").text


def test_the_inbox_says_of_a_mail_whose_sender_is_silent_that_it_is_being_sent(as_staff, make, office):
    """Before it is known to be gone: until then the inbox would say that all is known."""
    inbox = "/ops/messages?state=unknown"
    assert "Of every mail it is known" in as_staff.get(inbox).text
    now = datetime.now(UTC)
    held = {"state": "sending", "lease_token": uuid4(), "lease_until": now + timedelta(minutes=3)}
    make.message(make.contact(office), **held, attempts=1, attempting_at=now - timedelta(seconds=2))
    make.message(make.contact(make.office()), **held, attempts=1, attempting_at=now - timedelta(seconds=40))
    assert "is silent" not in as_staff.get(inbox).text, "the one is young, the other not this office's"
    make.message(make.contact(office), **held, attempts=1, attempting_at=now - timedelta(seconds=40))
    page = as_staff.get(inbox).text
    assert re.search(r"1 is being sent since .*; its sender is silent\.", page)
    assert "Of every other mail it is known" in page


def test_a_sign_of_arrival_is_shown_as_the_reason(as_staff, unknown):
    message = unknown()
    record_event(message.id, "provider", "1", EventType.CLICKED)
    database.session.commit()
    page = as_staff.get(f"/ops/messages/{message.id}").text
    assert "Sent, as a sign shows" in page
    assert "a link in it was opened" in page
    assert "Undo" not in page
    assert database.session.query(MessageEvent).count() == 3
    assert message.sent_at <= datetime.now(UTC) + timedelta(seconds=1)


def test_a_run_names_the_mail_that_it_took_up_in_all_its_attempts_and_leads_to_it(as_staff, make, office):
    """Its counts are those of the attempt that ended it; the mail of the one before stands here, too."""
    run = ended_run("messages")
    for name, attempt, values in (
        ("Amelia Carter", 1, {"state": "unknown", "attempts": 1}),
        ("Bruno Diaz", 1, {"state": "sent"}),
        ("Chloe Evans", 2, {"state": "sent"}),
    ):
        make.message(make.contact(office, full_name=name), **values, job_run_id=run.id, job_attempt=attempt)
    make.message(make.contact(office, full_name="Dora Frank"), state="sent", job_run_id=run.id + 1, job_attempt=1)
    make.message(make.contact(make.office(), full_name="Emil Grant"), state="sent", job_run_id=run.id, job_attempt=2)
    page = as_staff.get(f"/ops/runs/{run.id}").text
    assert f'href="/ops/messages?run={run.id}"' in page
    assert "3 messages" in page
    assert f"/ops/messages?run={run.id}&amp;state=sent" in page
    listed = as_staff.get(f"/ops/messages?run={run.id}").text
    names = re.findall(r'href="/ops/messages/\d+">([^<]+)</a>', listed)
    assert names == ["Chloe Evans", "Bruno Diaz", "Amelia Carter"]
    only = as_staff.get(f"/ops/messages?run={run.id}&state=unknown").text
    assert ("Amelia Carter" in only, "Bruno Diaz" in only) == (True, False)
    [message_id] = re.findall(r'href="/ops/messages/(\d+)">Chloe Evans', listed)
    assert f'href="/ops/runs/{run.id}">run {run.id}</a>, attempt 2' in as_staff.get(f"/ops/messages/{message_id}").text
