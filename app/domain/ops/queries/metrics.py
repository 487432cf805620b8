"""What /metrics reads, in two statements; a third is the vital signs. Each part is bounded: by a partial index, by an
hour, or by tallies that have one row for a day and a kind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from app.domain.ops.tallies import added
from app.extensions import db

MOST = 100_000
"""Rows that wait or are worked: counting stops here."""

_COUNTS = text(
    f"""
    SELECT
        -- what waits to be done, and since when it could have been
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT queue, count(*) FILTER (WHERE run_after <= :now) AS due, count(*) FILTER (WHERE run_after > :now) AS later,
                extract(epoch FROM :now - min(run_after) FILTER (WHERE run_after <= :now)) AS age
            FROM (SELECT queue, run_after FROM job_run WHERE state = 'pending' LIMIT {MOST}) AS pending
            GROUP BY queue) AS found) AS queues,
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT kind, queue, count(*) AS n FROM job_run WHERE state = 'running' GROUP BY kind, queue) AS found) AS running,
        -- all that ever ended, as the sweep last counted it
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT kind, sum(succeeded) AS succeeded, sum(failed) AS failed, sum(missed) AS missed,
                sum(skipped) AS skipped, sum(cancelled) AS cancelled, sum(lost) AS lost, sum(seconds) AS seconds,
                {added("durations")} AS durations, {added("waits")} AS waits
            FROM job_day GROUP BY kind) AS found) AS ended,
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT state, count(*) AS n FROM (
                SELECT state FROM outbound_message WHERE state = 'queued' LIMIT {MOST}) AS queued GROUP BY state
            UNION ALL SELECT state, count(*) FROM outbound_message WHERE state = 'sending' GROUP BY state
            UNION ALL SELECT state, count(*) FROM outbound_message WHERE state = 'unknown' GROUP BY state
            ) AS found) AS open_messages,
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT state, count(*) AS n FROM (
                SELECT state FROM outbound_message WHERE created_at >= :hour_ago AND created_at <= :now LIMIT {MOST}
            ) AS newest GROUP BY state) AS found) AS new_messages,
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT tone, count(*) AS n FROM incident WHERE closed_at IS NULL GROUP BY tone) AS found) AS incidents
    """
)

# Partitions belong to their parent; the memory of indexes and long values to their table.
_DATABASE = text(
    """
    SELECT
        (SELECT coalesce(json_object_agg(name, bytes), '{}') FROM (
            SELECT coalesce(parent.relname, c.relname) AS name, sum(pg_total_relation_size(c.oid)) AS bytes
            FROM pg_class c
                LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
            WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
                AND coalesce(parent.relname, c.relname) = ANY (:tables)
            GROUP BY 1) AS sized) AS tables,
        (SELECT coalesce(json_object_agg(state, n), '{}') FROM (
            SELECT coalesce(state, 'unknown') AS state, count(*) AS n FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend' GROUP BY 1) AS open) AS connections,
        current_setting('max_connections')::int AS most_connections
    """
)


def counts(now: datetime) -> Row[Any]:
    return db.session.execute(_COUNTS, {"now": now, "hour_ago": now - timedelta(hours=1)}).one()


def database(tables: Iterable[str]) -> Row[Any]:
    """Bytes of each table, its indexes and partitions included, and who is connected."""
    return db.session.execute(_DATABASE, {"tables": list(tables)}).one()
