"""The registry: every kind of run, where it is queued, how long and how often it may be tried. A run names its kind;
nothing else can be run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from app.domain.ops.clock import Line
from app.domain.ops.ledger import Work
from app.jobs.alerts import alerts
from app.jobs.digests import digests
from app.jobs.imports import imports
from app.jobs.messages import messages
from app.jobs.retention import retention
from app.jobs.run import Run
from app.jobs.sweep import sweep


@dataclass(frozen=True)
class Kind:
    """`timeout`: seconds an attempt may take. `overlap`: may two runs of this kind go at once? `by_hand`: it needs no
    arguments, so a person may start it."""

    function: Callable[[Run], dict[str, int]]
    queue: str
    timeout: int
    max_attempts: int
    overlap: bool
    by_hand: bool = True

    @property
    def work(self) -> Work:
        return Work(self.queue, self.max_attempts, skips_overlap=not self.overlap)


KINDS: dict[str, Kind] = {
    "alerts": Kind(alerts, "alerts", timeout=1800, max_attempts=4, overlap=False),
    "digests": Kind(digests, "alerts", timeout=1800, max_attempts=4, overlap=False),
    "messages": Kind(messages, "messages", timeout=600, max_attempts=3, overlap=True),
    "sweep": Kind(sweep, "messages", timeout=60, max_attempts=1, overlap=False),
    "imports": Kind(imports, "bulk", timeout=4 * 3600, max_attempts=3, overlap=True, by_hand=False),
    "retention": Kind(retention, "bulk", timeout=2 * 3600, max_attempts=3, overlap=False),
}


class RegistryError(ValueError):
    """The code contradicts itself: a schedule without a kind, or a queue that nobody works."""


def check(kinds: dict[str, Kind], schedule: Iterable[Line], procfile: Path) -> None:
    """Raises RegistryError when a schedule line names no kind, or no process of the Procfile consumes a queue.

    Where there is no Procfile (an installation that starts its processes otherwise) the queues cannot be judged.
    """
    problems = [
        f"schedule “{line.name}” runs “{line.kind}”, which is no kind" for line in schedule if line.kind not in kinds
    ]
    if procfile.exists():
        worked = set(re.findall(r"\bflask worker ([\w-]+)", procfile.read_text(encoding="utf-8")))
        problems += [
            f"“{name}” is queued on “{kind.queue}”, which no process of the Procfile works"
            for name, kind in kinds.items()
            if kind.queue not in worked
        ]
    if problems:
        raise RegistryError("; ".join(problems))
