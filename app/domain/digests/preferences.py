"""What a buyer chooses about a search, by the link in a mail and without an account: how often, what of, not for a
while, and yes, keep sending. A link speaks for the searches of its mail only: mails are passed on. Callers commit.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta

from app.domain.contacts import quiet
from app.domain.digests import lifecycle
from app.domain.digests.optout import Standing, Watch, standing
from app.domain.errors import Invalid, NotFound
from app.domain.models import KIND_BITS, AlertKind
from app.domain.models.lookups import ScheduleType
from app.domain.searches import saved

PAUSES = {7: "a week", 30: "a month", 90: "three months"}
"""Days, and what they are called."""


def change(
    token: str,
    subscription_id: int,
    *,
    schedule_type: str,
    send_time: str,
    kinds: Collection[str],
    now: datetime | None = None,
) -> Standing:
    """How often a search writes, and what of. Days of the week that were chosen stay. Raises NotFound for a search
    the link does not speak for, Invalid with the field, Conflict when the office changed it at this moment."""
    now = now or datetime.now(UTC)
    watch = _own(standing(token, now), subscription_id)
    known = {kind.name.lower(): kind for kind in AlertKind}
    if unknown := sorted(set(kinds) - set(known)):
        raise Invalid(f"“{unknown[0][:40]}” is nothing we write about.", field="kinds")
    at = None
    if schedule_type != ScheduleType.ASAP:
        try:
            at = time.fromisoformat(send_time)
        except ValueError:
            raise Invalid("Say at what time of day, such as 07:30.", field="send_time") from None
    saved.edit(
        watch.saved_search_id,
        office_id=standing(token, now).office_id,
        version=watch.version,
        schedule_type=schedule_type,
        send_time=at,
        daily_schedule=watch.daily_schedule if schedule_type == ScheduleType.DAILY else (),
        kinds=sum(KIND_BITS[known[name]] for name in set(kinds)),
        now=now,
    )
    return standing(token, now)


def pause(token: str, subscription_id: int, days: int, now: datetime | None = None) -> Standing:
    """Nothing of this search for so many days, then again by itself. Raises NotFound, Invalid."""
    now = now or datetime.now(UTC)
    watch = _own(standing(token, now), subscription_id)
    if days not in PAUSES:
        raise Invalid("A pause is a week, a month or three months.", field="days")
    if watch.is_active:
        lifecycle.pause(watch.alert_subscription_id, now + timedelta(days=days), now)
    return standing(token, now)


def keep(token: str, subscription_id: int, now: datetime | None = None) -> Standing:
    """Yes, keep sending: a warned search is warned of no longer; one that was paused by its buyer or put to rest goes
    on, from now on. What the office switched off stays off. Raises NotFound, Conflict and Invalid as resume() does."""
    now = now or datetime.now(UTC)
    watch = _own(standing(token, now), subscription_id)
    if watch.paused_until is not None:
        saved.resume(watch.alert_subscription_id, now).paused_until = None
    lifecycle.keep_sending(watch.alert_subscription_id, now)
    return standing(token, now)


def rest(token: str, begin: str, end: str, now: datetime | None = None) -> Standing:
    """No mail “as it happens” between these hours of the buyer's own clock; the same twice is none at all (PA-21).
    Raises NotFound, Invalid."""
    found = standing(token, now)
    try:
        hours = (time.fromisoformat(begin), time.fromisoformat(end))
    except ValueError:
        raise Invalid("Say from when until when, such as 21:00 and 08:00.", field="quiet_from") from None
    quiet.set_hours(found.contact_id, hours, office_id=found.office_id)
    return standing(token, now)


def _own(found: Standing, subscription_id: int) -> Watch:
    for watch in found.of_this_mail:
        if watch.alert_subscription_id == subscription_id and watch.is_own:
            return watch
    raise NotFound("This link is not one of ours.")
