"""The ledger of runs: claims, leases, fences, retries, overlap."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text

from app.domain import moments
from app.domain.errors import Conflict, NotFound
from app.domain.models import JobAttempt, JobRun, ProcessHeartbeat, RunState, Trigger
from app.domain.ops import connections, ledger
from app.domain.ops.heartbeat import Heart
from app.domain.ops.ledger import Cancelled, LeaseLost, Work

NOW = datetime(2026, 11, 20, 15, 42, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALONE = Work("alerts", 3, skips_overlap=True)
TOGETHER = Work("bulk", 3, skips_overlap=False)


def later(**parts: float) -> datetime:
    return NOW + timedelta(**parts)


def add(work: Work = TOGETHER, kind: str = "imports", **named) -> JobRun:
    return ledger.add(kind, work, trigger=named.pop("trigger", Trigger.MANUAL), now=NOW, **named)


def state_of(db, run: JobRun) -> str:
    db.session.refresh(run)
    return run.state


def attempts(db, run: JobRun) -> list[tuple[int, str | None]]:
    rows = db.session.query(JobAttempt).filter_by(run_id=run.id).order_by(JobAttempt.attempt).all()
    return [(row.attempt, row.outcome) for row in rows]


def test_a_run_is_claimed_once(db):
    run = add()
    assert ledger.claim(run.id, "one", 60, now=NOW) is not None
    assert ledger.claim(run.id, "two", 60, now=NOW) is None


def test_a_run_is_not_claimed_before_it_is_due(db):
    run = add(run_after=later(minutes=5))
    assert ledger.claim(run.id, "early", 60, now=NOW) is None
    assert ledger.claim(run.id, "on-time", 60, now=later(minutes=5)) is not None


def test_the_same_dedup_key_gives_the_same_run_until_it_ends(db):
    first = add(dedup_key="batch-7")
    assert add(dedup_key="batch-7").id == first.id
    claimed = ledger.claim(first.id, "w", 60, now=NOW)
    ledger.finish(first.id, claimed.lease_token, {}, now=NOW)
    assert add(dedup_key="batch-7").id != first.id


def test_dedup_still_works_when_the_driver_has_prepared_the_statement(db):
    assert len({add(dedup_key="often").id for _ in range(12)}) == 1


def test_a_failed_attempt_is_tried_again_after_a_pause_and_the_last_one_fails_the_run(db):
    run, now = add(), NOW
    for attempt, pause in ((1, 2), (2, 30)):
        claimed = ledger.claim(run.id, "w", 60, now=now)
        assert ledger.fail(run.id, claimed.lease_token, "ValueError", "no", now=now) == RunState.PENDING
        assert ledger.claim(run.id, "w", 60, now=now) is None, "not before the pause is over"
        now += timedelta(seconds=pause)
        assert run.attempt == attempt
    claimed = ledger.claim(run.id, "w", 60, now=now)
    assert ledger.fail(run.id, claimed.lease_token, "ValueError", "no again", now=now) == RunState.FAILED
    assert run.error == "no again"
    assert attempts(db, run) == [(1, "error"), (2, "error"), (3, "error")]


def test_a_silent_workers_run_is_taken_back_and_its_late_words_change_nothing(db):
    run = add()
    token = ledger.claim(run.id, "frozen", 60, now=NOW).lease_token
    assert ledger.reap(later(seconds=59)) == []
    assert ledger.reap(later(seconds=61)) == [run.id]
    second = ledger.claim(run.id, "fresh", 60, now=later(seconds=70))
    assert second.attempt == 2
    with pytest.raises(LeaseLost):
        ledger.fence(run.id, token, later(seconds=130))
    with pytest.raises(LeaseLost):
        ledger.finish(run.id, token, {"rows": 1}, now=later(seconds=71))
    assert ledger.fail(run.id, token, "X", "x", now=later(seconds=71)) is None
    ledger.finish(run.id, second.lease_token, {"rows": 2}, now=later(seconds=72))
    assert state_of(db, run) == "succeeded"
    assert run.counts == {"rows": 2}
    assert attempts(db, run) == [(1, "lost"), (2, "ok")]


def test_a_run_whose_process_is_gone_with_its_worker_does_not_wait_for_its_lease(db):
    """A process that lives renews its lease and is connected under its run's name; one that does neither is gone."""
    heart = Heart("worker", queue="bulk")
    heart.beat(now=NOW)
    run = add()
    ledger.claim(run.id, heart.name, 3, now=NOW)
    quiet = {"now": later(seconds=2), "lease_seconds": 3}
    url = db.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    with psycopg.connect(url, application_name=connections.name_of(run.id, heart.name)):
        assert ledger.reap(**quiet) == [], "it is connected: busy, and may yet renew"
    for _ in range(100):  # the server has seen the hang-up
        if not connections.held([connections.name_of(run.id, heart.name)], up_for=timedelta(seconds=3)):
            break  # and has itself been up for long enough
        time.sleep(0.1)
    assert ledger.reap(now=later(seconds=0.9), lease_seconds=3) == [], "it was last heard of a moment ago"
    assert ledger.reap(now=later(seconds=2)) == [], "not asked to look"
    assert connections.held(["nobody"], up_for=timedelta(days=9999)) == {"nobody"}, (
        "just after a restart nobody can tell"
    )
    with db.session.begin_nested() as undone:
        heart.stop()
        assert ledger.reap(**quiet) == [], "nothing is known of such a worker, so nothing of how it connects"
        undone.rollback()
    assert ledger.reap(**quiet) == [run.id]
    assert run.error == f"Worker {heart.name} is gone: it holds no connection, and did not renew its lease."
    assert attempts(db, run) == [(1, "lost")]


