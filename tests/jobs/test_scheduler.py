"""rq-scheduler, guarded: each of its known ways to lose or double a due time is closed."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from croniter import CroniterBadCronError
from rq import Queue
from rq.serializers import JSONSerializer
from structlog.testing import capture_logs

from app.domain.models import JobRun, JobSchedule, Trigger
from app.domain.ops import due, ledger
from app.domain.ops.clock import Line
from app.domain.ops.ledger import Work
from app.jobs.schedule import SCHEDULE
from app.jobs.scheduler import Clock, NotUTC, look_at, tick

PROCFILE = Path(__file__).parent.parent.parent / "Procfile"
TEMPLATES = "rq:scheduler:scheduled_jobs"


@pytest.fixture
def wire(app):
    client = redis.Redis.from_url(app.extensions["porchlight"].redis_url)
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture
def clock(app, wire):
    return Clock(app.extensions["porchlight"].redis_url, SCHEDULE)


def make_due(wire: redis.Redis, name: str) -> str:
    member = next(each for each in wire.zrange(TEMPLATES, 0, -1) if f"-{name}-" in each.decode())
    wire.zadd(TEMPLATES, {member: time.time() - 60})
    return member.decode()


def test_it_refuses_to_start_in_a_zone_with_summer_time(app):
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    try:
        with pytest.raises(NotUTC):
            Clock(app.extensions["porchlight"].redis_url, SCHEDULE)
    finally:
        os.environ["TZ"] = "UTC"
        time.tzset()


def test_every_line_is_on_the_clock_once_however_often_it_is_ensured(clock, wire):
    for _ in range(3):
        clock.ensure()
    assert wire.zcard(TEMPLATES) == len(SCHEDULE)


def test_a_line_that_a_clock_ahead_had_put_off_is_called_back(clock, wire):
    clock.ensure()
    member = make_due(wire, "alerts")
    wire.zadd(TEMPLATES, {member: time.time() + 86_400})
    clock.ensure()
    assert wire.zscore(TEMPLATES, member) <= time.time() + 17 * 60


def test_an_outage_of_the_database_is_said_once_and_a_clock_that_is_told_to_end_ends(another_app):
    """Not once for each line and each look."""
    nowhere = another_app(database_url="postgresql+psycopg://nobody@127.0.0.1:9/none")
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ask_to_end = threading.Timer(3.5, os.kill, (os.getpid(), signal.SIGTERM))
    try:
        with nowhere.app_context(), capture_logs() as said:
            clock = Clock("redis://127.0.0.1:9/0", SCHEDULE, interval=1)
            ask_to_end.start()
            clock.run()
    finally:
        ask_to_end.join()
        for number, handler in usual.items():
            signal.signal(number, handler)
    assert [each["event"] for each in said if each["event"].startswith(("clock.tick", "clock.line"))] == [
        "clock.tick_failed"
    ]


def test_a_line_that_cannot_be_read_is_said_once_until_it_can_be(db, wire):
    past = datetime.now(UTC) - timedelta(hours=1)
    due.write_schedule(SCHEDULE, now=past)
    for _ in range(2):
        db.session.query(JobSchedule).filter_by(name="alerts").update({"cron": "not a cron"})
        db.session.commit()
        with capture_logs() as said:
            for _ in range(3):
                look_at(SCHEDULE)
        assert [each["line"] for each in said if each["event"] == "clock.line_failed"] == ["alerts"]
        db.session.query(JobSchedule).filter_by(name="alerts").update({"cron": "*/15 * * * *"})
        db.session.commit()
        look_at(SCHEDULE)
        db.session.query(JobSchedule).filter_by(name="alerts").update({"next_due_at": past})


def test_ensuring_a_line_that_is_due_does_not_lose_its_due_time(clock, wire):
    clock.ensure()
    member = make_due(wire, "alerts")
    before = wire.zscore(TEMPLATES, member)
    clock.ensure()
    assert wire.zscore(TEMPLATES, member) == before


def test_what_a_flush_took_is_put_back(clock, wire):
    clock.ensure()
    wire.flushdb()
    clock.ensure()
    assert wire.zcard(TEMPLATES) == len(SCHEDULE)


def test_a_template_whose_hash_is_gone_is_put_back(clock, wire):
    clock.ensure()
    member = make_due(wire, "alerts")
    wire.delete(f"rq:job:{member}")
    clock.ensure()
    assert wire.exists(f"rq:job:{member}")


def test_a_line_that_left_the_code_leaves_the_clock(clock, wire, app):
    Clock(app.extensions["porchlight"].redis_url, [*SCHEDULE, Line("old", "sweep", "* * * * *", "UTC", 60)]).ensure()
    assert wire.zcard(TEMPLATES) == len(SCHEDULE) + 1
    clock.ensure()
    assert wire.zcard(TEMPLATES) == len(SCHEDULE)
    assert not wire.keys("rq:job:clock-old-*")


def test_a_due_line_is_rung_once_and_set_to_its_next_due_time(clock, wire):
    clock.ensure()
    member = make_due(wire, "alerts")
    assert clock.enqueue_jobs() == ["alerts"]
    assert clock.enqueue_jobs() == []
    queue = Queue("alerts", connection=wire, serializer=JSONSerializer)
    assert [(job.func_name, job.args) for job in queue.jobs] == [("app.jobs.scheduler.tick", ["alerts"])]
    assert wire.ttl(queue.jobs[0].key) > 0, "a tick nobody takes is forgotten"
    upcoming = datetime.fromtimestamp(wire.zscore(TEMPLATES, member), UTC)
    assert datetime.now(UTC) < upcoming <= datetime.now(UTC) + timedelta(minutes=15)


def test_the_push_of_a_tick_and_the_next_due_time_are_one_transaction(clock, wire):
    """A kill between the two would lose a due time, or ring twice: Redis itself says what it was asked for, in order."""
    clock.ensure()
    make_due(wire, "alerts")
    asked: list[list[str]] = []
    with wire.monitor() as monitor:
        clock.enqueue_jobs()
        wire.echo("that was all")
        for said in monitor.listen():
            asked.append(said["command"].split())
            if asked[-1][0].upper() == "ECHO":
                break
    names = [words[0].upper() for words in asked]
    (begins, ends) = names.index("MULTI"), names.index("EXEC")
    pushes = [n for n, words in enumerate(asked) if names[n] in {"LPUSH", "RPUSH"} and words[1] == "rq:queue:alerts"]
    rearms = [n for n, words in enumerate(asked) if names[n] == "ZADD" and words[1] == TEMPLATES]
    assert (len(pushes), len(rearms)) == (1, 1)
    assert begins < min(pushes + rearms) < max(pushes + rearms) < ends
    assert (names.count("MULTI"), names.count("EXEC")) == (1, 1)


def test_the_clock_of_the_procfile_looks_every_five_seconds(app, clock):
    """Twice as rare, and every outage is noticed twice as late."""
    command = app.cli.commands["scheduler"]
    assert command.make_context("scheduler", []).params == {"interval": 5}
    assert "scheduler: env TZ=UTC flask scheduler\n" in PROCFILE.read_text(), "without an option of its own"
    assert clock._interval == 5
    clock.acquire_lock()
    assert 5 < clock.connection.ttl(clock.scheduler_lock_key) <= 15


def test_an_entry_that_cannot_be_read_stops_no_other(clock, wire):
    clock.ensure()
    member = make_due(wire, "alerts")
    wire.hset(f"rq:job:{member}", mapping={"data": b"not a job", "created_at": b"never"})
    wire.zadd(TEMPLATES, {"somebody-elses": time.time() - 60})
    wire.hset("rq:job:somebody-elses", mapping={"data": pickle.dumps(("x", None, (), {}))})
    make_due(wire, "sweep")
    assert sorted(clock.enqueue_jobs()) == ["alerts", "sweep"]


def test_nobody_elses_lock_is_taken_off(clock, wire):
    assert clock.acquire_lock()
    wire.set(clock.scheduler_lock_key, "another's")
    clock.remove_lock()
    assert wire.get(clock.scheduler_lock_key) == b"another's"


def test_a_second_clock_waits_for_the_lock_of_the_first(clock, app):
    second = Clock(app.extensions["porchlight"].redis_url, SCHEDULE)
    assert clock.acquire_lock()
    assert not second.acquire_lock()
    clock.remove_lock()
    assert second.acquire_lock()


def test_without_redis_due_times_become_runs_all_the_same(app, db):
    nowhere = Clock("redis://127.0.0.1:9/0", SCHEDULE, interval=1)
    nowhere.run(burst=True)
    line = db.session.get(JobSchedule, "sweep")
    line.next_due_at = line.last_due_at = datetime.now(UTC) - timedelta(minutes=2)
    db.session.commit()
    nowhere.run(burst=True)
    assert db.session.query(JobRun).filter_by(schedule_name="sweep", state="pending").count() == 1


def test_a_line_that_cannot_be_read_on_the_schedule_stops_no_other(db, wire):
    """Written over by hand, say: the line after it still has its run, and the dead workers' runs are taken back."""
    now = datetime.now(UTC)
    past = now - timedelta(hours=1)
    due.write_schedule(SCHEDULE, now=past)
    db.session.query(JobSchedule).filter_by(name="alerts").update({"cron": "not a cron"})
    held = ledger.add("sweep", Work("messages", 3, skips_overlap=False), trigger=Trigger.MANUAL, now=past)
    ledger.claim(held.id, "gone", 60, now=past)
    db.session.commit()
    look_at(SCHEDULE)
    assert db.session.query(JobRun).filter_by(schedule_name="alerts").count() == 0
    assert db.session.query(JobRun).filter_by(schedule_name="sweep").count() > 1
    assert db.session.get(JobRun, held.id).state == "pending"


