"""What a running stack remembers in var/devstack.json, for the next one and for `stop`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devstack.programs import Identity


@dataclass
class State:
    """Where things are and who runs them. Written at every change, in one step."""

    path: Path
    supervisor: Identity | None = None
    programs: dict[str, Identity] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)  # set when the servers answer
    has_demo: bool = False

    @classmethod
    def read(cls, directory: Path) -> State:
        """Returns what was written, or an empty state."""
        path = directory / "devstack.json"
        try:
            known: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError):
            return cls(path)
        return cls(
            path,
            supervisor=Identity.from_json(known.get("supervisor")),
            programs={
                name: identity
                for name, value in known.get("programs", {}).items()
                if (identity := Identity.from_json(value))
            },
            ports=known.get("ports", {}),
            environment=known.get("environment", {}),
            has_demo=bool(known.get("has_demo")),
        )

    def write(self) -> None:
        """Replaces the file. It holds passwords, so it is its owner's alone."""
        written = self.path.with_suffix(".new")
        written.unlink(missing_ok=True)
        written.touch(mode=0o600)
        state = {
            "supervisor": self.supervisor.as_json() if self.supervisor else None,
            "programs": {name: program.as_json() for name, program in self.programs.items()},
            "ports": self.ports,
            "environment": self.environment,
            "has_demo": self.has_demo,
        }
        written.write_text(json.dumps(state, indent=1))
        written.replace(self.path)

    def record(self, name: str, pid: int) -> None:
        """Remembers a program that was just started."""
        if identity := Identity.of(pid):
            self.programs[name] = identity
        self.write()

    @property
    def is_live(self) -> bool:
        return self.supervisor is not None and self.supervisor.is_alive()


class Claim:
    """The right to run the stack of one directory. The kernel takes it back when we end."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = os.open(directory / "devstack.lock", os.O_RDWR | os.O_CREAT, 0o600)

    def take(self) -> bool:
        """False when somebody else has it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        os.close(self._file)


def secret_of(directory: Path) -> str:
    """Returns the secret of this stack, made at its first start and kept for its owner only."""
    path = directory / "secret"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text().strip()


def server_password(secret: str) -> str:
    """Returns the password of the servers, which outlives everything but the secret."""
    return hashlib.sha256(f"{secret} servers".encode()).hexdigest()[:32]
