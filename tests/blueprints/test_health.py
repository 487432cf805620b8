"""/healthz and /readyz: what a balancer is told."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import event

from app.domain.models import IntegrationCheck, JobSchedule, ProcessHeartbeat
from app.domain.ops import due, health, probing
from app.domain.ops.heartbeat import Heart
from app.jobs.schedule import SCHEDULE
from devstack.testing import create_database, drop_database, run_id
from tests.conftest import app_beside, config_for

NOWHERE = "redis://127.0.0.1:9/0"


def app_with(app: Flask, tmp_path, **changes: object) -> Flask:
    config = app.extensions["porchlight"]
    return app_beside(
        config_for(
            **({"database_url": config.database_url, "redis_url": config.redis_url, "files_dir": tmp_path} | changes)
        )
    )


def test_a_process_says_it_is_up_without_asking_any_store(app, tmp_path):
    alone = app_with(app, tmp_path, database_url="postgresql://nobody@127.0.0.1:9/none", redis_url=NOWHERE)
    assert alone.test_client().get("/healthz").json == {"ok": True}


def test_ready_when_everything_it_leans_on_answers(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {"ready": True, "parts": {"postgresql": True, "schema": True, "redis": True}}


def test_ready_without_redis_too_which_it_says(app, tmp_path):
    """Else a balancer would take every host away, and with them the page that says what is wrong."""
    answer = app_with(app, tmp_path, redis_url=NOWHERE).test_client().get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {"ready": True, "parts": {"postgresql": True, "schema": True, "redis": False}}


def test_not_ready_without_postgresql_and_says_so_soon(app, tmp_path):
    began = time.monotonic()
    away = app_with(app, tmp_path, database_url="postgresql://nobody:secret@127.0.0.1:9/none")
    answer = away.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json["parts"]["postgresql"] is False
    assert time.monotonic() - began < 5
    assert "secret" not in answer.text


@pytest.fixture
def empty_database() -> object:
    name = f"empty_{run_id()}"
    yield create_database(name)
    drop_database(name)


def test_not_ready_on_another_schema_than_the_codes(app, tmp_path, empty_database):
    answer = app_with(app, tmp_path, database_url=empty_database).test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json["parts"] == {"postgresql": True, "schema": False, "redis": True}


@pytest.fixture
def lamp_out(app):
    """Nothing judged by an earlier test is told again."""

    def put_out() -> None:
        probing.forget()
        health.dim(app.extensions["porchlight"].database_url)

    put_out()
    yield put_out
    put_out()


@pytest.fixture
def house(db, lamp_out):
    """Everybody is alive and nothing is late."""
    now = datetime.now(UTC)
    due.write_schedule(SCHEDULE, now=now)
    for role, queue in (("scheduler", None), ("worker", "alerts"), ("worker", "messages"), ("worker", "bulk")):
        Heart(role, queue=queue).beat(now=now)
    db.session.commit()


def test_a_probe_outside_is_told_that_all_is_well_and_how_old_each_sign_is(client, house):
    answer = client.get("/health/jobs")
    assert answer.status_code == 200
    assert (answer.json["ok"], answer.json["failed"], answer.json["worth_a_look"]) == (True, [], [])
    assert set(answer.json["seconds_since"]) == {"scheduler", "worker:alerts", "worker:messages", "worker:bulk"}
    assert all(0 <= age < 60 for age in answer.json["seconds_since"].values())


def test_a_probe_outside_is_told_which_checks_failed_and_since_when(client, house, db, lamp_out):
    seen = datetime.now(UTC) - timedelta(minutes=5)
    db.session.query(ProcessHeartbeat).filter_by(queue="bulk").update({"seen_at": seen})
    db.session.commit()
    answer = client.get("/health/jobs")
    assert answer.status_code == 503
    assert answer.json["failed"] == [
        {
            "key": "silent:worker:bulk",
            "tone": "bad",
            "sentence": "No worker takes jobs from “bulk”",
            "since": seen.isoformat(timespec="seconds"),
        }
    ]


def test_a_paused_line_is_worth_a_look_and_what_a_person_wrote_about_it_stays_inside(client, house, db):
    line = db.session.get(JobSchedule, "alerts")
    line.enabled, line.paused_reason = False, "Ann Carter asked for it"
    db.session.commit()
    answer = client.get("/health/jobs")
    assert answer.status_code == 200
    assert [each["sentence"] for each in answer.json["worth_a_look"]] == ["“alerts” is paused"]
    assert "Carter" not in answer.text


def test_many_probes_cost_one_look(client, house, db):
    client.get("/health/jobs")
    seen = []

    def listen(*given) -> None:
        seen.append(given[2])

    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        for _ in range(5):
            client.get("/health/jobs")
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
    assert seen == []


def test_without_postgresql_a_probe_outside_is_told_so_soon(app, tmp_path, lamp_out):
    began = time.monotonic()
    away = app_with(app, tmp_path, database_url="postgresql://nobody:secret@127.0.0.1:9/none")
    answer = away.test_client().get("/health/jobs")
    assert answer.status_code == 503
    assert [each["key"] for each in answer.json["failed"]] == ["unreachable:PostgreSQL"]
    assert time.monotonic() - began < 10
    assert "secret" not in answer.text


def test_with_redis_and_the_relay_away_a_probe_outside_is_answered_all_the_same(app, db, tmp_path, house):
    away = app_with(app, tmp_path, redis_url=NOWHERE, smtp_url="smtp://127.0.0.1:9")
    assert away.test_client().get("/health/jobs").status_code == 200


def test_on_an_empty_database_a_probe_outside_is_told_that_nothing_can_be_read(app, tmp_path, empty_database, lamp_out):
    answer = app_with(app, tmp_path, database_url=empty_database).test_client().get("/health/jobs")
    assert answer.status_code == 503
    assert answer.json["failed"][0]["sentence"] == "The checks cannot be read (ProgrammingError)"


SAID = "does not take mail: the relay answered 535 5.7.8 no such login ruth@harborvine.example to the greeting"


def relay_failed(db, *ago: int) -> None:
    now = datetime.now(UTC)
    db.session.add_all(
        IntegrationCheck(name="Mail relay", at=now - timedelta(seconds=each), is_up=False, words=SAID) for each in ago
    )
    db.session.commit()


def test_one_question_in_vain_is_no_failure_and_two_are_none_until_an_alarm_would_go_out(client, house, db, lamp_out):
    relay_failed(db, 100)
    assert client.get("/health/jobs").status_code == 200
    lamp_out()
    relay_failed(db, 40, 1)
    answer = client.get("/health/jobs")
    assert (answer.status_code, answer.json["ok"], answer.json["failed"]) == (200, True, [])
    assert [(each["key"], each["tone"]) for each in answer.json["worth_a_look"]] == [("unreachable:Mail relay", "wait")]
    lamp_out()
    relay_failed(db, 160)
    assert client.get("/health/jobs").status_code == 503


def test_strangers_are_told_what_does_not_work_in_our_words_and_not_in_the_relays(client, house, db):
    relay_failed(db, 200, 100, 1)
    answer = client.get("/health/jobs")
    assert [each["sentence"] for each in answer.json["failed"]] == ["Mail relay does not take mail"]
    for word in ("535", "ruth", "login", "answered"):
        assert word not in answer.text


def test_the_foot_of_an_agents_page_says_it_in_our_words_and_a_readers_in_full(
    as_agent, as_viewer, house, db, lamp_out
):
    relay_failed(db, 200, 100, 1)
    assert "Mail relay does not take mail" in as_agent.get("/").text
    assert "535" not in as_agent.get("/").text
    assert SAID in as_viewer.get("/").text


def test_many_strangers_at_once_are_one_question(app, tmp_path, lamp_out):
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as door, ThreadPoolExecutor(8) as strangers:
        door.settimeout(0.2)
        asked = app_with(app, tmp_path, redis_url=f"redis://127.0.0.1:{door.getsockname()[1]}/0")
        answers = [strangers.submit(lambda: asked.test_client().get("/readyz").json) for _ in range(8)]
        until = time.monotonic() + 30
        while time.monotonic() < until and not (all(answer.done() for answer in answers) and taken):
            with suppress(TimeoutError):
                taken.append(door.accept()[0])
        with suppress(TimeoutError):
            taken.append(door.accept()[0])
        assert {answer.result()["parts"]["redis"] for answer in answers} == {False}
        for line in taken:
            line.close()
    assert len(taken) == 1


def test_strangers_cost_one_look_every_few_seconds_whatever_the_lamp_does(app, client, house, db):
    client.get("/health/jobs")
    health.dim(app.extensions["porchlight"].database_url)
    seen = []

    def listen(*given) -> None:
        seen.append(given[2])

    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        client.get("/health/jobs")
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
    assert seen == []
