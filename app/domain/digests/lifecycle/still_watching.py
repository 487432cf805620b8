"""Once a month, for who asked for it: nothing was found, and we are still watching (PA-12). Off unless somebody switched
it on; a month with a mail needs none."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from app.domain.digests.lifecycle import queries
from app.domain.messages.keys import message_id_for
from app.domain.models import AlertSubscription, Stream
from app.domain.models.lookups import ScheduleType
from app.domain.searches.queries import subscription_for_update
from app.domain.searches.saved import zone_for
from app.domain.searches.schedule import Schedule, first_zone, next_send
from app.extensions import db, settings
from app.gateways.mail import domain_of

KEY = "still-watching:"
AT = time(9)
"""On the first of the month, at the hour of its mails or this one, on the buyer's clock."""
SILENT = timedelta(days=28)
KEEPS = timedelta(days=2)


def want(
    subscription_id: int, *, wanted: bool, office_id: int | None = None, now: datetime | None = None
) -> AlertSubscription:
    """Switch it on or off. Idempotent. Raises NotFound; name `office_id` where a person asks."""
    subscription = subscription_for_update(subscription_id, office_id)
    if not wanted:
        subscription.still_watching_at = None
    elif subscription.still_watching_at is None:
        zone = zone_for(subscription.contact, subscription.saved_search)
        schedule = Schedule(ScheduleType.MONTHLY, subscription.send_time or AT)
        subscription.still_watching_at = next_send(now or datetime.now(UTC), schedule, zone)
    db.session.flush()
    return subscription


def write_some(now: datetime, job_run_id: int | None = None, limit: int = 200) -> int | None:
    """Queue those that are due, up to `limit`, and move each to its next month; how many mails, None when none is due.
    One transaction, which the caller commits. Safe to run twice: one mail a search and due moment."""
    due = queries.due_still_watching(now, limit)
    if not due:
        return None
    rows, moved = [], []
    for one in due:
        zone = first_zone(one.time_zone, one.area_time_zone, one.office_time_zone)
        following = next_send(now, Schedule(ScheduleType.MONTHLY, one.send_time or AT), zone)
        moved.append({"id": one.id, "still_watching_at": following})
        if one.email and (one.last_new_changed_timestamp is None or one.last_new_changed_timestamp < now - SILENT):
            key = f"{KEY}{one.id}:{one.still_watching_at.astimezone(UTC):%Y-%m-%d}"
            rows.append(
                {
                    "office_id": one.office_id,
                    "contact_id": one.contact_id,
                    "alert_subscription_id": one.id,
                    "stream": Stream.NOTICES.value,
                    "dedupe_key": key,
                    "message_id": message_id_for(settings().secret_key, key, domain_of(settings().mail_from)),
                    "recipient": one.email,
                    "not_before": now,
                    "expires_at": now + KEEPS,
                    "job_run_id": job_run_id,
                    "created_at": now,
                }
            )
    queries.move_still_watching(moved)
    return queries.add_notices(rows)
