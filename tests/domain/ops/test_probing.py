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
from app.domain.ops import health, probing
from app.extensions import db as database
from app.gateways.probes import Answer
from app.jobs.queue import start, work
from devstack.mailbox import Catcher
from devstack.slack import Workspace
from tests.blueprints.test_health import app_with
from tests.blueprints.test_ops import reader_of

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
    assert took < 24, "all are asked at once, and nobody is waited for; a shared machine may be slow"


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


def test_what_is_found_between_the_sweeps_is_written_down_when_it_is_news(db):
    now = datetime.now(UTC) - timedelta(minutes=5)

    def found(seconds: int, *, is_up: bool) -> int:
        at = now + timedelta(seconds=seconds)
        return probing.write_news({"Redis": Answer(is_up, "said", 1.0, at), "Schema": Answer(is_up, "said", 1.0, at)})

    tried = [
        (0, True),
        (1, False),
        (9, False),
        (11, False),
        (12, True),
        (13, True),
        (14, False),
        (14, False),
        (3, True),
    ]
    assert [found(seconds, is_up=is_up) for seconds, is_up in tried] == [0, 1, 0, 1, 1, 0, 1, 0, 0]
    rows = db.session.query(IntegrationCheck).order_by(IntegrationCheck.at)
    assert [(row.name, (row.at - now).seconds, row.is_up) for row in rows] == [
        ("Redis", 1, False),
        ("Redis", 11, False),
        ("Redis", 12, True),
        ("Redis", 14, False),
    ]


@pytest.mark.committed
def test_every_web_process_gives_the_same_verdict_whatever_it_found_itself(app, db, make, office, tmp_path):
    """Two of them: one that reaches everything, and one that reaches no relay."""
    probing.forget()
    well, ill = app, app_with(app, tmp_path, smtp_url="smtp://127.0.0.1:9")
    user = make.user(office=office)
    db.session.commit()
    ill_reader = reader_of(ill, user)

    def keys() -> list[list[str]]:
        said = []
        for each in (well, ill):
            health.dim(each.extensions["porchlight"].database_url)
            probing.Shared.forget_all()
            found = each.test_client().get("/health/jobs").json
            said.append(sorted(one["key"] for one in found["failed"] + found["worth_a_look"]))
        return said

    relay, since = "unreachable:Mail relay", datetime.now(UTC) - timedelta(seconds=40)
    probing.write_down({"Mail relay": Answer(is_up=False, words="was away")}, since)
    db.session.commit()
    one, other = keys()
    assert one == other
    assert relay not in one, "one answer may have come late"
    assert ill_reader.get("/ops").status_code == 200  # asks, in vain
    one, other = keys()
    assert one == other
    assert relay in one
    probing.write_down({"Mail relay": Answer(is_up=True, words="takes mail")}, datetime.now(UTC))
    db.session.commit()
    one, other = keys()
    assert one == other
    assert relay not in other, "what it found itself a moment ago is refuted"


def test_a_schema_that_cannot_be_asked_is_not_known(app, tmp_path):
    away = app_with(app, tmp_path, database_url="postgresql://nobody@127.0.0.1:9/none")
    with away.app_context():
        found = probing.ask(probing.SCHEMA, seconds=20)[probing.SCHEMA]
    assert (found.is_up, found.words) == (False, "not known: the database cannot be asked")
