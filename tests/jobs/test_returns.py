"""The run that reads what came back, and the sweep that starts it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from app.domain.messages.keys import Purpose, sign
from app.domain.messages.suppression import in_force
from app.domain.models import JobRun, Trigger
from app.extensions import settings
from app.jobs.queue import start, work
from app.jobs.returns import CHUNK, returns_wait
from tests.domain.messages.returns.letterbox import DOMAIN, dsn


@pytest.fixture
def box(app, tmp_path):
    """A mailbox that bounces are delivered to."""
    usual = app.extensions["porchlight"]
    app.extensions["porchlight"] = replace(usual, bounce_mailbox=str(tmp_path / "bounces"))
    yield tmp_path / "bounces"
    app.extensions["porchlight"] = usual


def bounce(message) -> bytes:
    token = sign(settings().secret_key, Purpose.BOUNCE, message.id)
    return b"From x\n" + dsn(sent_to=f"bounce+{token}@{DOMAIN}") + b"\n"


@pytest.mark.committed
def test_a_run_empties_the_mailbox_and_stops_the_dead_addresses(make, db, box):
    office = make.office()
    message = make.message(make.contact(office, email="amelia@example.com"), state="sent")
    assert not returns_wait()
    box.write_bytes(bounce(message) * 2)
    assert returns_wait()
    run = start("returns", trigger=Trigger.MANUAL)
    db.session.commit()
    work(run.id)
    db.session.expire_all()
    done = db.session.scalars(select(JobRun).where(JobRun.id == run.id)).one()
    assert done.state == "succeeded"
    assert done.counts == {"read": 2, "done": 1, "unmatched": 0, "ignored": 0, "failed": 0}
    assert [one.reason for one in in_force(office.id, "amelia@example.com")] == ["bounced"]
    assert not returns_wait()


@pytest.mark.committed
def test_the_sweep_starts_one_when_something_waits(make, db, box):
    message = make.message(make.contact(make.office()), state="sent")
    box.write_bytes(bounce(message))
    run = start("sweep", trigger=Trigger.MANUAL)
    db.session.commit()
    work(run.id)
    assert db.session.scalars(select(JobRun.kind).where(JobRun.kind == "returns")).all() == ["returns"]


@pytest.mark.committed
def test_a_full_mailbox_of_bounces_does_not_keep_the_mails_waiting(make, db, box, monkeypatch):
    """Anybody may fill it, and the same worker sends."""
    message = make.message(make.contact(make.office()), state="sent")
    box.write_bytes(b"".join(bounce(message) + b"%d\n\n" % number for number in range(CHUNK + 5)))
    monkeypatch.setattr("app.jobs.returns.SLICE", 0.0)
    for worked in (CHUNK, 5):
        assert returns_wait()
        run = start("returns", trigger=Trigger.MANUAL)
        db.session.commit()
        work(run.id)
        assert db.session.scalars(select(JobRun.counts).where(JobRun.id == run.id)).one()["done"] == worked
    assert not returns_wait()
