"""When a buyer's time zone changes, each of their daily mails still comes once a local day (PA-20). Pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from app.domain.searches.schedule import Schedule, last_send, next_send


def moved_send(
    planned: datetime | None, schedule: Schedule, old: ZoneInfo, new: ZoneInfo, *, began: datetime, now: datetime
) -> datetime | None:
    """When the next mail is due after the zone changed from `old` to `new`.

    `planned` was the due moment on the old clock, `began` when the subscription did. A day that had its mail gets no
    second one; a day whose new hour has already passed keeps the old hour once. None for ASAP.
    """
    due = next_send(now, schedule, new)
    if due is None:
        return None
    served = last_send(now, schedule, old)
    if served is not None and served >= began:
        had = served.astimezone(old).date()
        while due is not None and due.astimezone(new).date() <= had:
            due = next_send(due, schedule, new)
    still_planned = planned is not None and planned > now
    if planned and due and still_planned and planned.astimezone(old).date() < due.astimezone(new).date():
        return planned
    return due
