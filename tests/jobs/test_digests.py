"""The run of digests as a worker does it: after an outage, and with something halted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.domain.digests.holds import word
from app.domain.models import Digest, JobRun, MailHold, OutboundMessage, Role, Trigger
from app.domain.ops import words
from app.extensions import db as database
from app.jobs.digests import RELEASE_ONLY
from app.jobs.queue import start, work
from tests.domain.digests.world import crowd, news, subscribe


def run(kind: str, args: dict | None = None) -> JobRun:
    run_id = start(kind, args, trigger=Trigger.MANUAL).id
    database.session.commit()
    work(run_id)
    database.session.expire_all()
    return database.session.get_one(JobRun, run_id)


@pytest.fixture
def limits(app, db):
    kept = app.extensions["porchlight"]
    app.extensions["porchlight"] = replace(kept, halt_above_mails=5, ramp_per_minute=2)
    yield
    app.extensions["porchlight"] = kept


@pytest.mark.committed
def test_t8_pa_26_after_an_outage_the_run_says_what_it_caught_up_with_and_sends_slowly(app, db, make, office, limits):
    now = datetime.now(UTC)
    homes = [make.listing(office) for _ in range(40)]
    events = [
        make.event(home, 1, recorded_at=now - timedelta(hours=26) + timedelta(minutes=30 * n), occurred_at=now)
        for n, home in enumerate(homes)
    ]
    for n in range(3):
        make.match(subscribe(make.contact(office, email=f"buyer{n}@example.com")), *events)
    for home in homes[:6]:
        home.standard_status = "Closed"
    db.session.commit()
    done = run("alerts")
    assert done.state == "succeeded", done.error
    follower = db.session.scalar(select(JobRun).where(JobRun.kind == "digests"))
    assert follower.args["caught_up"] == {"first": events[0].seq, "last": events[-1].seq, "events": 40}
    work(follower.id)
    db.session.expire_all()
    counts = db.session.get_one(JobRun, follower.id).counts
    said = words.counts_in_words("digests", counts)
    assert said.startswith(f"caught up seq {events[0].seq:,}–{events[-1].seq:,}, 40 events, 3 mails")
    assert set(db.session.scalars(select(Digest.items_shown))) == {34}
    moments = sorted(db.session.scalars(select(OutboundMessage.not_before)))
    assert [(moment - moments[0]) // timedelta(minutes=1) for moment in moments] == [0, 0, 1]


@pytest.mark.committed
def test_pa_27_a_halted_run_sends_nothing_until_it_is_approved(app, db, make, office, limits):
    crowd(office, 7, [news(office)[1]])
    done = run("digests")
    assert (done.state, done.counts["messages"], done.counts["held"]) == ("succeeded", 0, 7)
    assert "7 mails held for a person’s word" in words.counts_in_words("digests", done.counts)
    assert db.session.scalars(select(OutboundMessage)).all() == []
    hold = db.session.scalars(select(MailHold)).one()
    word.approve(hold.id, make.user(office, Role.ADMIN), "it is right")
    done = run("digests", RELEASE_ONLY)
    assert (done.counts["messages"], done.counts.get("recipients")) == (7, 0)
