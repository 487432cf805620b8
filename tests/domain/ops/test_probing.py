"""What the house leans on is asked each minute, and what it says is written down; a frozen server holds nobody up."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from app.domain.models import IntegrationCheck, JobRun, RunState, Trigger
from app.domain.ops import probing
from app.extensions import db as database
from app.jobs.queue import start, work
from devstack.mailbox import Catcher
from devstack.slack import Workspace
from tests.blueprints.test_health import app_with

DEAD = {
    "smtp_url": "smtp://127.0.0.1:9",
    "legacy_mongo_url": "mongodb://127.0.0.1:9",
    "slack_bot_token": "xoxb-nobody",
    "slack_api_url": "http://127.0.0.1:9/api/",
}


def reporting_to(app: Flask, dsn: str) -> Flask:
    """As if SENTRY_DSN were set, but for this process's own reporting, which is one for all tests."""
    app.extensions["porchlight"] = replace(app.extensions["porchlight"], sentry_dsn=dsn)
    return app


def swept(app) -> dict[str, IntegrationCheck]:
    """What a sweep of this app wrote down."""
    with app.app_context():
        run_id = start("sweep", trigger=Trigger.MANUAL).id
        database.session.commit()
        work(run_id)
        run = database.session.get(JobRun, run_id)
        assert run.state == RunState.SUCCEEDED, run.error
        rows = list(database.session.query(IntegrationCheck))
        database.session.remove()
    assert len({row.at for row in rows}) == 1
    return {row.name: row for row in rows}


@pytest.mark.committed
def test_a_sweep_writes_down_how_each_is_that_answers(app, db, tmp_path):
    with Catcher(tmp_path / "mail") as catcher, Workspace() as slack, socket.create_server(("127.0.0.1", 0)) as sentry:
        found = swept(
            reporting_to(
                app_with(app, tmp_path, smtp_url=catcher.url, slack_bot_token=slack.token, slack_api_url=slack.url),
                f"http://key@127.0.0.1:{sentry.getsockname()[1]}/1",
            )
        )
    assert {name: row.is_up for name, row in found.items()} == {
        "PostgreSQL": True,
        "Redis": True,
        "Mail relay": True,
        "Slack": True,
        "Sentry": True,
    }
    assert all(row.ms > 0 for row in found.values())
    assert found["Slack"].words.startswith("signs in as")
    assert not slack.messages, "it was asked, and told nothing"


@pytest.mark.committed
def test_a_sweep_writes_down_who_is_away_and_why(app, db, tmp_path):
    found = swept(reporting_to(app_with(app, tmp_path, **DEAD), "http://key@127.0.0.1:9/1"))
    away = {name for name, row in found.items() if not row.is_up}
    assert away == {"Mail relay", "Legacy MongoDB", "Slack", "Sentry"}
    assert all(row.words for row in found.values())
    assert not any("xoxb" in row.words or "127.0.0.1" in row.words or "Errno" in row.words for row in found.values())


@pytest.mark.committed
def test_a_sweep_is_not_held_up_by_servers_that_accept_and_say_nothing(app, db, tmp_path):
    with ExitStack() as stack:
        ports = [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(4)]
        frozen = app_with(
            app,
            tmp_path,
            redis_url=f"redis://127.0.0.1:{ports[0]}/0",
            smtp_url=f"smtp://127.0.0.1:{ports[1]}",
            legacy_mongo_url=f"mongodb://127.0.0.1:{ports[2]}",
            slack_bot_token="xoxb-nobody",
            slack_api_url=f"http://127.0.0.1:{ports[3]}/api/",
        )
        with frozen.app_context():
            began = time.monotonic()
            answers = probing.ask(*probing.INTEGRATIONS, seconds=probing.PATIENCE_SECONDS)
            took = time.monotonic() - began
    assert {name for name, answer in answers.items() if not answer.is_up} >= {
        "Redis",
        "Mail relay",
        "Legacy MongoDB",
        "Slack",
    }
    assert took < 6, "all are asked at once, and nobody is waited for; a shared machine may be slow"


def test_what_is_not_set_up_is_not_asked(app, db):
    asked = probing.ask(*probing.INTEGRATIONS, seconds=5)
    assert set(asked) == {"PostgreSQL", "Redis", "Mail relay"}


def test_an_answer_is_kept_once_for_a_moment(db):
    now = datetime.now(UTC)
    answers = probing.ask(probing.POSTGRESQL, seconds=5)
    for _ in range(2):
        probing.write_down(answers, now)
    probing.write_down(answers, now + timedelta(minutes=1))
    probing.write_down({}, now)
    assert db.session.query(IntegrationCheck).count() == 2
