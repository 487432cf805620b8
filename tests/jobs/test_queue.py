"""The bell rings best effort; the row is the promise."""

from __future__ import annotations

import time

import pytest
import redis
import sentry_sdk
import structlog
from rq import Queue
from rq.serializers import JSONSerializer
from sentry_sdk.transport import Transport
from sqlalchemy import text

from app.domain.errors import Conflict, NotFound
from app.domain.models import JobAttempt, JobRun, Office, RunState, Trigger
from app.domain.ops import ledger
from app.extensions import db as database
from app.jobs.kinds import KINDS, Kind
from app.jobs.limits import JobTimeoutException, TimeLimit, limit
from app.jobs.queue import place_of, ring, ring_due, start, work
from app.jobs.run import Run
from app.jobs.worker import PorchWorker
from tests.blueprints.test_health import app_with


@pytest.fixture
def wire(app):
    client = redis.Redis.from_url(app.extensions["porchlight"].redis_url)
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture
def errand():
    """A kind of run for one test: give it the function."""
    given = {}

    def do(run: Run) -> dict[str, int]:
        return given["function"](run)

    KINDS["errand"] = Kind(do, "bulk", timeout=60, max_attempts=2, overlap=True)
    yield given
    del KINDS["errand"]


def waiting(wire: redis.Redis, queue: str = "bulk") -> list[int]:
    return [job.args[0] for job in Queue(queue, connection=wire, serializer=JSONSerializer).jobs]


def begun(kind: str = "errand", **args: object) -> int:
    run_id = start(kind, args, trigger=Trigger.MANUAL).id
    database.session.commit()
    return run_id


def found(run_id: int) -> JobRun:
    """The run as it is now; work() leaves the session empty, as a request does."""
    database.session.expire_all()
    return database.session.get_one(JobRun, run_id)


def test_a_kind_that_does_not_exist_is_not_started(db):
    with pytest.raises(NotFound):
        start("no-such-thing", trigger=Trigger.MANUAL)


def test_ringing_twice_lies_in_the_queue_once(db, wire, errand):
    run_id = begun()
    assert ring([run_id]) == 1
    ring([run_id])
    assert waiting(wire) == [run_id]
    (job,) = Queue("bulk", connection=wire, serializer=JSONSerializer).jobs
    assert job.id == f"run-{run_id}-0"
    assert (job.result_ttl, job.timeout) == (0, 60)
    assert 0 < wire.ttl(job.key) <= 120


def test_a_hint_that_still_waits_lives_on_when_it_is_rung_for_again(db, wire, errand):
    """In a long queue: without it, Redis would forget the job and leave its name in the list."""
    run_id = begun()
    ring([run_id])
    key = f"rq:job:run-{run_id}-0"
    wire.expire(key, 20)
    ring([run_id])
    assert wire.ttl(key) > 60
    assert waiting(wire) == [run_id]


def test_a_run_that_ended_is_not_rung_for(db, wire, errand):
    errand["function"] = lambda _: {}
    run_id = begun()
    work(run_id)
    assert ring([run_id]) == 0


def test_without_redis_ringing_changes_nothing_and_says_nothing_to_the_person(app, db, tmp_path, errand):
    run_id = begun()
    with app_with(app, tmp_path, redis_url="redis://127.0.0.1:9/0").app_context():
        assert ring([run_id]) == 0
        assert ring_due() == 0
    assert found(run_id).hinted_at is None, "so that it is rung for as soon as Redis is back"


def test_what_is_due_is_rung_for_again_at_once_when_redis_has_forgotten(db, wire, errand):
    run_id = begun()
    assert ring_due() == 1
    assert ring_due() == 0
    wire.flushdb()
    assert ring_due() == 1
    assert waiting(wire) == [run_id]


def test_a_run_hands_on_in_the_transaction_that_ends_it(db, wire, errand):
    def hand_on(run: Run) -> dict[str, int]:
        run.then("alerts", {"window_end": run.window_end.isoformat()})
        return {"handed": 1}

    errand["function"] = hand_on
    run_id = begun()
    work(run_id)
    run = found(run_id)
    (follower,) = db.session.query(JobRun).filter_by(after_run_id=run_id).all()
    assert (run.state, run.counts) == (RunState.SUCCEEDED, {"handed": 1})
    assert (follower.kind, follower.trigger, follower.state) == ("alerts", "event", "pending")
    assert waiting(wire, "alerts") == [follower.id], "and the bell was rung for it"


