"""How a search comes to rest when nobody needs it any more, after fair warning; and how anybody keeps it (PA-17).

A search that finds nothing, and one whose mails nobody looks at, is warned of and then switched off, with RESO's word
for it. A look is a person's: pages opened by hand, not pictures fetched by a mail program. Callers commit.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta

import structlog

from app.domain.digests.lifecycle import queries
from app.domain.digests.words import zone_named
from app.domain.errors import DomainError
from app.domain.messages.events import record_event
from app.domain.messages.keys import message_id_for
from app.domain.models import AlertSubscription, EventType, Stream
from app.domain.models.lookups import ReasonActiveOrDisabled as Reason
from app.domain.searches import saved
from app.domain.searches.queries import subscription_for_update
from app.extensions import db, settings
from app.gateways.mail import domain_of

log = structlog.get_logger(__name__)

FOUND_NOTHING_WARNING = timedelta(days=80)
FOUND_NOTHING = timedelta(days=90)
IGNORED_FIRST_WARNING = timedelta(days=30)
IGNORED_LAST_WARNING = timedelta(days=50)
IGNORED = timedelta(days=60)
FAIR = timedelta(days=9)
"""From the last warning to the end at least: where the watch itself stood still, nobody is switched off unwarned."""
KEEPS_NOTICE = timedelta(days=5)
MORNING, EVENING = time(9), time(19)
"""Notices are for the day, on the buyer's wall clock."""
LONGEST_PAUSE = timedelta(days=365)
LATELY = timedelta(hours=3)
"""Only searches that had a mail since then are counted; the watch comes by each hour."""

WARNINGS = frozenset(
    {
        Reason.NO_LISTINGS_FOUND_WARNING,
        Reason.INITIAL_IGNORED_WARNING,
        Reason.FINAL_IGNORED_WARNING,
    }
)
ENDS = frozenset({Reason.NO_LISTINGS_FOUND, Reason.IGNORED, Reason.OVER_LIMIT})
ENDS_AFTER = {
    Reason.NO_LISTINGS_FOUND_WARNING: FOUND_NOTHING - FOUND_NOTHING_WARNING,
    Reason.INITIAL_IGNORED_WARNING: IGNORED - IGNORED_FIRST_WARNING,
    Reason.FINAL_IGNORED_WARNING: IGNORED - IGNORED_LAST_WARNING,
}
"""How long after its warning a search ends, when nothing happens."""


def review_some(
    now: datetime | None = None, *, job_run_id: int | None = None, limit: int = 200
) -> dict[str, int] | None:
    """Warn of, end, or acquit up to `limit` searches whose standing has changed; None when none has. Idempotent.

    Each warning and each end queues a notice to the buyer, for the day. Counts: warned, ended, acquitted, notices.
    """
    now = now or datetime.now(UTC)
    rows = queries.judged(now, limit)
    if not rows:
        return None
    counts = Counter(warned=0, ended=0, acquitted=0, notices=0)
    notices = []
    for row in rows:
        verdict = Reason(row.verdict) if row.verdict else None
        if verdict in ENDS:
            saved.stop(row.id, verdict, now).warned_at = None
            counts["ended"] += 1
        else:
            queries.warn(row.id, verdict, now)
            counts["warned" if verdict else "acquitted"] += 1
        if verdict and row.may_write:
            notices.append(_notice(row, verdict, now, job_run_id))
    counts["notices"] = queries.add_notices(notices)
    return dict(counts)


def rein_in_some(
    now: datetime | None = None, *, job_run_id: int | None = None, limit: int = 200
) -> dict[str, int] | None:
    """Switch off up to `limit` searches that grew too broad: by what they really told of in thirty days, reckoned as
    when a search is switched on (PA-14). None when there is none. Idempotent. Counts: ended, notices."""
    now = now or datetime.now(UTC)
    since = now - timedelta(days=saved.BACKTEST_DAYS)
    most = saved.MOST_A_WEEK * saved.BACKTEST_DAYS // 7
    rows = queries.overrun(now, lately=now - LATELY, since=since, most=most, limit=limit)
    for row in rows:
        saved.stop(row.id, Reason.OVER_LIMIT, now).warned_at = None
    notices = queries.add_notices([_notice(row, Reason.OVER_LIMIT, now, job_run_id) for row in rows if row.may_write])
    return {"ended": len(rows), "notices": notices} if rows else None


