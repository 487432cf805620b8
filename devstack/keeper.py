"""Keeps the test servers for as long as a test run uses them.

    python -m devstack.keeper [--durable] DIRECTORY postgres redis

Started in the background by the first to ask (`devstack.testing`). Every user holds
a shared lock on DIRECTORY/users.lock, which the kernel lets go of however the user
ends; when nobody holds it any more, the keeper stops the servers and leaves. The
servers, in turn, are told by the kernel when the keeper dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

from devstack import ports, programs
from devstack.errors import DevstackError
from devstack.servers import Mongo, Postgres, Redis, Server

_KINDS: dict[str, type[Server]] = {"postgres": Postgres, "redis": Redis, "mongo": Mongo}
_LOOK_EVERY = 0.3  # seconds
_TRIES = 3


def read_state(directory: Path) -> dict[str, Any] | None:
    """Returns what the keeper wrote when all was ready; None when no keeper lives."""
    state = _recorded(directory)
    keeper = programs.Identity.from_json(state.get("keeper"))
    return state if keeper and keeper.is_alive() else None


def write_state(directory: Path, state: dict[str, Any]) -> None:
    """Replaces the state in one step. Its passwords are for the owner's eyes."""
    written = directory / "servers.json.new"
    written.unlink(missing_ok=True)
    written.touch(mode=0o600)
    written.write_text(json.dumps(state, indent=1))
    written.replace(directory / "servers.json")


def keep(directory: Path, kinds: list[str], *, durable: bool) -> None:
    """Starts the servers anew, tells where they are, and stays until nobody uses them."""
    for recorded in _recorded(directory).get("servers", {}).values():
        if leftover := programs.Identity.from_json(recorded):
            leftover.end(signal.SIGQUIT, signal.SIGKILL)
    servers = _start_all(directory, kinds, durable=durable)
    me = programs.Identity.of(os.getpid())
    state = {
        "keeper": me.as_json() if me else None,
        "urls": {kind: server.url for kind, server in servers.items()},
        "servers": {kind: identity.as_json() for kind, server in servers.items() if (identity := server.identity())},
        "users": 0,
    }
    write_state(directory, state)
    try:
        _wait_until_unused(directory)
    finally:
        (directory / "servers.json").unlink(missing_ok=True)
        for server in servers.values():
            server.drop()
            server.remove()


def _start_all(directory: Path, kinds: list[str], *, durable: bool) -> dict[str, Server]:
    """Starts the servers on free ports; on others when somebody was quicker."""
    for tries_left in reversed(range(_TRIES)):
        servers: dict[str, Server] = {}
        taken: set[int] = set()
        try:
            for kind in kinds:
                port = ports.find_free(taken)
                taken.add(port)
                servers[kind] = _KINDS[kind](
                    directory / kind, port=port, password=secrets.token_hex(16), durable=durable
                )
                servers[kind].clear()
                servers[kind].start()
            for server in servers.values():
                server.wait()
        except DevstackError:
            for server in servers.values():
                server.drop()
            if not tries_left:
                raise
        else:
            return servers
    raise AssertionError


def _wait_until_unused(directory: Path) -> None:
    """Returns when no user is left, holding the lock without which none can come."""
    # Both stay open, and so locked, until this program ends.
    start = os.open(directory / "start.lock", os.O_RDWR | os.O_CREAT)
    users = os.open(directory / "users.lock", os.O_RDWR | os.O_CREAT)
    while True:
        time.sleep(_LOOK_EVERY)
        fcntl.flock(start, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(start, fcntl.LOCK_UN)
        else:
            return


def _recorded(directory: Path) -> dict[str, Any]:
    try:
        state = json.loads((directory / "servers.json").read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def main() -> None:
    """Says the pid of the keeper, then goes to the background. Trouble is in keeper.log."""
    arguments = sys.argv[1:]
    durable = "--durable" in arguments
    folder, *kinds = (argument for argument in arguments if argument != "--durable")
    directory = Path(folder)
    log = os.open(directory / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    if child := os.fork():
        print(child)
        return
    os.setsid()
    for stream in (1, 2):
        os.dup2(log, stream)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        keep(directory, kinds, durable=durable)
    except DevstackError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
