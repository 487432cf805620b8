"""The nightly run says what left and writes down what is left; the first sweep of a day has a look, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.alerts.match import ensure_partitions
from app.domain.models import AlertMatch, JobDay, JobHour, JobRun, RunState, TableSize, Trigger
from app.extensions import db as database
from app.jobs.queue import start, work


def worked(kind: str) -> JobRun:
    run_id = start(kind, trigger=Trigger.MANUAL).id
    database.session.commit()
    work(run_id)
    database.session.expire_all()
    return database.session.get_one(JobRun, run_id)


def looks() -> int:
    return database.session.query(TableSize).count()


@pytest.mark.committed
def test_a_night_says_in_its_counts_what_left_row_by_row_and_day_by_day(db):
    now = datetime.now(UTC)
    day = (now - timedelta(days=95)).date()
    ensure_partitions(day, day)
    db.session.add_all(
        AlertMatch(found_on=day, batch_id=number, alert_subscription_id=1, event_seqs=[1]) for number in range(3)
    )
    db.session.add_all(
        JobRun(
            kind="alerts",
            queue="alerts",
            trigger="event",
            state=RunState.SUCCEEDED.value,
            created_at=now - timedelta(days=31),
            finished_at=now - timedelta(days=31),
        )
        for _ in range(2)
    )
    db.session.commit()
    run = worked("retention")
    assert run.state == "succeeded", run.error
    assert (run.counts["job_run"], run.counts["days_dropped"], run.counts["alert_match"]) == (2, 1, 3)
    assert looks() > 30


@pytest.mark.committed
def test_no_run_leaves_before_it_is_counted(db):
    """No sweep went for weeks, say: the night counts first, and takes away then."""
    now = datetime.now(UTC)
    ended = now - timedelta(days=32)
    fields = {"kind": "alerts", "queue": "alerts", "trigger": "event", "state": RunState.SUCCEEDED.value}
    db.session.add(
        JobHour(
            hour=now.replace(minute=0, second=0, microsecond=0) - timedelta(days=33), kind="sweep", queue="messages"
        )
    )
    db.session.add_all(JobRun(**fields, created_at=ended, started_at=ended, finished_at=ended) for _ in range(3))
    db.session.commit()
    run = worked("retention")
    assert (run.state, run.counts["job_run"]) == (RunState.SUCCEEDED, 3)
    assert sum(day.succeeded for day in db.session.query(JobDay).filter_by(kind="alerts")) == 3


@pytest.mark.committed
def test_the_first_sweep_of_a_house_gives_its_tables_a_past(db):
    assert looks() == 0
    assert worked("sweep").state == "succeeded"
    assert looks() > 30
