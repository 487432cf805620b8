"""The statements of a search's life: which searches are due for a warning or an end, and the signs that keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from app.domain.digests.queries import document
from app.domain.models.lookups import ReasonActiveOrDisabled as Reason
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]

WARNINGS = (
    f"('{Reason.NO_LISTINGS_FOUND_WARNING}', '{Reason.INITIAL_IGNORED_WARNING}', '{Reason.FINAL_IGNORED_WARNING}')"
)

STOPPED = """EXISTS (
           SELECT FROM suppression x
           WHERE x.office_id = s.office_id AND x.recipient = c.email AND x.lifted_at IS NULL
             AND (x.expires_at IS NULL OR x.expires_at > :now)
             AND (x.alert_subscription_id IS NULL OR x.alert_subscription_id = s.id))"""
"""Somebody stopped this search, all alerts or all mail: nothing is written about it either."""

# alive     what begins each clock: the last news, and the last sign that somebody wants it
# ignored   since when its mails went unseen: the first one after the last sign. Asked only where mail came after it
# judged    the one verdict that holds; an end needs its last warning, days ago
JUDGED = text(f"""
WITH alive AS (
    SELECT s.id, s.contact_id, s.reason_active_or_disabled AS reason, s.warned_at, s.last_new_changed_timestamp,
           greatest(s.original_entry_timestamp, s.renewed_at, s.resumed_at, s.revised_at, s.last_new_changed_timestamp)
               AS news_at,
           greatest(s.original_entry_timestamp, s.renewed_at, s.resumed_at, s.revised_at, s.last_viewed_timestamp)
               AS wanted_at
    FROM alert_subscription s
    WHERE s.active_yn
), ignored AS (
    SELECT alive.*, unseen.since
    FROM alive
    LEFT JOIN LATERAL (
        SELECT min(m.sent_at) AS since
        FROM outbound_message m
        WHERE m.contact_id = alive.contact_id AND m.state = 'sent' AND m.sent_at > alive.wanted_at
          AND EXISTS (SELECT FROM digest_item i
                      WHERE i.digest_id = m.digest_id AND i.alert_subscription_id = alive.id AND i.outcome <> 'dropped')
    ) unseen ON alive.last_new_changed_timestamp > alive.wanted_at
            AND alive.wanted_at < CAST(:now AS timestamptz) - CAST(:first AS interval)
), judged AS (
    SELECT id, reason,
           CASE
               WHEN since < CAST(:now AS timestamptz) - CAST(:ignored AS interval)
                    AND reason = '{Reason.FINAL_IGNORED_WARNING}'
                    AND warned_at < CAST(:now AS timestamptz) - CAST(:fair AS interval) THEN '{Reason.IGNORED}'
               WHEN since < CAST(:now AS timestamptz) - CAST(:last AS interval)
                    AND (reason = '{Reason.FINAL_IGNORED_WARNING}'
                         OR reason = '{Reason.INITIAL_IGNORED_WARNING}'
                            AND warned_at < CAST(:now AS timestamptz) - CAST(:fair AS interval))
                   THEN '{Reason.FINAL_IGNORED_WARNING}'
               WHEN since < CAST(:now AS timestamptz) - CAST(:first AS interval)
                   THEN '{Reason.INITIAL_IGNORED_WARNING}'
               WHEN news_at < CAST(:now AS timestamptz) - CAST(:nothing AS interval)
                    AND reason = '{Reason.NO_LISTINGS_FOUND_WARNING}'
                    AND warned_at < CAST(:now AS timestamptz) - CAST(:fair AS interval) THEN '{Reason.NO_LISTINGS_FOUND}'
               WHEN news_at < CAST(:now AS timestamptz) - CAST(:nothing_warning AS interval)
                   THEN '{Reason.NO_LISTINGS_FOUND_WARNING}'
           END AS verdict
    FROM ignored
)
SELECT s.id, s.office_id, s.contact_id, c.email, judged.verdict,
       CASE WHEN c.time_zone = '' THEN o.time_zone ELSE c.time_zone END AS time_zone,
       c.email <> '' AND c.contact_status = 'Active' AND NOT {STOPPED} AS may_write
FROM judged
JOIN alert_subscription s ON s.id = judged.id
JOIN contact c ON c.id = s.contact_id
JOIN office o ON o.id = s.office_id
WHERE s.active_yn AND CASE WHEN judged.verdict IS NULL THEN judged.reason IN {WARNINGS}
                           ELSE judged.verdict IS DISTINCT FROM judged.reason END
