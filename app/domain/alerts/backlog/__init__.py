"""What has waited for matching for longer than a few runs: there was an outage, and it is being caught up (PA-26)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from app.domain.alerts.backlog import queries

LATE = timedelta(hours=1)
"""Four runs of alerts."""


class Backlog(NamedTuple):
    """The events that waited: from one number to another, and how many."""

    first: int
    last: int
    events: int


def backlog(now: datetime) -> Backlog | None:
    """What is in batches that nobody has matched yet, when the oldest of it has waited for more than an hour; else
    None. Asked after the batches were taken."""
    row = queries.waiting()
    if row.oldest is None or row.oldest > now - LATE:
        return None
    return Backlog(row.first, row.last, row.events)
