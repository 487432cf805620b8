"""Is it well? Judged from rows and from the clock's arithmetic, not from error events: what never ran turns red too
(SY-07). Nothing is asked over the network here; what probes found lately is taken into account."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain.ops import probing, queries
from app.domain.ops.balance import Sum
from app.domain.ops.clock import last_due, occurrences
from app.domain.ops.registry import registry

ALIVE = timedelta(seconds=45)
"""A worker says so every 15 s, the scheduler every 5."""
MAIL_PATIENCE = timedelta(minutes=10)
"""A message due for longer than this waits for somebody who does not come."""
SWEEP_PATIENCE = timedelta(minutes=5)


class Tone(StrEnum):
    GOOD = "good"
    WAIT = "wait"
    """Something wants a look; nothing is broken."""
    BAD = "bad"


@dataclass(frozen=True)
class Reason:
    """One thing that is not as it should be, and since when."""

    tone: Tone
    sentence: str
    since: datetime | None = None
    stage: str = ""
    run_id: int | None = None


@dataclass(frozen=True)
class Verdict:
    tone: Tone
    sentence: str
    """Short, for the lamp."""
    line: str
    """For the head of the operations page."""
    reasons: Sequence[Reason]
    checked_at: datetime
    pauses: Sequence[ScheduleHealth] = ()
    """The lines that a person stopped: loud on every page of an admin."""


@dataclass(frozen=True)
class ScheduleHealth:
    """One schedule line, judged by arithmetic. `overdue_since`: the due time that should have been kept by now."""

    name: str
    kind: str
    cron: str
    time_zone: str
    grace: timedelta
    is_paused: bool
    paused_reason: str | None
    next_due: datetime | None
    last_success: datetime | None
    overdue_since: datetime | None
    paused_at: datetime | None = None
    paused_by: str | None = None
    """The name of who paused it."""


@dataclass(frozen=True)
class Vitals:
    """What the verdict rests on."""

    schedules: Sequence[ScheduleHealth]
    kinds: Sequence[dict[str, Any]]
    processes: Sequence[dict[str, Any]]
    oldest_message: datetime | None
    unknown: int
    unaccounted: int
    """As the last sweep counted it."""

    def schedule_of(self, kind: str) -> ScheduleHealth | None:
        return next((line for line in self.schedules if line.kind == kind and not line.is_paused), None)

    def workers_of(self, queue: str) -> list[dict[str, Any]]:
        return [each for each in self.processes if each["role"] == "worker" and each["queue"] == queue]

    def kind(self, name: str) -> dict[str, Any]:
        return next((kind for kind in self.kinds if kind["kind"] == name), {})


def vitals(now: datetime | None = None) -> Vitals:
    """Read the vital signs: one statement."""
    now = now or datetime.now(UTC)
    row = queries.vitals(now, registry().queues, now - ALIVE)
    sweep = row.last_sweep
    is_fresh = sweep is not None and _moment(sweep["finished_at"]) > now - SWEEP_PATIENCE  # type: ignore[operator]
    return Vitals(
        schedules=[_judge_line(line, now) for line in row.lines],
        kinds=[
            kind | {"succeeded_at": _moment(kind["succeeded_at"]), "failed_at": _moment(kind["failed_at"])}
            for kind in row.kinds
        ],
        processes=[process | {"seen_at": _moment(process["seen_at"])} for process in row.processes],
        oldest_message=row.oldest_message,
        unknown=row.unknown,
        unaccounted=int(sweep["counts"].get("unaccounted", 0)) if is_fresh else 0,
    )


def _judge_line(line: dict[str, Any], now: datetime) -> ScheduleHealth:
    due_from = _moment(line["due_from"]) or now
    grace = timedelta(seconds=line["grace_seconds"])
    expected = last_due(line["cron"], line["time_zone"], now - grace, due_from) if line["enabled"] else None
    last_good, last_success = _moment(line["last_good_due"]), _moment(line["last_success"])
    # Kept by its own run, or by any success since: a person's retry does for a failed one.
    is_kept = expected is None or any(moment is not None and moment >= expected for moment in (last_good, last_success))
    return ScheduleHealth(
        name=line["name"],
        kind=line["kind"],
        cron=line["cron"],
        time_zone=line["time_zone"],
        grace=grace,
        is_paused=not line["enabled"],
        paused_reason=line["paused_reason"],
        next_due=_moment(line["next_due_at"]),
        last_success=last_success,
        overdue_since=None if is_kept else _first_broken(line, last_good or due_from, now - grace),
        paused_at=_moment(line["paused_at"]),
        paused_by=line["paused_by"],
    )


def _first_broken(line: dict[str, Any], since: datetime, until: datetime) -> datetime | None:
    """The first due time after the last one that was kept."""
    return next(iter(occurrences(line["cron"], line["time_zone"], since, until)), None)


def verdict(now: datetime | None = None, *, signs: Vitals | None = None, sums: Sequence[Sum] | None = None) -> Verdict:
    """One sentence on everything, and its reasons. With `sums`, the balance as it is now instead of as last swept."""
    now = now or datetime.now(UTC)
    signs = signs or vitals(now)
    reasons = [
        *_silent_processes(signs),
        *_overdue(signs),
        *failing(signs, now),
        *_unbalanced(signs, sums),
        *_waiting_mail(signs, now),
        *_unreachable(),
    ]
    reasons.sort(key=lambda reason: reason.tone is not Tone.BAD)
    bad = [reason for reason in reasons if reason.tone is Tone.BAD]
    if bad:
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        return Verdict(Tone.BAD, bad[0].sentence + more, bad[0].sentence + ".", reasons, now, _pauses(signs))
    if reasons:
        line = f"Everything runs. {reasons[0].sentence}."
        return Verdict(Tone.WAIT, reasons[0].sentence, line, reasons, now, _pauses(signs))
    return Verdict(Tone.GOOD, "Everything works", "Everything works, and every row is accounted for.", [], now)


def _pauses(signs: Vitals) -> list[ScheduleHealth]:
    on_the_clock = {line.name for line in registry().lines}
    return [line for line in signs.schedules if line.is_paused and line.name in on_the_clock]


def _silent_processes(signs: Vitals) -> list[Reason]:
    """Nobody keeps the clock, or nobody takes jobs from a queue."""
    reasons = []
    clocks = [process for process in signs.processes if process["role"] == "scheduler"]
    if not any(process["alive"] for process in clocks):
        seen = max((process["seen_at"] for process in clocks), default=None)
        words = "The scheduler is silent" if seen else "The scheduler has never run"
        reasons.append(Reason(Tone.BAD, words, seen, "clock"))
    for queue in sorted(set(registry().queues.values())):
        workers = signs.workers_of(queue)
        if not any(process["alive"] for process in workers):
            seen = max((process["seen_at"] for process in workers), default=None)
            reasons.append(Reason(Tone.BAD, f"No worker takes jobs from “{queue}”", seen, queue))
    return reasons


def _overdue(signs: Vitals) -> list[Reason]:
    written = {line.name for line in signs.schedules}
    paused = {line.name for line in _pauses(signs)}
    reasons = [
        Reason(Tone.BAD, f"“{line.name}” was never put on the clock", None, line.kind)
        for line in registry().lines
        if line.name not in written
    ]
    for line in signs.schedules:
        if line.overdue_since is not None:
            word = "has stopped" if line.last_success else "has never run"
            reasons.append(Reason(Tone.BAD, f"“{line.name}” {word}", line.overdue_since, line.kind))
        elif line.name in paused:
            why = f": {line.paused_reason}" if line.paused_reason else ""
            reasons.append(Reason(Tone.WAIT, f"“{line.name}” is paused{why}", line.paused_at, line.kind))
    return reasons


def failing(signs: Vitals, now: datetime) -> list[Reason]:
    """A kind whose newest end is a failure. One that nobody schedules is forgotten after a day."""
    reasons = []
    for kind in signs.kinds:
        failed_at, succeeded_at = kind["failed_at"], kind["succeeded_at"]
        if failed_at is None or (succeeded_at is not None and succeeded_at > failed_at):
            continue
        if failed_at < now - timedelta(days=1) and signs.schedule_of(kind["kind"]) is None:
            continue
        is_ours = kind["kind"] != "imports"  # a file that could not be read is its bringer's to look at
        sentence = f"“{kind['kind']}” failed ({kind['error_class']})"
        reasons.append(
            Reason(Tone.BAD if is_ours else Tone.WAIT, sentence, failed_at, kind["kind"], kind["failed_run"])
        )
    return reasons


def _unbalanced(signs: Vitals, sums: Sequence[Sum] | None) -> list[Reason]:
    if sums is None:
        if not signs.unaccounted:
            return []
        words = "1 row is" if signs.unaccounted == 1 else f"{signs.unaccounted:,} rows are"
        return [Reason(Tone.BAD, f"{words} not accounted for", None, "balance")]
    reasons = []
    for line in sums:
        if line.remainder:
            words = f"{line.title}: {abs(line.remainder):,} "
            words += "not accounted for" if line.remainder > 0 else "counted twice"
            reasons.append(Reason(Tone.BAD, words, None, "balance"))
    return reasons


def _waiting_mail(signs: Vitals, now: datetime) -> list[Reason]:
    reasons = []
    if signs.oldest_message is not None and signs.oldest_message < now - MAIL_PATIENCE:
        reasons.append(Reason(Tone.BAD, "Mail is due and is not sent", signs.oldest_message, "messages"))
    if signs.unknown:
        words = "1 message" if signs.unknown == 1 else f"{signs.unknown:,} messages"
        reasons.append(Reason(Tone.WAIT, f"{words} may or may not have arrived", None, "messages"))
    return reasons


def _unreachable() -> list[Reason]:
    tones = {probing.REDIS: Tone.WAIT, probing.MONGO: Tone.WAIT}
    return [
        Reason(tones.get(name, Tone.BAD), f"{name} {answer.words}", None, name)
        for name, answer in probing.known().items()
        if not answer.is_up
    ]


# --- The lamp: the verdict, kept for a few seconds ---

LAMP_SECONDS = 10.0
_lamp_lock = threading.Lock()
_lamp: dict[str, tuple[float, Verdict]] = {}


def lamp(key: str, now: datetime | None = None) -> Verdict:
    """The verdict for the foot of every page: at most one statement every 10 s in a process. `key`: whose database."""
    with _lamp_lock:
        then, kept = _lamp.get(key, (0.0, None))
    if kept is not None and time.monotonic() - then < LAMP_SECONDS:
        return kept
    fresh = verdict(now)
    light(key, fresh)
    return fresh


def dim(key: str) -> None:
    """Something was changed that the lamp tells: the next page judges anew."""
    with _lamp_lock:
        _lamp.pop(key, None)


def light(key: str, fresh: Verdict) -> None:
    """A page has judged in full: let the lamp say the same."""
    with _lamp_lock:
        _lamp[key] = (time.monotonic(), fresh)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