def test_a_run_that_fails_hands_nothing_on_and_leaves_nothing_behind(db, errand, make):
    def stumble(run: Run) -> dict[str, int]:
        make.office(office_key="half-done")
        run.then("alerts")
        raise ValueError("no")

    errand["function"] = stumble
    run_id = begun()
    work(run_id)
    run = found(run_id)
    assert (run.state, run.attempt, run.error_class) == (RunState.PENDING, 1, "ValueError")
    assert db.session.query(JobRun).count() == 1


def test_a_refusal_is_not_tried_again(db, errand):
    def refuse(_: Run) -> dict[str, int]:
        raise NotFound("There is no such file.")

    errand["function"] = refuse
    run_id = begun()
    work(run_id)
    assert (found(run_id).state, found(run_id).attempt) == (RunState.FAILED, 1)


def test_that_somebody_else_is_at_it_is_tried_again(db, errand):
    def wait(_: Run) -> dict[str, int]:
        raise Conflict("Another worker reads it.")

    errand["function"] = wait
    run_id = begun()
    work(run_id)
    assert found(run_id).state == RunState.PENDING


class Kept(Transport):
    """Sentry's wire, ending here."""

    def __init__(self, options: dict | None = None) -> None:
        super().__init__(options)
        self.events: list[dict] = []

    def capture_envelope(self, envelope) -> None:
        self.events += [item.payload.json for item in envelope.items if item.type == "event"]


def test_sentry_hears_of_a_failure_once_and_of_no_person(db, errand):
    def stumble(run: Run) -> dict[str, int]:
        address = run.args["to"]
        raise ValueError("nothing about anybody" if address else "")

    errand["function"] = stumble
    name = "alema"[::-1]  # not as it is written here: reports quote the source
    kept = Kept()
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=kept, include_local_variables=False)
    try:
        run_id = begun(to=f"{name}@example.com")
        for _ in range(2):
            work(run_id)
            run = found(run_id)
            run.run_after = run.created_at
            db.session.commit()
        assert found(run_id).state == RunState.FAILED
        assert len(kept.events) == 1
        assert kept.events[0]["tags"]["stage"] == "errand"
        assert name not in str(kept.events)
    finally:
        sentry_sdk.init()


def test_a_request_its_run_and_what_follows_are_one_trace(db, errand):
    """Also when the hint is lost: the headers are in the row."""

    def stumble(run: Run) -> dict[str, int]:
        run.then("messages")
        if run.attempt == 1:
            return {}
        raise ValueError("no")

    errand["function"] = stumble
    kept = Kept()
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=kept, traces_sample_rate=0.0)
    try:
        with sentry_sdk.isolation_scope(), sentry_sdk.start_transaction(name="the request") as asked:
            run_id = begun()
        work(run_id)
        assert found(run_id).trace["sentry-trace"].startswith(asked.trace_id)
        (follower,) = db.session.query(JobRun).filter_by(after_run_id=run_id).all()
        assert follower.trace["sentry-trace"].startswith(asked.trace_id)
        with sentry_sdk.isolation_scope(), sentry_sdk.start_transaction(name="another") as other:
            failing = begun()
        found(failing).attempt = 1
        database.session.commit()
        work(failing)
        (event,) = kept.events
        assert event["contexts"]["trace"]["trace_id"] == other.trace_id != asked.trace_id
    finally:
        sentry_sdk.init()


def test_without_sentry_no_trace_is_kept(db, errand):
    assert found(begun()).trace is None


def test_a_follow_up_that_waits_already_is_not_doubled(db, errand):
    errand["function"] = lambda run: run.then("messages", dedup_key="messages-due") or {}
    for _ in range(2):
        work(begun())
    assert db.session.query(JobRun).filter_by(kind="messages").count() == 1


