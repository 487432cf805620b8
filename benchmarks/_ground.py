"""An app on a database of its own, on a PostgreSQL with every safety on, gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psycopg
from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.config import Config
from app.extensions import db
from benchmarks._report import ROOT
from devstack.servers import postgres
from devstack.testing import run_id, test_servers

# Larger than the defaults of a fresh cluster, as any server in use has them. What needs a restart stays as it is.
_SETTINGS = {
    "work_mem": "256MB",
    "maintenance_work_mem": "256MB",
    "effective_cache_size": "2GB",
    "random_page_cost": "1.1",
}


@contextmanager
def scratch_app(name: str) -> Iterator[Flask]:
    """The app in its context, its schema made by the migrations; fsync and synchronous_commit are on."""
    servers = test_servers(durable=True)
    database = f"bench_{name}_{run_id()}"
    postgres.create_database(servers.database_url, database)
    url = urlsplit(servers.database_url)._replace(path=f"/{database}").geturl()
    try:
        with psycopg.connect(plain(url), autocommit=True) as connection:
            for setting, value in _SETTINGS.items():
                connection.execute(f"ALTER DATABASE {database} SET {setting} = '{value}'")
        with TemporaryDirectory() as files:
            app = create_app(_settings(url, servers.redis_url, Path(files)))
            with app.app_context():
                upgrade(directory=str(ROOT / "migrations"))
                try:
                    yield app
                finally:
                    db.session.remove()
                    db.engine.dispose()
    finally:
        postgres.drop_database(servers.database_url, database)


@contextmanager
def app_on(url: str) -> Iterator[Flask]:
    """The app in its context, on a database that another program made."""
    with TemporaryDirectory() as files:
        app = create_app(_settings(url, "redis://127.0.0.1:9/0", Path(files)))
        with app.app_context():
            yield app


def plain(url: str) -> str:
    """The URL as psycopg takes it."""
    return url.replace("+psycopg", "", 1)


def _settings(database_url: str, redis_url: str, files: Path) -> Config:
    return Config.from_env(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": "a secret for benchmarks, long enough to be one",
            "PUBLIC_URL": "http://porchlight.test",
            "SMTP_URL": "smtp://127.0.0.1:9",
            "MAIL_FROM": "Harbor & Vine Alerts <alerts@alerts.harborvine.example>",
            "FILES_DIR": str(files),
            "LOG_LEVEL": "error",
        }
    )
