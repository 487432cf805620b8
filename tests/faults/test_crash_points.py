"""A process that dies at the worst moment, one moment after the other: its work is done once, by
somebody else, and soon. Each test says within how many seconds.

The sender's moments, from `sending` to the relay's 250 and beyond, are in test_mail_kills.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from app.crash import RUN_POINTS
from app.domain.models import JobAttempt, JobRun, JobSchedule, ProcessHeartbeat, RunState
from app.extensions import db
from tests.faults.stack import Stack, check_runs, due_times, effects, is_alive, outcomes

pytestmark = pytest.mark.faults

LOCK = "rq:scheduler_lock"
TEMPLATES = "rq:scheduler:scheduled_jobs"
RING_AGAIN = 3
"""Seconds; 30 in the product."""
SLOW = 15
"""Seconds that a busy machine may add to any bound."""


@pytest.fixture(scope="module")
def running(build_stack) -> Stack:
    """A worker and two schedulers that look each second; the clock's lines are due at midnight."""
    stack = build_stack(
        [("first", "deed", "0 0 * * *"), ("second", "deed", "0 0 * * *")], ring_again=RING_AGAIN, lease=20
    )
    with stack.app.app_context():
        stack.start("worker", "bulk")
        stack.start("scheduler")
        stack.start("scheduler")
        stack.wait_for(lambda: db.session.query(ProcessHeartbeat).count() == 3)
        db.session.remove()
    return stack


@pytest.fixture
def stack(running) -> Iterator[Stack]:
    with running.app.app_context():
        yield running
        running.crash_file.unlink(missing_ok=True)
        db.session.rollback()
        db.session.remove()


def arm(stack: Stack, point: str) -> None:
    assert point in RUN_POINTS
    stack.crash_file.write_text(point)


def has_struck(stack: Stack) -> bool:
    return not stack.crash_file.exists()


def seconds_since(began: float) -> float:
    return time.monotonic() - began


def run_from_a_page(stack: Stack) -> int:
    """A process starts a run, commits and rings; the id of the run. It may die of it."""
    before = db.session.query(JobRun).count()
    pid = stack.fork("ring", "deed")
    stack.wait_for(lambda: not is_alive(pid))
    assert db.session.query(JobRun).count() == before + 1
    return db.session.query(JobRun.id).order_by(JobRun.id.desc()).limit(1).scalar()


def make_due(name: str) -> None:
    """As if the last midnight had just been."""
    now = datetime.now(UTC)
    schedule = db.session.get_one(JobSchedule, name)
    schedule.last_due_at, schedule.next_due_at = now - timedelta(days=1), now
    db.session.commit()


@pytest.mark.parametrize(
    ("point", "bound"),
    [
        ("before_hint", 5),  # found by the next look of a scheduler
        ("hint_committed", RING_AGAIN + 5),  # noted as told, and was not: told again
    ],
)
def test_whoever_asked_dies_before_ringing(stack, point, bound):
    arm(stack, point)
    began = time.monotonic()
    run_id = run_from_a_page(stack)
    assert has_struck(stack)
    assert stack.ended(run_id, bound + SLOW).state == RunState.SUCCEEDED
    print(point, f"{seconds_since(began):.1f} s")
    assert (outcomes(run_id), effects(run_id)) == (["ok"], 1)


@pytest.mark.parametrize(
    ("point", "attempts", "bound"),
    [
        ("before_claim", ["ok"], 5),  # not begun: offered again
        ("run_claimed", ["lost", "ok"], 5),
        ("before_finish", ["lost", "ok"], 5),  # all was written, nothing committed
        ("run_finished", ["ok"], 2),  # committed; only Redis was not told
    ],
)
def test_a_working_process_dies(stack, point, attempts, bound):
    arm(stack, point)
    began = time.monotonic()
    run_id = stack.run()
    stack.wait_for(lambda: has_struck(stack))
    assert stack.ended(run_id, bound + SLOW).state == RunState.SUCCEEDED
    print(point, f"{seconds_since(began):.1f} s")
    # The worker is there for the next one, and nothing of the first is done again.
    assert stack.ended(stack.run()).state == RunState.SUCCEEDED
    assert (outcomes(run_id), effects(run_id)) == (attempts, 1)


def test_a_working_process_that_ends_without_a_word_gives_its_run_back_at_once(stack):
    """Not when its lease ends: the worker that forked it knows that it is gone."""
    run_id = stack.run("leave")
    assert stack.ended(run_id, 5 + SLOW).state == RunState.SUCCEEDED
    first = db.session.get_one(JobAttempt, (run_id, 1))
    assert (first.outcome, first.error) == ("lost", "The working process ended without a word.")
    assert effects(run_id) == 1


def test_a_worker_is_handed_a_run_and_dies_with_it_before_it_begins(stack):
    """Taken out of the queue by a worker that is no more: Redis keeps the job and nobody has it."""
    worker = stack.living("worker")[0]
    worker.is_wanted = False
    stack.kill("worker", worker.pid)
    stack.wait_for(lambda: not is_alive(worker.pid))
    run_id = stack.run()
    assert stack.redis.lpop("rq:queue:bulk") == f"run-{run_id}-0".encode()
    worker.is_wanted = True
    began = time.monotonic()
    assert stack.ended(run_id, RING_AGAIN + 5 + SLOW).state == RunState.SUCCEEDED
    print("swallowed", f"{seconds_since(began):.1f} s")
    assert (outcomes(run_id), effects(run_id)) == (["ok"], 1)


@pytest.mark.parametrize(("point", "line"), [("due_committed", "first"), ("before_rearm", "second")])
def test_a_scheduler_dies_when_something_is_due(stack, point, line):
    """After the row is there and before anybody is told; and between the push of the tick and the line's next time."""
    arm(stack, point)
    began = time.monotonic()
    if point == "before_rearm":
        stack.redis.zadd(TEMPLATES, {template(stack, line): time.time() - 1})
        stack.wait_for(lambda: has_struck(stack))
    make_due(line)
    stack.wait_for(lambda: has_struck(stack))
    stack.wait_for(lambda: len(due_times(line)) == 1)
    run_id = db.session.query(JobRun.id).filter_by(schedule_name=line).scalar()
    assert stack.ended(run_id, 5 + SLOW).state == RunState.SUCCEEDED
    print(point, f"{seconds_since(began):.1f} s")
    assert effects(run_id) == 1
    # The line is on the clock, once, with a time to come, and both schedulers are there again. The dead one's lock ends
    # by itself, ten seconds after its look should have; that is not waited for here.
    stack.redis.delete(LOCK)
    stack.wait_for(lambda: stack.redis.zscore(TEMPLATES, template(stack, line)) > time.time())
    assert stack.redis.zcard(TEMPLATES) == 2
    stack.wait_for(lambda: len(stack.living("scheduler")) == 2)


def template(stack: Stack, line: str) -> bytes:
    return next(key for key in stack.redis.zrange(TEMPLATES, 0, -1) if line.encode() in key)


def test_the_books_are_right_after_all_of_this(stack):
    assert set(check_runs()) == {RunState.SUCCEEDED}


def test_every_named_moment_of_a_run_has_its_test():
    tests = (
        test_whoever_asked_dies_before_ringing,
        test_a_working_process_dies,
        test_a_scheduler_dies_when_something_is_due,
    )
    cases = [mark.args[1] for test in tests for mark in test.pytestmark if mark.name == "parametrize"]
    assert {point for those in cases for point, *_ in those} == set(RUN_POINTS)
