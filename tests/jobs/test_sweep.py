"""The minute's look, as a worker does it: what it does, not only what it calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.domain.models import JobHour, JobRun, RunState
from tests.jobs.test_retention import worked

pytestmark = pytest.mark.committed


def test_it_counts_what_has_ended(db):
    now = datetime.now(UTC)
    done = {"kind": "alerts", "queue": "alerts", "trigger": "event", "state": RunState.SUCCEEDED.value}
    db.session.add_all(JobRun(**done, created_at=now, started_at=now, finished_at=now) for _ in range(3))
    db.session.commit()
    assert worked("sweep").state == RunState.SUCCEEDED
    assert sum(row.succeeded for row in db.session.query(JobHour).filter_by(kind="alerts")) == 3


def test_it_takes_back_the_mail_of_a_dead_sender(db, make):
    """Not begun: sent later. Begun: nobody knows whether it arrived, so it is not sent again."""
    now = datetime.now(UTC)
    buyer = make.contact(make.office())
    held = {"state": "sending", "lease_token": uuid4(), "lease_until": now - timedelta(minutes=1)}
    unsent = make.message(buyer, **held, not_before=now + timedelta(hours=1))
    begun = make.message(buyer, **held, attempts=1, attempting_at=now - timedelta(minutes=2))
    live = make.message(buyer, **held | {"lease_until": now + timedelta(hours=1)})
    db.session.commit()
    run = worked("sweep")
    assert (run.state, run.counts["messages_taken_back"]) == (RunState.SUCCEEDED, 2)
    assert [mail.state for mail in (unsent, begun, live)] == ["queued", "unknown", "sending"]
