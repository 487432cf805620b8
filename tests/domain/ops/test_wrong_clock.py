"""A clock that jumps: it stops nothing silently, and a wrong one is not believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.messages.send import _Sender
from app.domain.models import JobRun, JobSchedule, ProcessHeartbeat
from app.domain.ops import due, health, ledger
from app.domain.ops.clock import Line, is_ahead
from app.domain.ops.heartbeat import Heart
from app.domain.ops.ledger import Work

ALERTS = Line("alerts", "alerts", "*/15 * * * *", "UTC", 600)
WORK = Work("alerts", 3, skips_overlap=True)
NOW = datetime(2026, 11, 20, 10, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return NOW.replace(hour=hour, minute=minute, second=second)


def rows(db) -> list[tuple[str, str]]:
    db.session.expire_all()
    runs = db.session.query(JobRun).filter_by(schedule_name="alerts").order_by(JobRun.due_at).all()
    return [(f"{run.due_at:%d %H:%M}", run.state) for run in runs]


@pytest.fixture
def alerts(db):
    due.write_schedule([ALERTS], now=NOW)
    Heart("scheduler").beat(now=NOW)


def reasons(now: datetime) -> list[str]:
    return [reason.key for reason in health.verdict(now).reasons if reason.key == "clock:ahead"]


def test_a_line_that_was_taken_into_the_future_is_set_right_at_the_next_look_and_said(db, alerts):
    due.materialise("alerts", WORK, at(10, 15, 1))
    assert reasons(at(10, 16)) == []
    due.materialise("alerts", WORK, at(10, 20) + DAY)
    assert len(rows(db)) == 97
    assert reasons(at(10, 31)) == ["clock:ahead"]
    assert due.materialise("alerts", WORK, at(10, 31)) is not None
    assert rows(db) == [("20 10:15", "missed"), ("20 10:30", "pending")]
    assert reasons(at(10, 31)) == []
    assert due.materialise("alerts", WORK, at(10, 31, 5)) is None
    assert due.materialise("alerts", WORK, at(10, 45)) is not None


def test_a_run_of_the_future_that_was_begun_stays_and_leaves_its_due_time_to_be_kept(db, alerts):
    run_id = due.materialise("alerts", WORK, at(10, 15) + DAY)
    token = ledger.claim(run_id, "w", 60, now=at(10, 15) + DAY).lease_token
    ledger.finish(run_id, token, {}, now=at(10, 15) + DAY)
    due.materialise("alerts", WORK, at(10, 31))
    db.session.expire_all()
    run = db.session.get(JobRun, run_id)
    assert (run.state, run.schedule_name, run.due_at) == ("succeeded", None, None)
    due.materialise("alerts", WORK, at(10, 15) + DAY)
    assert rows(db)[-1] == ("21 10:15", "pending")


def test_what_ran_on_a_clock_ahead_makes_no_overdue_line_look_kept(db, alerts):
    run_id = due.materialise("alerts", WORK, at(10, 15) + DAY)
    token = ledger.claim(run_id, "w", 60, now=at(10, 15) + DAY).lease_token
    ledger.finish(run_id, token, {}, now=at(10, 4))  # by a worker whose own clock is right
    assert health.vitals(at(11, 0)).schedules[0].overdue_since == at(10, 15)


def test_the_due_times_of_a_pause_are_not_owed_when_the_line_is_set_right(db, alerts):
    due.pause("alerts", "the relay is moved", None, at(10, 5))
    due.resume("alerts", at(12, 1))
    due.materialise("alerts", WORK, at(12, 20) + DAY)
    due.materialise("alerts", WORK, at(12, 31))
    assert rows(db) == [("20 12:15", "missed"), ("20 12:30", "pending")]


def test_a_clock_that_is_put_back_a_little_is_no_news(db, alerts):
    due.materialise("alerts", WORK, at(10, 15))
    assert due.materialise("alerts", WORK, at(10, 14, 30)) is None
    assert rows(db) == [("20 10:15", "pending")]
    assert not is_ahead("*/15 * * * *", "UTC", at(10, 15), at(10, 30), at(10, 14, 30))


def test_what_is_due_postgresql_says_and_not_this_host(db, database_says):
    there = database_says(timedelta(days=-1))
    due.write_schedule([Line("alerts", "alerts", "* * * * *", "UTC", 600)], now=there - timedelta(seconds=90))
    assert due.materialise("alerts", WORK) is not None
    assert db.session.get(JobSchedule, "alerts").last_due_at < there
    assert health.verdict().checked_at - there < timedelta(seconds=30)


def test_a_sign_of_life_from_the_future_keeps_nobody_alive(db, alerts):
    heart = Heart("scheduler")
    heart.beat(now=at(15, 0))
    db.session.query(ProcessHeartbeat).filter(ProcessHeartbeat.instance != heart.instance).delete()
    keys = [reason.key for reason in health.verdict(at(10, 31)).reasons]
    assert "silent:scheduler" in keys
    assert "clock:ahead" in keys


def test_a_sender_whose_host_is_off_holds_its_mails_no_longer_than_another_thinks(db, database_says):
    there = database_says(timedelta(hours=1))
    sender = _Sender(
        {}, None, limit=1, chunk=1, now=None, stop=None, deadline=None, progress=None, holder=None, gate=None
    )
    assert abs(sender.now() - there) < timedelta(seconds=30)
