"""The processes, put together for a page: who lives, what each does, what the silent ones held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.models import ProcessHeartbeat
from app.domain.ops import queries
from app.domain.ops.health import ALIVE
from app.domain.ops.heartbeat import name_of
from app.domain.ops.queries import workers as rows_of

GONE = timedelta(hours=12)
"""A process silent for longer is no longer listed: it was taken away, not lost."""
GROWTH = 50_000
"""kB: memory that grew by this and by half says so. A working process of ours holds about 100 MB."""
ROLES = {"worker": 0, "scheduler": 1, "web": 2}
DEPLOY = timedelta(minutes=10)
"""While the newest version is younger than this, two versions are a deploy going on."""


@dataclass(frozen=True)
class Unit:
    """One process."""

    heart: ProcessHeartbeat
    name: str
    is_alive: bool
    is_replaced: bool
    """Silent, and another was started in its place: a restart is not a loss."""
    holds: Sequence[Any]
    lost: Sequence[Any]
    last_hour: int
    last_day: int

    @property
    def title(self) -> str:
        return self.heart.queue or self.heart.role

    @property
    def tone(self) -> str:
        if self.is_alive:
            return "good"
        return "idle" if self.is_replaced else "bad"

    @property
    def took_with_it(self) -> Sequence[Any]:
        """The runs that were taken back after its last sign."""
        return [attempt for attempt in self.lost if attempt.lost_at >= self.heart.seen_at]

    @property
    def grown_kb(self) -> int | None:
        """What its memory has grown by, when that is worth a word."""
        now, first = self.heart.rss_kb, self.heart.rss_first_kb
        if now is None or first is None or now - first < max(GROWTH, first // 2):
            return None
        return now - first


@dataclass(frozen=True)
class Version:
    """`name` is empty where a process does not say."""

    name: str
    processes: Sequence[str]


@dataclass(frozen=True)
class Workers:
    processes: Sequence[Unit]
    versions: Sequence[Version]
    """Of the living, the newest begun first."""
    is_deploying: bool

    @property
    def alive(self) -> int:
        return sum(process.is_alive for process in self.processes)

    @property
    def silent(self) -> Sequence[Unit]:
        """Those that nobody replaced."""
        return [process for process in self.processes if process.tone == "bad"]

    @property
    def finding(self) -> str:
        """“4 processes live; 1 is silent”: the head of the page."""
        living = f"{self.alive} {'process lives' if self.alive == 1 else 'processes live'}"
        silent = len(self.silent)
        return f"{living}; {silent or 'none'} {'are' if silent > 1 else 'is'} silent"


def look(now: datetime | None = None) -> Workers:
    """Every process that gave a sign in the last 12 hours: four statements."""
    now = now or datetime.now(UTC)
    hearts = queries.processes(now - GONE)
    names = {heart.instance: _names(heart) for heart in hearts}
    asked = [name for pair in names.values() for name in pair]
    done, held, lost = rows_of.done(asked, now), rows_of.held(asked), rows_of.lost(asked, now)
    processes = []
    for heart in hearts:
        mine = names[heart.instance]
        counts = [done[name] for name in mine if name in done]
        is_alive = heart.seen_at >= now - ALIVE
        processes.append(
            Unit(
                heart=heart,
                name=mine[0],
                is_alive=is_alive,
                is_replaced=not is_alive and _is_replaced(heart, hearts, now),
                holds=[run for name in mine for run in held.get(name, ())],
                lost=[attempt for name in mine for attempt in lost.get(name, ())],
                last_hour=sum(count.last_hour for count in counts),
                last_day=sum(count.last_day for count in counts),
            )
        )
    processes.sort(key=_order)
    alive = sorted((each for each in processes if each.is_alive), key=lambda each: each.heart.started_at, reverse=True)
    versions: dict[str, list[str]] = {}
    for process in alive:
        versions.setdefault(process.heart.version, []).append(process.title)
    return Workers(
        processes=processes,
        versions=[Version(name, sorted(titles)) for name, titles in versions.items()],
        is_deploying=bool(alive) and alive[0].heart.started_at > now - DEPLOY,
    )


def _names(heart: ProcessHeartbeat) -> tuple[str, str]:
    """What rows may call it: its own name, or where it runs, when it does runs that no worker was rung for."""
    return name_of(heart.role, heart.queue, heart.instance), f"{heart.host}-{heart.pid}"


def _is_replaced(heart: ProcessHeartbeat, others: Sequence[ProcessHeartbeat], now: datetime) -> bool:
    return any(
        (other.role, other.queue, other.host) == (heart.role, heart.queue, heart.host)
        and other.seen_at >= now - ALIVE
        and other.started_at > heart.started_at
        for other in others
    )


def _order(process: Unit) -> tuple[Any, ...]:
    """What wants a look first, then the living by what they do, then those that were replaced."""
    heart = process.heart
    places = {"bad": 0, "good": 1, "idle": 2}
    return places[process.tone], ROLES.get(heart.role, 9), heart.queue or "", -heart.started_at.timestamp()
