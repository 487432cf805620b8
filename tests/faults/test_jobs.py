"""Runs survive what happens to processes and to Redis: real workers, real schedulers, real kills.

The processes are started once for the module; each test leaves them as it found them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import text

from app.domain.models import JobAttempt, JobLogLine, JobRun, JobSchedule, Office, ProcessHeartbeat, RunState, Trigger
from app.domain.ops import connections, ledger
from app.extensions import db
from app.jobs.kinds import KINDS
from app.jobs.queue import ring, start, work
from app.jobs.schedule import SCHEDULE
from devstack.testing import create_database, drop_database, run_id, test_servers
from tests.conftest import MIGRATIONS, app_beside, config_for
from tests.faults.stack import ENDED, children_of, effects, outcomes
from tests.faults.works import HURT

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parent.parent.parent
LEASE = 6
"""Seconds. A stall of a busy machine is shorter than what is left of it after any renewal."""
LONG = 60
"""Seconds: the longest wait. It costs only when it fails."""


@dataclass
class Works:
    """The running installation: its app (on our side), its processes, its Redis."""

    app: Flask
    redis: redis.Redis
    environ: dict[str, str]
    processes: list[subprocess.Popen] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.works", *arguments], cwd=ROOT, env=self.environ, start_new_session=True
        )
        self.processes.append(process)
        return process

    def run(self, kind: str, **args: object) -> int:
        run = start(kind, args, trigger=Trigger.MANUAL)
        db.session.commit()
        ring([run.id])
        return run.id

    def wait_for(self, what: Callable[[], object], seconds: float = LONG) -> object:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            db.session.rollback()
            if found := what():
                return found
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {self.picture()}")

    def ended(self, run_id: int, seconds: float = LONG) -> JobRun:
        return self.wait_for(lambda: (run := db.session.get(JobRun, run_id)).state in ENDED and run, seconds)

    def started(self, run_id: int) -> JobRun:
        return self.wait_for(lambda: (run := db.session.get(JobRun, run_id)).state == RunState.RUNNING and run)

    def horse_of(self, run_id: int) -> int:
        """The pid of the forked process that does this run."""
        self.started(run_id)
        worker = self.wait_for(
            lambda: db.session.query(ProcessHeartbeat).filter_by(current_run_id=run_id).one_or_none()
        )
        return children_of(worker.pid)[0]

    def worker_of(self, run_id: int) -> subprocess.Popen:
        pid = db.session.query(ProcessHeartbeat.pid).filter_by(current_run_id=run_id).scalar()
        return next(process for process in self.processes if process.pid == pid)

    def frozen_horse_of(self, run_id: int) -> int:
        """Of a run that stops itself: when it has."""
        horse = self.horse_of(run_id)
        self.wait_for(lambda: state_of(horse) == "T")
        return horse

    def let_go(self, run_id: int) -> None:
        """The end of a run of the kind `hold`."""
        db.session.add(Office(office_key=f"let-go-{run_id}", office_name="let go"))
        db.session.commit()

    def picture(self) -> list[tuple]:
        return db.session.query(JobRun.id, JobRun.kind, JobRun.state, JobRun.attempt, JobRun.worker).all()


def state_of(pid: int) -> str:
    """As the kernel says: T is stopped, Z and "" are gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return ""


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    name = f"faults_{run_id()}"
    url, redis_url = create_database(name), test_servers().redis_url
    config = config_for(url, redis_url, tmp_path_factory.mktemp("files"), run_lease_seconds=LEASE)
    environ = dict(os.environ) | {
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": config.secret_key,
        "PUBLIC_URL": config.public_url,
        "SMTP_URL": config.smtp_url,
        "MAIL_FROM": config.mail_from,
        "FILES_DIR": str(config.files_dir),
        "RUN_LEASE_SECONDS": str(LEASE),
        "LOG_LEVEL": "error",
        "LOG_FORMAT": "console",
        "TZ": "UTC",
    }
    app = app_beside(config)
    KINDS.update(HURT)
    with app.app_context():
        upgrade(directory=str(MIGRATIONS))
        client = redis.Redis.from_url(redis_url)
        client.flushdb()
        works = Works(app, client, environ)
        for arguments in (
            ("worker", "bulk"),
            ("worker", "bulk"),
            ("worker", "messages"),
            ("scheduler",),
            ("scheduler",),
        ):
            works.start(*arguments)
        try:
            works.wait_for(lambda: db.session.query(ProcessHeartbeat).count() == 5)
            db.session.remove()  # a transaction that idles for a minute is ended
            yield works
        finally:
            for process in works.processes:
                process.terminate()
            for process in works.processes:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
            db.session.remove()
            db.engine.dispose()
            client.flushdb()
            for kind in HURT:
                del KINDS[kind]
    drop_database(name)


