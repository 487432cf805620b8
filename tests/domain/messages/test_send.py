"""The queue and its sender: who takes a message, how it ends, and what is left after any fault."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from app.domain.digests.letters import COMPOSERS
from app.domain.messages import queue
from app.domain.messages.events import record_event
from app.domain.messages.mime import Letter, Mailbox
from app.domain.messages.pace import Gate
from app.domain.messages.queue import Gone
from app.domain.messages.send import NotAllWritten, send_due
from app.domain.messages.suppression import in_force, lift, suppress
from app.domain.models import (
    BuyerListing,
    EventType,
    MessageEvent,
    MessageState,
    OutboundMessage,
    SuppressionReason,
    SuppressionScope,
    Trigger,
)
from app.domain.ops import ledger
from app.domain.ops.ledger import Work
from app.gateways.mail import Relay, RelayRefusedUs, RelayUnreachable
from devstack.mailbox import Drop
from tests.domain.digests.world import NOON, build, items, messages, news, subscribe
from tests.gateways.scripted import ScriptedRelay


def write(message, now) -> Letter:
    return Letter(
        sender=Mailbox("alerts@alerts.harborvine.example"),
        recipient=Mailbox(message.recipient),
        reply_to=None,
        subject="five homes",
        text="five homes\n",
        html="<p>five homes</p>\n",
        message_id=message.message_id,
        date=message.message_date or now,
        envelope_sender="bounce@alerts.harborvine.example",
    )


PLAIN = {"alerts": write}


@pytest.fixture
def buyers(make, office):
    return [make.contact(office, email=f"buyer{n}@example.com") for n in range(4)]


def events(message) -> list[str]:
    statement = select(MessageEvent.event_type).where(MessageEvent.outbound_message_id == message.id)
    from app.extensions import db

    return list(db.session.scalars(statement.order_by(MessageEvent.id)))


def test_what_is_due_is_sent_and_what_was_said_is_kept(make, buyers, catcher, relay, db):
    message = make.message(buyers[0], subject=None)
    counts = send_due(PLAIN, relay=relay)
    assert counts == {
        "sent": 1,
        "suppressed": 0,
        "dropped": 0,
        "failed": 0,
        "retried": 0,
        "unknown": 0,
        "expired": 0,
    }
    db.session.refresh(message)
    assert (message.state, message.attempts, message.subject) == ("sent", 1, "five homes")
    assert message.body_html == "<p>five homes</p>\n"
    assert message.sent_at >= message.attempting_at >= message.message_date
    assert message.lease_token is None
    assert catcher.accepted() == [message.message_id]
    assert events(message) == ["sent"]


def test_a_sent_alert_is_written_down_as_what_the_buyer_was_shown(make, office, buyers, catcher, relay, db):  # noqa: PLR0917
    subscription = subscribe(buyers[0])
    home, event = news(office, list_price=489_000)
    make.match(subscription, event)
    build(NOON, datetime.now(UTC))
    assert send_due(COMPOSERS, relay=relay)["sent"] == 1
    shown = db.session.get(BuyerListing, (buyers[0].id, home.id))
    assert (shown.last_price_shown, shown.market_spell_no) == (489_000, 1)
    db.session.refresh(subscription)
    assert subscription.last_new_changed_timestamp is not None
    assert len(catcher.messages()) == 1


def test_what_is_not_due_yet_waits_and_what_is_too_old_expires(make, buyers, catcher, relay, db):
    later = make.message(buyers[0], not_before=NOON + timedelta(minutes=1), expires_at=NOON + timedelta(hours=1))
    old = make.message(buyers[1], not_before=NOON - timedelta(hours=5), expires_at=NOON)
    assert send_due(PLAIN, relay=relay, now=NOON)["expired"] == 1
    db.session.expire_all()
    assert (later.state, old.state) == ("queued", "expired")
    assert events(old) == ["rejected"]
    assert catcher.accepted() == []


def test_an_expired_alert_frees_what_it_was_to_tell(make, office, buyers, relay):
    make.match(subscribe(buyers[0]), news(office)[1])
    build(NOON)
    send_due(COMPOSERS, relay=relay, now=NOON + timedelta(hours=5))
    assert [message.state for message in messages()] == ["expired"]
    assert [(item.outcome, item.drop_reason) for item in items()] == [("dropped", "message_expired")]


@pytest.mark.parametrize(("scope", "ends"), [("address", "suppressed"), ("stream", "suppressed")])
def test_a_suppression_stops_what_was_queued_before_it_pa_24(make, office, buyers, catcher, relay, db, scope, ends):  # noqa: PLR0917
    message = make.message(buyers[0])
    make.suppression(office, buyers[0].email, scope=scope, reason="complained")
    assert send_due(PLAIN, relay=relay)["suppressed"] == 1
    db.session.refresh(message)
    assert (message.state, message.state_reason) == (ends, "complained")
    assert catcher.accepted() == []


def test_what_the_last_look_gives_up_is_not_sent_and_says_why(make, buyers, catcher, relay, db):
    ours, other = make.message(buyers[0]), make.message(buyers[1])

    def look(message, now):
        return Gone(MessageState.DROPPED, "sold_before_send") if message.id == ours.id else write(message, now)

    counts = send_due({"alerts": look}, relay=relay)
    assert (counts["sent"], counts["dropped"]) == (1, 1)
    db.session.expire_all()
    assert (ours.state, ours.state_reason, other.state) == ("dropped", "sold_before_send", "sent")
    assert events(ours) == ["rejected"]


def test_a_dead_address_fails_and_is_suppressed_at_once(make, office, buyers, catcher, relay, db):  # noqa: PLR0917
    catcher.refuse_recipients = {buyers[0].email: "550 5.1.1 no such user"}
    message, other = make.message(buyers[0]), make.message(buyers[1])
    counts = send_due(PLAIN, relay=relay)
    assert (counts["failed"], counts["sent"]) == (1, 1)
    db.session.expire_all()
    assert (message.state, message.state_reason, other.state) == ("failed", "5.1.1", "sent")
    [stopped] = in_force(office.id, buyers[0].email)
    assert (stopped.scope, stopped.reason, stopped.outbound_message_id) == ("address", "bounced", message.id)
    assert events(message) == ["failed"]


def test_a_refusal_that_is_about_us_suppresses_nobody(make, office, buyers, catcher, relay):
    catcher.refuse_recipients = {buyers[0].email: "550 5.7.1 we do not like you"}
    make.message(buyers[0])
    assert send_due(PLAIN, relay=relay)["failed"] == 1
    assert in_force(office.id, buyers[0].email) == []


def test_a_failed_alert_frees_what_it_was_to_tell(make, office, buyers, catcher, relay):
    catcher.refuse = "554 5.6.0 content"
    make.match(subscribe(buyers[0]), news(office)[1])
    build(NOON, datetime.now(UTC))
    send_due(COMPOSERS, relay=relay)
    assert [(item.outcome, item.drop_reason) for item in items()] == [("dropped", "message_failed")]


def test_a_temporary_refusal_is_tried_again_later_with_the_same_id_and_date(make, buyers, catcher, relay, db):
    catcher.refuse_recipients = {buyers[0].email: "450 4.3.2 not now"}
    message = make.message(buyers[0], not_before=NOON)
    assert send_due(PLAIN, relay=relay, now=NOON)["retried"] == 1
    db.session.refresh(message)
    assert (message.state, message.attempts, message.attempting_at) == ("queued", 1, None)
    assert timedelta(seconds=48) <= message.not_before - NOON <= timedelta(seconds=72)
    assert send_due(PLAIN, relay=relay, now=NOON)["retried"] == 0
    catcher.refuse_recipients = {}
    assert send_due(PLAIN, relay=relay, now=NOON + timedelta(minutes=2))["sent"] == 1
    db.session.refresh(message)
    assert message.message_date == NOON
    [letter] = catcher.messages()
    assert letter.header("Date") == "Fri, 20 Nov 2026 17:00:00 +0000"
    assert events(message) == ["deferred", "sent"]


def test_waits_grow_to_four_hours():
    waits = [queue.backoff(attempt) / timedelta(minutes=1) for attempt in range(1, 10)]
    for wait, middle in zip(waits, [1, 5, 15, 30, 60, 120, 240, 240, 240], strict=True):
        assert 0.8 * middle <= wait <= 1.2 * middle


def test_a_domain_that_speaks_of_our_reputation_gets_one_mail_a_minute_for_ninety_minutes(
    make, office, catcher, relay, db
):
    many = [make.contact(office, email=f"b{n}@slow.example") for n in range(4)]
    waiting = [make.message(buyer, not_before=NOON, expires_at=NOON + timedelta(hours=4)) for buyer in many]
    other = make.message(make.contact(office, email="b@quick.example"), not_before=NOON + timedelta(seconds=1))
    catcher.refuse_recipients = {many[0].email: "421 4.7.0 temporarily deferred due to user complaints"}
    send_due(PLAIN, relay=relay, now=NOON, limit=1, chunk=1)
    catcher.refuse_recipients = {}
    sent = {}
    for minute in range(8):
        send_due(PLAIN, relay=relay, now=NOON + timedelta(minutes=minute, seconds=2))
        db.session.expire_all()
        sent[minute] = sum(one.state == "sent" for one in waiting)
    assert other.state == "sent"
    assert [sent[minute] for minute in range(8)] == [0, 1, 2, 3, 4, 4, 4, 4]
    late = [make.message(buyer, not_before=NOON, expires_at=NOON + timedelta(hours=4)) for buyer in many]
    assert send_due(PLAIN, relay=relay, now=NOON + timedelta(minutes=91))["sent"] == len(late), "it is over"


def test_an_answer_that_says_when_is_believed(make, buyers, catcher, relay, db):
    catcher.refuse_recipients = {buyers[0].email: "450 4.7.1 Greylisted, try again in 600 seconds"}
    message = make.message(buyers[0], not_before=NOON)
    send_due(PLAIN, relay=relay, now=NOON)
    db.session.refresh(message)
    assert timedelta(minutes=10) <= message.not_before - NOON <= timedelta(minutes=12)
    assert message.state_reason == "it asked us to wait"


def test_one_domain_with_much_mail_does_not_hold_up_another(make, office, catcher, relay):
    for n in range(6):
        make.message(make.contact(office, email=f"b{n}@big.example"), not_before=NOON)
    other = make.message(make.contact(office, email="b@small.example"), not_before=NOON + timedelta(seconds=1))
    gate = Gate(2, clock=lambda: time.monotonic() * 2)
    assert send_due(PLAIN, relay=relay, now=NOON + timedelta(minutes=1), gate=gate)["sent"] == 7
    assert catcher.accepted().index(other.message_id) <= 4, "it was the last of the queue"


@pytest.mark.parametrize("drop", [Drop.BEFORE, Drop.AFTER])
def test_a_connection_lost_after_the_dot_leaves_it_unknown_and_it_is_never_sent_again(make, buyers, catcher, db, drop):
    message, other = make.message(buyers[0], not_before=NOON), make.message(buyers[1], not_before=NOON)
    catcher.drop = drop

    def look(queued, now):
        if queued.id == other.id:
            catcher.drop = None
        return write(queued, now)

    def again():
        relay = Relay(catcher.url, hostname="s.example", answer_seconds=1.0)
        return send_due({"alerts": look}, relay=relay, now=NOON)

    counts = again()
    assert (counts["unknown"], counts["sent"]) == (1, 1)
    db.session.refresh(message)
    assert (message.state, message.state_reason) == ("unknown", "lost in await250")
    assert events(message) == ["unknown"]
    assert again() == dict.fromkeys(counts, 0)
    assert catcher.accepted().count(message.message_id) == (drop is Drop.AFTER)


def test_a_relay_that_is_away_leaves_everything_queued_and_uncounted(make, buyers, db):
    waiting = [make.message(buyer) for buyer in buyers]
    with pytest.raises(RelayUnreachable):
        send_due(PLAIN, relay=Relay("smtp://127.0.0.1:9", hostname="s.example", answer_seconds=0.5))
    db.session.expire_all()
    assert {(m.state, m.attempts, m.lease_token, m.attempting_at) for m in waiting} == {("queued", 0, None, None)}


def test_a_relay_that_refuses_us_stops_the_run_and_costs_no_message_a_try(make, buyers, db):
    waiting = [make.message(buyer) for buyer in buyers]
    with ScriptedRelay({"MAIL": "550 5.7.1 you may not send"}) as server, pytest.raises(RelayRefusedUs):
        send_due(PLAIN, relay=Relay(server.url(), hostname="s.example", answer_seconds=0.5))
    db.session.expire_all()
    assert {(m.state, m.attempts, m.lease_token, m.attempting_at) for m in waiting} == {("queued", 0, None, None)}


def test_a_relay_that_shuts_down_in_the_middle_loses_nothing(make, buyers, db):
    waiting = [make.message(buyer) for buyer in buyers]
    script = {"dot": ["250 ok", "421 4.3.2 shutting down"], "greeting": ["220 hello", "421 4.3.2 shutting down"]}
    with ScriptedRelay(script) as server, pytest.raises(RelayUnreachable):
        send_due(PLAIN, relay=Relay(server.url(), hostname="s.example", answer_seconds=0.5))
    db.session.expire_all()
    assert [m.state for m in waiting] == ["sent", "queued", "queued", "queued"]
    assert [m.attempts for m in waiting] == [1, 1, 0, 0]


def test_a_row_of_refusals_about_us_stops_before_everybody_is_spent(make, office, db):
    waiting = [make.message(make.contact(office)) for _ in range(25)]
    with ScriptedRelay({"dot": "550 5.7.1 spam"}) as server, pytest.raises(RelayRefusedUs, match="20 messages"):
        send_due(PLAIN, relay=Relay(server.url(), hostname="s.example", answer_seconds=0.5))
    db.session.expire_all()
    assert [m.state for m in waiting] == ["failed"] * 20 + ["queued"] * 5


def test_a_message_that_cannot_be_written_waits_and_the_others_go_out_pa_18(make, buyers, relay, db):
    waiting = [make.message(buyer) for buyer in buyers]

    def look(message, now):
        if message.id == waiting[1].id:
            raise KeyError("a fault of ours")
        return write(message, now)

    with pytest.raises(NotAllWritten):
        send_due({"alerts": look}, relay=relay)
    db.session.expire_all()
    assert [m.state for m in waiting] == ["sent", "queued", "sent", "sent"]
    assert waiting[1].last_reply == "could not be written: KeyError"
    assert waiting[1].not_before > datetime.now(UTC)


def test_a_sender_that_is_told_to_stop_gives_the_rest_back(make, buyers, catcher, relay, db):
    waiting = [make.message(buyer) for buyer in buyers]
    counts = send_due(PLAIN, relay=relay, stop=lambda: len(catcher.accepted()) >= 2)
    db.session.expire_all()
    assert counts["sent"] == 2
    assert [m.state for m in waiting] == ["sent", "sent", "queued", "queued"]
    assert {m.lease_token for m in waiting} == {None}


def test_after_its_deadline_nothing_is_begun(make, buyers, catcher, relay):
    make.message(buyers[0])
    assert send_due(PLAIN, relay=relay, deadline=0.0)["sent"] == 0
    assert catcher.accepted() == []


def test_progress_is_told(make, buyers, relay):
    for buyer in buyers:
        make.message(buyer)
    told: list[tuple[str, int, int]] = []
    send_due(PLAIN, relay=relay, progress=lambda *words: told.append(words))
    assert told[-1] == ("sending", 4, 4)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


class TestLeases:
    """Who has a message, and what is known when they are gone."""

    UNTIL = NOON + timedelta(minutes=1)

    def claimed(self, make, buyer):
        make.message(buyer, not_before=NOON, expires_at=NOON + timedelta(hours=4))
        token = uuid4()
        [message] = queue.claim(token, NOON, self.UNTIL).ours
        return message, token

    def state(self, db, message):
        row = db.session.get(OutboundMessage, message.id, populate_existing=True)
        return row.state, row.attempts

    def test_a_claimed_message_is_nobody_elses(self, make, buyers):
        self.claimed(make, buyers[0])
        assert queue.claim(uuid4(), NOON, self.UNTIL).ours == []

    def test_a_lost_lease_before_the_begin_means_unsent(self, make, buyers, db):
        message, _ = self.claimed(make, buyers[0])
        assert queue.reap(self.UNTIL) == 0
        assert queue.reap(self.UNTIL + timedelta(seconds=1)) == 1
        assert self.state(db, message) == ("queued", 0)

    def test_a_lost_lease_after_the_begin_means_unknown(self, make, buyers, db):
        message, token = self.claimed(make, buyers[0])
        assert queue.begin(message, write(message, NOON), token, NOON, self.UNTIL)
        assert queue.reap(self.UNTIL + timedelta(seconds=1)) == 1
        assert self.state(db, message) == ("unknown", 1)
        assert queue.reap(self.UNTIL + timedelta(seconds=2)) == 0
        assert queue.claim(uuid4(), self.UNTIL + timedelta(hours=1), self.UNTIL + timedelta(hours=2)).ours == []

    def test_a_sender_that_lost_its_lease_begins_nothing(self, make, buyers):
        message, token = self.claimed(make, buyers[0])
        late = self.UNTIL + timedelta(seconds=1)
        assert not queue.begin(message, write(message, late), token, late, late + timedelta(minutes=1))
        queue.reap(late)
        [_] = queue.claim(uuid4(), late, late + timedelta(minutes=1)).ours
        assert not queue.begin(message, write(message, late), token, late, late + timedelta(minutes=1))

    def test_a_sender_that_was_only_slow_may_still_say_how_it_ended(self, make, buyers, db):
        from app.gateways.mail import Outcome, Phase, Verdict

        message, token = self.claimed(make, buyers[0])
        queue.begin(message, write(message, NOON), token, NOON, self.UNTIL)
        queue.reap(self.UNTIL + timedelta(seconds=1))
        accepted = Outcome(Verdict.ACCEPTED, "250 ok", Phase.AWAIT250)
        assert not queue.settle(message, accepted, uuid4(), self.UNTIL)
        assert queue.settle(message, accepted, token, self.UNTIL)
        assert not queue.settle(message, accepted, token, self.UNTIL)
        assert self.state(db, message) == ("sent", 1)

    def test_mail_of_a_run_whose_attempt_is_over_is_taken_back_at_once(self, make, buyers, db):
        """Whatever its lease says: one that was begun is unknown, and says who had it; the other goes out again."""
        for buyer in buyers[:2]:
            make.message(buyer, not_before=NOON, expires_at=NOON + timedelta(hours=4))
        run = ledger.add("messages", Work("messages", 3, skips_overlap=False), trigger=Trigger.EVENT, now=NOON)
        first = ledger.claim(run.id, "w", 60, now=NOON)
        token = uuid4()
        begun, waiting = queue.claim(token, NOON, self.UNTIL, holder=queue.Holder(run.id, first.attempt)).ours
        queue.begin(begun, write(begun, NOON), token, NOON, self.UNTIL + timedelta(minutes=2))
        assert queue.take_back(NOON + timedelta(seconds=5)) == 0, "it is being sent"
        ledger.lose(run.id, "w", "killed", now=NOON + timedelta(seconds=6))
        ledger.claim(run.id, "w", 60, now=NOON + timedelta(seconds=8))
        assert queue.take_back(NOON + timedelta(seconds=9)) == 2, "the run goes on, and that attempt of it does not"
        assert (self.state(db, begun), self.state(db, waiting)) == (("unknown", 1), ("queued", 0))
        [event] = db.session.query(MessageEvent).filter_by(outbound_message_id=begun.id).all()
        assert event.fields == {"run": run.id, "run_attempt": 1}

    def test_a_renewed_lease_lasts(self, make, buyers, db):
        message, token = self.claimed(make, buyers[0])
        queue.renew(token, self.UNTIL + timedelta(minutes=5))
        assert queue.reap(self.UNTIL + timedelta(minutes=1)) == 0
        queue.release(token)
        assert self.state(db, message) == ("queued", 0)


def test_t11_a_bounce_that_comes_before_our_own_commit_and_twice(make, office, buyers, catcher, relay, db):  # noqa: PLR0917
    message, next_one = make.message(buyers[0], not_before=NOON), make.message(buyers[0], not_before=NOON)

    def bounce():
        return record_event(
            message.id, "mailgun", "event-7", EventType.BOUNCED, reply="550 5.1.1 gone", enhanced="5.1.1"
        )

    assert [bounce(), bounce()] == [True, False]
    db.session.commit()
    # The address is suppressed at once: what is still queued to it ends so.
    assert send_due(PLAIN, relay=relay, now=NOON + timedelta(hours=1))["suppressed"] == 2
    db.session.expire_all()
    assert (message.state, next_one.state) == ("suppressed", "suppressed")
    assert (
        db.session.scalar(select(func.count()).select_from(MessageEvent).where(MessageEvent.source == "mailgun")) == 1
    )
    [stopped] = in_force(office.id, buyers[0].email)
    assert (stopped.scope, stopped.reason) == ("address", "bounced")


def test_a_bounce_after_the_mail_was_sent_does_not_unsend_it(make, buyers, relay, db):
    message = make.message(buyers[0])
    send_due(PLAIN, relay=relay)
    record_event(message.id, "mailgun", "event-8", EventType.BOUNCED, reply="552 5.2.2 full", enhanced="5.2.2")
    db.session.refresh(message)
    assert message.state == "sent"
    assert events(message) == ["sent", "bounced"]
    assert in_force(message.office_id, message.recipient) == []  # a full mailbox is no dead one


def test_a_complaint_suppresses_the_address(make, buyers):
    message = make.message(buyers[0], state="sent")
    record_event(message.id, "arf", "report-1", EventType.COMPLAINED)
    [stopped] = in_force(message.office_id, message.recipient)
    assert stopped.reason == "complained"


def test_one_suppression_of_a_scope_and_reason_is_in_force_and_lifting_one_leaves_the_others_pa_24(office):
    def stop(reason):
        return suppress(office.id, "a@example.com", SuppressionScope.ADDRESS, reason, now=NOON)

    asked = [SuppressionReason.BOUNCED, SuppressionReason.COMPLAINED, SuppressionReason.BOUNCED]
    assert [stop(reason) for reason in asked] == [True, True, False]
    bounced, complained = in_force(office.id, "a@example.com", NOON)
    assert (bounced.reason, complained.reason) == ("bounced", "complained")
    assert lift([bounced.id], by="Ruth Calloway") == 1
    assert lift([bounced.id], by="Ruth Calloway") == 0
    assert in_force(office.id, "a@example.com", NOON) == [complained]
    assert stop(SuppressionReason.BOUNCED)
