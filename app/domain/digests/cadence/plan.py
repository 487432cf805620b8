"""What of all that waits for one buyer goes with a run, and until when the rest waits, and why. Pure.

“As soon as possible” has limits: quiet hours (PA-21), a mail an hour and a few a day (PA-10). What they hold back goes in
one mail at their end, or with the daily one; so does what was found late, after an outage (PA-26).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.domain.alerts import LATE
from app.domain.models import WaitsFor
from app.domain.models.lookups import ScheduleType
from app.domain.searches.schedule import Quiet, Schedule, last_send, next_send

NEWS = timedelta(days=7)
"""What is older than this, and than the buyer's own schedule asks for, is told no more (PA-26)."""
LEFTOVERS_AT = time(7)
"""When what is left over goes to a buyer without a daily mail of their own, on their clock (PA-10)."""
LEEWAY = timedelta(minutes=5)
"""Runs of two windows that are an hour apart begin some seconds less, or more, apart."""
MERGED_DAILY = frozenset({WaitsFor.DAY, WaitsFor.AGE})


class Limits(NamedTuple):
    """How often “as soon as possible” may be (PA-10)."""

    gap: timedelta = timedelta(hours=1)
    a_day: int = 4


USUAL = Limits()


@dataclass(frozen=True)
class Buyer:
    """What a buyer's limits depend on."""

    zone: ZoneInfo
    quiet: Quiet | None = None
    last_window: datetime | None = None
    """Of the last instant mail: the due time of its run."""
    last_at: datetime | None = None
    """And when it was made."""
    today: int = 0
    """Instant mails on this local day."""
    limits: Limits = USUAL
    next_daily: datetime | None = None
    """When the next daily mail of their own is due, after this window."""


class Wait(NamedTuple):
    until: datetime
    why: WaitsFor


@dataclass
class Plan:
    taken: list[Any] = field(default_factory=list)
    held: list[tuple[Any, Wait]] = field(default_factory=list)
    is_instant: bool = False
    """The mail counts among the few of an hour and a day."""


def plan(
    rows: Sequence[Any], buyer: Buyer, window_end: datetime, now: datetime, skipped: frozenset[int] = frozenset()
) -> Plan:
    """What goes with this window. `rows` are cadence.queries.waiting's of one buyer; `skipped` are subscriptions that
    had their mail of this local day already (PA-20).

    A mail that goes anyway takes along what would have to wait: one mail is less than two (PA-08).
    """
    found = Plan()
    asap = []
    for row in rows:
        if not row.active_yn:
            found.taken.append(row)  # ended: the digest says why
        elif row.schedule_type == ScheduleType.ASAP:
            if row.waits_until is None or row.waits_until <= window_end:
                asap.append(row)
        elif row.alert_subscription_id not in skipped:
            found.taken.append(row)
    fresh = []
    for row in asap:
        if row.waits_for in MERGED_DAILY or row.concierge_yn:
            found.taken.append(row)
        elif row.waits_for is None and row.newest is not None and row.newest < now - LATE:
            found.held.append((row, Wait(leftovers(max(now, window_end), buyer), WaitsFor.AGE)))
        else:
            fresh.append(row)
    if not fresh:
        return found
    goes_anyway = any(row.active_yn and not row.concierge_yn for row in found.taken)
    wait = None if goes_anyway else wait_of(window_end, now, buyer)
    if wait is not None:
        found.held += [(row, wait) for row in fresh]
        return found
    found.taken += fresh
    found.is_instant = not goes_anyway
    return found


def wait_of(window_end: datetime, now: datetime, buyer: Buyer) -> Wait | None:
    """Until when an instant mail to this buyer must wait; None when it may go with this window."""
    at, limits = max(now, window_end), buyer.limits
    if buyer.today >= limits.a_day:
        return Wait(leftovers(at, buyer), WaitsFor.DAY)
    if buyer.quiet is not None and (end := buyer.quiet.end_after(at, buyer.zone)) is not None:
        return Wait(end, WaitsFor.QUIET)
    if buyer.last_window is not None and window_end < buyer.last_window + limits.gap:
        return Wait(buyer.last_window + limits.gap, WaitsFor.HOUR)
    if buyer.last_at is not None and now < buyer.last_at + limits.gap - LEEWAY:
        return Wait(max(buyer.last_at + limits.gap - LEEWAY, window_end + timedelta(minutes=1)), WaitsFor.HOUR)
    return None


def leftovers(now: datetime, buyer: Buyer) -> datetime:
    """When the next daily mail goes: at the buyer's own hour within a day, else at 7:00 on their clock (PA-10)."""
    if buyer.next_daily is not None and now < buyer.next_daily <= now + timedelta(hours=25):
        return buyer.next_daily
    due = next_send(now, Schedule(ScheduleType.DAILY, LEFTOVERS_AT), buyer.zone)
    assert due is not None
    return due


def served_day(window_end: datetime, planned: datetime, schedule: Schedule, zone: ZoneInfo) -> date:
    """The local date that the mail of this window stands for: that of the last hour that has come. It is served once,
    on days of 23 and 25 hours and when the zone is changed in the middle of one (PA-20)."""
    due = last_send(window_end, schedule, zone) or planned
    return max(due, min(planned, window_end)).astimezone(zone).date()


def too_old(recorded_at: datetime, schedule_type: str, days: int, now: datetime) -> bool:
    """Whether an event is no news any more for a subscription: older than a week, beyond the time that its own schedule
    lets it wait (PA-26). `days`: how many weekdays it is sent on; 0 is every day."""
    waits = timedelta(0)
    if schedule_type == ScheduleType.DAILY:
        waits = timedelta(days=7 if days else 1)
    elif schedule_type == ScheduleType.MONTHLY:
        waits = timedelta(days=31)
    return recorded_at < now - NEWS - waits
