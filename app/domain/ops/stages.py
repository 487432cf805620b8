"""The way from a change to an inbox, stage by stage: how much today, what is due, since when, and whether it moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain.ops import probing
from app.domain.ops.health import MAIL_PATIENCE, Tone, Vitals, stale_feeds
from app.domain.ops.queries import AnyRow
from app.domain.ops.queries.overview import hourly
from app.domain.ops.registry import registry
from app.domain.ops.schedules import late_since
from app.domain.ops.words import caught_up_words

QUIET = timedelta(hours=24)
"""No change to any listing for so long: the page says “no data”, not “no matches”."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stop. `next_at`: a moment, or a word where no clock decides."""

    key: str
    title: str
    kind: str = ""
    """The run that moves it; empty = nothing to run."""
    today: int
    unit: str
    spark: Sequence[int]
    last_success: datetime | None
    next_at: datetime | str
    waiting: str
    """What waits here, in the plural: not runs, those wait on queues."""
    due: int = 0
    oldest_due: datetime | None = None
    failures: int = 0
    """Runs failed in 24 hours."""
    sub: str
    tone: Tone | None
    """None: it has not begun; green is earned."""
    word: str
    overdue_since: datetime | None = None
    no_data_since: datetime | None = None
    """Nothing came in since then: that nothing was found says nothing (PA-28)."""

    @property
    def a_minute(self) -> float:
        """As of the last hour."""
        return self.spark[-1] / 60


def stages(now: datetime, counts: AnyRow, volumes: AnyRow, signs: Vitals) -> list[Stage]:
    """The five stages. `counts` from queries.overview.stage_counts, `volumes` from volumes(): since when is “today”."""
    hours, idle = hourly(volumes), [0] * 12
    failures: dict[str, int] = counts.failures or {}
    alerts = signs.schedule_of("alerts")
    is_paused = any(line.is_paused for line in signs.schedules if line.kind == "alerts")
    stopped = alerts.overdue_since if alerts else None
    late = late_since(alerts, now) if alerts else None
    no_clock = signs.is_clock_silent and alerts is not None
    late_mail = counts.due_oldest if counts.due_oldest and counts.due_oldest < now - MAIL_PATIENCE else None
    next_alerts: datetime | str = alerts.next_due if alerts and alerts.next_due else "not scheduled"
    if is_paused:
        next_alerts = "paused"
    files = volumes.imports_week
    return [
        Stage(
            key="imports",
            waiting="Files",
            title="Imports",
            kind="imports",
            today=volumes.imported,
            unit="rows today",
            spark=hours.get("imports", idle),
            last_success=_last(signs, "imports"),
            next_at="on upload",
            due=counts.uploads,
            oldest_due=counts.uploads_oldest,
            failures=failures.get("imports", 0),
            sub=f"{files:,} {'file' if files == 1 else 'files'} in 7 days",
            **_look(signs, "imports", word="Reading" if counts.uploads else "Idle"),
        ),
        Stage(
            key="events",
            waiting="Events",
            title="Events",
            today=volumes.events,
            unit="today",
            spark=hours.get("events", idle),
            last_success=counts.last_event,
            next_at="live",
            sub=f"seq {counts.last_seq:,}" if counts.last_seq else "the log is empty",
            tone=Tone.GOOD if counts.last_event else None,
            word="In step" if counts.last_event else "None yet",
        ),
        Stage(
            key="alerts",
            waiting="Events",
            title="Matches",
            kind="alerts",
            today=int(volumes.pairs),
            unit="today",
            spark=hours.get("alerts", idle),
            last_success=_last(signs, "alerts"),
            next_at=next_alerts,
            due=int(counts.unread + counts.open_events),
            oldest_due=min(filter(None, (counts.unread_oldest, counts.open_oldest)), default=None),
            failures=failures.get("alerts", 0),
            sub=f"{int(volumes.pairs_week):,} in 7 days",
            overdue_since=late,
            no_data_since=_no_data_since(counts, signs, now),
            **_look(
                signs,
                "alerts",
                word="Late" if late else "On time",
                overdue=stopped,
                is_paused=is_paused,
                no_clock=no_clock,
            ),
        ),
        Stage(
            key="digests",
            waiting="Matches",
            title="Digests",
            kind="digests",
            today=volumes.digests,
            unit="today",
            spark=hours.get("digests", idle),
            last_success=_last(signs, "digests"),
            next_at=next_alerts,
            due=int(counts.waiting),
            oldest_due=counts.waiting_oldest,
            failures=failures.get("digests", 0),
            sub="waits on matches"
            if stopped or is_paused or no_clock
            else caught_up_words(counts.caught_up)
            if counts.caught_up
            else f"{volumes.empty:,} had nothing left to say",
            **_look(signs, "digests", word="Waits" if late or is_paused or no_clock else "On time"),
        ),
        Stage(
            key="messages",
            waiting="Mails",
            title="Messages",
            kind="messages",
            today=volumes.sent + volumes.sent_by_hand,
            unit="sent today",
            spark=hours.get("messages", idle),
            last_success=_last(signs, "messages"),
            next_at="now" if counts.due else "when due",
            due=counts.due,
            oldest_due=counts.due_oldest,
            failures=failures.get("messages", 0),
            sub=_mail_words(counts, volumes, signs),
            overdue_since=late_mail,
            **_look(signs, "messages", word="Sending" if counts.due else "Idle", overdue=late_mail),
        ),
    ]


