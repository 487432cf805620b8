"""From a returned mail to what follows for its address (PA-24): who, why, once."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from app.domain.digests.letters import COMPOSERS
from app.domain.digests.optout import stop_by_mail
from app.domain.messages.keys import Purpose, sign
from app.domain.messages.returns import inbound
from app.domain.messages.returns.letters import LARGEST
from app.domain.messages.returns.providers import Part
from app.domain.messages.send import send_due
from app.domain.messages.suppression import in_force, lift
from app.domain.models import AlertSubscription, Digest, InboundEvent, MessageEvent, Suppression
from app.extensions import settings
from tests.domain.digests.world import NOON, build, messages, news, outcomes, subscribe
from tests.domain.messages.returns.letterbox import DOMAIN, complaint, dsn, letter, vacation


@pytest.fixture
def buyer(make, office):
    return make.contact(office, email="amelia@example.com")


@pytest.fixture
def sent(make, office, buyer, relay, catcher, db):  # noqa: PLR0917
    """An alert that the relay took a moment ago."""
    del catcher
    make.match(subscribe(buyer), news(office)[1])
    now = datetime.now(UTC)
    build(now)
    send_due(COMPOSERS, relay=relay)
    db.session.expire_all()
    return messages()[-1]


def bounce_address(message) -> str:
    return f"bounce+{sign(settings().secret_key, Purpose.BOUNCE, message.id)}@{DOMAIN}"


def take(*mails: bytes, sent_to: str = "", now: datetime | None = None) -> dict[str, int]:
    inbound.store_mails(mails, sent_to, now)
    total = dict.fromkeys(inbound.COUNTS, 0)
    while (worked := inbound.work_some(stop_by_mail, now or datetime.now(UTC))) is not None:
        for name, number in worked.items():
            total[name] += number
    return total


def kept(db) -> InboundEvent:
    return db.session.scalars(select(InboundEvent).order_by(InboundEvent.id.desc()).limit(1)).one()


def events(db, message) -> list[tuple[str, str | None]]:
    statement = select(MessageEvent).where(
        MessageEvent.outbound_message_id == message.id, MessageEvent.source != "smtp"
    )
    return [(event.event_type, event.cause) for event in db.session.scalars(statement.order_by(MessageEvent.id))]


def test_the_envelope_of_what_is_sent_names_its_message_and_nobody(sent, catcher):
    [mail] = catcher.messages()
    assert mail.header("Return-Path") == f"<{bounce_address(sent)}>"
    assert "amelia" not in mail.header("Return-Path")


def test_a_dead_address_known_by_its_token_is_stopped_at_once_pa_24(sent, office, db):
    assert take(dsn(sent_to=bounce_address(sent)))["done"] == 1
    assert events(db, sent) == [("bounced", "dead")]
    [stopped] = in_force(office.id, "amelia@example.com")
    assert (stopped.scope, stopped.reason, stopped.source) == ("address", "bounced", "mail")
    assert "User unknown" in stopped.evidence
    assert stopped.outbound_message_id == sent.id
    assert kept(db).known_by == "token"


def test_without_a_token_the_mail_that_came_back_tells_which_it_was(sent, db):
    take(dsn(message_id=sent.message_id, recipient="forwarded@elsewhere.example"))
    assert kept(db).known_by == "message id"
    assert events(db, sent) == [("bounced", "dead")]


def test_a_mail_that_only_names_an_address_stops_nobody_for_anybody_can_write_one_pa_24(sent, office, db):
    named = complaint().replace(b"Version: 1\n", b"Version: 1\nOriginal-Rcpt-To: <amelia@example.com>\n")
    assert take(dsn(), named) == {"done": 0, "unmatched": 2, "ignored": 0, "failed": 0}
    assert (kept(db).event_type, kept(db).recipient) == ("complained", "amelia@example.com")  # it can be looked at
    assert events(db, sent) == []
    assert in_force(office.id, "amelia@example.com") == []


def test_who_knows_our_habits_cannot_guess_the_name_of_a_mail(sent, office):
    digest = hashlib.sha256(sent.dedupe_key.encode()).digest()[:16]
    guessed = f"<a1.{base64.b32encode(digest).decode().rstrip('=').lower()}@{DOMAIN}>"
    assert take(dsn(message_id=guessed))["unmatched"] == 1
    assert in_force(office.id, "amelia@example.com") == []


def test_a_forged_token_names_no_message(sent, office, db):
    token = sign("another secret", Purpose.BOUNCE, sent.id)
    assert take(dsn(sent_to=f"bounce+{token}@{DOMAIN}", recipient="x@elsewhere.example"))["unmatched"] == 1
    one_click = sign(settings().secret_key, Purpose.ONE_CLICK, sent.id)  # a token of another purpose
    assert take(dsn(sent_to=f"bounce+{one_click}@{DOMAIN}", recipient="y@elsewhere.example"))["unmatched"] == 1
    assert events(db, sent) == []
    assert in_force(office.id, "amelia@example.com") == []


def test_the_same_mail_counts_once_however_often_it_is_read(sent, db):
    mail = dsn(sent_to=bounce_address(sent))
    assert take(mail, mail)["done"] == 1
    assert take(mail) == dict.fromkeys(inbound.COUNTS, 0)
    assert events(db, sent) == [("bounced", "dead")]


def test_what_a_person_lifted_stays_lifted_when_the_old_bounce_is_told_again(sent, office, db):
    mail = dsn(sent_to=bounce_address(sent))
    take(mail)
    lift([one.id for one in in_force(office.id, "amelia@example.com")], by="Ruth Calloway")
    take(mail)
    assert in_force(office.id, "amelia@example.com") == []
    assert db.session.scalar(select(func.count()).select_from(Suppression)) == 1


@pytest.mark.parametrize(
    ("said", "status", "cause"),
    [
        ("552 5.2.2 Mailbox full", "5.2.2", "soft"),
        ("554 5.7.1 blocked using zen.spamhaus.org", "5.7.1", "block"),
        ("550 5.7.1 Message refused for policy reasons", "5.7.1", "block"),
        ("450 4.2.0 Greylisted, try again later", "4.2.0", "soft"),
    ],
)
def test_a_full_mailbox_a_spam_block_and_a_policy_never_suppress_pa_24(sent, office, db, said, status, cause):  # noqa: PLR0917
    take(dsn(sent_to=bounce_address(sent), said=said, status=status))
    assert events(db, sent) == [("bounced", cause)]
    assert in_force(office.id, "amelia@example.com") == []


def test_a_vacation_is_no_bounce_and_proves_that_the_mail_arrived_pa_24(sent, office, db):
    take(vacation(sent_to=bounce_address(sent)))
    assert events(db, sent) == [("autoresponded", None)]
    assert in_force(office.id, "amelia@example.com") == []


def test_a_complaint_stops_everything_at_once_pa_24(sent, office, db):
    take(complaint(message_id=sent.message_id))
    assert events(db, sent) == [("complained", None)]
    [stopped] = in_force(office.id, "amelia@example.com")
    assert (stopped.scope, stopped.reason) == ("address", "complained")


def test_a_letter_of_a_person_changes_nothing(sent, db):
    assert take(letter(sent_to=bounce_address(sent)))["ignored"] == 1
    assert events(db, sent) == []


class TestSoft:
    """Three in at least 72 hours give the address two weeks of rest (PA-24)."""

    def bounce(self, make, office, buyer, db, at):
        digest = Digest(
            office_id=office.id,
            contact_id=buyer.id,
            recipient=buyer.email,
            window_end=at,
            state="built",
            token=f"digest-{at:%d%H%M}",
        )
        db.session.add(digest)
        db.session.commit()
        message = make.message(buyer, state="sent", digest_id=digest.id, sent_at=at, attempting_at=at)
        mail = dsn(sent_to=bounce_address(message), said="552 5.2.2 Mailbox full", status="5.2.2")
        take(mail, now=at)
        return message

    def in_force(self, office, at):
        return [(one.reason, one.expires_at) for one in in_force(office.id, "amelia@example.com", at)]

    def test_three_over_three_days_rest_for_two_weeks_pa_24(self, make, office, buyer, db):
        for hours in (0, 24, 71.9):
            self.bounce(make, office, buyer, db, NOON + timedelta(hours=hours))
        assert self.in_force(office, NOON + timedelta(hours=71.9)) == []
        last = NOON + timedelta(hours=72)
        self.bounce(make, office, buyer, db, last)
        assert self.in_force(office, last) == [("unreachable", last + timedelta(days=14))]
        assert self.in_force(office, last + timedelta(days=14)) == []  # it ends by itself

    def test_what_the_relay_says_at_once_counts_as_what_comes_back_does(self, make, office, buyer, db, relay, catcher):  # noqa: PLR0917
        now = datetime.now(UTC)
        for hours in (80, 40):
            self.bounce(make, office, buyer, db, now - timedelta(hours=hours))
        catcher.refuse_recipients = {buyer.email: "552 5.2.2 Mailbox full"}
        make.match(subscribe(buyer), news(office)[1])
        build(now)
        send_due(COMPOSERS, relay=relay)
        assert [message.state for message in messages()][-1] == "failed"
        assert [reason for reason, _ in self.in_force(office, datetime.now(UTC))] == ["unreachable"]

    def test_two_are_not_enough_however_far_apart(self, make, office, buyer, db):
        for hours in (0, 96):
            self.bounce(make, office, buyer, db, NOON + timedelta(hours=hours))
        assert self.in_force(office, NOON + timedelta(hours=96)) == []

    def test_a_delivery_between_begins_the_count_anew(self, make, office, buyer, db):
        first = self.bounce(make, office, buyer, db, NOON)
        self.bounce(make, office, buyer, db, NOON + timedelta(hours=40))
        make.message_event(first, "delivered", source="mailgun", occurred_at=NOON + timedelta(hours=50))
        self.bounce(make, office, buyer, db, NOON + timedelta(hours=80))
        assert self.in_force(office, NOON + timedelta(hours=80)) == []

    def test_after_its_rest_it_takes_three_again_and_a_second_rest_can_begin(self, make, office, buyer, db):
        for hours in (0, 40, 80):
            self.bounce(make, office, buyer, db, NOON + timedelta(hours=hours))
        later = NOON + timedelta(hours=80, days=15)
        self.bounce(make, office, buyer, db, later)
        assert self.in_force(office, later) == []
        for hours in (40, 80):
            self.bounce(make, office, buyer, db, later + timedelta(hours=hours))
        assert [reason for reason, _ in self.in_force(office, later + timedelta(hours=80))] == ["unreachable"]

    def test_the_next_run_drops_what_was_for_a_resting_address(self, make, office, buyer, db, relay, catcher):  # noqa: PLR0917
        now = datetime.now(UTC)
        for hours in (80, 40, 0):
            self.bounce(make, office, buyer, db, now - timedelta(hours=hours))
        make.match(subscribe(buyer), news(office)[1])
        build(now + timedelta(minutes=1))
        send_due(COMPOSERS, relay=relay)
        assert outcomes() == ["suppressed"]
        assert catcher.messages() == []


class TestUnsubscribeByMail:
    """The mailto of List-Unsubscribe does what the link does (RFC 2369, RFC 8058)."""

    def stop_address(self, message) -> str:
        return f"unsub+{sign(settings().secret_key, Purpose.ONE_CLICK, message.id)}@{DOMAIN}"

    def test_a_mail_to_the_address_in_the_header_stops_the_search(self, sent, office, db, catcher):
        [mail] = catcher.messages()
        assert f"<mailto:{self.stop_address(sent)}>" in mail.header("List-Unsubscribe")
        assert take(letter(sent_to=self.stop_address(sent)))["done"] == 1
        db.session.expire_all()
        assert db.session.scalars(select(AlertSubscription.active_yn)).all() == [False]
        [stopped] = in_force(office.id, "amelia@example.com")
        assert (stopped.scope, stopped.reason) == ("subscription", "unsubscribed")
        assert stopped.evidence == "searches: by mail"

    def test_an_address_that_is_not_ours_stops_nothing(self, sent, office):
        token = sign("another secret", Purpose.ONE_CLICK, sent.id)
        assert take(letter(sent_to=f"unsub+{token}@{DOMAIN}"))["ignored"] == 1
        assert in_force(office.id, "amelia@example.com") == []

    def test_a_robots_answer_to_it_stops_nothing(self, sent, office):
        assert take(vacation(sent_to=self.stop_address(sent)))["ignored"] == 0
        assert in_force(office.id, "amelia@example.com") == []


def test_what_cannot_be_worked_through_is_tried_again_and_keeps_nobody_waiting_pa_18(sent, db):
    inbound.store("mailgun", [Part("broken", "no JSON")], now=datetime.now(UTC))
    assert take(dsn(sent_to=bounce_address(sent)))["done"] == 1
    db.session.expire_all()
    broken = db.session.scalars(select(InboundEvent).where(InboundEvent.event_id == "broken")).one()
    assert (broken.state, broken.tries) == ("failed", inbound.MOST_TRIES)
    assert "could not be worked through" in broken.words


def test_what_is_kept_of_a_mail_is_bounded_and_holds_no_nul(db):
    take(b"Subject: x\n\n" + b"\x00" + b"A" * LARGEST * 3)
    assert len(kept(db).payload) <= LARGEST
