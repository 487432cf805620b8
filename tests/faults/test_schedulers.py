"""Several schedulers at once: no due time twice, none left out."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.models import JobRun, RunState
from app.domain.ops import due
from app.domain.ops.clock import Line
from app.extensions import db
from tests.faults.stack import due_times, is_alive

pytestmark = pytest.mark.faults

FIRST = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SPEED = 60


def test_two_schedulers_make_each_due_time_of_five_minutes_once(build_stack):
    """Five minutes of a clock that runs sixty times as fast, a due time every two seconds of it, and two processes that
    look as often as they can."""
    stack = build_stack()
    with stack.app.app_context():
        due.write_schedule([Line("beat", "deed", "* * * * * */2", "UTC", 60)], now=FIRST)
        db.session.commit()
        looks = ["looks", "beat", time.time(), FIRST.isoformat(), SPEED, (FIRST + timedelta(minutes=5)).isoformat()]
        schedulers = [stack.fork(*looks) for _ in range(2)]
        stack.wait_for(lambda: not any(is_alive(pid) for pid in schedulers), 60)
        made = due_times("beat")
        last = made[-1]
        assert last >= FIRST + timedelta(minutes=5) - timedelta(seconds=2)
        assert made == [
            FIRST + timedelta(seconds=2 * n) for n in range(1, int((last - FIRST).total_seconds()) // 2 + 1)
        ]
        # Nobody did any of them: all are missed but the last, which waits.
        states = [state for (state,) in db.session.query(JobRun.state).order_by(JobRun.due_at)]
        assert states == [RunState.MISSED] * (len(made) - 1) + [RunState.PENDING]
        db.session.remove()
