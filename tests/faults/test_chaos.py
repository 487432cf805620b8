"""A short storm: workers, working processes and schedulers are killed and Redis is emptied, by chance, while the clock
ticks and people start runs. The long one, with restarts of PostgreSQL and Redis, is `make chaos`."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.models import JobRun, JobSchedule, RunState
from app.extensions import db
from tests.faults.stack import SEED, check_runs, due_times, effects, open_runs

pytestmark = pytest.mark.faults

SECONDS = 10
DEEDS = ("worker", "worker and horse", "horse", "horse", "scheduler", "flush")


def test_after_a_storm_of_kills_every_run_has_ended_and_took_effect_once(build_stack):
    print(f"CHAOS_SEED={SEED}")  # which pytest shows when it fails
    chance = random.Random(SEED)
    stack = build_stack([("beat", "deed", "* * * * * */2")], ring_again=3)
    with stack.app.app_context():
        for arguments in (("worker", "bulk"), ("worker", "bulk"), ("worker", "alerts"), ("scheduler",), ("scheduler",)):
            stack.start(*arguments)
        stack.wait_for(lambda: due_times("beat"))
        by_hand: list[int] = []
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            by_hand.append(stack.run(chance.choice(["deed", "errand"]), seconds=chance.choice([0, 0.3])))
            deed = chance.choice(DEEDS)
            if deed == "flush":
                stack.hurt("flush", stack.redis.flushdb)
            else:
                stack.kill_a(deed, chance)
            stack.wait_for(lambda: True)
            time.sleep(chance.uniform(0.2, 0.7))
        db.session.get_one(JobSchedule, "beat").enabled = False
        db.session.commit()
        began = time.monotonic()
        stack.wait_for(lambda: open_runs() == 0, 120)
        print(f"{dict(stack.kills)}, drained in {time.monotonic() - began:.1f} s", dict(check_runs()))

        # What a person asked for was done, whatever happened to those who did it.
        ended = dict(db.session.query(JobRun.id, JobRun.state).filter(JobRun.id.in_(by_hand)).all())
        assert ended == dict.fromkeys(by_hand, RunState.SUCCEEDED)
        assert sum(effects(run_id) for run_id in by_hand) == len(by_hand)
        # Each due time has its one run, and none was left out; nobody looked while both schedulers were dead.
        due = due_times("beat")
        assert due == [due[0] + timedelta(seconds=2 * n) for n in range(len(due))]
        assert len(due) >= 3
        late = db.session.query(JobRun).filter(JobRun.state == RunState.RUNNING, JobRun.lease_until < datetime.now(UTC))
        assert late.count() == 0
        assert sum(stack.kills.values()) >= 5
        db.session.remove()
