"""Who is due, what waits for them, and what their limits depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Row, text

from app.domain.digests.queries import RECIPIENT
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]

IS_DUE = """(NOT s.active_yn
             OR s.schedule_type = 'ASAP' AND coalesce(am.waits_until, '-infinity') <= :window_end
             OR s.schedule_type <> 'ASAP' AND coalesce(s.next_send_timestamp, '-infinity') <= :window_end)"""

_NOT_BUILT = f"""NOT EXISTS (
        SELECT FROM digest d
        WHERE d.office_id = c.office_id AND d.window_end = :window_end AND d.needs_approval = s.concierge_yn
          AND d.recipient = ANY(CASE WHEN c.household_id IS NULL THEN ARRAY[{RECIPIENT}] ELSE
              ARRAY(SELECT mate.email FROM contact mate WHERE mate.household_id = c.household_id) END)
        OFFSET 0)"""
"""OFFSET 0 has PostgreSQL look each person up in the index. Else it takes the array for a filter of a join, and compares
each row that waits with each digest of the window: the longer the run, the slower."""

LOCK_DUE = text(f"""
-- People with something due and no digest of this window yet; locked, so that two builders never take the same. Those
-- who share a household are taken together, under the lock of the first of them.
-- Each part stops when it has plenty: a chunk must not cost more the longer the queue is.
WITH waiting AS (
    -- what waits for subscriptions that are due, or that ended
    SELECT s.contact_id
    FROM alert_match am
    JOIN alert_subscription s ON s.id = am.alert_subscription_id
    JOIN contact c ON c.id = s.contact_id
    WHERE am.digest_id IS NULL AND {IS_DUE} AND {_NOT_BUILT}
    LIMIT :reach
), clocks AS (
    -- daily ones whose hour has come: with or without a match, their clock moves on
    SELECT s.contact_id
    FROM alert_subscription s
    JOIN contact c ON c.id = s.contact_id
    WHERE s.active_yn AND s.next_send_timestamp <= :window_end AND {_NOT_BUILT}
    ORDER BY s.next_send_timestamp
    LIMIT :reach
), due AS (SELECT contact_id FROM waiting UNION SELECT contact_id FROM clocks)
SELECT c.id
FROM contact c
WHERE c.id IN (
    SELECT coalesce((SELECT min(mate.id) FROM contact mate WHERE mate.household_id = own.household_id), own.id)
    FROM due JOIN contact own ON own.id = due.contact_id)
ORDER BY c.id
LIMIT :limit
FOR NO KEY UPDATE OF c SKIP LOCKED
""")
REACH = 20
"""Rows looked at for each person wanted: somebody may have many matches, or be locked."""

PEOPLE = text(f"""
-- Those who were locked, with their households; and how many instant mails they had.
WITH member AS (
    SELECT id FROM contact WHERE id = ANY(:leaders)
    UNION
    SELECT mate.id FROM contact led JOIN contact mate ON mate.household_id = led.household_id WHERE led.id = ANY(:leaders))
SELECT c.id, c.office_id, c.household_id, c.contact_status, {RECIPIENT} AS recipient,
       c.time_zone, area.time_zone AS area_time_zone, o.time_zone AS office_time_zone,
       coalesce(c.quiet_from, o.quiet_from) AS quiet_from, coalesce(c.quiet_until, o.quiet_until) AS quiet_until,
       daily.next_daily, instant.last_window, instant.made_at
FROM member
JOIN contact c ON c.id = member.id
JOIN office o ON o.id = c.office_id
LEFT JOIN LATERAL (
    SELECT ss.time_zone FROM alert_subscription s JOIN saved_search ss ON ss.id = s.saved_search_id
    WHERE s.contact_id = c.id AND s.active_yn AND ss.time_zone <> '' ORDER BY s.id LIMIT 1) area ON true
CROSS JOIN LATERAL (
    SELECT min(s.next_send_timestamp) AS next_daily
    FROM alert_subscription s
    WHERE s.contact_id = c.id AND s.active_yn AND s.schedule_type = 'Daily' AND s.next_send_timestamp > :window_end) daily
