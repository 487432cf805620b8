"""flask doctor: in words, with an exit code a script can trust."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.ops import due
from app.domain.ops.heartbeat import Heart
from app.extensions import db as database
from app.jobs.schedule import SCHEDULE
from devstack.mailbox import Catcher
from tests.blueprints.test_health import app_with


@pytest.fixture
def relay(tmp_path):
    with Catcher(tmp_path / "mail") as catcher:
        yield catcher.url


@pytest.fixture
def everything_runs(db):
    now = datetime.now(UTC)
    due.write_schedule(SCHEDULE, now=now)
    for role, queue in (("scheduler", None), ("worker", "alerts"), ("worker", "messages"), ("worker", "bulk")):
        Heart(role, queue=queue).beat(now=now)
    db.session.commit()


def examine(app):
    with app.app_context():
        return app.test_cli_runner().invoke(args=["doctor"])


def test_the_doctor_is_content_when_everything_runs(app, tmp_path, relay, everything_runs):
    found = examine(app_with(app, tmp_path, smtp_url=relay))
    assert found.exit_code == 0, found.output
    assert "BAD" not in found.output
    for subject in ("PostgreSQL", "Schema", "Redis", "Mail relay", "Scheduler", "worker alerts", "Schedule alerts"):
        assert subject in found.output
    assert "Listing events         0 = 0 matched + 0 no match + 0 not alertable (24 h)" in found.output


def test_the_doctor_names_the_queue_that_nobody_works(app, tmp_path, relay, everything_runs, db):
    database.session.execute(database.text("DELETE FROM process_heartbeat WHERE queue = 'bulk'"))
    found = examine(app_with(app, tmp_path, smtp_url=relay))
    assert found.exit_code == 1
    assert " BAD  worker bulk            never ran" in found.output


def test_the_doctor_says_that_the_relay_takes_no_mail(app, tmp_path, everything_runs):
    found = examine(app_with(app, tmp_path, smtp_url="smtp://127.0.0.1:9"))
    assert found.exit_code == 1
    assert "does not take mail" in found.output


def test_without_redis_the_doctor_looks_worried_and_no_more(app, tmp_path, relay, everything_runs):
    found = examine(app_with(app, tmp_path, smtp_url=relay, redis_url="redis://127.0.0.1:9/0"))
    assert found.exit_code == 0
    assert "look  Redis" in found.output


def test_without_the_database_the_doctor_says_so_and_stops(app, tmp_path, relay):
    away = app_with(app, tmp_path, smtp_url=relay, database_url="postgresql://nobody@127.0.0.1:9/none")
    found = examine(away)
    assert found.exit_code == 1
    assert "cannot be judged without the database" in found.output