@pytest.mark.parametrize("by", [timedelta(hours=-1), timedelta(hours=1)], ids=["ahead", "behind"])
def test_a_host_whose_clock_is_wrong_takes_no_run_away_and_holds_none_longer(db, database_says, by):
    there = database_says(by)
    run = ledger.add("imports", TOGETHER, trigger=Trigger.MANUAL)
    assert [hint.run_id for hint in ledger.take_hints(again_after=MINUTE)] == [run.id], "due at once"
    assert ledger.next_due(["imports"]) == (run.id, "imports")
    token = ledger.claim(run.id, "w", 60).lease_token
    assert ledger.reap() == []
    db.session.refresh(run)
    for moment in (run.created_at, run.started_at, run.lease_until - timedelta(seconds=60)):
        assert abs(moment - there) < timedelta(seconds=30)
    ledger.fence(run.id, token, timedelta(seconds=-1))
    assert ledger.reap() == [run.id]
    db.session.refresh(run)
    assert abs(run.run_after - there) < timedelta(seconds=60)
    assert ledger.take_hints(there + timedelta(minutes=2), again_after=MINUTE) != []


def test_a_process_whose_clock_is_wrong_lives_no_longer_than_it_does(db, database_says):
    there = database_says(timedelta(hours=-3))
    heart = Heart("scheduler")
    heart.beat()
    assert abs(db.session.get(ProcessHeartbeat, heart.instance).seen_at - there) < timedelta(seconds=30)
    assert 3 * 3600 - 5 < moments.skew() < 3 * 3600 + 5


def test_a_run_that_kills_its_worker_every_time_ends_as_failed(db):
    run, now = add(), NOW
    for _ in range(3):
        now += timedelta(hours=1)
        ledger.claim(run.id, "w", 60, now=now)
        ledger.lose(run.id, "w", "was killed by SIGKILL", 90_000, now=now)
    assert state_of(db, run) == "failed"
    assert run.error_class == "WorkerKilled"


def test_a_second_run_of_a_kind_that_must_not_overlap_is_recorded_as_skipped(db):
    first, second = add(ALONE, "alerts"), add(ALONE, "alerts")
    ledger.claim(first.id, "one", 60, now=NOW)
    assert ledger.claim(second.id, "two", 60, now=NOW) is None
    assert state_of(db, second) == "skipped"


def test_a_follow_up_waits_for_its_turn_instead_of_being_skipped(db):
    first, second = add(ALONE, "digests"), add(ALONE, "digests", trigger=Trigger.EVENT)
    token = ledger.claim(first.id, "one", 60, now=NOW).lease_token
    assert ledger.claim(second.id, "two", 60, now=NOW) is None
    assert state_of(db, second) == "pending"
    ledger.finish(first.id, token, {}, now=later(seconds=1))
    assert ledger.claim(second.id, "two", 60, now=later(seconds=6)) is not None


def test_runs_of_a_kind_that_may_overlap_go_side_by_side(db):
    assert all(ledger.claim(run.id, "w", 60, now=NOW) for run in (add(), add()))


def test_a_due_run_is_told_of_once_a_minute_and_at_once_when_everything_was_forgotten(db):
    run = add()
    assert [hint.run_id for hint in ledger.take_hints(NOW, again_after=MINUTE)] == [run.id]
    assert ledger.take_hints(later(seconds=59), again_after=MINUTE) == []
    assert [hint.run_id for hint in ledger.take_hints(later(seconds=59), again_after=timedelta(0))] == [run.id]
    assert ledger.take_hints(later(seconds=100), again_after=MINUTE) == []
    assert len(ledger.take_hints(later(seconds=119), again_after=MINUTE)) == 1


def test_a_waiting_run_is_cancelled_at_once_and_an_ended_one_cannot_be(db):
    run = add()
    assert ledger.cancel(run.id, now=NOW).state == "cancelled"
    with pytest.raises(Conflict):
        ledger.cancel(run.id, now=NOW)
    with pytest.raises(NotFound):
        ledger.cancel(run.id + 1, now=NOW)