@pytest.fixture(autouse=True)
def fresh_session(works: Works) -> Iterator[None]:
    with works.app.app_context():
        yield
        db.session.rollback()
        db.session.remove()


def test_a_run_is_done_once_and_starts_what_follows_from_it(works):
    first = works.run("stumble", succeeds_at=1)
    assert works.ended(first).state == RunState.SUCCEEDED
    follower = works.wait_for(lambda: db.session.query(JobRun).filter_by(after_run_id=first).one_or_none())
    assert works.ended(follower.id).state == RunState.SUCCEEDED
    assert effects(follower.id) == 1


def test_a_failing_run_is_tried_again_and_its_last_error_is_kept(works):
    run_id = works.run("stumble", succeeds_at=9)
    run = works.ended(run_id)
    assert (run.state, run.attempt, run.error_class) == (RunState.FAILED, 2, "ValueError")
    assert "attempt 2 of stumble" in run.error
    assert "Traceback" in run.error


def test_the_run_of_a_killed_process_is_done_by_another_attempt(works):
    run_id = works.run("hold")
    os.kill(works.horse_of(run_id), signal.SIGKILL)
    works.wait_for(lambda: outcomes(run_id)[0] == "lost")
    works.let_go(run_id)
    assert works.ended(run_id).state == RunState.SUCCEEDED
    assert outcomes(run_id) == ["lost", "ok"]
    assert effects(run_id) == 1


def test_a_frozen_process_that_wakes_up_late_changes_nothing(works):
    run_id = works.run("chunks", chunks=40, pause=0.05)
    works.wait_for(lambda: db.session.query(Office).filter(Office.office_key.like(f"chunk-{run_id}-%")).count() > 3)
    horse = works.horse_of(run_id)
    os.kill(horse, signal.SIGSTOP)
    try:
        works.wait_for(lambda: outcomes(run_id)[0] == "lost")
        works.wait_for(lambda: db.session.get(JobRun, run_id).attempt == 2)
        # What it may have locked is free: its connections are closed, though it holds on to them.
        works.wait_for(lambda: connections_of(run_id, attempt=1) == 0, 20)
        assert state_of(horse) == "T"
    finally:
        os.kill(horse, signal.SIGCONT)
    run = works.ended(run_id)
    assert (run.state, run.counts) == (RunState.SUCCEEDED, {"chunks": 40})
    assert outcomes(run_id) == ["lost", "ok"]
    rows = db.session.query(Office.office_name).filter(Office.office_key.like(f"chunk-{run_id}-%")).all()
    assert len(rows) == 40
    assert {name for (name,) in rows} == {f"{run_id} by attempt 1", f"{run_id} by attempt 2"}


def connections_of(run_id: int, attempt: int) -> int:
    worker = db.session.query(JobAttempt.worker).filter_by(run_id=run_id, attempt=attempt).scalar()
    found = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")
    return db.session.scalar(found, {"name": connections.name_of(run_id, worker)})


@pytest.mark.parametrize("commits_a_chunk", [True, False])
def test_a_frozen_process_whose_connections_nobody_closes_is_stopped_by_the_fence_alone(works, commits_a_chunk):
    """At its next chunk; and at its end, when it has no chunk. The second attempt is at work meanwhile."""
    run_id = works.run("sleepwalk", chunk=commits_a_chunk)
    horse = works.frozen_horse_of(run_id)
    works.wait_for(lambda: db.session.get(JobRun, run_id).attempt == 2)
    os.kill(horse, signal.SIGCONT)
    works.wait_for(lambda: state_of(horse) in {"", "Z"})
    run = db.session.get_one(JobRun, run_id)
    assert (run.state, run.attempt, run.counts, effects(run_id)) == (RunState.RUNNING, 2, {}, 0)
    works.let_go(run_id)
    assert works.ended(run_id).counts == {"walks": 2}
    assert (outcomes(run_id), effects(run_id)) == (["lost", "ok"], 1)


