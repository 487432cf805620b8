"""The registry: every kind of run, where it is queued, how long and how often it may be tried. A run names its kind;
nothing else can be run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rq.utils import import_attribute

from app.domain.ops.clock import Line, next_due
from app.domain.ops.ledger import Work
from app.jobs.alerts import alerts
from app.jobs.canary import canary
from app.jobs.digests import digests
from app.jobs.imports import imports
from app.jobs.lifecycle import lifecycle
from app.jobs.messages import messages
from app.jobs.reconcile import reconcile
from app.jobs.retention import retention
from app.jobs.returns import returns
from app.jobs.run import Run
from app.jobs.sweep import sweep


@dataclass(frozen=True)
class Kind:
    """`timeout`: seconds an attempt may take. `overlap`: may two runs of this kind go at once? `by_hand`: it needs no
    arguments, so a person may start it. `without_redis`: too important to wait for a Redis that is away; the clock's
    process does it then (app/jobs/stand_in.py)."""

    function: Callable[[Run], dict[str, int]]
    queue: str
    timeout: int
    max_attempts: int
    overlap: bool
    by_hand: bool = True
    without_redis: bool = False

    @property
    def work(self) -> Work:
        return Work(self.queue, self.max_attempts, skips_overlap=not self.overlap)


KINDS: dict[str, Kind] = {
    "alerts": Kind(alerts, "alerts", timeout=1800, max_attempts=4, overlap=False, without_redis=True),
    "digests": Kind(digests, "alerts", timeout=1800, max_attempts=4, overlap=False, without_redis=True),
    "messages": Kind(messages, "messages", timeout=600, max_attempts=3, overlap=True, without_redis=True),
    "canary": Kind(canary, "alerts", timeout=60, max_attempts=2, overlap=False),
    "sweep": Kind(sweep, "messages", timeout=60, max_attempts=1, overlap=False, without_redis=True),
    "returns": Kind(returns, "messages", timeout=600, max_attempts=3, overlap=False),
    "reconcile": Kind(reconcile, "messages", timeout=300, max_attempts=3, overlap=False),
    "imports": Kind(imports, "bulk", timeout=4 * 3600, max_attempts=3, overlap=True, by_hand=False),
    "lifecycle": Kind(lifecycle, "bulk", timeout=1800, max_attempts=3, overlap=False),
    "retention": Kind(retention, "bulk", timeout=2 * 3600, max_attempts=3, overlap=False),
}


class RegistryError(ValueError):
    """The code contradicts itself: a schedule without a kind, or a queue that nobody works."""


BY_NAME = ("app.jobs.queue.work", "app.jobs.scheduler.tick")
"""What RQ and rq-scheduler are told to call. Every kind is done through the first."""


def check(kinds: dict[str, Kind], schedule: Iterable[Line], procfile: Path) -> None:
    """Raises RegistryError, with all that is wrong: a schedule line that names no kind, or a clock that cannot be read;
    a kind without a function; a function that RQ would not find; a queue that no process of the Procfile consumes.

    Where there is no Procfile (an installation that starts its processes otherwise) the queues cannot be judged.
    """
    problems = []
    for line in schedule:
        if line.kind not in kinds:
            problems.append(f"schedule “{line.name}” runs “{line.kind}”, which is no kind")
        problems += _troubles_of_its_clock(line)
    problems += [f"“{name}” has no function to call" for name, kind in kinds.items() if not callable(kind.function)]
    problems += [f"RQ would not find “{name}”" for name in BY_NAME if not _is_found(name)]
    if procfile.exists():
        worked = set(re.findall(r"\bflask worker ([\w-]+)", procfile.read_text(encoding="utf-8")))
        problems += [
            f"“{name}” is queued on “{kind.queue}”, which no process of the Procfile works"
            for name, kind in kinds.items()
            if kind.queue not in worked
        ]
    if problems:
        raise RegistryError("; ".join(problems))


def _troubles_of_its_clock(line: Line) -> Iterator[str]:
    try:
        ZoneInfo(line.time_zone)
    except (ValueError, KeyError, OSError):
        yield f"schedule “{line.name}” is in “{line.time_zone}”, which is no time zone"
        return
    try:
        next_due(line.cron, line.time_zone, datetime.now(UTC))
    except (ValueError, IndexError):
        yield f"schedule “{line.name}” has the clock “{line.cron}”, which cannot be read"
    except StopIteration:
        yield f"schedule “{line.name}” has the clock “{line.cron}”, which is never due"


def _is_found(name: str) -> bool:
    try:
        return callable(import_attribute(name))
    except (ImportError, ValueError):
        return False