def test_a_run_under_way_is_asked_to_stop_and_its_next_fence_obeys(db):
    run = add()
    token = ledger.claim(run.id, "w", 60, now=NOW).lease_token
    ledger.fence(run.id, token, later(seconds=70))
    assert ledger.cancel(run.id, now=later(seconds=5)).state == "running"
    assert ledger.cancel(run.id, now=later(seconds=9)).cancel_requested_at == later(seconds=5)
    with pytest.raises(Cancelled):
        ledger.fence(run.id, token, later(seconds=80))
    assert ledger.stop(run.id, token, rss_peak_kb=5, now=later(seconds=10)) == RunState.CANCELLED
    assert (state_of(db, run), run.error, run.error_fingerprint) == ("cancelled", None, None)
    assert attempts(db, run) == [(1, "cancelled")]
    assert ledger.retry(run.id, TOGETHER, now=later(seconds=20)).state == "pending"


@pytest.mark.committed
def test_a_run_whose_process_holds_its_row_is_not_waited_for_by_who_stops_it(db):
    run_id = add().id
    db.session.commit()
    with db.engine.connect() as frozen:
        frozen.execute(text("UPDATE job_run SET lease_until = now() WHERE id = :id"), {"id": run_id})
        with pytest.raises(Conflict, match="holds its row just now; try again in a few seconds"):
            ledger.cancel(run_id, now=NOW)
        frozen.rollback()
    assert ledger.cancel(run_id, now=NOW).state == "cancelled", "and the transaction goes on"


def test_a_run_that_was_cancelled_meanwhile_does_not_succeed(db):
    run = add()
    token = ledger.claim(run.id, "w", 60, now=NOW).lease_token
    ledger.cancel(run.id, now=NOW)
    with pytest.raises(Cancelled):
        ledger.finish(run.id, token, {"rows": 1}, now=later(seconds=1))
    assert state_of(db, run) == "running"


@pytest.mark.parametrize("end", ["fail", "lose", "reap"])
def test_a_cancelled_run_that_ends_badly_is_not_tried_again(db, end):
    run = add()
    token = ledger.claim(run.id, "w", 60, now=NOW).lease_token
    ledger.cancel(run.id, now=NOW)
    if end == "fail":
        ledger.fail(run.id, token, "ValueError", "no", now=later(seconds=1))
    elif end == "lose":
        ledger.lose(run.id, "w", "was killed", now=later(seconds=1))
    else:
        ledger.reap(later(seconds=61))
    assert (state_of(db, run), run.error) == ("cancelled", None)
    assert attempts(db, run) == [(1, "error" if end == "fail" else "lost")]


def test_a_stop_that_comes_late_changes_nothing(db):
    run = add()
    token = ledger.claim(run.id, "frozen", 60, now=NOW).lease_token
    ledger.reap(later(seconds=61))
    assert ledger.stop(run.id, token, now=later(seconds=62)) is None
    assert state_of(db, run) == "pending"


def test_errors_that_are_the_same_trouble_have_one_fingerprint_whatever_they_say(db):
    def failed(kind: str, error_class: str, error: str, place: str) -> str:
        run = add(kind=kind)
        token = ledger.claim(run.id, "w", 60, now=NOW).lease_token
        ledger.fail(run.id, token, error_class, error, place=place, again=False, now=NOW)
        return run.error_fingerprint

    first = failed("imports", "ValueError", "row 7 of batch 12", "app/domain/listings/record.py:record")
    assert failed("imports", "ValueError", "row 9 of batch 13", "app/domain/listings/record.py:record") == first
    others = {
        failed("alerts", "ValueError", "row 7", "app/domain/listings/record.py:record"),
        failed("imports", "KeyError", "row 7", "app/domain/listings/record.py:record"),
        failed("imports", "ValueError", "row 7", "app/domain/listings/areas.py:area_ids"),
    }
    assert len(others | {first}) == 4


def test_a_lost_run_has_a_fingerprint_and_a_run_that_succeeds_after_all_has_none(db):
    run = add()
    ledger.claim(run.id, "w", 60, now=NOW)
    ledger.reap(later(seconds=61))
    db.session.refresh(run)
    assert run.error_fingerprint == ledger.fingerprint("imports", "WorkerLost")
    token = ledger.claim(run.id, "w", 60, now=later(seconds=70)).lease_token
    ledger.finish(run.id, token, {}, rss_peak_kb=91_000, now=later(seconds=71))
    db.session.refresh(run)
    assert (run.error_class, run.error_fingerprint) == (None, None)
    assert db.session.get(JobAttempt, (run.id, 2)).rss_peak_kb == 91_000


def test_a_retry_speaks_for_the_same_window(db):
    run = add(ALONE, "alerts")
    with pytest.raises(Conflict):
        ledger.retry(run.id, ALONE, now=NOW)
    claimed = ledger.claim(run.id, "w", 60, now=NOW)
    ledger.fail(run.id, claimed.lease_token, "ValueError", "no", again=False, now=NOW)
    again = ledger.retry(run.id, ALONE, now=later(hours=1))
    assert again.trigger == "retry"
    assert ledger.window_end(again) == ledger.window_end(run) == NOW


def test_an_error_is_kept_without_the_addresses_in_it(db):
    run = add()
    claimed = ledger.claim(run.id, "w", 60, now=NOW)
    ledger.fail(run.id, claimed.lease_token, "IntegrityError", "Key (email)=(amelia.c@example.co.uk) exists", now=NOW)
    assert "amelia" not in run.error
    assert "exists" in run.error
