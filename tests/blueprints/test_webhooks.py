"""The doors of the mail providers: what is not proven changes nothing, what is proven is kept once and worked through."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from app.arrivals import EVENTS_BYTES
from app.domain.digests.letters import COMPOSERS
from app.domain.digests.optout import stop_by_mail
from app.domain.messages.returns import inbound
from app.domain.messages.returns.providers import ses as amazon
from app.domain.messages.send import send_due
from app.domain.messages.suppression import in_force
from app.domain.models import InboundEvent, JobRun, MessageEvent, OutboundMessage
from app.gateways import sns
from app.gateways.mail import Relay
from devstack.mailbox import Catcher
from tests.domain.digests.world import build, messages, news, outcomes, subscribe

FIXTURES = Path(__file__).parent.parent.parent.parent / "shared" / "data" / "webhooks" / "esp"
MAILGUN_KEY = "key-mailgun-for-tests"
POSTMARK = "porchlight:postmark-for-tests"
TOPIC = "arn:aws:sns:us-east-1:123456789012:ses-events"
SENDGRID = ec.generate_private_key(ec.SECP256R1())
AMAZON = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CERTIFICATE = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123.pem"


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(AMAZON.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(AMAZON, SHA256())
        .public_bytes(Encoding.PEM)
    )


addresses = itertools.count(1)


@pytest.fixture(autouse=True)
def set_up(app, client, db):
    """An installation that all four providers tell; each test knocks from an address of its own."""
    del db
    client.environ_base["REMOTE_ADDR"] = f"2001:db8::{os.getpid():x}:{next(addresses):x}"
    public = SENDGRID.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    usual = app.extensions["porchlight"]
    app.extensions["porchlight"] = replace(
        usual,
        mailgun_webhook_key=MAILGUN_KEY,
        postmark_webhook_password=POSTMARK,
        sendgrid_webhook_key=base64.b64encode(public).decode(),
        ses_topic_arn=TOPIC,
    )
    sns.keep(CERTIFICATE, certificate())
    yield
    app.extensions["porchlight"] = usual


@pytest.fixture
def catcher(tmp_path):
    with Catcher(tmp_path / "mail") as catcher:
        yield catcher


@pytest.fixture
def relay(catcher):
    return Relay(catcher.url, hostname="alerts.harborvine.example", answer_seconds=1.0)


# --- How each provider signs ---


def mailgun(event: dict, *, token: str | None = None, at: datetime | None = None, key: str = MAILGUN_KEY) -> dict:
    token = token or hashlib.sha256(json.dumps(event).encode()).hexdigest()[:50]
    timestamp = str(int((at or datetime.now(UTC)).timestamp()))
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    body = {"signature": {"timestamp": timestamp, "token": token, "signature": signature}, "event-data": event}
    return {"data": json.dumps(body), "content_type": "application/json"}


def postmark(event: dict, *, password: str = POSTMARK) -> dict:
    shown = base64.b64encode(password.encode()).decode()
    return {
        "data": json.dumps(event),
        "content_type": "application/json",
        "headers": {"Authorization": f"Basic {shown}"},
    }


def sendgrid(events: list, *, at: datetime | None = None, key=SENDGRID) -> dict:
    body, timestamp = json.dumps(events), str(int((at or datetime.now(UTC)).timestamp()))
    signature = base64.b64encode(key.sign(timestamp.encode() + body.encode(), ec.ECDSA(SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }
    return {"data": body, "content_type": "application/json", "headers": headers}


def ses(event: dict | str, *, version: str = "2", number: str = "sns-1", **changes: str) -> dict:
    envelope = {
        "Type": "Notification",
        "MessageId": number,
        "TopicArn": TOPIC,
        "Message": event if isinstance(event, str) else json.dumps(event),
        "Timestamp": datetime.now(UTC).isoformat(),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
    } | changes
    names = amazon.SIGNED if envelope["Type"] == "Notification" else amazon.SIGNED_OF_TOPIC
    said = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope).encode()
    signature = AMAZON.sign(said, padding.PKCS1v15(), SHA256() if version == "2" else SHA1())
    envelope["Signature"] = base64.b64encode(signature).decode()
    return {"data": json.dumps(envelope), "content_type": "text/plain; charset=UTF-8"}


def bounce_by(provider: str, message: OutboundMessage, words: str = "550 5.1.1 User unknown") -> dict:
    """A hard bounce of a message, as each provider tells it."""
    own, key = message.message_id.strip("<>"), message.message_id.strip("<>").partition("@")[0]
    match provider:
        case "mailgun":
            return mailgun(
                {
                    "event": "failed",
                    "severity": "permanent",
                    "reason": "bounce",
                    "id": "ev-1",
                    "timestamp": datetime.now(UTC).timestamp(),
                    "recipient": message.recipient,
                    "message": {"headers": {"message-id": own}},
                    "delivery-status": {"code": 550, "message": words.removeprefix("550 ")},
                }
            )
        case "postmark":
            return postmark(
                {
                    "RecordType": "Bounce",
                    "ID": 901542550,
                    "Type": "HardBounce",
                    "MessageID": "2706ee8a",
                    "Details": f"smtp;{words}",
                    "Email": message.recipient,
                    "BouncedAt": datetime.now(UTC).isoformat(),
                    "Metadata": {"porchlight": key},
                }
            )
        case "sendgrid":
            return sendgrid(
                [
                    {
                        "event": "bounce",
                        "type": "bounce",
                        "sg_event_id": "sg-1",
                        "email": message.recipient,
                        "reason": words,
                        "timestamp": int(datetime.now(UTC).timestamp()),
                        "smtp-id": message.message_id,
                    }
                ]
            )
    return ses(
        {
            "eventType": "Bounce",
            "bounce": {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [{"emailAddress": message.recipient, "diagnosticCode": f"smtp; {words}"}],
                "timestamp": datetime.now(UTC).isoformat(),
            },
            "mail": {"messageId": "0000-ses", "tags": {"porchlight": [key]}, "commonHeaders": {"messageId": "<other>"}},
        }
    )


PROVIDERS = ("mailgun", "postmark", "sendgrid", "ses")


@pytest.fixture
def message(make, office):
    buyer = make.contact(office, email="amelia@example.com")
    return make.message(buyer, state="sent", message_id="<a1.abcdef@alerts.harborvine.example>")


def work(now: datetime | None = None) -> dict[str, int]:
    total = dict.fromkeys(inbound.COUNTS, 0)
    while (worked := inbound.work_some(stop_by_mail, now or datetime.now(UTC))) is not None:
        for name, number in worked.items():
            total[name] += number
    return total


def events(db) -> list[tuple[str, str, str | None]]:
    found = db.session.scalars(select(MessageEvent).where(MessageEvent.source != "smtp").order_by(MessageEvent.id))
    return [(event.source, event.event_type, event.cause) for event in found]


def kept(db) -> list[InboundEvent]:
    return list(db.session.scalars(select(InboundEvent).order_by(InboundEvent.id)))


# --- All of them ---


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_signed_bounce_is_kept_answered_and_then_stops_a_dead_address_pa_22_pa_24(client, message, db, provider):
    answer = client.post(f"/webhooks/{provider}", **bounce_by(provider, message))
    assert (answer.status_code, answer.text) == (200, "1 new.\n")
    assert "Set-Cookie" not in answer.headers
    assert events(db) == []  # kept first
    assert [run.kind for run in db.session.scalars(select(JobRun))] == ["returns"]
    assert work()["done"] == 1
    assert events(db) == [(provider, "bounced", "dead")]
    [stopped] = in_force(message.office_id, message.recipient)
    assert (stopped.reason, stopped.source) == ("bounced", provider)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_full_mailbox_that_a_provider_calls_permanent_suppresses_nobody_pa_24(client, message, db, provider):
    client.post(f"/webhooks/{provider}", **bounce_by(provider, message, "550 5.2.2 Mailbox full"))
    work()
    assert events(db) == [(provider, "bounced", "soft")]
    assert in_force(message.office_id, message.recipient) == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_same_request_again_is_taken_once(client, message, db, provider):
    request = bounce_by(provider, message)
    answers = [client.post(f"/webhooks/{provider}", **request) for _ in range(3)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "1 new.\n")] + [(200, "0 new.\n")] * 2
    work()
    assert len(events(db)) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_forged_request_is_refused_with_a_sentence_and_leaves_nothing(client, message, db, provider):
    request = bounce_by(provider, message)
    match provider:
        case "mailgun":
            forged = mailgun({"event": "failed"}, key="another key")
        case "postmark":
            forged = request | {"headers": {"Authorization": "Basic " + base64.b64encode(b"porchlight:no").decode()}}
        case "sendgrid":
            forged = request | {"data": request["data"].replace("amelia", "robert")}
        case _:
            forged = request | {"data": request["data"].replace("amelia", "robert")}
    for sent in (forged, request | {"headers": {}, "data": b'{"a": 1}'}, {"data": b"[]"}):
        answer = client.post(f"/webhooks/{provider}", **sent)
        assert answer.status_code == 403
        assert answer.text.strip().endswith(".")
        assert "Traceback" not in answer.text
    assert kept(db) == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_that_is_not_set_up_is_no_door(app, client, message, provider):
    app.extensions["porchlight"] = replace(
        app.extensions["porchlight"],
        mailgun_webhook_key="",
        postmark_webhook_password="",
        sendgrid_webhook_key="",
        ses_topic_arn="",
    )
    assert client.post(f"/webhooks/{provider}", **bounce_by(provider, message)).status_code == 404
    assert client.post("/webhooks/nobody", data=b"{}").status_code == 404


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"{", b"[" * 5_000, b"null", b'"x"', b"\xff\xfe", b'{"signature": "x"}', b'{"TopicArn": ["x"]}'],
)
def test_what_is_no_event_is_refused_without_a_stack_trace(client, provider, body):
    answer = client.post(f"/webhooks/{provider}", data=body)
    assert answer.status_code in {400, 403}
    assert answer.mimetype == "text/plain"
    assert "Traceback" not in answer.text


def test_what_is_too_large_is_413(client):
    answer = client.post("/webhooks/mailgun", data=b"x" * (EVENTS_BYTES + 1))
    assert answer.status_code == 413


def test_reading_changes_nothing(client, db):
    assert client.get("/webhooks/mailgun").status_code == 405
    assert kept(db) == []


@pytest.mark.parametrize(("hours", "status"), [(9, 200), (25, 403), (-1, 403)])
def test_a_request_of_nine_hours_ago_counts_and_one_of_yesterday_does_not(client, hours, status):
    at = datetime.now(UTC) - timedelta(hours=hours)
    assert client.post("/webhooks/mailgun", **mailgun({"event": "opened"}, at=at)).status_code == status
    event = {"event": "open", "sg_event_id": "x", "email": "a@example.com"}
    assert client.post("/webhooks/sendgrid", **sendgrid([event], at=at)).status_code == status
    assert client.post("/webhooks/ses", **ses({}, Timestamp=at.isoformat())).status_code == status


def test_a_used_token_of_mailgun_opens_for_no_other_event(client, message, db):
    """The signature covers timestamp and token, not the event."""
    client.post("/webhooks/mailgun", **mailgun({"event": "opened"}, token="used-once"))
    bounce = json.loads(bounce_by("mailgun", message)["data"])["event-data"]
    assert client.post("/webhooks/mailgun", **mailgun(bounce, token="used-once")).text == "0 new.\n"
    work()
    assert events(db) == []


def test_events_in_any_order_leave_the_same(client, message, db):
    at = datetime.now(UTC).timestamp()
    own = {"message": {"headers": {"message-id": message.message_id.strip("<>")}}, "recipient": message.recipient}
    for name in ("opened", "delivered", "accepted"):  # backwards
        client.post("/webhooks/mailgun", **mailgun({"event": name, "id": name, "timestamp": at, **own}))
    work()
    assert sorted(kind for _, kind, _ in events(db)) == ["delivered", "opened", "queued"]
    db.session.refresh(message)
    assert message.state == "sent"


def test_an_event_of_a_message_that_is_not_ours_is_kept_and_said(client, db):
    stranger = {"event": "delivered", "id": "x", "timestamp": 1.0, "recipient": "x@elsewhere.example"}
    client.post("/webhooks/mailgun", **mailgun(stranger))
    assert work()["unmatched"] == 1
    assert [(row.state, row.event_type) for row in kept(db)] == [("unmatched", "delivered")]


def test_who_cannot_prove_anything_is_not_listened_to_for_long(client, message):
    answers = [client.post("/webhooks/postmark", **postmark({}, password="wrong")).status_code for _ in range(70)]
    assert set(answers) == {403, 429}
    other = {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}
    proven = [client.post("/webhooks/postmark", **bounce_by("postmark", message), **other) for _ in range(70)]
    assert {answer.status_code for answer in proven} == {200}


# --- T11 ---


def test_t11_a_bounce_that_comes_before_accepted_and_twice(client, make, office, relay, catcher, db):  # noqa: PLR0917
    buyer = make.contact(office, email="amelia@example.com")
    subscription = subscribe(buyer)
    make.match(subscription, news(office)[1])
    build(datetime.now(UTC))
    [message] = messages()
    assert message.state == "queued"
    for _ in range(2):
        assert client.post("/webhooks/mailgun", **bounce_by("mailgun", message)).status_code == 200
    work()
    assert events(db) == [("mailgun", "bounced", "dead")]
    assert len(in_force(office.id, "amelia@example.com")) == 1
    make.match(subscription, news(office)[1])
    build(datetime.now(UTC) + timedelta(minutes=15))
    send_due(COMPOSERS, relay=relay)
    assert set(outcomes()) == {"suppressed"}
    assert catcher.messages() == []


def test_each_provider_is_asked_to_say_our_name_for_a_mail(make, office, relay, catcher):
    make.match(subscribe(make.contact(office)), news(office)[1])
    build(datetime.now(UTC))
    send_due(COMPOSERS, relay=relay)
    [mail] = catcher.messages()
    key = messages()[0].message_id.strip("<>").partition("@")[0]
    assert json.loads(mail.header("X-Mailgun-Variables")) == {"porchlight": key}
    assert mail.header("X-PM-Metadata-porchlight") == key
    assert json.loads(mail.header("X-SMTPAPI")) == {"unique_args": {"porchlight": key}}
    assert mail.header("X-SES-MESSAGE-TAGS") == f"porchlight={key}"


# --- Each one's ways ---


def test_complaints_and_unsubscribes_of_every_provider_stop_what_they_should(client, make, office, db):
    def mail(name):
        buyer = make.contact(office, email=f"{name}@example.com")
        return make.message(buyer, state="sent", message_id=f"<a1.{name}@alerts.harborvine.example>")

    told = {
        "mailgun": lambda one, kind: mailgun(
            {
                "event": {"complaint": "complained", "stop": "unsubscribed"}[kind],
                "recipient": one.recipient,
                "message": {"headers": {"message-id": one.message_id.strip("<>")}},
            }
        ),
        "postmark": lambda one, kind: postmark(
            {
                "complaint": {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "Email": one.recipient},
                "stop": {"RecordType": "SubscriptionChange", "SuppressSending": True, "Recipient": one.recipient},
            }[kind]
            | {"Metadata": {"porchlight": one.message_id[1:].partition("@")[0]}}
        ),
        "sendgrid": lambda one, kind: sendgrid(
            [
                {
                    "event": {"complaint": "spamreport", "stop": "unsubscribe"}[kind],
                    "email": one.recipient,
                    "sg_event_id": f"{kind}{one.id}",
                    "porchlight": one.message_id[1:].partition("@")[0],
                }
            ]
        ),
        "ses": lambda one, kind: ses(
            {
                "complaint": {
                    "notificationType": "Complaint",
                    "complaint": {"complainedRecipients": [{"emailAddress": one.recipient}]},
                },
                "stop": {
                    "eventType": "Subscription",
                    "subscription": {"newTopicPreferences": {"unsubscribeAll": True}},
                },
            }[kind]
            | {"mail": {"headers": [{"name": "Message-ID", "value": one.message_id}], "destination": [one.recipient]}},
            number=f"{kind}{one.id}",
        ),
    }
    for provider, request in told.items():
        angry, leaving = mail(f"angry-{provider}"), mail(f"leaving-{provider}")
        assert client.post(f"/webhooks/{provider}", **request(angry, "complaint")).status_code == 200
        assert client.post(f"/webhooks/{provider}", **request(leaving, "stop")).status_code == 200
        work()
        assert [(one.scope, one.reason) for one in in_force(office.id, angry.recipient)] == [("address", "complained")]
        assert [(one.scope, one.reason) for one in in_force(office.id, leaving.recipient)] == [
            ("stream", "unsubscribed")
        ]


def test_a_provider_that_dropped_a_mail_for_an_older_bounce_tells_of_a_dead_address(client, message, db):
    dropped = {"event": "dropped", "reason": "Bounced Address", "sg_event_id": "d", "smtp-id": message.message_id}
    client.post("/webhooks/sendgrid", **sendgrid([dropped | {"email": message.recipient}]))
    work()
    assert events(db) == [("sendgrid", "rejected", "dead")]
    assert [one.reason for one in in_force(message.office_id, message.recipient)] == ["bounced"]


def test_many_events_of_one_request_are_each_taken_once(client, message, db):
    batch = [
        {"event": "delivered", "sg_event_id": f"e{n % 40}", "smtp-id": message.message_id, "email": message.recipient}
        for n in range(80)
    ]
    assert client.post("/webhooks/sendgrid", **sendgrid(batch)).text == "40 new.\n"
    assert work()["done"] == 40


class TestSns:
    def test_its_older_signature_is_read_too(self, client):
        assert client.post("/webhooks/ses", **ses({"eventType": "Send"}, version="1")).status_code == 200

    def test_only_our_topic_is_heard_however_well_another_signs(self, client, db):
        assert client.post("/webhooks/ses", **ses({}, TopicArn=TOPIC + "-of-another")).status_code == 403
        assert kept(db) == []

    @pytest.mark.parametrize(
        "url",
        [
            "http://sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/x.pem",
            "https://evil.example/sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com@evil.example/x.pem",
            "https://sns.us-east-1.amazonaws.com:8080/x.pem",
            "https://127.0.0.1/x.pem",
            "https://s3.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com/x.exe",
            "https://sns.us-east-1.amazonaws.com/x.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123.pem?Action=GetSubscriptionAttributes",
            "https://sns.us-east-1.amazonaws.com/?x=/SimpleNotificationService-0123.pem",
            "file:///etc/passwd",
            "",
        ],
    )
    def test_a_certificate_is_fetched_from_amazon_alone(self, client, db, url):
        assert client.post("/webhooks/ses", **ses({}, SigningCertURL=url)).status_code == 403
        assert kept(db) == []

    def test_a_subscription_is_confirmed_only_where_amazon_says_so(self):
        def confirmation(url):
            return json.dumps({"Type": "SubscriptionConfirmation", "SubscribeURL": url, "MessageId": "1"})

        good = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=1"
        assert amazon.subscribe_url(confirmation(good)) == good
        assert amazon.subscribe_url(confirmation("https://evil.example/?Action=ConfirmSubscription")) is None
        assert amazon.subscribe_url(json.dumps({"Type": "Notification", "SubscribeURL": good})) is None

    def test_a_notice_of_sns_itself_is_about_nothing(self, client):
        notice = "Successfully validated SNS topic for Amazon SES event publishing."
        assert client.post("/webhooks/ses", **ses(notice)).status_code == 200
        assert work()["ignored"] == 1


@pytest.mark.skipif(not FIXTURES.exists(), reason="the recorded payloads are not here")
class TestRecorded:
    """Payloads as the providers really write them: each is read in our words, none is a fault."""

    EXPECTED = {
        ("mailgun", "test_delivered_event"): "delivered",
        ("mailgun", "test_failed_permanent_event"): "bounced",
        ("mailgun", "test_failed_temporary_event"): "deferred",
        ("mailgun", "test_failed_greylisted_event"): "deferred",
        ("mailgun", "test_rejected_event"): "rejected",
        ("mailgun", "test_complained_event"): "complained",
        ("mailgun", "test_unsubscribed_event"): "unsubscribed",
        ("mailgun", "test_opened_event"): "opened",
        ("postmark", "test_bounce_event"): "bounced",
        ("postmark", "test_delivered_event"): "delivered",
        ("postmark", "test_open_event"): "opened",
        ("postmark", "test_click_event"): "clicked",
        ("postmark", "test_spam_event"): "complained",
        ("postmark", "test_unsubscribe"): "unsubscribed",
        ("postmark", "test_resubscribe"): "subscribed",
        ("postmark", "test_subscription_change_bounce"): "bounced",
        ("postmark", "test_bounce_unsubscribe_variant"): "unsubscribed",
        ("sendgrid", "test_processed_event"): "queued",
        ("sendgrid", "test_delivered_event"): "delivered",
        ("sendgrid", "test_dropped_invalid_event"): "rejected",
        ("sendgrid", "test_dropped_bounced"): "rejected",
        ("sendgrid", "test_dropped_unsubscribed_event"): "rejected",
        ("sendgrid", "test_bounce_event"): "bounced",
        ("sendgrid", "test_deferred_event"): "deferred",
        ("sendgrid", "test_open_event"): "opened",
        ("sendgrid", "test_click_event"): "clicked",
        ("ses", "test_bounce_event"): "bounced",
        ("ses", "test_multiple_bounce_event"): "bounced",
        ("ses", "test_complaint_event"): "complained",
        ("ses", "test_delivery_event"): "delivered",
        ("ses", "test_send_event"): "sent",
        ("ses", "test_reject_event"): "rejected",
        ("ses", "test_open_event"): "opened",
        ("ses", "test_click_event"): "clicked",
        ("ses", "test_rendering_failure_event"): "failed",
    }
    """As Anymail's own tests of these payloads have it."""

    def test_each_is_read_as_anymail_reads_it(self):
        files = {"mailgun": "mailgun", "postmark": "postmark", "sendgrid": "sendgrid", "ses": "amazon_ses"}
        seen = {}
        for provider, file in files.items():
            for recorded in json.loads((FIXTURES / f"{file}.json").read_text(encoding="utf-8")):
                payload = recorded["payload"]
                if provider == "ses":
                    payload = {"Type": "Notification", "MessageId": "m", "Message": json.dumps(payload)}
                read = inbound.PROVIDERS[provider]
                for part in read.parts(json.dumps(payload).encode()):
                    for each in read.read(part.payload):
                        seen.setdefault((provider, recorded["test"]), each.event_type.value)
        assert {key: seen.get(key) for key in self.EXPECTED} == self.EXPECTED
