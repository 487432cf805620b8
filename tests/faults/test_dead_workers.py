"""A worker that is killed together with its working process: a host that is gone, a container that ran out of memory.
Nobody is left to say so, and the run is done by another long before its lease ends."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime

import pytest
from sqlalchemy import text

from app.domain.models import JobAttempt, JobRun, Office, ProcessHeartbeat, RunState
from app.extensions import db
from tests.faults.stack import children_of, effects, outcomes

pytestmark = pytest.mark.faults

LEASE = 30  # seconds
SOON = 25


def test_its_run_is_done_again_long_before_its_lease_ends(build_stack):
    stack = build_stack(lease=LEASE)
    with stack.app.app_context():
        worker = stack.start("worker", "bulk")
        stack.start("scheduler")
        stack.wait_for(lambda: db.session.query(ProcessHeartbeat).count() == 2)
        # A server that has just started may have parted the living from their connections: nobody is taken for dead.
        since = text("SELECT extract(epoch FROM now() - pg_postmaster_start_time())")
        stack.wait_for(lambda: db.session.scalar(since) > LEASE, 2 * LEASE)
        run_id = stack.run("hold")
        stack.wait_for(lambda: db.session.get_one(JobRun, run_id).state == RunState.RUNNING)
        (horse,) = stack.wait_for(lambda: children_of(worker.pid))
        for pid in (worker.pid, horse):
            os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        held_until: datetime = db.session.get_one(JobRun, run_id, populate_existing=True).lease_until
        db.session.add(Office(office_key=f"let-go-{run_id}", office_name="let go"))
        db.session.commit()
        run = stack.ended(run_id, SOON)
        print(f"done again {time.monotonic() - began:.1f} s after the kill, with a lease of {LEASE} s")
        assert (run.state, run.attempt, effects(run_id)) == (RunState.SUCCEEDED, 2, 1)
        assert outcomes(run_id) == ["lost", "ok"]
        lost = db.session.get_one(JobAttempt, (run_id, 1))
        assert lost.finished_at < held_until
        assert lost.error.endswith("is gone: it holds no connection, and did not renew its lease.")
        db.session.remove()