CROSS JOIN LATERAL (
    SELECT max(d.window_end) AS last_window, array_agg(d.created_at) AS made_at
    FROM digest d LEFT JOIN outbound_message m ON m.digest_id = d.id
    WHERE d.office_id = c.office_id AND d.recipient = {RECIPIENT} AND d.window_end > :lately
      AND d.window_end <= :window_end AND d.is_instant AND d.state <> 'empty'
      AND (m.id IS NULL OR m.state NOT IN ('dropped', 'suppressed', 'expired', 'failed'))) instant
ORDER BY c.id
""")

WAITING = text(f"""
SELECT am.found_on, am.batch_id, am.alert_subscription_id, am.event_seqs, s.contact_id, s.active_yn, s.schedule_type,
       s.concierge_yn, am.waits_until, am.waits_for,
       CASE WHEN s.schedule_type = 'ASAP' AND am.waits_until IS NULL THEN
           (SELECT max(e.recorded_at) FROM listing_event e WHERE e.seq = ANY(am.event_seqs)) END AS newest
FROM alert_match am
JOIN alert_subscription s ON s.id = am.alert_subscription_id
JOIN contact c ON c.id = s.contact_id
WHERE am.digest_id IS NULL AND s.contact_id = ANY(:contacts) AND {IS_DUE} AND {_NOT_BUILT}
ORDER BY am.found_on, am.batch_id, am.alert_subscription_id
""")

DUE_CLOCKS = text(f"""
SELECT s.id, s.schedule_type, s.send_time, s.daily_schedule, s.next_send_timestamp, s.served_on,
       c.time_zone, ss.time_zone AS area_time_zone, o.time_zone AS office_time_zone
FROM alert_subscription s
JOIN saved_search ss ON ss.id = s.saved_search_id
JOIN contact c ON c.id = s.contact_id
JOIN office o ON o.id = s.office_id
WHERE s.contact_id = ANY(:contacts) AND s.active_yn AND s.next_send_timestamp <= :window_end AND {_NOT_BUILT}
""")

MOVE_CLOCKS = text("""
UPDATE alert_subscription s
SET next_send_timestamp = moved.next_send_timestamp, served_on = moved.served_on
FROM json_to_recordset(CAST(:rows AS json))
     AS moved (id bigint, was timestamptz, next_send_timestamp timestamptz, served_on date)
WHERE s.id = moved.id AND s.next_send_timestamp = moved.was  -- not when it was edited meanwhile
""")

HOLD_BACK = text("""
UPDATE alert_match am
SET waits_until = held.waits_until, waits_for = held.waits_for
FROM json_to_recordset(CAST(:rows AS json))
     AS held (found_on date, batch_id bigint, alert_subscription_id bigint, waits_until timestamptz, waits_for text)
WHERE am.found_on = held.found_on AND am.batch_id = held.batch_id
  AND am.alert_subscription_id = held.alert_subscription_id AND am.digest_id IS NULL
""")


def lock_due(window_end: datetime, limit: int) -> list[int]:
    """People who are due and for whom nobody else builds, locked until the transaction ends: one of each household."""
    values = {"window_end": window_end, "limit": limit, "reach": limit * REACH}
    return list(db.session.scalars(LOCK_DUE, values))


def people(leaders: Sequence[int], window_end: datetime) -> Sequence[AnyRow]:
    """Those people and who shares their household. A statement of its own: it sees what a builder that had them before
    us has committed."""
    values = {"leaders": leaders, "window_end": window_end, "lately": window_end - timedelta(hours=36)}
    return db.session.execute(PEOPLE, values).all()


def waiting(contacts: Sequence[int], window_end: datetime) -> Sequence[AnyRow]:
    """The match rows that may have to be accounted for now."""
    return db.session.execute(WAITING, {"contacts": contacts, "window_end": window_end}).all()


def due_clocks(contacts: Sequence[int], window_end: datetime) -> Sequence[AnyRow]:
    """Subscriptions with an hour of their own that has come, with the zone it is read in (PA-20)."""
    return db.session.execute(DUE_CLOCKS, {"contacts": contacts, "window_end": window_end}).all()


def move_clocks(rows: Sequence[Mapping[str, Any]]) -> None:
    db.session.execute(MOVE_CLOCKS, {"rows": orjson.dumps(list(rows)).decode()})


def hold_back(rows: Sequence[Mapping[str, Any]]) -> None:
    """These rows may not go before a moment, and why."""
    db.session.execute(HOLD_BACK, {"rows": orjson.dumps(list(rows)).decode()})
