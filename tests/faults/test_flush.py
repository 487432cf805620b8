"""Redis forgets everything while much is waiting: all of it is told of again at once, and done."""

from __future__ import annotations

import time

import pytest

from app.domain.models import JobRun, ProcessHeartbeat, RunState, Trigger
from app.extensions import db
from app.jobs.queue import ring_due, start
from tests.faults.stack import check_runs, open_runs

pytestmark = pytest.mark.faults


def write_down(size: int) -> None:
    for _ in range(size):
        start("deed", {}, trigger=Trigger.MANUAL)
    db.session.commit()


def test_100_waiting_runs_are_all_done_after_a_flush(build_stack):
    """With nobody to ask, as the product is set: without another ring before half a minute has gone."""
    stack = build_stack()
    with stack.app.app_context():
        stack.start("worker", "bulk")
        stack.start("worker", "bulk")
        stack.start("scheduler")
        stack.wait_for(lambda: db.session.query(ProcessHeartbeat).count() == 3)
        write_down(100)
        ring_due()
        stack.redis.flushdb()
        began = time.monotonic()
        stack.wait_for(lambda: open_runs() == 0, 150)
        print(f"100 drained in {time.monotonic() - began:.1f} s")
        assert check_runs() == {RunState.SUCCEEDED: 100}
        assert {attempt for (attempt,) in db.session.query(JobRun.attempt)} == {1}
        db.session.remove()


def test_more_than_one_round_of_hints_is_given_again_after_a_flush(build_stack):
    """A round is 500. None of the 600 waits for the time after which an unanswered ring is repeated."""
    stack = build_stack()
    with stack.app.app_context():
        write_down(600)
        assert [ring_due() for _ in range(3)] == [500, 100, 0]
        assert stack.redis.llen("rq:queue:bulk") == 600
        stack.redis.flushdb()
        assert [ring_due() for _ in range(3)] == [500, 100, 0]
        assert stack.redis.llen("rq:queue:bulk") == 600
        db.session.remove()
