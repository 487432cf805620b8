"""Who was told of an incident, in words: from the tries that were written down and the incident's own times, so that
a page says what happened and not what usually does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.display import duration
from app.domain.models import Incident, IncidentTone

WAITS = "a minute (two and a half for what is somewhere else)"
"""What a trouble must have lasted before anybody is told: incidents.PATIENCE, health.OUTSIDE_PATIENCE."""


@dataclass(frozen=True)
class Tries:
    """How often it was tried to tell of an incident, and in vain."""

    sent: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Words:
    """`at` belongs behind the words, as the reader's clock shows it."""

    words: str
    at: datetime | None = None


def in_short(incident: Incident, tries: Tries, *, has_channels: bool) -> Words:
    """For a list."""
    is_open = incident.closed_at is None
    if incident.notified_at is not None:
        return Words("", incident.notified_at)
    if tries.failed:
        times = "1 try" if tries.failed == 1 else f"{tries.failed} tries"
        return Words(f"{'not yet' if is_open else 'nobody'}, {times} failed")
    if incident.acknowledged_at is not None:
        return Words("no need, somebody was on it")
    if incident.next_notice_at is not None and is_open:
        return Words("at", incident.next_notice_at) if has_channels else Words("nobody")
    if incident.tone == IncidentTone.WAIT.value:
        return Words("not needed")
    return Words("nobody" if is_open else "no, it was over")


def why_nobody(incident: Incident, holder: str | None, *, has_channels: bool) -> Words:
    """For the incident's own page, where no try was written down."""
    if incident.acknowledged_at is not None:
        after = duration((incident.acknowledged_at - incident.opened_at).total_seconds())
        return Words(f"{holder or 'Somebody'} was on it {after} after it was opened; nobody had been told by then.")
    if incident.closed_at is not None:
        if incident.tone == IncidentTone.WAIT.value:
            return Words("It was worth a look, and called nobody.")
        after = duration((incident.closed_at - incident.opened_at).total_seconds())
        return Words(f"It was over {after} after it was opened; nobody had been told by then.")
    if incident.next_notice_at is not None:
        if not has_channels:
            return Words("No channel is set.")
        return Words("It is told if it still holds", incident.next_notice_at)
    return Words("It is shown, and calls nobody.")
