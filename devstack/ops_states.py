"""Pictures of every page of the works in three states: `make ops-pictures args=FOLDER`, beside a running stack.

healthy  as it is
failing  the worker of the alerts is frozen for long enough to be missed
down     and so are Redis, MongoDB, the mail catcher and the Slack stand-in
Everything is thawed at the end, also after Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from devstack import places, screenshots
from devstack.stack import SIGN_IN
from devstack.state import State

FAILING = ("worker",)
DOWN = ("redis", "mongo", "mail", "slack")
MISSED_AFTER = 75
"""Seconds until the silence of a worker has opened an incident."""


def main(folder: str) -> None:
    state = State.read(places.var())
    base = state.environment.get("PUBLIC_URL")
    if not base:
        sys.exit("Nothing runs: start it with `make run`.")
    frozen: list[int] = []

    def freeze(*names: str) -> None:
        for name in names:
            if (program := state.programs.get(name)) and program.is_alive():
                for pid in (program.pid, *_children(program.pid)):
                    os.kill(pid, signal.SIGSTOP)
                    frozen.append(pid)

    def picture(condition: str) -> None:
        screenshots.main(base, str(Path(folder) / condition), *SIGN_IN, "ops")

    try:
        picture("healthy")
        freeze(*FAILING)
        time.sleep(MISSED_AFTER)
        picture("failing")
        freeze(*DOWN)
        time.sleep(MISSED_AFTER)
        picture("down")
    finally:
        for pid in reversed(frozen):
            os.kill(pid, signal.SIGCONT)


def _children(pid: int) -> list[int]:
    """All below it: a line of the Procfile is a shell with its program in it."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [each for child in map(int, listed) for each in (child, *_children(child))]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
