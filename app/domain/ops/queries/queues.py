"""What waits in each queue, and what its last hour was minute by minute. Longer spans come from the tallies."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import text

from app.domain.ops.queries import AnyRow
from app.extensions import db

MOST = 10_000
"""Where counting stops: more than that is “10,000+”."""

# The states are written out, so that the partial indexes of job_run are found.
_DEPTHS = text(
    """
    SELECT q.queue, due.n AS due, due.oldest, later.n AS later, later.soonest, coalesce(working.n, 0) AS working
    FROM unnest(CAST(:queues AS text[])) AS q (queue)
        CROSS JOIN LATERAL (SELECT count(*) AS n, min(run_after) AS oldest FROM (
            SELECT run_after FROM job_run WHERE state = 'pending' AND queue = q.queue AND run_after <= :now
            ORDER BY run_after LIMIT :most) AS waiting) AS due
        CROSS JOIN LATERAL (SELECT count(*) AS n, min(run_after) AS soonest FROM (
            SELECT run_after FROM job_run WHERE state = 'pending' AND queue = q.queue AND run_after > :now
            ORDER BY run_after LIMIT :most) AS coming) AS later
        LEFT JOIN (SELECT queue, count(*) AS n FROM job_run WHERE state = 'running' GROUP BY 1) AS working
            ON working.queue = q.queue
    """
)

# Each queue by minute, each of its kinds, and each queue as a whole, with its true quantiles.
_MINUTES = text(
    """
    SELECT queue, kind, minute,
        count(*) FILTER (WHERE state = 'succeeded') AS succeeded, count(*) FILTER (WHERE state = 'failed') AS failed,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY took) AS took,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY waited) AS waited
    FROM (
        SELECT queue, kind, state, date_trunc('minute', finished_at, 'UTC') AS minute,
            greatest(extract(epoch FROM finished_at - started_at), 0)::double precision AS took,
            greatest(extract(epoch FROM started_at - run_after), 0)::double precision AS waited
        FROM job_run WHERE finished_at >= :since AND finished_at <= :now AND state IN ('succeeded', 'failed')
    ) AS ended
    GROUP BY GROUPING SETS ((queue, minute), (queue, kind), (queue)) ORDER BY queue, minute
    """
)


def depths(queues: Iterable[str], now: datetime) -> dict[str, AnyRow]:
    """For each queue: runs due now and the oldest of them, runs due later and the soonest, runs being worked. Counting
    stops at MOST."""
    rows = db.session.execute(_DEPTHS, {"queues": list(queues), "now": now, "most": MOST + 1})
    return {row.queue: row for row in rows}


def minutes(since: datetime, now: datetime) -> list[AnyRow]:
    """What ended since then, from the ledger itself: rows with a minute, rows with a kind, and one with neither for
    each queue. Meant for an hour: it reads each run."""
    return list(db.session.execute(_MINUTES, {"since": since, "now": now}))
