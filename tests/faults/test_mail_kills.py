"""kill -9 of real senders in the middle of real mail: nothing lost, nothing doubled, at most one unknown for each kill.

The truth is what the catcher accepted, counted by Message-ID.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.crash import MAIL_POINTS as POINTS
from app.domain.digests.letters import COMPOSERS
from app.domain.messages import queue
from app.domain.messages.send import send_due
from app.domain.models import MessageEvent
from app.extensions import db as database
from app.gateways.mail import Relay
from devstack.mailbox import Catcher
from tests.domain.digests.world import NOON, build, crowd, news
from tests.faults.mail_storm import Senders, kill_at_random, resolve_all, states
from tests.faults.stack import SEED

pytestmark = [pytest.mark.committed, pytest.mark.faults]
BEFORE_ANY_BEGIN = {"claim_committed", "before_connect"}
NOT_DELIVERED = BEFORE_ANY_BEGIN | {"after_mail", "after_rcpt", "after_data", "before_dot", "after_settle"}


@pytest.fixture
def catcher(tmp_path) -> Iterator[Catcher]:
    with Catcher(tmp_path / "mail") as catcher:
        yield catcher


@pytest.fixture
def senders(app, db, catcher, tmp_path) -> Iterator[Senders]:
    del db
    senders = Senders(app, catcher, tmp_path)
    with contextlib.closing(senders):
        yield senders


def queue_mails(make, size: int) -> None:
    office = make.office()
    crowd(office, size, [news(office)[1]])
    built = build(NOON, now=database.session.scalar(text("SELECT now()")))
    assert built["messages"] == size


def check_books(catcher: Catcher, size: int, kills: int) -> int:
    """Every message ended; each sent one arrived once, each unknown one at most once. How many are unknown."""
    accepted = Counter(catcher.accepted())
    ended = states()
    sent, unknown = ended.pop("sent", []), ended.pop("unknown", [])
    assert ended == {}, "a message is neither sent nor unknown"
    assert len(sent) + len(unknown) == size
    assert [key for key in sent if accepted[key] != 1] == [], "sent, and lost or doubled"
    assert [key for key in unknown if accepted[key] > 1] == []
    assert set(accepted) <= {*sent, *unknown}
    assert len(unknown) <= kills
    rows = database.session.query(MessageEvent.outbound_message_id, MessageEvent.event_type)
    noted = Counter(kind for _, kind in rows)
    assert noted["sent"] == len(sent)
    assert len(unknown) <= noted["unknown"] <= kills  # one that was unknown may have been settled after all
    return len(unknown)


def test_pa_22_after_random_kills_and_the_resolver_every_mail_arrived_once(make, catcher, senders):
    """Five of them here; fifty over ten thousand messages: make chaos-mail."""
    queue_mails(make, 600)
    print(f"CHAOS_SEED={SEED}")  # which pytest shows when it fails
    kills = 5
    kill_at_random(senders, catcher, random.Random(SEED), kills=kills, messages=600)
    check_books(catcher, 600, kills)
    resolve_all(senders, catcher)
    assert {state: len(ids) for state, ids in states().items()} == {"sent": 600}
    assert set(Counter(catcher.accepted()).values()) == {1}
    assert len(catcher.accepted()) == 600


def test_a_sender_killed_at_each_named_point(make, catcher, senders):
    queue_mails(make, 60)
    unknown_before = 0
    for point in POINTS:
        arrived = len(catcher.accepted())
        nth = 1 if point in BEFORE_ANY_BEGIN else 2
        pid = senders.start(f"{point}:{nth}")
        senders.wait_for(pid)
        assert states().get("queued") or states().get("sending"), f"{point} was never reached: it sent everything"
        queue.reap(datetime.now(UTC) + timedelta(minutes=1))  # when its leases have run out
        database.session.commit()
        unknown = len(states().get("unknown", [])) - unknown_before
        unknown_before += unknown
        assert unknown == (point not in BEFORE_ANY_BEGIN), point
        complete = len(catcher.accepted()) - arrived
        if point in NOT_DELIVERED:
            assert complete == (0 if point in BEFORE_ANY_BEGIN else 2 if point == "after_settle" else 1), point
        elif point != "after_dot":  # there the catcher may be quicker or slower than the kill
            assert complete == 2, point
    senders.wait_for(senders.start())
    assert check_books(catcher, 60, len(POINTS)) == len(set(POINTS) - BEFORE_ANY_BEGIN)


def test_three_senders_at_once_send_nothing_twice(make, catcher, senders):
    queue_mails(make, 150)
    for pid in [senders.start() for _ in range(3)]:
        senders.wait_for(pid)
    assert check_books(catcher, 150, 0) == 0
    assert catcher.connections >= 2


def test_a_sender_frozen_past_its_lease_and_woken_sends_nothing_twice(make, catcher, senders):
    """Its message is unknown to everybody else; when it wakes it still says how it ended."""
    queue_mails(make, 100)
    frozen = senders.start()
    until = time.monotonic() + 30
    while len(catcher.accepted()) < 20 and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(frozen, signal.SIGSTOP)
    other = senders.start()
    senders.wait_for(other)
    assert len(states().get("unknown", [])) <= 1
    os.kill(frozen, signal.SIGCONT)
    senders.wait_for(frozen)
    check_books(catcher, 100, 1)


def test_a_database_that_hangs_up_between_two_messages_forgets_neither(app, db, make, catcher):
    """The outcome of the message before is known: it is committed on a new connection. The one at hand waits."""
    queue_mails(make, 5)
    order: list[int] = []

    def look(message, now):
        order.append(message.id)
        if len(order) == 3:
            own = database.session.scalar(text("SELECT pg_backend_pid()"))
            with database.engine.connect() as elsewhere:
                elsewhere.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        return COMPOSERS["alerts"](message, now)

    relay = Relay(catcher.url, hostname="s.example", answer_seconds=5.0)
    with pytest.raises(Exception, match="could not be written"):
        send_due({"alerts": look}, relay=relay)
    found = states()
    assert {state: len(ids) for state, ids in found.items()} == {"sent": 4, "queued": 1}
    assert sorted(catcher.accepted()) == sorted(found["sent"])