def wake_some(now: datetime | None = None, *, limit: int = 200) -> int | None:
    """Resume up to `limit` searches whose buyer paused them until now; None when there is none.

    One that cannot be resumed stays off, and says so on its page.
    """
    now = now or datetime.now(UTC)
    due = queries.due_to_wake(now, limit)
    for subscription_id in due:
        try:
            with db.session.begin_nested():
                saved.resume(subscription_id, now)
        except DomainError as refusal:
            log.warning("search.not_resumed", subscription_id=subscription_id, reason=type(refusal).__name__)
    return len(due) or None


def keep_sending(
    subscription_id: int, now: datetime | None = None, *, office_id: int | None = None
) -> AlertSubscription:
    """Somebody wants it: the clocks of PA-17 begin anew, and a search that they ended goes on. Idempotent.

    Raises NotFound, Conflict and Invalid as resume() does.
    """
    now = now or datetime.now(UTC)
    subscription = subscription_for_update(subscription_id, office_id)
    if not subscription.active_yn and subscription.reason_active_or_disabled in ENDS:
        subscription = saved.resume(subscription_id, now, office_id=office_id)
    elif subscription.reason_active_or_disabled in WARNINGS:
        subscription.reason_active_or_disabled = Reason.RE_ACTIVATED.value
        subscription.modification_timestamp = now
    subscription.renewed_at, subscription.warned_at = now, None
    db.session.flush()
    return subscription


def pause(subscription_id: int, until: datetime, now: datetime | None = None) -> AlertSubscription:
    """The buyer's own pause: nothing until then, and from then on again, by itself. What happens meanwhile is not mailed
    later (PA-16). Raises NotFound."""
    now = now or datetime.now(UTC)
    subscription = saved.stop(subscription_id, Reason.CLIENT_DISABLED, now)
    subscription.paused_until = min(max(until, now), now + LONGEST_PAUSE)
    db.session.flush()
    return subscription


def looked(digest_token: str, now: datetime | None = None) -> bool:
    """A person looked at a page of this digest: a sign of life of its searches. False for a link we never made.

    Cheap when repeated: a second look within the hour writes nothing.
    """
    now = now or datetime.now(UTC)
    is_ours, message_id = queries.looked(digest_token, now)
    if message_id is not None:
        record_event(message_id, "page", str(message_id), EventType.CLICKED, occurred_at=now)
    return is_ours


def _notice(row: queries.AnyRow, verdict: Reason, now: datetime, job_run_id: int | None) -> dict[str, object]:
    key = f"notice:{row.id}:{verdict.name.lower()}:{now:%Y-%m-%d}"
    return {
        "office_id": row.office_id,
        "contact_id": row.contact_id,
        "alert_subscription_id": row.id,
        "stream": Stream.NOTICES,
        "dedupe_key": key,
        "message_id": message_id_for(settings().secret_key, key, domain_of(settings().mail_from)),
        "recipient": row.email,
        "not_before": by_day(now, row.time_zone),
        "expires_at": now + KEEPS_NOTICE,
        "job_run_id": job_run_id,
        "created_at": now,
    }


def by_day(now: datetime, time_zone: str) -> datetime:
    """Now, if it is day on that wall clock; else the next morning."""
    zone = zone_named(time_zone)
    local = now.astimezone(zone)
    if MORNING <= local.time() < EVENING:
        return now
    morning = local.date() + timedelta(days=local.time() >= EVENING)
    return datetime.combine(morning, MORNING, tzinfo=zone).astimezone(UTC)
