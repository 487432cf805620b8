"""The sums of Operations through kill -9: at every named moment of a send, and through everything that alerts do before
it, no row is nowhere and none in two places."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.crash import MAIL_POINTS
from app.domain.alerts.match import match_one_batch, take_batches
from app.domain.digests.build import build_some
from app.domain.messages import queue
from app.domain.ops.balance import balance, unaccounted
from app.extensions import db
from app.gateways.mail import Relay
from tests import make
from tests.domain.proof.life import Life
from tests.faults.test_mail_kills import catcher, senders  # noqa: F401  fixtures

pytestmark = [pytest.mark.committed, pytest.mark.faults]

BUYERS = 8


def noon_now() -> str:
    """A zone where no hour is quiet now."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/UTC"


@pytest.fixture
def life(db, catcher) -> Life:  # noqa: F811
    del db
    now = datetime.now(UTC)
    return Life(Relay(catcher.url, hostname="alerts.example"), now, make.office(time_zone=noon_now()))


def books_balance(since: datetime, at: str) -> dict[str, int]:
    """line → total."""
    db.session.rollback()
    now = datetime.now(UTC) + timedelta(minutes=2)
    found = {line.key: line for line in balance(since, now) if line.key != "due_times"}
    assert {key: line.remainder for key, line in found.items()} == dict.fromkeys(found, 0), at
    assert unaccounted(now) == 0, at
    return {key: line.total for key, line in found.items()}


def test_the_balance_is_zero_after_a_kill_at_each_named_point_and_after_what_follows(life, catcher, senders):  # noqa: F811
    since = life.now - timedelta(minutes=1)
    for number in range(BUYERS):
        life.search(life.buyer(f"Buyer{number}"))
    for number, point in enumerate(MAIL_POINTS):
        books_balance(since, f"before {point}")
        make_due(life, number)
        senders.wait_for(senders.start(f"{point}:1"))
        books_balance(since, f"killed at {point}")
        queue.reap(datetime.now(UTC) + timedelta(minutes=1))
        db.session.commit()
        books_balance(since, f"taken back after {point}")
        senders.wait_for(senders.start())
        totals = books_balance(since, f"sent after {point}")
        assert totals["messages"] == BUYERS * (number + 1)
    assert totals["matches"] == BUYERS * len(MAIL_POINTS)
    assert totals["events"] == len(MAIL_POINTS)


def make_due(life: Life, number: int) -> None:
    """News for everybody, as the jobs make it; each transaction given up once before it is committed, as by a process
    that dies in it. An hour between two mails to one buyer is no matter here."""
    since = datetime.now(UTC) - timedelta(minutes=2)
    life.now = datetime.now(UTC)
    life.home(unparsed_address=f"{number} Alder Court")
    db.session.execute(db.text("UPDATE digest SET is_instant = false"))
    db.session.commit()
    for step in (take_batches, match_one_batch, lambda now: build_some(now, now)):
        step(life.now)
        db.session.rollback()
        books_balance(since, "given up")
        while step(life.now):
            db.session.commit()
            if step is take_batches:
                break
        db.session.commit()
        books_balance(since, "done")
