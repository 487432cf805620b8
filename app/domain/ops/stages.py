"""The way from a change to an inbox, stage by stage: how much today, what is due, since when, and whether it moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.ops import queries
from app.domain.ops.health import MAIL_PATIENCE, ScheduleHealth, Tone, Vitals


@dataclass(frozen=True)
class Stage:
    """`next_at`: a moment, or a word where no clock decides."""

    key: str
    title: str
    kind: str
    """The run that moves it; empty = nothing to run."""
    today: int
    unit: str
    spark: Sequence[int]
    last_success: datetime | None
    next_at: datetime | str
    due: int
    oldest_due: datetime | None
    failures: int
    """Runs failed in 24 hours."""
    sub: str
    tone: Tone | None
    word: str
    overdue_since: datetime | None = None


def stages(now: datetime, since: datetime, signs: Vitals) -> tuple[list[Stage], queries.AnyRow]:
    """The five stages, from two statements; and the row they were read from, for the head of the page."""
    counts = queries.stage_counts(since, now)
    hours = queries.hourly(now)
    failures: dict[str, int] = counts.failures or {}
    alerts, nothing = signs.schedule_of("alerts"), [0] * 12
    alerts_overdue = alerts.overdue_since if alerts else None

    def last(kind: str) -> datetime | None:
        moment: datetime | None = signs.kind(kind).get("succeeded_at")
        return moment

    def tone(kind: str, *, due: int, overdue: object, busy: str, idle: str) -> tuple[Tone | None, str]:
        if overdue:
            return Tone.BAD, "Stopped"
        if _is_failing(signs, kind):
            return Tone.BAD, "Failing"
        if last(kind) is None and not due:
            return None, "Not yet run"
        return Tone.GOOD, busy if due else idle

    found = [
        Stage(
            "imports",
            "Imports",
            "imports",
            counts.imported,
            "rows today",
            hours.get("imports", nothing),
            last("imports"),
            "on upload",
            counts.uploads,
            counts.uploads_oldest,
            failures.get("imports", 0),
            f"{counts.imports_week:,} {'file' if counts.imports_week == 1 else 'files'} in 7 days",
            *tone("imports", due=counts.uploads, overdue=None, busy="Reading", idle="Idle"),
        ),
        Stage(
            "events",
            "Events",
            "",
            counts.events,
            "today",
            hours.get("events", nothing),
            counts.last_event,
            "live",
            0,
            None,
            0,
            f"seq {counts.last_seq:,}" if counts.last_seq else "none yet",
            Tone.GOOD if counts.last_event else None,
            "In step" if counts.last_event else "None yet",
        ),
        Stage(
            "alerts",
            "Matches",
            "alerts",
            int(counts.pairs),
            "today",
            hours.get("alerts", nothing),
            last("alerts"),
            _next(alerts),
            int(counts.unread + counts.open_events),
            min(filter(None, (counts.unread_oldest, counts.open_oldest)), default=None),
            failures.get("alerts", 0),
            f"{int(counts.pairs_week):,} in 7 days",
            *tone("alerts", due=0, overdue=alerts_overdue, busy="On time", idle="On time"),
            overdue_since=alerts_overdue,
        ),
        Stage(
            "digests",
            "Digests",
            "digests",
            counts.digests,
            "today",
            hours.get("digests", nothing),
            last("digests"),
            _next(alerts),
            int(counts.waiting),
            counts.waiting_oldest,
            failures.get("digests", 0),
            f"{counts.empty:,} with nothing left to say",
            *tone("digests", due=0, overdue=None, busy="On time", idle="On time"),
        ),
        Stage(
            "messages",
            "Messages",
            "messages",
            counts.sent,
            "sent today",
            hours.get("messages", nothing),
            last("messages"),
            "now" if counts.due else "when due",
            counts.due,
            counts.due_oldest,
            failures.get("messages", 0),
            f"{signs.unknown:,} unknown" if signs.unknown else f"{counts.sent_lately / 10:.0f} a minute",
            *tone(
                "messages",
                due=counts.due,
                overdue=counts.due_oldest is not None and counts.due_oldest < now - MAIL_PATIENCE,
                busy="Sending",
                idle="Idle",
            ),
            overdue_since=counts.due_oldest
            if counts.due_oldest is not None and counts.due_oldest < now - MAIL_PATIENCE
            else None,
        ),
    ]
    return found, counts


def _next(line: ScheduleHealth | None) -> datetime | str:
    return line.next_due if line and line.next_due else "not scheduled"


def _is_failing(signs: Vitals, kind: str) -> bool:
    vital = signs.kind(kind)
    failed, succeeded = vital.get("failed_at"), vital.get("succeeded_at")
    return failed is not None and (succeeded is None or failed > succeeded)
