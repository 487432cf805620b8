"""The canary: it travels the whole path, arrives where it is looked for, and is missed when it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from app.domain.models import CanaryTrip, Contact, Listing, Office
from app.domain.models.office import CANARY
from app.domain.ops import health
from app.domain.ops.balance import balance
from app.domain.ops.overview import Canary
from app.domain.people.queries import any_office, offices
from app.domain.proof import canary
from app.extensions import db
from app.gateways.letterbox import LetterboxError, arrivals

pytestmark = pytest.mark.committed
START = datetime(2026, 11, 16, 1, 13, tzinfo=UTC)
"""In the night of the office: the canary does not sleep."""


@contextmanager
def settings(app, **changes) -> Iterator[None]:
    usual = app.extensions["porchlight"]
    app.extensions["porchlight"] = replace(usual, **changes)
    try:
        yield
    finally:
        app.extensions["porchlight"] = usual


@pytest.fixture
def flying(app, catcher, life) -> Iterator[object]:
    """A canary that flies to the catcher's own Maildir."""
    folder = catcher.letters.directory
    with settings(app, canary_address="canary@watch.example", canary_mailbox=f"maildir:{folder}"):
        life.now = START
        yield life


def trips() -> list[CanaryTrip]:
    db.session.expire_all()
    return db.session.query(CanaryTrip).order_by(CanaryTrip.due_at).all()


def set_out(life) -> CanaryTrip | None:
    """As the job does it."""
    assert canary.prepare(life.now, life.now)
    db.session.commit()
    trip = canary.plant(life.now, life.now)
    db.session.commit()
    return trip


def fly(life, count=1):
    """Some quarters of an hour: each sets out, meets the run of alerts two minutes later, and is looked for."""
    for _ in range(count):
        assert set_out(life) is not None
        life.wait(minutes=2)
        life.alerts()
        canary.notice(life.now)
        db.session.commit()
        life.wait(minutes=13)


def test_pa_25_a_day_of_canaries_arrives_each_by_itself(flying, catcher):
    fly(flying, 96)
    flown = trips()
    assert len(flown) == 96
    assert [trip.due_at for trip in flown if trip.arrived_at is None] == []
    assert len({trip.message_id for trip in flown}) == 96
    assert len(catcher.messages(to="canary")) == 96
    assert db.session.query(Listing).count() == canary.BUYERS
    assert db.session.query(Contact).count() == canary.BUYERS


def test_a_due_time_sets_out_once(flying):
    assert set_out(flying) is not None
    assert set_out(flying) is None
    assert len(trips()) == 1


def test_without_an_address_nothing_sets_out(app, life):
    assert not canary.prepare(life.now, life.now)
    assert canary.plant(life.now, life.now) is None
    assert db.session.query(Office).filter_by(office_key=CANARY).count() == 0


def test_no_list_names_it_and_the_balance_counts_it(flying):
    assert CANARY not in [one.office_key for one in offices()]
    assert any_office()
    fly(flying, 2)
    for line in balance(START - timedelta(hours=1), flying.now):
        assert line.remainder == 0, line
    assert next(line.total for line in balance(START - timedelta(hours=1), flying.now) if line.key == "messages") == 2


def judged(now):
    return health.missing_canary(health.vitals(now))


def test_pa_25_one_that_is_missing_turns_red_and_one_that_was_lost_before_others_does_not(flying):
    fly(flying, 1)
    assert judged(flying.now) == []
    came = Canary.of(health.vitals(flying.now))
    assert came is not None
    assert not came.is_missing

    late = set_out(flying)
    assert judged(flying.wait(minutes=19)) == []
    [reason] = judged(flying.wait(minutes=2))
    assert (reason.key, reason.tone) == ("canary:missing", health.Tone.BAD)
    assert f"listing {late.listing_id}" in reason.why
    assert "silent:worker:messages" in reason.because

    flying.now = late.due_at + timedelta(minutes=30)
    fly(flying, 1)
    lost = trips()[1]
    lost.arrived_at = None
    db.session.commit()
    [reason] = judged(flying.wait(minutes=30))
    assert reason.tone is health.Tone.WAIT


def test_a_home_whose_price_has_come_down_far_enough_leaves_and_another_comes(flying):
    fly(flying, 1)
    flying.now = START + canary.EVERY * canary.BUYERS
    home = db.session.query(Listing).one()
    db.session.execute(db.text("UPDATE listing SET list_price = 50001"))
    db.session.commit()
    fly(flying, 1)
    db.session.expire_all()
    assert home.standard_status == "Withdrawn"
    assert db.session.query(Listing).filter_by(standard_status="Active").count() == 1
    assert trips()[1].arrived_at is not None


def test_a_mailbox_file_and_a_catcher_are_read_and_what_cannot_be_read_says_so(tmp_path):
    mail = EmailMessage()
    mail["Message-ID"] = "<one@alerts.example>"
    mail.set_content("Hello")
    box = tmp_path / "box"
    box.write_bytes(b"From nobody Mon Nov 16 01:15:00 2026\n" + mail.as_bytes() + b"\nFrom x y\n" + mail.as_bytes())
    wanted = {"<one@alerts.example>", "<two@alerts.example>"}
    assert set(arrivals(f"mbox:{box}", wanted, START)) == {"<one@alerts.example>"}
    for where in (f"mbox:{tmp_path}/none", f"maildir:{tmp_path}/none", "http://127.0.0.1:9"):
        with pytest.raises(LetterboxError, match="cannot be read"):
            arrivals(where, wanted, START)


def test_a_mailbox_that_cannot_be_read_leaves_the_trip_open(app, flying):
    fly(flying, 1)
    trip = trips()[0]
    trip.arrived_at = None
    db.session.commit()
    with settings(app, canary_address="canary@watch.example", canary_mailbox="maildir:/nowhere/at/all"):
        assert canary.notice(flying.now) == 0
    assert trips()[0].arrived_at is None
