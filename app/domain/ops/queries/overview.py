"""What the overview reads: the stages, what came in from outside, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import case, or_, select, text

from app.domain.models import Incident, IncidentTone
from app.domain.ops.queries import AnyRow
from app.extensions import db

# The newest failure of each kind and error of a day.
_FAILURES = """
    SELECT id, kind, error_class, attempt, max_attempts, finished_at FROM job_run
    WHERE id IN (SELECT max(id) FROM job_run WHERE state = 'failed'
        AND finished_at >= CAST(:now AS timestamptz) - interval '24 hours' AND finished_at <= :now
        GROUP BY kind, error_class)
    ORDER BY finished_at DESC LIMIT 5
"""

_STAGES = text(
    f"""
    WITH seen AS (SELECT snapshot FROM match_cursor WHERE name = 'alerts'),
    unread AS (
        SELECT count(*) AS n, min(e.recorded_at) AS oldest FROM (
            SELECT recorded_at FROM listing_event CROSS JOIN seen
            WHERE alertable AND xid >= pg_snapshot_xmin(seen.snapshot)
              AND NOT pg_visible_in_snapshot(xid, seen.snapshot) LIMIT 10000) AS e),
    open_batch AS (
        SELECT coalesce(sum(cardinality(event_seqs)), 0) AS n, min(taken_at) AS oldest FROM match_batch
        WHERE done_at IS NULL),
    -- matches whose buyer is to be told by now
    waiting AS (
        SELECT coalesce(sum(cardinality(m.event_seqs)), 0) AS n, min(b.done_at) AS oldest
        FROM alert_match m JOIN alert_subscription s ON s.id = m.alert_subscription_id
            JOIN match_batch b ON b.id = m.batch_id
        WHERE m.digest_id IS NULL AND (s.schedule_type = 'ASAP' AND coalesce(m.waits_until, '-infinity') <= :now
            OR s.schedule_type <> 'ASAP' AND s.next_send_timestamp <= :now)),
    due AS (
        SELECT count(*) AS n, min(not_before) AS oldest FROM outbound_message
        WHERE state = 'queued' AND not_before <= :now),
    upload AS (
        SELECT count(*) AS n, min(created_at) AS oldest FROM import_batch WHERE state IN ('queued', 'running'))
    SELECT
        (SELECT max(seq) FROM listing_event) AS last_seq,
        -- what the last outage of a day left to catch up with (PA-26)
        (SELECT counts FROM job_run WHERE kind = 'digests' AND state = 'succeeded' AND counts ? 'caught_up_events'
            AND finished_at > CAST(:now AS timestamptz) - interval '1 day' ORDER BY finished_at DESC LIMIT 1) AS caught_up,
        (SELECT recorded_at FROM listing_event ORDER BY recorded_at DESC LIMIT 1) AS last_event,
        (SELECT count(*) FROM message_event WHERE recorded_at >= CAST(:now AS timestamptz) - interval '10 minutes'
            AND occurred_at >= CAST(:now AS timestamptz) - interval '10 minutes'
            AND source = 'smtp' AND event_type = 'sent') AS sent_lately,
        unread.n AS unread, unread.oldest AS unread_oldest,
        open_batch.n AS open_events, open_batch.oldest AS open_oldest,
        waiting.n AS waiting, waiting.oldest AS waiting_oldest,
        due.n AS due, due.oldest AS due_oldest,
        upload.n AS uploads, upload.oldest AS uploads_oldest,
        (SELECT json_object_agg(kind, failures) FROM (
            SELECT kind, count(*) AS failures FROM job_run
            WHERE state = 'failed' AND finished_at >= CAST(:now AS timestamptz) - interval '24 hours' GROUP BY kind) AS f
        ) AS failures,
        (SELECT coalesce(json_agg(found), '[]') FROM ({_FAILURES}) AS found) AS newest_failures,
        -- how long the newest mail took from the change to the relay
        (SELECT row_to_json(found) FROM (
            SELECT o.sent_at, max(e.recorded_at) AS recorded_at FROM outbound_message o
            JOIN digest_item i ON i.digest_id = o.digest_id AND i.outcome = 'shown'
            JOIN listing_event e ON e.seq = i.event_seq
            WHERE o.id = (SELECT id FROM outbound_message WHERE state = 'sent' AND created_at >= :week_ago
                ORDER BY created_at DESC, id DESC LIMIT 1)
            GROUP BY o.sent_at) AS found) AS journey
    FROM unread, open_batch, waiting, due, upload
    """
)


def stage_counts(now: datetime) -> AnyRow:
    """What is due at each stage and since when, what came last, and what failed in a day: one statement."""
    return db.session.execute(_STAGES, {"now": now, "week_ago": now - timedelta(days=7)}).one()


# --- What is counted by the day's volume: dear where there is much ---

_HOURS = """
    SELECT stage, 11 - floor(extract(epoch FROM CAST(:now AS timestamptz) - at) / 3600)::int AS hour, sum(n)::bigint AS n
    FROM (
        SELECT 'events' AS stage, recorded_at AS at, 1 AS n FROM listing_event
            WHERE recorded_at > :half_day_ago AND recorded_at <= :now
        UNION ALL SELECT 'alerts', done_at, pairs FROM match_batch WHERE done_at > :half_day_ago AND done_at <= :now
        UNION ALL SELECT 'digests', created_at, 1 FROM digest
            WHERE created_at > :half_day_ago AND created_at <= :now AND state = 'built'
        UNION ALL SELECT 'messages', occurred_at, 1 FROM message_event
            WHERE recorded_at > :half_day_ago AND occurred_at > :half_day_ago AND occurred_at <= :now
                AND source = 'smtp' AND event_type = 'sent'
        UNION ALL SELECT 'imports', finished_at, rows_read FROM import_batch
            WHERE finished_at > :half_day_ago AND finished_at <= :now) AS counted
    GROUP BY 1, 2
