"""Mails of unknown fate, looked up: found, asked for again, sent once more, or passed on (PA-22)."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from app.domain.digests.letters import COMPOSERS
from app.domain.messages.resolve import resolve
from app.domain.messages.send import send_due
from app.domain.models import AlertMatch, BuyerListing, MessageEvent, OutboundMessage
from app.domain.ops.balance import balance
from app.extensions import db as database
from app.gateways.mail import Relay
from app.gateways.witness import LogFile, LogPage
from devstack.mailbox import Drop, make_mailbox
from devstack.web import serve
from tests.domain.digests.world import NOON, build, items, messages, news, subscribe


@pytest.fixture
def buyer(make, office):
    return make.contact(office)


@pytest.fixture
def lose(make, office, buyer, catcher):
    """A mail about a home whose answer was lost at noon; the relay took it, or did not."""

    def lose(drop: Drop) -> OutboundMessage:
        if not messages():
            make.match(subscribe(buyer), news(office, list_price=489_000)[1])
            build(NOON)
        catcher.drop = drop
        assert send(NOON)["unknown"] == 1
        catcher.drop = None
        [message] = messages()
        return message

    def send(now: datetime):
        return send_due(COMPOSERS, relay=Relay(catcher.url, hostname="s.example", answer_seconds=1.0), now=now)

    lose.send = send
    return lose


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def told(message: OutboundMessage) -> list[tuple[str, str]]:
    statement = select(MessageEvent.source, MessageEvent.event_type).where(
        MessageEvent.outbound_message_id == message.id
    )
    return [tuple(row) for row in database.session.execute(statement.order_by(MessageEvent.id))]


def what(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def test_pa_22_it_is_looked_up_after_2_10_and_60_minutes_and_not_sooner(lose, catcher, db):
    message, log = lose(Drop.BEFORE), LogFile(catcher.letters.log)
    catcher.letters.log.touch()
    due = [minutes for minutes in range(60) if what(resolve(after(minutes), log)) == {"not_found": 1}]
    assert due == [2, 10]
    db.session.refresh(message)
    assert (message.state, message.asks) == ("unknown", 2)
    assert told(message) == [("smtp", "unknown"), ("log", "unknown"), ("log", "unknown")]


def test_pa_22_one_that_the_relay_took_is_sent_at_the_moment_it_went_out(lose, catcher, buyer, db):
    message = lose(Drop.AFTER)
    assert what(resolve(after(2), LogFile(catcher.letters.log))) == {"found": 1}
    db.session.refresh(message)
    assert (message.state, message.state_reason, message.sent_at) == ("sent", "the relay’s log has it", NOON)
    assert told(message)[-1] == ("log", "sent")
    assert db.session.get(BuyerListing, (buyer.id, items()[0].listing_id)).last_price_shown == 489_000
    assert what(resolve(after(60), LogFile(catcher.letters.log))) == {}
    assert catcher.accepted() == [message.message_id]


def test_pa_22_one_the_log_has_not_after_an_hour_goes_out_once_more_with_the_same_id_and_date(lose, catcher, db):
    message, log = lose(Drop.BEFORE), LogFile(catcher.letters.log)
    catcher.letters.log.touch()
    assert what(resolve(after(59.9), log)) == {"not_found": 1}, "the ten minutes' question, late"
    assert what(resolve(after(59.95), log)) == {}
    assert what(resolve(after(60), log)) == {"sent_again": 1}
    assert lose.send(after(61))["sent"] == 1
    db.session.refresh(message)
    assert (message.state, message.resends, message.attempts) == ("sent", 1, 2)
    [letter] = catcher.messages()
    assert letter.header("Message-ID") == message.message_id
    assert letter.header("Date") == "Fri, 20 Nov 2026 17:00:00 +0000"
    assert [word for source, word in told(message) if source == "log"] == ["unknown", "unknown", "queued"]


def test_pa_22_lost_twice_its_homes_go_with_the_next_mail(lose, catcher, db):
    message, log = lose(Drop.BEFORE), LogFile(catcher.letters.log)
    catcher.letters.log.touch()
    resolve(after(61), log)
    catcher.drop = Drop.BEFORE
    assert lose.send(after(62))["unknown"] == 1
    catcher.drop = None
    assert what(resolve(after(123), log)) == {"passed_on": 1}
    db.session.refresh(message)
    assert (message.state, message.state_reason) == ("dropped", "lost_on_the_way")
    assert [(item.outcome, item.drop_reason) for item in items()] == [("dropped", "lost_on_the_way")]
    assert told(message)[-1] == ("log", "rejected")
    assert db.session.scalars(select(AlertMatch.digest_id)).all() == [None]
    build(after(135), after(135))
    assert lose.send(after(136))["sent"] == 1
    assert catcher.accepted() == [messages()[1].message_id]
    assert [line.key for line in balance(NOON - timedelta(days=1), after(140)) if line.remainder] == []


def test_pa_22_one_past_its_time_is_passed_on_and_not_sent_again(lose, catcher):
    message = lose(Drop.BEFORE)
    message.expires_at = after(30)
    database.session.commit()
    catcher.letters.log.touch()
    assert what(resolve(after(61), LogFile(catcher.letters.log))) == {"passed_on": 1}


def test_pa_22_where_nobody_can_be_asked_it_stays_unknown(lose, catcher, tmp_path, db):
    message = lose(Drop.AFTER)
    assert what(resolve(after(61))) == {}
    assert what(resolve(after(61), LogFile(tmp_path / "no such log"))) == {}
    assert what(resolve(after(61), LogPage("http://127.0.0.1:9/api/accepted"))) == {}
    db.session.refresh(message)
    assert (message.state, message.asks) == ("unknown", 0)


def test_the_catcher_answers_as_the_log_of_a_relay_does(lose, catcher):
    message = lose(Drop.AFTER)
    server = serve(make_mailbox(catcher.letters), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = LogPage(f"http://127.0.0.1:{server.server_port}/api/accepted")
        assert page.seen([message.message_id, "<another@x.example>"]) == {message.message_id}
    finally:
        server.shutdown()
        server.server_close()


def test_a_log_that_was_turned_over_is_read_too(tmp_path):
    (tmp_path / "mail.log").write_text("postfix/cleanup[7]: 4XyZ: message-id=<two@x.example>\n")
    (tmp_path / "mail.log.1").write_text("postfix/cleanup[7]: 4XyA: message-id=<one@x.example>\n")
    log = LogFile(tmp_path / "mail.log")
    assert log.seen(["<one@x.example>", "<two@x.example>", "<three@x.example>"]) == {
        "<one@x.example>",
        "<two@x.example>",
    }
