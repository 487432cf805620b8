"""Named points at which a test may have this process killed, to prove what a power cut leaves behind."""

from __future__ import annotations

import os
import signal
from collections import Counter

POINTS = (
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
_reached: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Nothing, unless CRASH_AT names this point ("after_dot"; "after_dot:7" = the seventh time): then SIGKILL.

    Read from the environment each time and not through Config: it is no setting, and no deployment has it.
    """
    wanted = os.environ.get("CRASH_AT")
    if not wanted:
        return
    point, _, count = wanted.partition(":")
    if point == name:
        _reached[name] += 1
        if _reached[name] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
