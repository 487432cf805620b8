"""Reads a Procfile: one line for each kind of program, `name: command`."""

from __future__ import annotations

import re
from pathlib import Path

from devstack.errors import DevstackError

RELEASE = "release"  # runs once, before the others
_LINE = re.compile(r"(?P<name>\w+):\s*(?P<command>\S.*)", re.ASCII)
_NEEDS_SHELL = re.compile(r"[;&|<>()`\n]|^\s*(exec|cd|export)\b")


def read(path: Path) -> dict[str, str]:
    """Returns the commands by name, in order. Raises DevstackError naming a line it cannot read."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}."
        raise DevstackError(message) from error
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match["name"] in found:
            message = f"{path}, line {number}: expected a new name, a colon and a command, not {line!r}."
            raise DevstackError(message)
        found[match["name"]] = match["command"]
    return found


def as_shell(command: str) -> list[str]:
    """Returns the command for the shell, which makes way for it where it can.

    So the program gets our signals itself. `env` lets a line begin with settings (`A=1 program`).
    """
    return ["/bin/sh", "-c", command if _NEEDS_SHELL.search(command) else f"exec env {command}"]
