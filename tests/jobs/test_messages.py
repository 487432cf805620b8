"""The run that sends mail, as a worker does it."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from sqlalchemy import text

from app.domain.models import JobRun, OutboundMessage, RunState, Trigger
from app.domain.ops import ledger
from app.extensions import db as database
from app.jobs.queue import start, work
from devstack.mailbox import Catcher
from tests.blueprints.test_health import app_with
from tests.domain.digests.world import NOON, build, crowd, news

MAILS = 120


@pytest.mark.committed
def test_a_person_who_cancels_it_stops_the_mail_that_has_not_gone_out(app, db, make, tmp_path):
    office = make.office()
    crowd(office, MAILS, [news(office)[1]])
    build(NOON, now=db.session.scalar(text("SELECT now()")))
    run_id = start("messages", trigger=Trigger.MANUAL).id
    db.session.commit()
    with Catcher(tmp_path / "mail") as catcher:
        catcher.delay = 0.1  # so all of it would take twelve seconds, and to be heard takes one
        sender = app_with(app, tmp_path, smtp_url=catcher.url, run_lease_seconds=4)

        def cancel() -> None:
            until = time.monotonic() + 60
            while len(catcher.accepted()) < 2 and time.monotonic() < until:
                time.sleep(0.02)
            with sender.app_context():
                ledger.cancel(run_id)
                database.session.commit()

        person = threading.Thread(target=cancel)
        person.start()
        with sender.app_context():
            work(run_id)
        person.join()
        arrived = len(catcher.accepted())
    db.session.expire_all()
    states = Counter(state for (state,) in db.session.query(OutboundMessage.state))
    assert db.session.get_one(JobRun, run_id).state == RunState.CANCELLED
    assert states == {"sent": arrived, "queued": MAILS - arrived}
    assert 2 <= arrived < MAILS
