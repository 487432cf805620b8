"""The balance: every row that came in is somewhere, and the sums say where (docs/flow.md).

Each part is counted by its own facts, never by subtraction, so a row that is nowhere, or in two places, leaves a
remainder. A remainder that is not zero is a defect or a loss, and turns the operations page red.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.models import MessageState
from app.domain.ops import queries
from app.domain.ops.clock import owed
from app.domain.ops.queries import Window

SETTLING = timedelta(seconds=30)
"""A due time this young may still be without its run: the clock looks every few seconds."""


@dataclass(frozen=True)
class Part:
    """Some of the rows, and where they are. `always`: shown even when there are none."""

    count: int
    label: str
    key: str
    always: bool = False
    is_alarming: bool = False


@dataclass(frozen=True)
class Sum:
    """One line of the balance."""

    key: str
    title: str
    total: int
    parts: Sequence[Part]
    lost: str
    """What a row that makes a remainder has suffered."""

    @property
    def remainder(self) -> int:
        """Rows that are nowhere (above zero) or in two places (below)."""
        return self.total - sum(part.count for part in self.parts)

    @property
    def shown(self) -> list[Part]:
        return [part for part in self.parts if part.count or part.always]


def balance(since: datetime, now: datetime | None = None) -> list[Sum]:
    """The sums for everything that came in since then. `since` at most a week back: no retention reaches that near."""
    window = Window(since, now or datetime.now(UTC))
    return [_events(window), _pairs(window), _messages(window), _due_times(window)]


def _events(window: Window) -> Sum:
    row = queries.events_in(window)
    return Sum(
        "events",
        "Listing events",
        row.total,
        [
            Part(row.matched, "matched", "matched", always=True),
            Part(row.unmatched, "no match", "unmatched", always=True),
            Part(row.not_alertable, "not alertable", "not_alertable", always=True),
            Part(row.being_matched, "being matched", "being_matched"),
            Part(row.unread, "not yet read", "unread"),
        ],
        "passed by the watermark and taken by no batch",
    )


def _pairs(window: Window) -> Sum:
    row = queries.pairs_in(window)
    return Sum(
        "matches",
        "Matches",
        row.total,
        [
            Part(row.in_message, "in a message", "in_message", always=True),
            Part(row.dropped, "dropped, with reason", "dropped", always=True),
            Part(row.waiting, "waiting for a digest", "waiting", always=True),
            Part(row.held, "held", "held"),
        ],
        "found, and then neither told, dropped nor waiting",
    )


MESSAGE_PARTS = (
    (MessageState.SENT, "sent", True),
    (MessageState.SUPPRESSED, "suppressed", False),
    (MessageState.DROPPED, "nothing left to say", False),
    (MessageState.EXPIRED, "too old to send", False),
    (MessageState.FAILED, "refused", False),
    (MessageState.UNKNOWN, "unknown", False),
    (MessageState.SENDING, "being sent", False),
)


def _messages(window: Window) -> Sum:
    rows = queries.messages_in(window)
    proven = [row for row in rows if row.is_proven]

    def count(state: MessageState, *, later: bool | None = None) -> int:
        return sum(row.n for row in proven if row.state == state and (later is None or row.is_later == later))

    parts = [
        Part(count(state), label, state.value, always=always, is_alarming=state is MessageState.UNKNOWN)
        for state, label, always in MESSAGE_PARTS
    ]
    parts += [
        Part(count(MessageState.QUEUED, later=False), "due", "due"),
        Part(count(MessageState.QUEUED, later=True), "for later", "later"),
    ]
    return Sum(
        "messages",
        "Messages",
        sum(row.n for row in rows),
        parts,
        "in a state that their log does not bear out, or stuck",
    )


def _due_times(window: Window) -> Sum:
    until = window.until - SETTLING
    rows = queries.due_times(window.since, until)
    total_owed = sum(len(owed_times(row, window)) for row in rows)

    def total(name: str) -> int:
        return sum(getattr(row, name) for row in rows)

    return Sum(
        "due_times",
        "Due times",
        total_owed,
        [
            Part(total("ran"), "ran", "succeeded", always=True),
            Part(total("failed"), "failed", "failed"),
            Part(total("missed"), "missed", "missed"),
            Part(total("skipped"), "skipped", "skipped"),
            Part(total("going"), "going", "going"),
        ],
        "past, without a run",
    )


def owed_times(row: queries.AnyRow, window: Window) -> list[datetime]:
    """The due times that the clock of this line owes in the window, by arithmetic alone: those of its pauses are not."""
    since, until = max(window.since, row.due_from), window.until - SETTLING
    pauses = list(zip(row.paused_ats, row.resumed_ats, strict=True))
    if row.paused_since is not None:
        pauses.append((row.paused_since, max(row.paused_since, until)))
    return list(owed(row.cron, row.time_zone, since, until, pauses))


def missing_times(window: Window, limit: int = 50) -> list[tuple[str, datetime]]:
    """The due times without a run: (line, due time), oldest first."""
    until = window.until - SETTLING
    missing = [
        (row.name, moment)
        for row in queries.due_times(window.since, until)
        for moment in sorted(
            set(owed_times(row, window)) - queries.due_times_kept(row.name, max(window.since, row.due_from), until)
        )
    ]
    return sorted(missing, key=lambda each: each[1])[:limit]


def unaccounted(now: datetime | None = None) -> int:
    """How many rows of the last 24 hours leave a remainder. Recorded by each sweep, for the lamp of every page."""
    now = now or datetime.now(UTC)
    return sum(abs(line.remainder) for line in balance(now - timedelta(hours=24), now))


def midnight(now: datetime, time_zone: str) -> datetime:
    """The last midnight on the wall of an office."""
    wall = now.astimezone(ZoneInfo(time_zone))
    return wall.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
