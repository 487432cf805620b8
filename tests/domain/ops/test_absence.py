"""Two hours without a scheduler, minute by minute on a clock of our own: what was missed is exactly
what was due, and all that time it is one incident, whoever looks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.models import Incident, JobRun, ProcessHeartbeat
from app.domain.ops import due, incidents, ledger, probing
from app.domain.ops.clock import Line
from app.domain.ops.heartbeat import Heart
from app.extensions import db as database
from app.jobs.kinds import KINDS
from app.jobs.schedule import SCHEDULE

pytestmark = pytest.mark.committed

HOURLY = Line("hourly", "digests", "0 * * * *", "America/New_York", 600)
LINES = (*SCHEDULE, HOURLY)
LAST_SEEN = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
BACK = datetime(2026, 11, 20, 12, 0, 40, tzinfo=UTC)
LOOKERS = ("scheduler", "worker", "web")


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(2026, 11, 20, hour, minute, second, tzinfo=UTC)


@pytest.fixture(autouse=True)
def unprobed() -> Iterator[None]:
    probing.forget()
    yield
    probing.forget()


def keep_the_clock(now: datetime) -> None:
    """A scheduler's look, and a worker that does at once what is due."""
    Heart("scheduler").beat(now=now)
    for line in LINES:
        due.materialise(line.name, KINDS[line.kind].work, now)
    for run in database.session.query(JobRun).filter_by(state="pending").order_by(JobRun.id):
        token = ledger.claim(run.id, "w", 60, now=now).lease_token
        ledger.finish(run.id, token, {}, now=now)
    database.session.commit()


def workers_live(now: datetime) -> None:
    database.session.query(ProcessHeartbeat).filter_by(role="worker").delete()
    for queue in ("alerts", "messages", "bulk"):
        Heart("worker", queue=queue).beat(now=now)
    database.session.commit()


@pytest.fixture
def look(app, db):
    """Three look at the same moment, each with a connection of its own: what they opened and closed."""

    def one(by: str, now: datetime) -> incidents.Looked:
        with app.app_context():
            try:
                return incidents.look(now, by=by)
            finally:
                database.session.remove()

    with ThreadPoolExecutor(len(LOOKERS)) as pool:

        def all_at_once(now: datetime) -> tuple[list[str], list[str]]:
            done = list(pool.map(one, LOOKERS, [now] * len(LOOKERS)))
            return [key for each in done for key in each.opened], [key for each in done for key in each.closed]

        yield all_at_once


def states(name: str) -> dict[str, str]:
    database.session.rollback()
    rows = database.session.query(JobRun).filter_by(schedule_name=name).order_by(JobRun.due_at)
    return {f"{run.due_at:%H:%M}": run.state for run in rows}


def test_sy_07_two_hours_without_a_scheduler_are_the_missed_runs_that_were_due_and_one_incident(db, look):
    due.write_schedule(LINES, now=at(9, 40))
    now = at(9, 40)
    while now <= LAST_SEEN:
        workers_live(now)
        keep_the_clock(now)
        assert look(now) == ([], [])
        now += timedelta(minutes=1)

    looks = 0
    while now < BACK:
        workers_live(now)
        opened, closed = look(now)
        looks += 1
        assert closed == []
        assert opened == [] or looks <= 2
        now += timedelta(minutes=2)
    assert looks >= 58
    during = database.session.query(Incident).one()
    assert (during.key, during.tone, during.closed_at) == ("silent:scheduler", "bad", None)
    assert during.opened_at <= LAST_SEEN + timedelta(minutes=3)
    assert database.session.query(JobRun).filter(JobRun.due_at > LAST_SEEN).count() == 0

    due.write_schedule(LINES, now=BACK)  # it has started again
    for second in range(0, 75, 15):
        now = BACK + timedelta(seconds=second)
        workers_live(now)
        keep_the_clock(now)
        look(now)
    assert states("alerts") == {
        "09:45": "succeeded",
        "10:00": "succeeded",
        "10:15": "missed",
        "10:30": "missed",
        "10:45": "missed",
        "11:00": "missed",
        "11:15": "missed",
        "11:30": "missed",
        "11:45": "missed",
        "12:00": "succeeded",
    }
    assert states("hourly") == {"10:00": "succeeded", "11:00": "missed", "12:00": "succeeded"}
    assert states("retention") == {}  # 03:15 in New York was not in these hours
    sweeps = states("sweep")
    assert list(sweeps) == [f"{minute // 60:02}:{minute % 60:02}" for minute in range(9 * 60 + 41, 12 * 60 + 2)]
    assert [minute for minute, state in sweeps.items() if state == "missed"] == [
        f"{minute // 60:02}:{minute % 60:02}" for minute in range(10 * 60 + 1, 12 * 60)
    ]
    after = database.session.query(Incident).one()
    assert after.id == during.id
    assert BACK <= after.closed_at <= BACK + timedelta(minutes=1)
