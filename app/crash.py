"""Named points at which a test may have this process killed, to prove what a power cut leaves behind."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

MAIL_POINTS = (
    "claim_committed",
    "before_connect",
    "after_mail",
    "after_rcpt",
    "after_data",
    "before_dot",
    "after_dot",
    "after_250",
    "before_settle",
    "after_settle",
)
RUN_POINTS = (
    "due_committed",
    "before_hint",
    "hint_committed",
    "before_claim",
    "run_claimed",
    "before_finish",
    "run_finished",
    "before_rearm",
)
RELEASE_POINTS = (
    "before_release",
    "run_halted",
)
_reached: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Nothing, unless CRASH_AT names this point: then SIGKILL.

    “after_dot”, or “after_dot:7” for the seventh time; “@FILE” for the point that is written in that file, and only for
    the first process that gets there: it takes the file away. Read from the environment each time and not through
    Config: it is no setting, and no deployment has it.
    """
    wanted = os.environ.get("CRASH_AT")
    if not wanted:
        return
    if wanted.startswith("@"):
        _die_if_named_in(Path(wanted[1:]), name)
        return
    point, _, count = wanted.partition(":")
    if point == name:
        _reached[name] += 1
        if _reached[name] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)


def _die_if_named_in(file: Path, name: str) -> None:
    try:
        if file.read_text(encoding="ascii").strip() != name:
            return
        file.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
