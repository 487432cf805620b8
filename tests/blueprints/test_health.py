"""/healthz and /readyz: what a balancer is told."""

from __future__ import annotations

import time

import pytest
from flask import Flask

from app import create_app
from devstack.testing import create_database, drop_database, run_id, test_servers
from tests.conftest import config_for

NOWHERE = "redis://127.0.0.1:9/0"


def app_with(app: Flask, tmp_path, **changes: object) -> Flask:
    config = app.extensions["porchlight"]
    return create_app(
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
    assert answer.json["ready"] is True
    assert set(answer.json["parts"]) == {"postgresql", "schema", "redis"}


def test_not_ready_without_redis_and_says_so(app, tmp_path):
    answer = app_with(app, tmp_path, redis_url=NOWHERE).test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json["parts"]["redis"]["ok"] is False
    assert answer.json["parts"]["postgresql"]["ok"] is True


def test_not_ready_without_postgresql_and_says_so_soon(app, tmp_path):
    began = time.monotonic()
    away = app_with(app, tmp_path, database_url="postgresql://nobody:secret@127.0.0.1:9/none")
    answer = away.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json["parts"]["postgresql"]["ok"] is False
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
    assert answer.json["parts"]["postgresql"]["ok"] is True
    assert answer.json["parts"]["schema"]["ok"] is False
    assert "flask db upgrade" in answer.json["parts"]["schema"]["says"]
    assert test_servers().database_url not in answer.text