"""

_VOLUMES = text(
    f"""
    SELECT
        (SELECT count(*) FROM listing_event WHERE recorded_at >= :since AND recorded_at <= :now) AS events,
        (SELECT coalesce(sum(pairs), 0) FROM match_batch WHERE done_at >= :since AND done_at <= :now) AS pairs,
        (SELECT coalesce(sum(pairs), 0) FROM match_batch WHERE done_at >= :week_ago AND done_at <= :now) AS pairs_week,
        (SELECT count(*) FROM digest WHERE created_at >= :since AND created_at <= :now AND state = 'built') AS digests,
        (SELECT count(*) FROM digest WHERE created_at >= :since AND created_at <= :now AND state = 'empty') AS empty,
        -- recorded_at has the index; occurred_at is what counts
        (SELECT count(*) FROM message_event WHERE recorded_at >= :since AND source = 'smtp' AND event_type = 'sent'
            AND occurred_at >= :since AND occurred_at <= :now) AS sent,
        -- what a person called sent, and did not take back
        (SELECT count(DISTINCT o.id) FROM message_event e JOIN outbound_message o ON o.id = e.outbound_message_id
            WHERE e.recorded_at >= :since AND e.source = 'person' AND e.event_type = 'sent' AND o.state = 'sent')
            AS sent_by_hand,
        (SELECT coalesce(sum(rows_read), 0) FROM import_batch WHERE finished_at >= :since) AS imported,
        (SELECT count(*) FROM import_batch WHERE finished_at >= :week_ago) AS imports_week,
        (SELECT coalesce(json_agg(found), '[]') FROM ({_HOURS}) AS found) AS hours,
        -- the newest file of each source that was read to its end
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT DISTINCT ON (source) source, finished_at, rows_created + rows_updated AS changed, rows_read
            FROM import_batch WHERE state = 'finished' AND finished_at <= :now ORDER BY source, finished_at DESC) AS found
        ) AS files,
        (SELECT json_build_object('newest', max(recorded_at), 'changes', count(*)) FROM listing_event
            WHERE recorded_at >= :day_ago AND recorded_at <= :now AND origin = 'manual') AS by_hand,
        (SELECT json_build_object(
            'sent', count(*) FILTER (WHERE event_type = 'sent'), 'refused', count(*) FILTER (WHERE event_type = 'failed'),
            'bounced', count(*) FILTER (WHERE event_type = 'bounced'),
            'complained', count(*) FILTER (WHERE event_type = 'complained'))
            FROM message_event WHERE recorded_at >= :week_ago AND recorded_at <= :now) AS mail,
        (SELECT json_object_agg(name, json_build_array(rows, bytes)) FROM (
            SELECT coalesce(parent.relname, c.relname) AS name,
                sum(pg_total_relation_size(c.oid))::bigint AS bytes, sum(greatest(c.reltuples, 0))::bigint AS rows
            FROM pg_class c
                LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
            WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
                AND coalesce(parent.relname, c.relname) = ANY (:tables)
            GROUP BY 1) AS each) AS sizes,
        pg_database_size(current_database()) AS database_bytes
    """
)


def volumes(since: datetime, now: datetime, tables: Iterable[str] = ()) -> AnyRow:
    """How much each stage did since then and in each of the last twelve hours, the newest change by each source, what
    became of the mail of a week, and the sizes of these tables: rows as PostgreSQL estimates them, bytes with indexes.
    One statement."""
    return db.session.execute(
        _VOLUMES,
        {
            "since": since,
            "now": now,
            "half_day_ago": now - timedelta(hours=12),
            "day_ago": now - timedelta(hours=24),
            "week_ago": now - timedelta(days=7),
            "tables": list(tables),
        },
    ).one()


def hourly(volumes: AnyRow) -> dict[str, list[int]]:
    """The last twelve hours of each stage, oldest first."""
    found: dict[str, list[int]] = {}
    for row in volumes.hours:
        found.setdefault(row["stage"], [0] * 12)[min(max(row["hour"], 0), 11)] += row["n"]
    return found


def incidents(limit: int = 3) -> list[Incident]:
    """What is wrong now, and the newest few that are over: one statement. Open ones first, the worst of
    them first."""
    over = select(Incident.id).where(Incident.closed_at.is_not(None)).order_by(Incident.closed_at.desc()).limit(limit)
    worst_first = case((Incident.tone == IncidentTone.BAD.value, 0), else_=1)
    return list(
        db.session.scalars(
            select(Incident)
            .where(or_(Incident.closed_at.is_(None), Incident.id.in_(over)))
            .order_by(Incident.closed_at.desc().nulls_first(), worst_first, Incident.opened_at)
        )
    )
