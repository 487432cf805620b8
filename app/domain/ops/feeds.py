"""Is a feed silent? By the wall clock of its office, in the hours in which somebody works (PA-28). Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

PATIENCE = timedelta(minutes=60)


def late_since(read_at: datetime | None, now: datetime, time_zone: str, hours: tuple[time, time]) -> datetime | None:
    """Since when a feed is waited for, when that is more than an hour of this business day; else None."""
    begin, end = hours
    local = now.astimezone(ZoneInfo(time_zone))
    if not begin <= local.time() < end:
        return None
    opened = datetime.combine(local.date(), begin, tzinfo=local.tzinfo).astimezone(UTC)
    since = opened if read_at is None else max(opened, read_at)
    return since if now - since > PATIENCE else None
