"""kill -9 of real senders in the middle of real mail: nothing lost, nothing doubled, at most one unknown for each kill.

The truth is what the catcher accepted, counted by Message-ID.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from app.crash import MAIL_POINTS as POINTS
from app.domain.digests.letters import COMPOSERS
from app.domain.messages import queue
from app.domain.messages.send import send_due
from app.domain.models import MessageEvent, OutboundMessage
from app.extensions import db as database
from app.gateways.mail import Relay
from devstack.mailbox import Catcher
from tests.domain.digests.world import NOON, build, crowd, news
from tests.faults.stack import SEED

pytestmark = [pytest.mark.committed, pytest.mark.faults]
ROOT = Path(__file__).parent.parent.parent
LEASE = 5
"""Seconds: longer than a busy machine stands still."""
BEFORE_ANY_BEGIN = {"claim_committed", "before_connect"}
NOT_DELIVERED = BEFORE_ANY_BEGIN | {"after_mail", "after_rcpt", "after_data", "before_dot", "after_settle"}


@pytest.fixture
def catcher(tmp_path) -> Iterator[Catcher]:
    with Catcher(tmp_path / "mail") as catcher:
        yield catcher


class Senders:
    """Starts senders, and remembers them to end what is left."""

    def __init__(self, app, catcher: Catcher, tmp_path: Path) -> None:
        config = app.extensions["porchlight"]
        environ = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": config.database_url.replace("postgresql+psycopg", "postgresql"),
            "REDIS_URL": config.redis_url,
            "SECRET_KEY": config.secret_key,
            "PUBLIC_URL": config.public_url,
            "SMTP_URL": catcher.url,
            "MAIL_FROM": config.mail_from,
            "FILES_DIR": str(tmp_path),
            "LOG_LEVEL": "error",
            "LOG_FORMAT": "console",
            "MESSAGE_LEASE_SECONDS": str(LEASE),
            "SMTP_TIMEOUT_SECONDS": "5",
            "MAILS_PER_SECOND": "100000",
        }
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.sender"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pids: list[int] = []

    def start(self, crash_at: str = "-") -> int:
        self._nursery.stdin.write(f"{crash_at}\n")
        self._nursery.stdin.flush()
        self.pids.append(int(self._nursery.stdout.readline()))
        return self.pids[-1]

    def is_gone(self, pid: int) -> bool:
        """True when it ended; a zombie of the nursery counts as ended."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def wait_for(self, pid: int, seconds: float = 90) -> None:
        until = time.monotonic() + seconds
        while not self.is_gone(pid):
            assert time.monotonic() < until, f"sender {pid} is still there"
            time.sleep(0.01)

    def close(self) -> None:
        for pid in self.pids:
            if not self.is_gone(pid):
                os.kill(pid, signal.SIGKILL)
        self._nursery.stdin.close()
        self._nursery.wait(10)
        self._nursery.stdout.close()


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


def states() -> dict[str, list[str]]:
    """state → Message-IDs."""
    database.session.rollback()
    found: dict[str, list[str]] = {}
    for state, message_id in database.session.query(OutboundMessage.state, OutboundMessage.message_id):
        found.setdefault(state, []).append(message_id)
    return found


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


def test_senders_killed_at_random_moments_of_500_messages(make, catcher, senders):
    queue_mails(make, 500)
    print(f"CHAOS_SEED={SEED}")  # which pytest shows when it fails
    chance = random.Random(SEED)
    kills = 10
    for _ in range(kills):
        enough = len(catcher.accepted()) + chance.randrange(10)
        pid = senders.start()
        until = time.monotonic() + 30
        while len(catcher.accepted()) < enough and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        senders.wait_for(pid)
    assert states()["queued"], "none of them came to the end"
    senders.wait_for(senders.start())
    check_books(catcher, 500, kills)


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