ORDER BY s.id
LIMIT :limit
FOR NO KEY UPDATE OF s SKIP LOCKED
""")


def judged(now: datetime, limit: int) -> Sequence[AnyRow]:
    """Searches whose standing has changed (id, office_id, contact_id, email, verdict, time_zone, may_write), locked.
    A verdict of None takes a warning back."""
    from app.domain.digests import lifecycle as rules  # the numbers stand with the verbs

    return db.session.execute(
        JUDGED,
        {
            "now": now,
            "limit": limit,
            "first": rules.IGNORED_FIRST_WARNING,
            "last": rules.IGNORED_LAST_WARNING,
            "ignored": rules.IGNORED,
            "nothing_warning": rules.FOUND_NOTHING_WARNING,
            "nothing": rules.FOUND_NOTHING,
            "fair": rules.FAIR,
        },
    ).all()


OVERRUN = text(f"""
-- Who had a mail lately is counted: the homes of a month, since the search was last switched on or changed.
SELECT s.id, s.office_id, s.contact_id, c.email, '{Reason.OVER_LIMIT}' AS verdict,
       CASE WHEN c.time_zone = '' THEN o.time_zone ELSE c.time_zone END AS time_zone,
       c.email <> '' AND c.contact_status = 'Active' AND NOT {STOPPED} AS may_write
FROM alert_subscription s
JOIN contact c ON c.id = s.contact_id
JOIN office o ON o.id = s.office_id
WHERE s.active_yn
  AND s.id IN (SELECT i.alert_subscription_id FROM digest d JOIN digest_item i ON i.digest_id = d.id
               WHERE d.created_at > :lately AND d.created_at <= :now AND i.outcome <> 'dropped')
  AND (SELECT count(DISTINCT i.listing_id) FROM digest d JOIN digest_item i ON i.digest_id = d.id
       WHERE d.contact_id = s.contact_id AND i.alert_subscription_id = s.id AND i.outcome <> 'dropped'
         AND d.created_at > greatest(:since, s.original_entry_timestamp, s.resumed_at, s.revised_at)
         AND d.created_at <= :now) > :most
ORDER BY s.id
LIMIT :limit
FOR NO KEY UPDATE OF s SKIP LOCKED
""")


def overrun(now: datetime, *, lately: datetime, since: datetime, most: int, limit: int) -> Sequence[AnyRow]:
    """Searches that told of more than `most` homes since then, and of some lately; rows as judged()'s, locked (PA-14)."""
    values = {"now": now, "lately": lately, "since": since, "most": most, "limit": limit}
    return db.session.execute(OVERRUN, values).all()


WARN = text(f"""
UPDATE alert_subscription
SET reason_active_or_disabled = coalesce(:reason, '{Reason.RE_ACTIVATED}'), warned_at = :warned_at,
    modification_timestamp = :now
WHERE id = :id AND active_yn
""")


def warn(subscription_id: int, reason: Reason | None, now: datetime) -> None:
    """Write a warning down, or take it back."""
    db.session.execute(
        WARN,
        {
            "id": subscription_id,
            "reason": reason.value if reason else None,
            "warned_at": now if reason else None,
            "now": now,
        },
    )


ADD_NOTICES = text("""
INSERT INTO outbound_message (office_id, contact_id, alert_subscription_id, stream, dedupe_key, message_id, recipient,
                              not_before, expires_at, job_run_id, created_at)
SELECT office_id, contact_id, alert_subscription_id, stream, dedupe_key, message_id, recipient, not_before, expires_at,
       job_run_id, created_at
FROM json_populate_recordset(NULL::outbound_message, CAST(:rows AS json))
ON CONFLICT (dedupe_key) DO NOTHING
RETURNING id
""")


def add_notices(rows: Sequence[Mapping[str, Any]]) -> int:
    """Queue notices; how many were new."""
    return len(db.session.execute(ADD_NOTICES, {"rows": document(rows)}).all()) if rows else 0


DUE_TO_WAKE = text("""
UPDATE alert_subscription s SET paused_until = NULL
FROM (
    SELECT id FROM alert_subscription
    WHERE paused_until <= :now
    ORDER BY paused_until
    LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
) due
WHERE s.id = due.id
RETURNING s.id
""")


def due_to_wake(now: datetime, limit: int) -> list[int]:
    """Searches whose pause is over. Each is named once, whether or not it can go on."""
    return list(db.session.scalars(DUE_TO_WAKE, {"now": now, "limit": limit}))


