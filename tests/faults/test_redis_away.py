"""Redis is away for a while: what cannot wait is done all the same, once; workers and the clock outlive it.

One outage for the whole file, since each begins with 15 s in which it might be a restart.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator

import pytest
from flask_migrate import upgrade

from app.domain.models import JobAttempt, JobLogLine, JobRun, Office, ProcessHeartbeat, RunState
from app.extensions import db
from app.jobs.kinds import KINDS
from app.jobs.scheduler import DOES_RUNS_ITSELF
from app.jobs.worker import WAITS
from devstack import ports
from devstack.servers.redis import Redis
from devstack.testing import create_database, drop_database, run_id
from tests.conftest import MIGRATIONS, app_beside, config_for
from tests.faults.sentry_endpoint import Sentry, sentry_endpoint
from tests.faults.stack import Stack, children_of, effects, is_alive, outcomes
from tests.faults.works import HURT

pytestmark = pytest.mark.faults

LONG = 90  # seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis") / "redis", port=ports.find_free(), password=secrets.token_hex(16))
    server.start()
    server.wait()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sentry() -> Iterator[Sentry]:
    with sentry_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def stack(server: Redis, sentry: Sentry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    name, folder = f"redis_away_{run_id()}", tmp_path_factory.mktemp("stack")
    config = config_for(create_database(name), server.url, folder, run_lease_seconds=8)
    app = app_beside(config)
    KINDS.update(HURT)
    with app.app_context():
        upgrade(directory=str(MIGRATIONS))
        stack = Stack(app, folder, settings={"SENTRY_DSN": sentry.dsn})
        try:
            yield stack
        finally:
            stack.close()
            db.session.remove()
            db.engine.dispose()
            for kind in HURT:
                KINDS.pop(kind, None)
    drop_database(name)


def let_go(held: int) -> None:
    db.session.add(Office(office_key=f"let-go-{held}", office_name="let go"))
    db.session.commit()


def notes(role: str) -> list[str]:
    return [note for (note,) in db.session.query(ProcessHeartbeat.note).filter_by(role=role)]


def test_an_outage_of_redis_from_beginning_to_end(stack, server, sentry):
    worker, clock = stack.start("worker", "bulk"), stack.start("scheduler")
    assert stack.ended(stack.run("urgent"), LONG).state == RunState.SUCCEEDED

    # It goes while a run is under way: that one is finished, and watched to its end, by the worker that has it.
    under_way = stack.run("hold")
    stack.wait_for(stack.horses, LONG)
    stack.wait_for(lambda: db.session.get(JobRun, under_way).state == RunState.RUNNING, LONG)
    server.stop()
    began = time.monotonic()
    runs = [stack.run("urgent") for _ in range(3)]
    patient = stack.run("nap")
    time.sleep(7)  # longer than the worker looks away from its fork
    let_go(under_way)
    assert stack.ended(under_way, LONG).worker.startswith("bulk-")

    # What cannot wait is done by the clock's process, which says so.
    for each in runs:
        run = stack.ended(each, LONG)
        assert (run.state, run.attempt, effects(each)) == (RunState.SUCCEEDED, 1, 1)
        assert run.worker.startswith("scheduler-")
        said = db.session.query(JobLogLine.fields).filter_by(run_id=each, line=1).scalar()
        assert said == {"because": "Redis is away: done by the scheduler itself"}
    print(f"three runs were done {time.monotonic() - began:.0f} s after Redis went")
    assert time.monotonic() - began < 90
    stack.wait_for(lambda: notes("scheduler") == [DOES_RUNS_ITSELF], LONG)
    stack.wait_for(lambda: notes("worker") == [WAITS], LONG)
    assert db.session.get(JobRun, patient).state == RunState.PENDING, "and what can wait, waits"

    # One that is killed there is taken back as anywhere, and the clock goes on meanwhile.
    held = stack.run("urgent-hold")
    stack.wait_for(lambda: db.session.get(JobRun, held).state == RunState.RUNNING, LONG)
    (fork,) = children_of(clock.pid)
    seen = db.session.query(ProcessHeartbeat.seen_at).filter_by(role="scheduler")
    before = seen.scalar()
    stack.wait_for(lambda: seen.scalar() > before, LONG)
    os.kill(fork, signal.SIGKILL)
    stack.wait_for(lambda: outcomes(held)[0] == "lost", LONG)
    # Sentry is told, once: what the log says of it comes before the report, and by the same way.
    told = f"urgent-hold: {db.session.get(JobAttempt, (held, 1)).error}"
    sentry.wait_for(lambda: [event for event in sentry.events if event.get("message") == told], 30)
    of_it = [event for event in sentry.events if "killed" in str((event.get("message"), event.get("logentry")))]
    assert [(event["level"], event["fingerprint"]) for event in of_it] == [("warning", ["worker lost", "urgent-hold"])]

    # Told to end, the clock finishes what it has begun.
    stack.wait_for(lambda: db.session.get(JobRun, held).attempt == 2, LONG)
    clock.is_wanted = False
    os.kill(clock.pid, signal.SIGTERM)
    time.sleep(1)
    assert is_alive(clock.pid)
    let_go(held)
    assert stack.ended(held, LONG).state == RunState.SUCCEEDED
    stack.wait_for(lambda: not is_alive(clock.pid), LONG)
    assert (outcomes(held), effects(held), notes("scheduler")) == (["lost", "ok"], 1, [])

    # It comes back, with nothing in it.
    assert is_alive(worker.pid), "the worker has waited"
    clock = stack.start("scheduler")
    server.start()
    server.wait()
    assert stack.ended(patient, LONG).worker.startswith("bulk-")
    assert stack.ended(stack.run("urgent"), LONG).worker.startswith("bulk-")
    stack.wait_for(lambda: notes("scheduler") == notes("worker") == [""], LONG)
    assert stack.ended(stack.run("nap"), LONG).state == RunState.SUCCEEDED, "after all that was told of before"
    for each in (*runs, under_way, held, patient):
        assert effects(each) == 1
    assert [outcomes(each) for each in runs] == [["ok"]] * 3


def test_a_worker_that_is_started_without_redis_waits_for_it(stack, server):
    for program in (*stack.living("worker"), *stack.living("scheduler")):
        program.is_wanted = False
        os.kill(program.pid, signal.SIGTERM)
    stack.wait_for(lambda: db.session.query(ProcessHeartbeat).count() == 0, LONG)
    server.stop()
    worker, leaves = stack.start("worker", "bulk"), stack.start("worker", "bulk")
    stack.wait_for(lambda: notes("worker") == [WAITS, WAITS], LONG)
    leaves.is_wanted = False
    os.kill(leaves.pid, signal.SIGTERM)
    stack.wait_for(lambda: not is_alive(leaves.pid) and notes("worker") == [WAITS], LONG)
    server.start()
    server.wait()
    assert stack.ended(stack.run("nap"), LONG).state == RunState.SUCCEEDED
    assert is_alive(worker.pid)
