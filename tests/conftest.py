"""The ground every test stands on: real PostgreSQL and Redis, one database per worker built by migrations.

A test's writes are rolled back (one outer transaction; the app's commits become savepoints). A test marked
`committed` really commits — for cursors, races and processes — and the tables are emptied after it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g, has_app_context
from flask.testing import FlaskClient
from flask_migrate import upgrade
from playwright.sync_api import expect
from sqlalchemy import text
from sqlalchemy.orm import scoped_session, sessionmaker

from app import create_app
from app.config import Config
from app.domain.models import Role, User
from app.domain.ops import overview
from app.extensions import db as database
from app.extensions import limiter
from devstack.chromium import find_or_install_chromium
from devstack.screenshots import ARGS
from devstack.testing import create_database, drop_database, run_id, test_servers
from tests import make as makers

expect.set_options(timeout=20_000)  # a shared machine may be slow; a page that is right is right then too

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def config_for(database_url: str, redis_url: str, files_dir: Path, **changes: object) -> Config:
    """Settings as a test wants them: read from an environment, like everywhere."""
    environ = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "a secret for tests, long enough to be one",
        "PUBLIC_URL": "http://porchlight.test",
        "SMTP_URL": "smtp://127.0.0.1:9",
        "MAIL_FROM": "Harbor & Vine Alerts <alerts@alerts.harborvine.example>",
        "FILES_DIR": str(files_dir),
        "SESSION_COOKIE_SECURE": "0",
        "LOG_FORMAT": "console",
        "LOG_LEVEL": "error",
        "LOGIN_RATE_LIMIT": "10000 per minute",
        "METRICS_ALLOW": "127.0.0.1",
        # A test runs at any hour, and its buyers may be mailed as often as it likes; tests of the limits set their own.
        "QUIET_HOURS": "none",
        "INSTANT_GAP_MINUTES": "0",
        "INSTANT_MAILS_A_DAY": "10000",
    }
    return Config.from_env(environ | {name.upper(): str(value) for name, value in changes.items()})


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    name = f"test_{run_id()}"
    yield create_database(name)
    drop_database(name)


class Browser(FlaskClient):
    """Each request starts with an empty `g`, as in real life: the test's own app context would keep the person who
    asked first signed in for the next."""

    def open(self, *args: object, **kwargs: object):
        for name in list(g) if has_app_context() else ():
            g.pop(name)
        return super().open(*args, **kwargs)


@pytest.fixture(scope="session")
def app(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The app, its schema made by the migrations."""
    os.environ["TZ"] = "UTC"
    config = config_for(database_url, test_servers().redis_url, tmp_path_factory.mktemp("files"))
    app = create_app(config)
    app.test_client_class = Browser
    app.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False, WTF_CSRF_ENABLED=False, SERVER_NAME="porchlight.test")
    with app.app_context():
        upgrade(directory=str(MIGRATIONS))
    yield app
    with app.app_context():
        database.session.remove()
        database.engine.dispose()


def empty_tables() -> None:
    """Take every row away, and set the watermark back to 'nothing seen'."""
    names = ", ".join(f'"{table.name}"' for table in database.metadata.sorted_tables)
    with database.engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
        connection.execute(text("INSERT INTO match_cursor (name, snapshot) VALUES ('alerts', pg_current_snapshot())"))


@pytest.fixture
def db(app: Flask, request: pytest.FixtureRequest) -> Iterator[object]:
    """The session, rolled back after the test; really committing when the test is marked `committed`."""
    with app.app_context():
        if request.node.get_closest_marker("committed"):
            database.session.remove()
            yield database
            database.session.rollback()
            database.session.remove()
            empty_tables()
            return
        overview.forget()  # what a test before counted
        # A thread that counts again would use this test's one connection at the same time as its requests do.
        later, overview._later = overview._later, lambda work: None
        usual = database.session
        connection = database.engine.connect()
        outer = connection.begin()
        database.session = scoped_session(
            sessionmaker(bind=connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
        )
        try:
            yield database
        finally:
            database.session.remove()
            outer.rollback()
            connection.close()
            database.session = usual
            overview._later = later


def app_beside(config: Config) -> Flask:
    """An app beside the suite's own. Extensions are shared, so what it changed in them is put back at once: else every
    later sign-in would be counted in its Redis, which may be one that is down."""
    kept = dict(vars(limiter))
    app = create_app(config)
    app.extensions["limiter_of_it"] = dict(vars(limiter))
    vars(limiter).update(kept)
    return app


@pytest.fixture(scope="session")
def another_app(app: Flask) -> Iterator[Callable[..., Flask]]:
    """Makes a second app on the same database with other settings: another_app(proxies=1)."""
    made = []

    def build(**changes: object) -> Flask:
        other = app_beside(replace(app.extensions["porchlight"], **changes))
        other.test_client_class = Browser
        other.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False, WTF_CSRF_ENABLED=False)
        made.append(other)
        return other

    yield build
    for other in made:
        with other.app_context():
            database.session.remove()
            database.engine.dispose()


@pytest.fixture
def make(db: object) -> object:
    """Makers of rows: make.office(), make.contact(email=…) …"""
    del db
    return makers


@pytest.fixture
def client(app: Flask, db: object) -> FlaskClient:
    """A browser that nobody has signed in with."""
    del db
    return app.test_client()


@pytest.fixture
def sign_in(app: Flask, db: object) -> Callable[[User], FlaskClient]:
    del db

    def signed_in(user: User) -> FlaskClient:
        client = app.test_client()
        with client.session_transaction() as session:
            session["_user_id"] = user.get_id()
            session["_fresh"] = True
        return client

    return signed_in


@pytest.fixture
def office(make) -> object:
    return make.office()


def _cast(role: Role):
    @pytest.fixture
    def person(sign_in, make, office) -> FlaskClient:
        return sign_in(make.user(office=office, role=role))

    return person


as_admin = _cast(Role.ADMIN)
as_staff = _cast(Role.STAFF)
as_agent = _cast(Role.AGENT)
as_viewer = _cast(Role.VIEWER)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where a Chromium is; installs one when there is none. Fails with a sentence when that does not work."""
    return str(find_or_install_chromium())


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], chromium: str) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": chromium, "args": list(ARGS)}
