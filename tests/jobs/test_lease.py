"""A run is its worker's for as long as that worker lives and has time left, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.models import JobRun, Trigger
from app.domain.ops import ledger
from app.domain.ops.ledger import LeaseLost, Work
from app.extensions import db as database
from app.jobs.run import Lease

pytestmark = pytest.mark.committed

LEASE = 120
"""Seconds: no stall of a busy machine is that long."""


def claimed(seconds: int = LEASE) -> JobRun:
    run_id = ledger.add("alerts", Work("alerts", 3, skips_overlap=False), trigger=Trigger.MANUAL).id
    run = ledger.claim(run_id, "w", seconds)
    database.session.commit()
    return run


def until(holds: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        database.session.rollback()
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError("it never came")


def lease_of(run_id: int) -> datetime:
    database.session.rollback()
    return database.session.get_one(JobRun, run_id).lease_until


def test_it_is_lengthened_while_the_job_goes_on(db):
    run = claimed(seconds=4)
    first = run.lease_until
    with Lease(run.id, run.lease_token, 4, time.monotonic() + 600) as lease:
        until(lambda: lease_of(run.id) > first + timedelta(seconds=2))
        assert not lease.must_stop


def test_it_is_never_lengthened_past_the_jobs_own_time(db):
    run = claimed()
    first = run.lease_until
    with Lease(run.id, run.lease_token, LEASE, time.monotonic() + 20) as lease:
        lease.report({"step": "renewed"})
        until(lambda: db.session.get_one(JobRun, run.id).progress == {"step": "renewed"})
        assert lease_of(run.id) < first - timedelta(seconds=60), "twenty seconds, not two minutes"
        ledger.fence(run.id, run.lease_token, lease.until())
        db.session.commit()
    assert lease_of(run.id) < first - timedelta(seconds=60)


def test_a_job_that_has_had_its_time_loses_its_run(db):
    """Its main thread hangs, say: its lease's thread lives on, and lets go of the run."""
    run = claimed(seconds=2)
    token = run.lease_token
    with Lease(run.id, token, LEASE, time.monotonic() + 1) as lease:
        until(lambda: lease.report({"step": "hangs"}) or lease.must_stop)
        until(lambda: ledger.reap() == [run.id])
        db.session.commit()
    with pytest.raises(LeaseLost):
        ledger.fence(run.id, token, timedelta(seconds=LEASE))


def test_a_cancelled_job_is_told_while_it_works(db):
    run = claimed()
    with Lease(run.id, run.lease_token, LEASE, time.monotonic() + 600) as lease:
        ledger.cancel(run.id)
        db.session.commit()
        lease.report({"step": "is told"})
        until(lambda: lease.must_stop)


def test_a_job_whose_run_is_anothers_by_now_is_told_while_it_works(db):
    run = claimed()
    with Lease(run.id, run.lease_token, LEASE, time.monotonic() + 600) as lease:
        ledger.lose(run.id, "w", "it was not there")
        db.session.commit()
        lease.report({"step": "is told"})
        until(lambda: lease.must_stop)
