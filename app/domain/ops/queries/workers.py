"""What each process is doing, has done and has lost: from the ledger's rows that carry its name."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from app.domain.ops.queries import AnyRow
from app.extensions import db

_DONE = text(
    """
    SELECT worker, count(*) FILTER (WHERE finished_at >= :hour_ago) AS last_hour, count(*) AS last_day
    FROM job_run
    WHERE finished_at >= :day_ago AND finished_at <= :now AND state IN ('succeeded', 'failed')
        AND worker = ANY (CAST(:names AS text[]))
    GROUP BY 1
    """
)
# The states are written out, so that the partial indexes are found.
_HELD = text(
    """
    SELECT worker, id, kind, started_at, progress FROM job_run
    WHERE state = 'running' AND worker = ANY (CAST(:names AS text[])) ORDER BY started_at
    """
)
_LOST = text(
    """
    SELECT a.worker, a.run_id, a.finished_at AS lost_at, r.kind, r.state
    FROM job_attempt a JOIN job_run r ON r.id = a.run_id
    WHERE a.outcome = 'lost' AND a.finished_at >= :day_ago AND a.finished_at <= :now
        AND a.worker = ANY (CAST(:names AS text[]))
    ORDER BY a.finished_at DESC LIMIT 500
    """
)


def done(names: Iterable[str], now: datetime) -> dict[str, AnyRow]:
    """For each name that did any: runs it brought to an end in the last hour and the last 24."""
    return {row.worker: row for row in db.session.execute(_DONE, _binds(names, now))}


def held(names: Iterable[str]) -> dict[str, list[AnyRow]]:
    """The runs that each has in hand now, by the ledger's word."""
    return _by_worker(db.session.execute(_HELD, {"names": list(names)}))


def lost(names: Iterable[str], now: datetime) -> dict[str, list[AnyRow]]:
    """The attempts that were lost with each in the last 24 hours, newest first, and what became of their runs."""
    return _by_worker(db.session.execute(_LOST, _binds(names, now)))


def _binds(names: Iterable[str], now: datetime) -> dict[str, Any]:
    return {"names": list(names), "now": now, "hour_ago": now - timedelta(hours=1), "day_ago": now - timedelta(days=1)}


def _by_worker(rows: Iterable[AnyRow]) -> dict[str, list[AnyRow]]:
    found: dict[str, list[AnyRow]] = {}
    for row in rows:
        found.setdefault(row.worker, []).append(row)
    return found
