"""Messages of unknown fate: who may settle one, what comes of it, and that the balance can prove each end."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.domain.digests.letters import COMPOSERS
from app.domain.errors import Conflict, NotFound
from app.domain.messages import queue, settle
from app.domain.messages.events import record_event
from app.domain.messages.send import send_due
from app.domain.models import BuyerListing, EventType, MessageEvent, OutboundMessage, Role, User
from app.domain.ops import queries
from app.domain.ops.queries import Window
from app.extensions import db as database
from app.gateways.mail import Relay
from devstack.mailbox import Drop
from tests.domain.digests.world import NOON, build, items, messages, news, subscribe

LATER = NOON + timedelta(minutes=10)


@pytest.fixture
def admin(make, office):
    return make.user(office, Role.ADMIN, full_name="Ruth Calloway")


@pytest.fixture
def relay_of(catcher):
    """A fresh connection each time, as each run of the sender has."""
    return lambda: Relay(catcher.url, hostname="alerts.harborvine.example", answer_seconds=1.0)


@pytest.fixture
def lost(make, office, catcher, relay_of):
    """An alert that the relay took, and whose answer was lost on the way: unknown."""
    make.match(subscribe(make.contact(office, email="amelia@example.com")), news(office, list_price=489_000)[1])
    build(NOON)
    catcher.drop = Drop.AFTER
    assert send_due(COMPOSERS, relay=relay_of(), now=NOON)["unknown"] == 1
    catcher.drop = None
    [message] = messages()
    return message


def story(message) -> list[tuple[str, str]]:
    rows = select(MessageEvent).where(MessageEvent.outbound_message_id == message.id).order_by(MessageEvent.id)
    return [(event.source, event.event_type) for event in database.session.scalars(rows)]


def unproven() -> list[tuple[int, str]]:
    """Messages whose state their own log does not bear out: what the balance would call lost."""
    window = Window(NOON - timedelta(days=1), NOON + timedelta(hours=1))
    assert queries.messages_in(window), "there is something to prove"
    return [(row.id, row.why) for row in queries.lost_messages(window)]


def fresh(message) -> OutboundMessage:
    database.session.expire_all()
    return message


def test_marked_as_sent_it_counts_as_sent_when_it_went_out_and_says_who_said_so(lost, admin):
    settle.mark_sent(lost.id, admin, "The buyer called about it", now=LATER)
    message = fresh(lost)
    assert (message.state, message.sent_at, message.lease_token) == ("sent", NOON, None)
    assert story(message) == [("smtp", "unknown"), ("person", "sent")]
    word = database.session.scalars(select(MessageEvent).order_by(MessageEvent.id.desc())).first()
    assert (word.reply, word.fields["by"], word.occurred_at) == ("The buyer called about it", "Ruth Calloway", LATER)
    [shown] = database.session.scalars(select(BuyerListing))
    assert (shown.last_price_shown, shown.listing_sent_timestamp) == (489_000, NOON)
    assert unproven() == []


def test_a_mark_can_be_taken_back_and_leaves_what_was_shown_as_it_was(lost, admin):
    settle.mark_sent(lost.id, admin, now=LATER)
    settle.take_back(lost.id, admin, now=LATER)
    message = fresh(lost)
    assert (message.state, message.sent_at, message.state_reason) == ("unknown", None, "lost in await250")
    assert database.session.query(BuyerListing).count() == 0
    assert unproven() == []
    settle.mark_sent(lost.id, admin, now=LATER + timedelta(minutes=1))
    assert fresh(lost).state == "sent"
    assert database.session.query(BuyerListing).count() == 1


def test_taking_back_restores_an_older_price_and_spares_a_newer_one(lost, admin):
    [item] = items()
    for shown_at in (NOON - timedelta(days=3), NOON + timedelta(minutes=5)):
        database.session.merge(
            BuyerListing(
                contact_id=lost.contact_id,
                listing_id=item.listing_id,
                last_price_shown=510_000,
                market_spell_no=1,
                listing_sent_timestamp=shown_at,
            )
        )
        database.session.commit()
        settle.mark_sent(lost.id, admin, now=LATER)
        settle.take_back(lost.id, admin, now=LATER)
        database.session.expire_all()
        [kept] = database.session.scalars(select(BuyerListing))
        assert (kept.last_price_shown, kept.listing_sent_timestamp) == (510_000, shown_at)


def test_what_the_relay_itself_says_cannot_be_taken_back(make, office, admin, catcher, relay_of):
    make.match(subscribe(make.contact(office)), news(office)[1])
    build(NOON)
    send_due(COMPOSERS, relay=relay_of(), now=NOON)
    [message] = messages()
    with pytest.raises(Conflict, match="The relay itself says"):
        settle.take_back(message.id, admin)


def test_sent_again_it_goes_out_once_more_under_the_same_message_id_and_date(lost, admin, catcher, relay_of):
    [first] = catcher.messages()
    settle.resend(lost.id, admin, "Not in the relay’s log", now=LATER)
    assert fresh(lost).state == "queued"
    assert unproven() == []
    for _ in range(2):
        send_due(COMPOSERS, relay=relay_of(), now=LATER)
    message = fresh(lost)
    assert (message.state, message.attempts) == ("sent", 2)
    assert catcher.accepted() == [message.message_id, message.message_id]
    again = catcher.messages()[-1]
    assert (again.header("Message-ID"), again.header("Date")) == (first.header("Message-ID"), first.header("Date"))
    assert story(message) == [("smtp", "unknown"), ("person", "queued"), ("smtp", "sent")]
    assert unproven() == []


def test_sent_again_it_may_be_lost_again(lost, admin, catcher, relay_of):
    settle.resend(lost.id, admin, now=LATER)
    catcher.drop = Drop.BEFORE
    assert send_due(COMPOSERS, relay=relay_of(), now=LATER)["unknown"] == 1
    assert fresh(lost).state == "unknown"
    assert unproven() == []
    catcher.drop = None
    settle.resend(lost.id, admin, now=LATER + timedelta(minutes=1))
    assert send_due(COMPOSERS, relay=relay_of(), now=LATER + timedelta(minutes=1))["sent"] == 1


def test_sent_again_past_its_time_it_gets_as_much_time_as_it_had_and_else_keeps_its_own(make, office, admin):
    def unknown(**values):
        return make.message(make.contact(office), state="unknown", body_text="words", created_at=NOON, **values)

    old, young = unknown(expires_at=NOON + timedelta(hours=4)), unknown(expires_at=NOON + timedelta(hours=40))
    for message in (old, young):
        settle.resend(message.id, admin, now=NOON + timedelta(hours=9))
    database.session.expire_all()
    assert old.expires_at == NOON + timedelta(hours=13)
    assert young.expires_at == NOON + timedelta(hours=40)


def test_the_last_look_holds_for_what_is_sent_again_pa_19(lost, admin, catcher, relay_of):
    [item] = items()
    database.session.execute(
        database.text("UPDATE listing SET standard_status = 'Closed' WHERE id = :id"), {"id": item.listing_id}
    )
    settle.resend(lost.id, admin, now=LATER)
    assert send_due(COMPOSERS, relay=relay_of(), now=LATER)["dropped"] == 1
    assert fresh(lost).state_reason == "sold_before_send"
    assert len(catcher.accepted()) == 1
    assert unproven() == []


def test_a_suppression_holds_for_what_is_sent_again_pa_24(make, office, lost, admin, catcher, relay_of):  # noqa: PLR0917
    make.suppression(office, lost.recipient)
    settle.resend(lost.id, admin, now=LATER)
    assert send_due(COMPOSERS, relay=relay_of(), now=LATER)["suppressed"] == 1
    assert len(catcher.accepted()) == 1
    assert unproven() == []


def test_a_mail_whose_words_are_gone_cannot_be_sent_again_but_can_be_marked(lost, admin):
    lost.body_text = lost.body_html = None
    database.session.commit()
    with pytest.raises(Conflict, match="Its words were taken out after 30 days"):
        settle.resend(lost.id, admin)
    assert fresh(lost).state == "unknown"
    settle.mark_sent(lost.id, admin)
    assert fresh(lost).state == "sent"


def test_another_offices_message_cannot_be_settled(make, lost):
    stranger = make.user(make.office(), Role.ADMIN)
    for verb in (settle.mark_sent, settle.resend, settle.take_back):
        with pytest.raises(NotFound):
            verb(lost.id, stranger)
    assert fresh(lost).state == "unknown"


@pytest.mark.parametrize(
    "sign", [EventType.CLICKED, EventType.DELIVERED, EventType.UNSUBSCRIBED, EventType.BOUNCED, EventType.COMPLAINED]
)
def test_a_sign_that_it_arrived_settles_it_by_itself(lost, sign):
    record_event(lost.id, "provider", "event-1", sign)
    message = fresh(lost)
    assert (message.state, message.sent_at) == ("sent", NOON)
    source = "link" if sign is EventType.CLICKED else "provider"
    assert story(message) == [("smtp", "unknown"), ("provider", sign.value), (source, "sent")]
    assert unproven() == []
    assert not record_event(lost.id, "provider", "event-1", sign), "heard twice, settled once"
    assert len(story(message)) == 3


def test_a_sign_that_proves_nothing_leaves_it_unknown(lost):
    record_event(lost.id, "provider", "event-1", EventType.DEFERRED)
    assert fresh(lost).state == "unknown"


def test_a_sign_that_came_before_its_sender_was_given_up_settles_it_too(make, office):
    message = make.message(
        make.contact(office),
        state="sending",
        lease_token="00000000-0000-4000-8000-000000000001",
        lease_until=NOON - timedelta(seconds=1),
        attempting_at=NOON - timedelta(minutes=2),
        attempts=1,
        created_at=NOON,
    )
    make.message_event(message, "clicked", source="provider")
    queue.reap(NOON)
    assert (fresh(message).state, message.state_reason) == ("sent", "a link in it was opened")
    assert unproven() == []


@pytest.mark.committed
@pytest.mark.parametrize("verbs", [("resend", "resend"), ("resend", "mark_sent"), ("mark_sent", "mark_sent")])
def test_of_two_admins_at_once_one_settles_it_and_the_other_reads_who_did(app, make, lost, admin, verbs):
    database.session.commit()
    message_id, admin_id = lost.id, admin.id
    start, ends = threading.Barrier(2, timeout=30), []

    def decide(verb: str) -> None:
        with app.app_context():
            person = database.session.get(User, admin_id)
            start.wait()
            try:
                getattr(settle, verb)(message_id, person)
                database.session.commit()
            except Conflict as error:
                database.session.rollback()
                ends.append(error.sentence)
            else:
                ends.append(verb)

    threads = [threading.Thread(target=decide, args=(verb,)) for verb in verbs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(ends) == 2
    refused = [words for words in ends if words not in verbs]
    assert len(refused) == 1
    assert refused[0].startswith("Ruth Calloway settled it first: this message is ")
    message = fresh(lost)
    assert [source for source, _ in story(message)] == ["smtp", "person"]
    assert unproven() == []