LOOKED = text("""
WITH page AS (SELECT id FROM digest WHERE token = :token)
, seen AS (
    UPDATE alert_subscription s SET last_viewed_timestamp = :now
    WHERE s.id IN (SELECT i.alert_subscription_id FROM digest_item i JOIN page ON page.id = i.digest_id
                   WHERE i.outcome <> 'dropped')
      AND (s.last_viewed_timestamp IS NULL OR s.last_viewed_timestamp < CAST(:now AS timestamptz) - interval '1 hour')
)
SELECT m.id FROM page LEFT JOIN outbound_message m ON m.digest_id = page.id
""")


def looked(token: str, now: datetime) -> tuple[bool, int | None]:
    """Whether there is such a page, and the message it belongs to."""
    row = db.session.execute(LOOKED, {"token": token, "now": now}).first()
    return row is not None, row.id if row else None


NOTICE = text(f"""
SELECT s.id, {STOPPED} AS is_stopped, s.active_yn, s.reason_active_or_disabled, s.warned_at, s.token,
       s.last_new_changed_timestamp, c.email, c.full_name, c.first_name,
       ss.search_query_human_readable,
       coalesce(nullif(ss.saved_search_name, ''), rtrim(ss.search_query_human_readable, '.')) AS saved_search_name,
       CASE WHEN c.time_zone = '' THEN o.time_zone ELSE c.time_zone END AS time_zone,
       o.office_name, o.office_phone, o.office_address1, o.office_city, o.office_state_or_province,
       o.office_postal_code, m.member_full_name, m.member_email, m.member_mobile_phone
FROM outbound_message n
JOIN alert_subscription s ON s.id = n.alert_subscription_id
JOIN saved_search ss ON ss.id = s.saved_search_id
JOIN contact c ON c.id = s.contact_id
JOIN office o ON o.id = s.office_id
LEFT JOIN member m ON m.id = coalesce(c.owner_member_id, s.owner_member_id) AND m.member_status = 'Active'
WHERE n.id = :message_id
""")


def notice(message_id: int, now: datetime) -> AnyRow | None:
    """What a notice is about, as it is now."""
    return db.session.execute(NOTICE, {"message_id": message_id, "now": now}).first()


DUE_STILL_WATCHING = text("""
SELECT s.id, s.office_id, s.contact_id, s.send_time, s.still_watching_at, s.last_new_changed_timestamp, c.email,
       c.time_zone, ss.time_zone AS area_time_zone, o.time_zone AS office_time_zone
FROM alert_subscription s
JOIN saved_search ss ON ss.id = s.saved_search_id
JOIN contact c ON c.id = s.contact_id AND c.contact_status = 'Active'
JOIN office o ON o.id = s.office_id
WHERE s.still_watching_at <= :now AND s.active_yn AND ss.deleted_at IS NULL
ORDER BY s.still_watching_at, s.id
LIMIT :limit
FOR UPDATE OF s SKIP LOCKED
""")

MOVE_STILL_WATCHING = text("""
UPDATE alert_subscription s SET still_watching_at = moved.still_watching_at
FROM json_to_recordset(CAST(:rows AS json)) AS moved (id bigint, still_watching_at timestamptz)
WHERE s.id = moved.id
""")


def due_still_watching(now: datetime, limit: int) -> Sequence[AnyRow]:
    """Subscriptions whose monthly word is due, locked (PA-12)."""
    return db.session.execute(DUE_STILL_WATCHING, {"now": now, "limit": limit}).all()


def move_still_watching(rows: Sequence[Mapping[str, Any]]) -> None:
    db.session.execute(MOVE_STILL_WATCHING, {"rows": document(rows)})


ABOUT_TO_END = text(f"""
SELECT s.id, s.saved_search_id, s.reason_active_or_disabled, s.warned_at, c.id AS contact_id, c.full_name,
       coalesce(nullif(ss.saved_search_name, ''), rtrim(ss.search_query_human_readable, '.')) AS saved_search_name
FROM alert_subscription s
JOIN saved_search ss ON ss.id = s.saved_search_id
JOIN contact c ON c.id = s.contact_id
WHERE s.office_id = :office_id AND s.warned_at IS NOT NULL AND s.active_yn AND s.reason_active_or_disabled IN {WARNINGS}
  AND (CAST(:member_id AS bigint) IS NULL OR s.owner_member_id = :member_id OR c.owner_member_id = :member_id)
ORDER BY s.warned_at, s.id
LIMIT :limit
""")


def about_to_end(office_id: int, *, member_id: int | None = None, limit: int = 6) -> Sequence[AnyRow]:
    """Searches that were warned of, the oldest warning first; of one agent where one is named."""
    return db.session.execute(ABOUT_TO_END, {"office_id": office_id, "member_id": member_id, "limit": limit}).all()
