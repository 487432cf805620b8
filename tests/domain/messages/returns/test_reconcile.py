"""Our count of a day beside the provider's, and the alarms that follow (PA-25)."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select

from app.domain.messages.queries import Told
from app.domain.messages.returns.reconcile import find, reconcile
from app.domain.models import InboundEvent, ProviderDay
from app.domain.ops import health
from app.domain.ops.health import BLOCKS
from app.gateways.provider_counts import Counted, Unanswered, count_of_mailgun
from tests.domain.digests.world import NOON

YESTERDAY = NOON - timedelta(days=1)


class Mailgun:
    """A stand-in over real HTTP that answers one question."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict]] = []
        self.status, self.metrics, self.body = 200, {"accepted_outgoing_count": 0, "delivered_count": 0}, None
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, self.headers["Authorization"], body))
                items = [{"metrics": outer.metrics}] if "19 Nov" in body["start"] else []
                answer = outer.body or json.dumps({"items": items}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


@pytest.fixture
def mailgun() -> Iterator[Mailgun]:
    stand_in = Mailgun()
    yield stand_in
    stand_in.server.shutdown()
    stand_in.server.server_close()


@pytest.fixture
def provider(app, db, mailgun):
    """An installation that Mailgun tells, and that may ask it."""
    del db
    usual = app.extensions["porchlight"]
    app.extensions["porchlight"] = replace(
        usual,
        mailgun_webhook_key="key-for-tests-0123",
        mailgun_api_key="api-key-for-tests",
        mailgun_api_url=mailgun.url,
    )
    yield mailgun
    app.extensions["porchlight"] = usual


def sent(make, office, number: int, *, told: int = 0, at: datetime = YESTERDAY):
    buyer = make.contact(office)
    for n in range(number):
        message = make.message(buyer, state="sent", sent_at=at)
        make.message_event(message, "sent", occurred_at=at, recorded_at=at)
        if n < told:
            make.message_event(message, "delivered", source="mailgun", occurred_at=at, recorded_at=at)


def yesterday(db) -> ProviderDay:
    return db.session.scalars(select(ProviderDay).where(ProviderDay.day == YESTERDAY.date())).one()


def test_a_day_that_fits_is_written_down_as_it_was_counted_pa_25(make, office, db, provider):
    sent(make, office, 12, told=12)
    provider.metrics = {"accepted_outgoing_count": 12, "delivered_count": 12}
    assert reconcile(NOON) == {"days": 3, "off": 0}
    day = yesterday(db)
    assert (day.accepted, day.heard_of, day.delivered, day.their_accepted, day.their_delivered) == (12,) * 5
    assert (day.is_off, day.words) == (False, "as we counted")
    path, shown, question = provider.asked[0]
    assert path == "/v1/analytics/metrics"
    assert base64.b64decode(shown.removeprefix("Basic ")) == b"api:api-key-for-tests"
    assert question["start"].startswith("Thu, 19 Nov 2026 00:00:00")
    reconcile(NOON)  # counted anew, not added
    assert yesterday(db).accepted == 12


def test_mails_of_which_nothing_was_told_make_the_day_red(make, office, db, provider):
    sent(make, office, 20, told=10)
    provider.metrics = {"accepted_outgoing_count": 20, "delivered_count": 10}
    reconcile(NOON)
    assert yesterday(db).is_off
    assert yesterday(db).words == "nothing was told of 10 of 20 mails"
    assert [reason.sentence for reason in health.verdict(NOON).reasons if reason.key == "counts:mailgun"] == [
        "Mailgun counts otherwise than we do"
    ]


@pytest.mark.parametrize(("status", "body"), [(500, b""), (200, b"no JSON"), (200, b"[]"), (200, b'{"items": [1]}')])
def test_a_provider_that_does_not_answer_leaves_the_count_of_its_events(make, office, db, provider, status, body):  # noqa: PLR0917
    sent(make, office, 6, told=6)
    provider.status, provider.body = status, body or b"{}"
    reconcile(NOON)
    day = yesterday(db)
    assert (day.heard_of, day.their_accepted, day.is_off) == (6, None, False)


def test_nobody_there_is_no_answer():
    with pytest.raises(Unanswered):
        count_of_mailgun("http://127.0.0.1:9", "key", "example.com", NOON.date())


def test_what_is_far_and_what_is_midnight():
    def told(accepted, heard_of, delivered):
        return Told("mailgun", accepted, heard_of, heard_of, delivered, 0)

    assert find(told(100, 96, 90), Counted(104, 92)) == []  # a few lie beyond midnight
    assert find(told(10_000, 9_900, 9_800), Counted(10_100, 9_900)) == []
    assert find(told(100, 80, 80), None) == ["nothing was told of 20 of 100 mails"]
    assert find(told(100, 100, 100), Counted(80, 80)) == [
        "it took 80, we sent 100",
        "it delivered 80, and told us of 100",
    ]


class TestSilence:
    def keys(self) -> set[str]:
        return {reason.key for reason in health.verdict(NOON).reasons}

    def test_two_hours_without_an_event_while_sending_is_an_alarm_pa_25(self, make, office, provider):
        sent(make, office, 1, at=NOON - timedelta(minutes=119))
        assert "silent:webhooks" not in self.keys()
        sent(make, office, 1, at=NOON - timedelta(minutes=121))
        assert "silent:webhooks" in self.keys()

    def test_an_event_of_any_kind_is_a_sign_of_life(self, make, office, db, provider):
        sent(make, office, 1, at=NOON - timedelta(hours=3))
        heard = NOON - timedelta(hours=2, minutes=30)
        db.session.add(InboundEvent(source="mailgun", event_id="x", received_at=heard))
        db.session.commit()
        assert "silent:webhooks" not in self.keys()

    def test_nothing_sent_is_no_silence(self, provider):
        assert "silent:webhooks" not in self.keys()

    def test_without_a_provider_nobody_is_waited_for(self, make, office, db):
        sent(make, office, 1, at=NOON - timedelta(hours=3))
        assert "silent:webhooks" not in self.keys()


def test_twenty_blocks_of_a_domain_in_an_hour_call_somebody_and_stop_nobody_pa_24(make, office, db):
    buyers = [make.contact(office, email=f"buyer{n}@blocks.example") for n in range(BLOCKS)]
    for number, buyer in enumerate(buyers):
        if number == BLOCKS - 1:
            assert not [reason for reason in health.verdict(NOON).reasons if reason.key.startswith("blocked:")]
        message = make.message(buyer, state="sent")
        at = NOON - timedelta(minutes=number)
        make.message_event(message, "bounced", cause="block", source="mail", occurred_at=at, recorded_at=at)
    [reason] = [reason for reason in health.verdict(NOON).reasons if reason.key == "blocked:blocks.example"]
    assert (reason.tone, reason.sentence) == ("bad", "blocks.example blocks our mail")
    assert "blocks.example" not in reason.in_public
    assert not [one for one in health.verdict(NOON + timedelta(hours=2)).reasons if one.key.startswith("blocked:")]
