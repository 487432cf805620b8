"""People are told once, reminded daily and told of the end, through whatever channel still works. The channels are the
real ones: the mail catcher, the Slack stand-in, a small receiver of webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import pytest
from flask import Flask

from app.domain.models import Alarm, Incident, Role
from app.domain.ops import alarms, due, incidents, probing
from app.domain.ops.queries import incidents as queries
from app.extensions import db as database
from app.gateways import webhook
from app.jobs.schedule import SCHEDULE
from devstack.mailbox import Catcher
from devstack.slack import TOKEN, Workspace
from tests.domain.ops.test_incidents import alive, run_all

BEGAN = datetime(2026, 11, 20, 9, 3, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Receiver:
    """Takes webhooks. `status` is what it answers; `delay` seconds it thinks before."""

    def __init__(self) -> None:
        self.status, self.delay = 204, 0.0
        self.taken: list[tuple[str, bytes, str]] = []
        outer = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                time.sleep(outer.delay)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.taken.append((self.path, body, self.headers[webhook.SIGNATURE]))
                self.send_response(outer.status)
                if outer.status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{outer.port}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/alarms?room=7"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def mail(tmp_path) -> Iterator[Catcher]:
    with Catcher(tmp_path / "mail") as catcher:
        yield catcher


@pytest.fixture
def slack() -> Iterator[Workspace]:
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def tuned(app: Flask, db) -> Iterator:
    """Other settings for this test, the app itself being the same."""
    usual = app.extensions["porchlight"]
    probing.forget()

    def tune(**changes: object) -> None:
        app.extensions["porchlight"] = replace(app.extensions["porchlight"], **changes)

    yield tune
    app.extensions["porchlight"] = usual


@pytest.fixture
def everywhere(tuned, mail, slack, receiver) -> None:
    tuned(
        smtp_url=mail.url,
        alarm_email=("ruth@harborvine.example", "sam@harborvine.example"),
        slack_api_url=slack.url,
        slack_bot_token=TOKEN,
        alarm_slack_channel="#ops",
        alarm_webhook_url=receiver.url,
    )


def trouble(key: str = "silent:worker:alerts", **values: object) -> Incident:
    incident = Incident(
        **{
            "key": key,
            "tone": "bad",
            "sentence": "No worker takes jobs from “alerts”",
            "opened_by": "scheduler",
            "opened_at": BEGAN,
            "seen_at": BEGAN,
            "next_notice_at": BEGAN + MINUTE,
            "detail": {"follows": ["“alerts” has stopped"], "why": ""},
        }
        | values
    )
    database.session.add(incident)
    database.session.flush()
    return incident


def told(incident: Incident) -> list[tuple[str, str, str]]:
    database.session.expire_all()
    found = database.session.query(Alarm).filter_by(incident_id=incident.id).order_by(Alarm.id)
    return [(each.occasion, each.channel, each.outcome) for each in found]


def close(incident: Incident, now: datetime) -> None:
    incident.seen_at = now - MINUTE
    database.session.flush()
    incidents._close([], now)


def test_after_a_minute_every_channel_is_told_once(everywhere, mail, slack, receiver):
    incident = trouble()
    assert alarms.tell_due(BEGAN + MINUTE - timedelta(seconds=1)) == 0
    assert alarms.tell_due(BEGAN + MINUTE) == 1
    assert told(incident) == [("opened", name, "sent") for name in ("slack", "email", "webhook")]
    assert alarms.tell_due(BEGAN + MINUTE) == 0
    assert alarms.tell_due(BEGAN + 60 * MINUTE) == 0
    assert (incident.notified_at, incident.next_notice_at) == (BEGAN + MINUTE, BEGAN + MINUTE + DAY)
    assert [message.channel for message in slack.messages] == ["#ops"]
    assert [list(letter.summary.recipients) for letter in mail.messages()] == [
        ["sam@harborvine.example"],
        ["ruth@harborvine.example"],
    ]
    assert len(receiver.taken) == 1


def test_the_mail_says_what_since_when_and_what_to_do_in_plain_text(everywhere, mail):
    incident = trouble(detail={"follows": ["“alerts” has stopped"], "since": (BEGAN - MINUTE).isoformat()})
    alarms.tell_due(BEGAN + 3 * MINUTE)
    letter = mail.messages(to="ruth")[0]
    assert letter.summary.subject == "Porchlight: No worker takes jobs from “alerts”"
    assert "It is so since Fri 20 Nov 09:02 UTC, for 4 min 0 s now." in letter.text
    assert "So, too: “alerts” has stopped." in letter.text
    assert "flask worker alerts" in letter.text
    assert f"http://porchlight.test/ops/incidents/{incident.id}" in letter.text
    assert not letter.html
    assert letter.header("Auto-Submitted") == "auto-generated"


def test_slack_is_told_in_blocks_with_a_link_and_nothing_in_them_is_markup(everywhere, slack):
    incident = trouble(sentence="<!channel> & more")
    alarms.tell_due(BEGAN + MINUTE)
    message = slack.messages[0]
    said = message.blocks[0]["text"]["text"]
    assert "&lt;!channel&gt; &amp; more" in said
    assert "&lt;!channel&gt; &amp; more" in message.text, "what is read out where blocks are not shown, too"
    assert "<!channel>" not in message.text
    assert f"<http://porchlight.test/ops/incidents/{incident.id}|Open it>" in said


def test_the_webhook_is_signed_with_a_key_made_from_the_secret(app, everywhere, receiver):
    incident = trouble()
    alarms.tell_due(BEGAN + MINUTE)
    path, body, signature = receiver.taken[0]
    assert path == "/alarms?room=7"
    assert json.loads(body) | {"url": ""} == {
        "occasion": "opened",
        "incident": incident.id,
        "key": "silent:worker:alerts",
        "tone": "bad",
        "sentence": "No worker takes jobs from “alerts”",
        "since": "2026-11-20T09:03:00+00:00",
        "opened_at": "2026-11-20T09:03:00+00:00",
        "closed_at": None,
        "follows": ["“alerts” has stopped"],
        "url": "",
    }
    parts = dict(part.split("=") for part in signature.split(","))
    key = webhook.key_from(app.extensions["porchlight"].secret_key)
    expected = hmac.new(key.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert parts["v1"] == expected
    assert abs(time.time() - int(parts["t"])) < 60


def test_it_is_told_again_once_a_day_while_it_lasts(everywhere, slack):
    incident = trouble()
    for hours in range(73):
        alarms.tell_due(BEGAN + MINUTE + timedelta(hours=hours))
    assert [occasion for occasion, channel, _ in told(incident) if channel == "slack"] == [
        "opened",
        "reminder",
        "reminder",
        "reminder",
    ]
    assert "Still: No worker" in slack.messages[-1].text


def test_nobody_is_reminded_of_what_somebody_is_on(everywhere, make):
    incident = trouble()
    alarms.tell_due(BEGAN + MINUTE)
    incidents.acknowledge(incident.id, make.user(office=make.office(), role=Role.ADMIN), BEGAN + 5 * MINUTE)
    assert alarms.tell_due(BEGAN + 3 * DAY) == 0
    close(incident, BEGAN + 3 * DAY)
    assert alarms.tell_due(BEGAN + 3 * DAY) == 1
    assert told(incident)[-1] == ("closed", "webhook", "sent")


def test_the_end_of_what_was_told_is_told_too(everywhere, mail, slack):
    incident = trouble()
    alarms.tell_due(BEGAN + MINUTE)
    close(incident, BEGAN + 20 * MINUTE)
    assert alarms.tell_due(BEGAN + 20 * MINUTE) == 1
    assert alarms.tell_due(BEGAN + 3 * DAY) == 0
    assert slack.messages[-1].text == "Porchlight: Over: No worker takes jobs from “alerts”"
    assert "for 20 min" in mail.messages()[0].text


def test_what_was_over_before_anybody_was_told_is_never_told(everywhere, slack):
    incident = trouble()
    close(incident, BEGAN + MINUTE)
    assert alarms.tell_due(BEGAN + DAY) == 0
    assert told(incident) == []


def test_a_whole_house_that_starts_calls_nobody(everywhere, slack, db):
    """Nobody beats at first; a quarter minute later everybody does."""
    due.write_schedule(SCHEDULE, now=BEGAN)
    for second in range(0, 180, 15):
        now = BEGAN + timedelta(seconds=second)
        if second >= 30:
            alive(now)
        if second == 75:
            run_all(now)
        incidents.look(now, by="web")
        alarms.tell_due(now)
    assert db.session.query(Incident).count() > 0
    assert queries.open_now() == []
    assert list(slack.messages) == []


@pytest.mark.parametrize("fault", ["ratelimited", "internal_error", "channel_not_found", "hang"])
def test_when_slack_is_dead_the_others_are_told_all_the_same(everywhere, mail, slack, receiver, fault):
    slack.fault = fault
    incident = trouble()
    began = time.monotonic()
    assert alarms.tell_due(BEGAN + MINUTE) == 1
    assert time.monotonic() - began < 10
    assert told(incident) == [("opened", "slack", "failed"), ("opened", "email", "sent"), ("opened", "webhook", "sent")]
    words = database.session.query(Alarm.words).filter_by(channel="slack").scalar()
    expected = {
        "ratelimited": "asks us to wait 30 s (ratelimited)",
        "internal_error": "answered 500",
        "channel_not_found": "refused: channel_not_found",
    }
    assert words == expected.get(fault) or (fault == "hang" and ("TimeoutError" in words or "within" in words))


def test_when_the_relay_is_the_thing_that_failed_slack_is_told(everywhere, tuned, slack):
    tuned(smtp_url="smtp://127.0.0.1:9")
    incident = trouble("unreachable:Mail relay", sentence="Mail relay does not take mail")
    assert alarms.tell_due(BEGAN + MINUTE) == 1
    assert told(incident)[:2] == [("opened", "slack", "sent"), ("opened", "email", "failed")]
    assert len(slack.messages) == 1


def test_a_relay_that_refuses_is_no_yes(everywhere, mail):
    mail.refuse = "550 5.7.1 not from you"
    incident = trouble()
    alarms.tell_due(BEGAN + MINUTE)
    assert ("opened", "email", "failed") in told(incident)
    assert database.session.query(Alarm.words).filter_by(channel="email").scalar().startswith("0 of 2 taken; 550")


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_receiver_that_says_anything_but_yes_has_not_been_told_and_nothing_is_followed(everywhere, receiver, status):
    receiver.status = status
    incident = trouble()
    alarms.tell_due(BEGAN + MINUTE)
    assert told(incident)[-1] == ("opened", "webhook", "failed")
    assert [path for path, _, _ in receiver.taken] == ["/alarms?room=7"]


def test_when_nobody_takes_it_it_is_tried_again_after_five_minutes(tuned, slack):
    tuned(slack_api_url=slack.url, slack_bot_token=TOKEN, alarm_slack_channel="#ops")
    slack.fault = "internal_error"
    incident = trouble()
    assert alarms.tell_due(BEGAN + MINUTE) == 0
    assert told(incident) == [("opened", "slack", "failed")]
    assert (incident.notified_at, incident.next_notice_at) == (None, BEGAN + 6 * MINUTE)
    slack.fault = ""
    assert alarms.tell_due(BEGAN + 5 * MINUTE) == 0
    assert alarms.tell_due(BEGAN + 6 * MINUTE) == 1
    assert told(incident) == [("opened", "slack", "failed"), ("opened", "slack", "sent")]


def test_without_a_channel_nothing_is_claimed_and_the_first_one_hears_of_it(tuned, slack):
    incident = trouble()
    assert alarms.tell_due(BEGAN + MINUTE) == 0
    assert incident.next_notice_at == BEGAN + MINUTE
    tuned(slack_api_url=slack.url, slack_bot_token=TOKEN, alarm_slack_channel="#ops")
    assert alarms.tell_due(BEGAN + 30 * MINUTE) == 1


def test_what_a_teller_that_died_had_claimed_is_told_by_another_after_a_minute(everywhere, slack):
    incident = trouble()
    assert alarms._claim(BEGAN + MINUTE) is not None  # and it was killed
    assert alarms.tell_due(BEGAN + MINUTE) == 0
    assert alarms.tell_due(BEGAN + 2 * MINUTE) == 1
    assert told(incident)[0] == ("opened", "slack", "sent")


def test_an_incident_that_closes_while_it_is_told_is_told_to_be_over(everywhere, slack):
    incident = trouble()
    notice = alarms._claim(BEGAN + MINUTE)
    close(incident, BEGAN + MINUTE)
    alarms._record(notice, {"slack": alarms.Told(is_sent=True, words="posted")}, BEGAN + MINUTE)
    assert alarms.tell_due(BEGAN + 2 * MINUTE) == 1
    assert slack.messages[-1].text.startswith("Porchlight: Over: ")


def test_the_token_and_the_addresses_stay_out_of_what_is_written_down(everywhere, tuned, slack):
    tuned(
        slack_bot_token="xoxb-wrong",
        smtp_url="smtp://user:hunter2@127.0.0.1:9",
        alarm_webhook_url="http://127.0.0.1:9/hush",
    )
    trouble()
    alarms.tell_due(BEGAN + MINUTE)
    words = " ".join(row.words for row in database.session.query(Alarm.words))
    assert "refused: invalid_auth" in words
    for secret in ("xoxb", "hunter2", "127.0.0.1", "hush"):
        assert secret not in words


@pytest.mark.committed
def test_two_tellers_at_once_tell_it_once(app, everywhere, slack):
    trouble(next_notice_at=datetime.now(UTC))
    database.session.commit()
    gate = threading.Barrier(3)

    def tell_once() -> None:
        with app.app_context():
            gate.wait()
            alarms.tell_due()
            database.session.remove()

    tellers = [threading.Thread(target=tell_once) for _ in range(3)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    assert len(slack.messages) == 1


def test_words_that_somebody_typed_over_several_lines_are_told_in_one(everywhere, mail):
    incident = trouble(
        sentence="“alerts” is paused: so\r\nBcc: all@example.com", detail={"follows": ["a\nb"], "why": ""}
    )
    alarms.tell_due(BEGAN + MINUTE)
    assert ("opened", "email", "sent") in told(incident)
    letter = mail.messages(to="ruth")[0]
    assert letter.summary.subject == "Porchlight: “alerts” is paused: so Bcc: all@example.com"
    assert "So, too: a b." in letter.text