def test_a_job_that_hangs_and_hears_no_alarm_loses_its_run_with_its_time(works):
    """Its lease's thread lives and would go on for ever. RQ kills the process a minute later."""
    run_id = works.run("hang")
    horse = works.horse_of(run_id)
    assert works.ended(run_id).state == RunState.SUCCEEDED
    assert (outcomes(run_id), effects(run_id)) == (["lost", "ok"], 1)
    assert state_of(horse) == "S", "it has not even ended"
    os.kill(horse, signal.SIGKILL)


def test_a_process_frozen_while_it_holds_its_own_row_holds_nobody_up(works):
    """Frozen between the fence and its commit: the row is locked, and no reaper could take it."""
    run_id = works.run("freeze")
    horse = works.frozen_horse_of(run_id)
    try:
        run = works.ended(run_id, 45)  # PostgreSQL would end an idle transaction by itself after 60 s
        assert (run.state, outcomes(run_id), effects(run_id)) == (RunState.SUCCEEDED, ["lost", "ok"], 1)
    finally:
        os.kill(horse, signal.SIGCONT)
    works.wait_for(lambda: not Path(f"/proc/{horse}").exists())
    run = works.ended(run_id)
    assert (run.state, run.attempt, run.error) == (RunState.SUCCEEDED, 2, None), "its late words changed nothing"
    assert (outcomes(run_id), effects(run_id)) == (["lost", "ok"], 1)


def test_a_process_killed_in_the_middle_of_a_transaction_leaves_no_lock_behind(works):
    """Its row is free in less than a second: by the socket, which was its own and went with it, not by
    the lease. The quickest of three, since a busy machine makes one late, and rarely all."""
    runs, free_after = [], []
    for _ in range(3):
        run_id = works.run("freeze")
        horse = works.frozen_horse_of(run_id)
        mine = db.session.query(JobRun.id).filter_by(id=run_id).with_for_update(skip_locked=True)
        assert mine.all() == [], "it is locked"
        db.session.rollback()
        os.kill(horse, signal.SIGKILL)
        began = time.monotonic()
        while not mine.all():
            db.session.rollback()
            assert time.monotonic() - began < LONG
            time.sleep(0.01)
        free_after.append(time.monotonic() - began)
        db.session.rollback()
        runs.append(run_id)
    print("free after", ", ".join(f"{seconds * 1000:.0f} ms" for seconds in free_after))
    assert min(free_after) < 1
    for run_id in runs:
        assert works.ended(run_id).state == RunState.SUCCEEDED
        assert (outcomes(run_id), effects(run_id)) == (["lost", "ok"], 1)


def test_what_a_killed_job_said_is_there(works):
    run_id = works.run("talk")
    horse = works.horse_of(run_id)
    said = db.session.query(JobLogLine.attempt, JobLogLine.line, JobLogLine.event).filter_by(run_id=run_id)
    works.wait_for(lambda: said.all() == [(1, 1, "talk.begun")])
    os.kill(horse, signal.SIGKILL)
    works.let_go(run_id)
    works.ended(run_id)
    works.wait_for(lambda: sorted(said.all()) == [(1, 1, "talk.begun"), (2, 1, "talk.begun")])


def test_a_working_process_names_its_connections_and_limits_them(works):
    """No statement outlasts the job, no lock is waited for, no transaction idles for long."""
    run = works.ended(works.run("look"))
    assert run.counts == {
        "application_name": f"porchlight run {run.id} {run.worker}",
        "statement_timeout": "90s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "1min",
        "connections": 2,
    }


def test_a_run_under_way_that_is_cancelled_ends_at_its_next_chunk(works):
    run_id = works.run("chunks", chunks=2000, pause=0.05)
    done = db.session.query(Office).filter(Office.office_key.like(f"chunk-{run_id}-%"))
    works.wait_for(lambda: done.count() > 3)
    ledger.cancel(run_id)
    db.session.commit()
    run = works.ended(run_id)
    assert (run.state, outcomes(run_id)) == (RunState.CANCELLED, ["cancelled"])
    assert 3 < done.count() < 1900, "what it had committed stays"