def _no_data_since(counts: AnyRow, signs: Vitals, now: datetime) -> datetime | None:
    """That nothing matches says nothing while a feed is silent, or when nothing changed for a day (PA-28)."""
    silent = [reason.since for reason in stale_feeds(signs, now) if reason.since is not None]
    if silent:
        return min(silent)
    return counts.last_event if counts.last_event and counts.last_event < now - QUIET else None


def _last(signs: Vitals, kind: str) -> datetime | None:
    moment: datetime | None = signs.kind(kind).get("succeeded_at")
    return moment


def _mail_words(counts: AnyRow, volumes: AnyRow, signs: Vitals) -> str:
    said = [f"{signs.unknown:,} unknown"] if signs.unknown else [f"{counts.sent_lately:,} in 10 min"]
    return ", ".join(said + ([f"{volumes.sent_by_hand:,} by hand"] if volumes.sent_by_hand else []))


def _look(
    signs: Vitals,
    kind: str,
    *,
    word: str,
    overdue: datetime | None = None,
    is_paused: bool = False,
    no_clock: bool = False,
) -> Any:
    failed, succeeded = signs.kind(kind).get("failed_at"), _last(signs, kind)
    is_covered = signs.is_away(probing.REDIS) and not signs.is_clock_silent
    if not any(worker["alive"] for worker in signs.workers_of(registry().queues.get(kind, ""))) and not is_covered:
        return {"tone": Tone.BAD, "word": "No worker"}
    if overdue is not None:
        return {"tone": Tone.BAD, "word": "Stopped"}
    if is_paused:
        return {"tone": Tone.WAIT, "word": "Paused"}
    if no_clock:
        return {"tone": Tone.BAD, "word": "No clock"}
    if kind == "messages" and signs.is_away(probing.MAIL):
        return {"tone": Tone.BAD, "word": "Relay is away"}
    if is_covered:
        return {"tone": Tone.WAIT, "word": "One at a time"}
    if word in {"Late", "Waits"}:
        return {"tone": Tone.WAIT, "word": word}
    if failed is not None and (succeeded is None or failed > succeeded):
        is_ours = kind != "imports"  # a file that could not be read is its bringer's to look at
        return {"tone": Tone.BAD, "word": "Failing"} if is_ours else {"tone": Tone.WAIT, "word": "Last one failed"}
    if succeeded is None:
        return {"tone": None, "word": "Not yet run"}
    return {"tone": Tone.GOOD, "word": word}
