"""flask doctor: in words, with an exit code a script can trust."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.cli.doctor import clocks
from app.domain.models import Alarm, Incident
from app.domain.ops import due
from app.domain.ops.health import Tone
from app.domain.ops.heartbeat import Heart
from app.extensions import db as database
from app.gateways.webhook import key_from
from app.jobs.schedule import SCHEDULE
from devstack.mailbox import Catcher
from devstack.slack import TOKEN, Workspace
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
    for subject in (
        "This host’s clock",
        "PostgreSQL",
        "Schema",
        "Redis",
        "Mail relay",
        "Scheduler",
        "worker alerts",
        "Schedule alerts",
    ):
        assert subject in found.output
    assert "Listing events         0 = 0 matched + 0 no match + 0 not alertable (24 h)" in found.output


@pytest.mark.parametrize(
    ("ahead", "tone", "said"),
    [
        (0.004, Tone.GOOD, "as PostgreSQL’s"),
        (-1.94, Tone.GOOD, "1.9 s behind PostgreSQL’s"),
        (90.0, Tone.WAIT, "90.0 s ahead of PostgreSQL’s: set this host’s clock (NTP)"),
    ],
)
def test_a_host_whose_clock_is_off_by_more_than_two_seconds_is_told(ahead, tone, said):
    assert clocks(ahead) == (tone, "This host’s clock", said)


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


def test_the_doctor_says_loudly_that_nobody_is_told(app, tmp_path, relay, everything_runs):
    found = examine(app_with(app, tmp_path, smtp_url=relay))
    assert "look  ALARMS                 NOBODY IS TOLD when something breaks" in found.output
    assert "  ok  Incidents              none open" in found.output


def test_the_doctor_asks_each_channel_and_lists_what_is_open_and_was_told(app, tmp_path, relay, everything_runs, db):
    seen = datetime.now(UTC)
    incident = Incident(
        key="held",
        tone="bad",
        sentence="1 run is held",
        opened_by="web",
        opened_at=seen,
        seen_at=seen,
        notified_at=seen,
    )
    incident.alarms = [Alarm(occasion="opened", channel="email", outcome="sent", words="1 of 1 taken")]
    db.session.add(incident)
    db.session.commit()
    with Workspace() as workspace:
        settings = {
            "alarm_email": "ruth@harborvine.example",
            "slack_api_url": workspace.url,
            "slack_bot_token": "xoxb-wrong",
            "alarm_slack_channel": "#ops",
            "alarm_webhook_url": "http://127.0.0.1:9/hush",
        }
        found = examine(app_with(app, tmp_path, smtp_url=relay, **settings))
        assert not workspace.messages
    assert "look  Alarms by slack        #ops: refused: invalid_auth" in found.output
    assert "  ok  Alarms by email        ruth@harborvine.example: the relay takes mail" in found.output
    assert "look  Alarms by webhook      127.0.0.1: does not answer (ConnectionRefusedError)" in found.output
    assert "1 run is held; opened" in found.output
    assert "opened, email: sent" in found.output
    assert "hush" not in found.output


def test_the_doctor_sends_a_test_through_each_channel_and_says_what_became_of_it(app, tmp_path, db):
    with Catcher(tmp_path / "mail") as catcher, Workspace() as workspace:
        settings = {
            "smtp_url": catcher.url,
            "alarm_email": "ruth@harborvine.example",
            "slack_api_url": workspace.url,
            "slack_bot_token": TOKEN,
            "alarm_slack_channel": "#ops",
        }
        good = app_with(app, tmp_path, **settings)
        with good.app_context():
            found = good.test_cli_runner().invoke(args=["doctor", "--test-alarm"])
        assert found.exit_code == 0, found.output
        assert "  ok  Test by slack          posted" in found.output
        assert [letter.summary.subject for letter in catcher.messages()] == ["Porchlight: This is a test of the alarm"]
        assert [message.text for message in workspace.messages] == ["Porchlight: This is a test of the alarm"]
        bad = app_with(app, tmp_path, **(settings | {"slack_bot_token": "xoxb-wrong"}))
        with bad.app_context():
            found = bad.test_cli_runner().invoke(args=["doctor", "--test-alarm"])
        assert found.exit_code == 1
        assert " BAD  Test by slack          refused: invalid_auth" in found.output


def test_the_doctor_shows_the_key_of_the_webhooks_and_not_the_secret(app, db):
    with app.app_context():
        found = app.test_cli_runner().invoke(args=["doctor", "--webhook-key"])
    assert found.output.strip() == key_from(app.extensions["porchlight"].secret_key)
    assert app.extensions["porchlight"].secret_key not in found.output


def test_without_the_database_the_doctor_says_so_and_stops(app, tmp_path, relay):
    away = app_with(app, tmp_path, smtp_url=relay, database_url="postgresql://nobody@127.0.0.1:9/none")
    found = examine(away)
    assert found.exit_code == 1
    assert "cannot be judged without the database" in found.output