def test_when_no_line_can_be_read_dead_workers_runs_are_taken_back_and_rung_for_all_the_same(db, wire):
    """The sweep, which would do it else, is a line of the clock itself."""
    now = datetime.now(UTC)
    past = now - timedelta(hours=1)
    due.write_schedule(SCHEDULE, now=past)
    db.session.query(JobSchedule).update({"cron": "not a cron", "next_due_at": past})
    work = Work("messages", 3, skips_overlap=False)
    held = ledger.add("sweep", work, trigger=Trigger.MANUAL, now=past)
    ledger.claim(held.id, "gone", 60, now=past)
    untold = ledger.add("sweep", work, trigger=Trigger.MANUAL, now=past)
    db.session.commit()
    with pytest.raises(CroniterBadCronError):
        look_at(SCHEDULE)
    assert db.session.get(JobRun, held.id).state == "pending"
    queue = Queue("messages", connection=wire, serializer=JSONSerializer)
    assert [job.args for job in queue.jobs] == [[untold.id]]


def test_a_tick_that_comes_twice_makes_one_run(db, wire):
    from app.domain.ops import due

    due.write_schedule(SCHEDULE, now=datetime.now(UTC) - timedelta(minutes=20))
    db.session.commit()
    tick("alerts")
    tick("alerts")
    look_at(SCHEDULE)
    states = [run.state for run in db.session.query(JobRun).filter_by(schedule_name="alerts").order_by(JobRun.due_at)]
    assert states[-1] == "pending"
    assert len(states) in {1, 2}
    tick("no-such-line")


def test_a_look_takes_back_the_mail_of_a_sender_that_is_gone(db, wire, make):
    """Not a minute later, with the sweep: until then its message would be neither here nor there."""
    now = datetime.now(UTC)
    run = ledger.add("messages", Work("messages", 3, skips_overlap=False), trigger=Trigger.MANUAL)
    held = {"state": "sending", "lease_token": uuid4(), "lease_until": now + timedelta(minutes=3)}
    begun = make.message(
        make.contact(make.office()), **held, attempts=1, attempting_at=now, job_run_id=run.id, job_attempt=1
    )
    ledger.claim(run.id, "w", 60)
    look_at(SCHEDULE)
    db.session.refresh(begun)
    assert begun.state == "sending", "its sender lives"
    ledger.lose(run.id, "w", "killed")
    look_at(SCHEDULE)
    db.session.refresh(begun)
    assert (begun.state, begun.state_reason) == ("unknown", "its sender was lost")