@pytest.mark.committed
def test_a_follow_up_that_a_frozen_process_holds_is_not_waited_for(db, errand):
    """It has changed its run's row and not committed: a second row under the same key would wait for what it does."""
    errand["function"] = lambda run: run.then("messages", dedup_key="messages-due") or {}
    held = start("messages", trigger=Trigger.EVENT, dedup_key="messages-due").id
    run_id = begun()
    with db.engine.connect() as frozen:
        frozen.execute(text("UPDATE job_run SET lease_until = now() WHERE id = :id"), {"id": held})
        work(run_id)
        frozen.rollback()
    assert found(run_id).state == "succeeded", found(run_id).error


def test_a_refusal_of_the_database_is_called_by_its_own_name(db, errand, make):
    def collide(_: Run) -> dict[str, int]:
        make.office(office_key="twice")
        make.office(office_key="twice")
        return {}

    errand["function"] = collide
    run_id = begun()
    work(run_id)
    assert found(run_id).error_class == "UniqueViolation"


def test_the_place_of_an_error_is_the_innermost_function_of_ours():
    with pytest.raises(NotFound) as caught:
        start("no-such-thing", trigger=Trigger.MANUAL)
    assert place_of(caught.value) == "app/jobs/queue.py:_kind"


def test_an_attempt_says_how_much_memory_it_took_at_most(db, errand):
    def stumble(run: Run) -> dict[str, int]:
        if run.attempt == 1:
            raise ValueError("once")
        return {}

    errand["function"] = stumble
    run_id = begun()
    for _ in range(2):
        work(run_id)
        found(run_id).run_after = found(run_id).created_at
        db.session.commit()
    peaks = [each.rss_peak_kb for each in db.session.query(JobAttempt).filter_by(run_id=run_id)]
    assert len(peaks) == 2
    assert all(20_000 < peak < 10_000_000 for peak in peaks), peaks


def test_a_cancelled_job_stops_at_its_next_chunk_and_undoes_that_one(db, errand):
    def do(run: Run) -> dict[str, int]:
        database.session.add(Office(office_key="first", office_name="First"))
        run.commit()
        ledger.cancel(run.id)
        database.session.commit()
        run.then("messages")
        database.session.add(Office(office_key="second", office_name="Second"))
        run.commit()
        return {"chunks": 2}

    errand["function"] = do
    run_id = begun()
    work(run_id)
    run = found(run_id)
    assert (run.state, run.counts, run.error) == (RunState.CANCELLED, {}, None)
    assert [each.outcome for each in db.session.query(JobAttempt)] == ["cancelled"]
    assert [key for (key,) in db.session.query(Office.office_key)] == ["first"]
    assert db.session.query(JobRun).count() == 1, "nothing follows"


class Tongue:
    """Slow to say what it is."""

    def __str__(self) -> str:
        time.sleep(60)
        return "slow"


def test_the_end_of_a_jobs_time_is_not_swallowed_where_errors_are(db, errand):
    """The alarm rings once. Here it rings while a log line is kept, which no error may disturb."""

    def talk(_: Run) -> dict[str, int]:
        structlog.get_logger("talk").info("row.read", tongue=Tongue())
        return {}

    errand["function"] = talk
    run_id = begun()
    with limit(1):
        work(run_id)
    run = found(run_id)
    assert (run.state, run.error_class) == (RunState.PENDING, "JobTimeoutException")
    assert [each.outcome for each in db.session.query(JobAttempt)] == ["timeout"]
    assert not issubclass(JobTimeoutException, Exception)
    assert PorchWorker.death_penalty_class is TimeLimit


def test_a_kind_that_left_the_code_fails_with_those_words(db, errand):
    run_id = begun()
    del KINDS["errand"]
    try:
        work(run_id)
    finally:
        KINDS["errand"] = Kind(lambda _: {}, "bulk", timeout=60, max_attempts=2, overlap=True)
    run = found(run_id)
    assert (run.state, run.error_class) == (RunState.FAILED, "NoSuchKind")


def test_the_window_of_a_run_is_the_same_for_every_attempt(db, errand):
    seen = []

    def look(run: Run) -> dict[str, int]:
        seen.append(run.window_end)
        if run.attempt == 1:
            raise ValueError("once")
        return {}

    errand["function"] = look
    run_id = begun()
    work(run_id)
    run = found(run_id)
    run.run_after = run.created_at
    db.session.commit()
    work(run_id)
    run = found(run_id)
    assert seen == [run.created_at, run.created_at]
    assert run.state == RunState.SUCCEEDED
