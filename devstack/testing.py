"""Real servers for tests: started by the first who asks, gone with the last who used them.

    servers = test_servers()
    url = create_database("porchlight_gw0")

Safe under pytest-xdist and for several test runs at once: they share the servers,
so names of databases hold `run_id()`, and each caller has a Redis database of its own.
`TEST_DATABASE_URL` and `TEST_REDIS_URL` name servers to use instead.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from devstack import keeper, places, programs
from devstack.errors import DevstackError
from devstack.servers import postgres

_STARTS_WITHIN = 60  # seconds; about one on an idle machine


@dataclass(frozen=True)
class Servers:
    """Where the test servers are.

    `database_url` names a database that exists on the server, to create others from;
    `redis_url` names a Redis database that no other test process uses. The pids are
    None for servers named in the environment.
    """

    database_url: str
    redis_url: str
    postgres_pid: int | None
    redis_pid: int | None


_asked: dict[tuple[int, bool], Servers] = {}


def test_servers(*, durable: bool = False) -> Servers:  # noqa: PT028  not a test
    """Returns running PostgreSQL and Redis servers. Idempotent.

    `durable=True` gives a second pair with every safety on (fsync, Redis' append-only
    file), for tests that crash a server. Raises DevstackError with the server's log.
    """
    key = (os.getpid(), durable)
    if key not in _asked:
        if "PYTEST_XDIST_WORKER" in os.environ:
            programs.die_with_parent(signal.SIGKILL)
        _asked[key] = _find(durable=durable)
    return _asked[key]


test_servers.__test__ = False  # type: ignore[attr-defined]  # for pytest: not a test


def run_id() -> str:
    """Returns a name for this test process: no other one running on the machine has it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"{worker}_{os.getpid()}"


def create_database(name: str, template: str | None = None) -> str:
    """Creates a database unless it exists and returns its URL."""
    url = test_servers().database_url
    postgres.create_database(url, name, template=template)
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def drop_database(name: str) -> None:
    """Drops a database, ending the connections to it. Harmless when there is none."""
    postgres.drop_database(test_servers().database_url, name)


def test_mongo() -> str:
    """Returns the URL of a running one-node MongoDB replica set. Idempotent.

    Raises DevstackError where its program cannot run.
    """
    given = os.environ.get("TEST_MONGO_URL")
    return given or str(_join(("mongo",), durable=False)["urls"]["mongo"])


test_mongo.__test__ = False  # type: ignore[attr-defined]


def _find(*, durable: bool) -> Servers:
    database_url = os.environ.get("TEST_DATABASE_URL", "")
    redis_url = os.environ.get("TEST_REDIS_URL", "")
    wanted = {"postgres": not database_url, "redis": not redis_url}
    kinds = tuple(kind for kind, needed in wanted.items() if needed)
    nothing: dict[str, Any] = {"urls": {}, "servers": {}, "user": 0}
    state = _join(kinds, durable=durable) if kinds else nothing
    if database_url:
        parts = urlsplit(database_url)
        database_url = parts._replace(scheme="postgresql+psycopg").geturl()
    if redis_url:
        # One server with its usual 16 databases: one for each worker, from the one named on.
        named = urlsplit(redis_url)
        worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
        number = int(named.path.strip("/") or 0) + (int(worker) + 1 if worker.isdigit() else 0)
        redis_url = named._replace(path=f"/{number}").geturl()
    else:
        own = urlsplit(state["urls"]["redis"])
        redis_url = own._replace(path=f"/{state['user']}").geturl()
    pids = {kind: server["pid"] for kind, server in state["servers"].items()}
    return Servers(
        database_url=database_url or state["urls"]["postgres"],
        redis_url=redis_url,
        postgres_pid=pids.get("postgres"),
        redis_pid=pids.get("redis"),
    )


def _join(kinds: tuple[str, ...], *, durable: bool) -> dict[str, Any]:
    """Becomes a user of the servers, starting them when nobody has.

    Returns the keeper's state, with the number of this user added as `user`.
    """
    directory = places.test_var() / "-".join((*kinds, *(["durable"] if durable else [])))
    directory.mkdir(parents=True, exist_ok=True)
    start = os.open(directory / "start.lock", os.O_RDWR | os.O_CREAT)
    users = os.open(directory / "users.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(start, fcntl.LOCK_EX)
        state = keeper.read_state(directory) or _start_keeper(directory, kinds, durable=durable)
        fcntl.flock(users, fcntl.LOCK_SH)
        state["users"] = (state["users"] + 1) % 256
        keeper.write_state(directory, state)
    finally:
        os.close(start)
    # Held until this process ends, and by no child of it, which might end later.
    os.register_at_fork(after_in_child=lambda: os.close(users))
    atexit.register(os.close, users)
    return {**state, "user": state["users"]}


def _start_keeper(directory: Path, kinds: tuple[str, ...], *, durable: bool) -> dict[str, Any]:
    options = ["--durable"] if durable else []
    started = subprocess.run(
        [sys.executable, "-m", "devstack.keeper", *options, str(directory), *kinds],
        cwd=places.ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    identity = programs.Identity.of(int(started.stdout))
    until = time.monotonic() + _STARTS_WITHIN
    while identity and identity.is_alive() and time.monotonic() < until:
        if state := keeper.read_state(directory):
            return state
        time.sleep(0.02)
    trouble = (directory / "keeper.log").read_text().strip()
    message = f"The test servers did not start. {trouble}"
    raise DevstackError(message)