def test_a_run_past_its_time_limit_is_ended_and_says_so(works):
    run = works.ended(works.run("nap-short", seconds=30))
    assert (run.state, run.error_class) == (RunState.FAILED, "JobTimeoutException")
    assert outcomes(run.id) == ["timeout"]
    assert effects(run.id) == 0


def test_a_kind_that_must_not_overlap_does_not(works):
    first = works.run("hold-alone")
    works.started(first)
    assert works.ended(works.run("hold-alone")).state == RunState.SKIPPED
    works.let_go(first)
    assert works.ended(first).state == RunState.SUCCEEDED


def test_when_redis_forgets_everything_all_is_done_and_soon(works):
    runs = [start("nap", {"seconds": 0}, trigger=Trigger.MANUAL) for _ in range(20)]
    ids = [run.id for run in runs]
    db.session.commit()
    ring(ids)
    works.redis.flushdb()
    began = time.monotonic()
    for each in ids:
        assert works.ended(each).state == RunState.SUCCEEDED
    assert time.monotonic() - began < 60
    assert sum(effects(each) for each in ids) == len(ids)
    # The workers and the clock's templates are still there, or again.
    works.wait_for(lambda: works.redis.zcard("rq:scheduler:scheduled_jobs") == len(SCHEDULE))


def test_what_was_never_rung_for_is_found(works):
    run = start("nap", {}, trigger=Trigger.MANUAL)
    db.session.commit()
    assert works.ended(run.id).state == RunState.SUCCEEDED


def test_doing_a_run_twice_does_it_once(works):
    run_id = works.run("nap")
    works.ended(run_id)
    work(run_id)
    assert effects(run_id) == 1
    assert outcomes(run_id) == ["ok"]


def test_two_schedulers_make_no_due_time_twice_and_miss_none(works):
    """A line is set back two hours again and again while both look at it each second."""
    for _ in range(6):
        now = datetime.now(UTC)
        db.session.query(JobSchedule).filter_by(name="alerts").update(
            {"last_due_at": now - timedelta(hours=2), "next_due_at": now - timedelta(minutes=1)}
        )
        db.session.commit()
        time.sleep(0.4)
    works.wait_for(lambda: db.session.get(JobSchedule, "alerts").next_due_at > datetime.now(UTC))
    due = [moment for (moment,) in db.session.query(JobRun.due_at).filter_by(schedule_name="alerts")]
    assert len(due) == len(set(due))
    assert 8 <= len(due) <= 9
    states = [
        state for (state,) in db.session.query(JobRun.state).filter_by(schedule_name="alerts").order_by(JobRun.due_at)
    ]
    assert set(states[:-1]) == {"missed"}


def test_a_worker_killed_with_its_run_loses_it_when_the_lease_ends(works):
    run_id = works.run("hold")
    horse = works.horse_of(run_id)
    worker = works.worker_of(run_id)
    os.kill(worker.pid, signal.SIGKILL)
    os.kill(horse, signal.SIGKILL)
    worker.wait()
    works.let_go(run_id)
    run = works.ended(run_id)
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2)
    assert outcomes(run_id) == ["lost", "ok"]
    assert effects(run_id) == 1


def test_a_run_under_way_is_finished_before_a_worker_stops(works):
    run_id = works.run("hold")
    works.horse_of(run_id)
    worker = works.worker_of(run_id)
    worker.terminate()
    time.sleep(0.5)  # in which it would have left; it is let go whether or not it was told by now
    works.let_go(run_id)
    assert worker.wait(LONG) == 0
    assert outcomes(run_id) == ["ok"]
    assert db.session.query(ProcessHeartbeat).filter_by(pid=worker.pid).count() == 0


def test_a_scheduler_ends_at_once_when_told_and_says_goodbye(works):
    scheduler = works.processes[-1]
    scheduler.terminate()
    assert scheduler.wait(30) == 0
    assert db.session.query(ProcessHeartbeat).filter_by(pid=scheduler.pid).count() == 0
