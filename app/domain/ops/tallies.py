"""What ended in each hour and on each day, for each kind of run: counted from the ledger while the runs are there, kept
when they have left. Nothing in this file commits.

`fold` is called every minute by the sweep, and by the retention before it takes runs away, so no run leaves uncounted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text

from app.domain.models import JobHour
from app.extensions import db

# fmt: off
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0,
          3600.0)
# fmt: on
"""Seconds. Bucket i of a histogram counts what took less than BOUNDS[i], and not less than the bound before; one bucket
more counts the rest. They lie in rows that are kept for ever: a change needs a migration that recounts."""
BUCKETS = len(BOUNDS) + 1

LOOKS_BACK = timedelta(days=35)
"""How far back an outage is caught up with."""
BEGINS = timedelta(days=29)
"""How far back the very first fold counts: what is older has been thinned by the retention, and would be counted short."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

_COUNTS = ("succeeded", "failed", "missed", "skipped", "cancelled", "lost")
_SUMS = (*_COUNTS, "seconds", "durations", "waits")


def _histogram(column: str) -> str:
    bounds = ", ".join(map(str, BOUNDS))
    bucket = f"width_bucket({column}, CAST(ARRAY[{bounds}] AS double precision[]))"
    return f"ARRAY[{', '.join(f'count(*) FILTER (WHERE {bucket} = {number})' for number in range(BUCKETS))}]::int[]"


def added(column: str) -> str:
    """SQL: histograms added up, bucket by bucket. One that is shorter counts nothing in what it lacks."""
    return f"ARRAY[{', '.join(f'coalesce(sum({column}[{number}]), 0)' for number in range(1, BUCKETS + 1))}]::int[]"


def _upsert(table: str, keys: str) -> str:
    """The end of an INSERT: what has changed is written, what has not is left alone."""
    changed = ", ".join(f"{table}.{name}" for name in ("queue", *_SUMS))
    counted = ", ".join(f"excluded.{name}" for name in ("queue", *_SUMS))
    return f"""
        ON CONFLICT ({keys}) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in ("queue", *_SUMS))}
        WHERE ({changed}) IS DISTINCT FROM ({counted})"""


_HOURS = f"""
    INSERT INTO job_hour (hour, kind, schedule_name, queue, {", ".join(_SUMS)})
    SELECT date_trunc('hour', at, 'UTC'), kind, schedule_name, max(queue),
        {", ".join(f"count(*) FILTER (WHERE what = '{name}')" for name in _COUNTS)},
        coalesce(sum(took), 0), {_histogram("took")}, {_histogram("waited")}
    FROM (
        -- runs that ended
        SELECT finished_at AS at, kind, coalesce(schedule_name, '') AS schedule_name, queue, state AS what,
            CASE WHEN state IN ('succeeded', 'failed')
                THEN greatest(extract(epoch FROM finished_at - started_at)::double precision, 0) END AS took,
            CASE WHEN state IN ('succeeded', 'failed')
                THEN greatest(extract(epoch FROM started_at - run_after)::double precision, 0) END AS waited
        FROM job_run
        WHERE finished_at >= :since AND finished_at < :until AND state NOT IN ('pending', 'running')
        UNION ALL
        -- attempts whose worker was lost, whatever became of their run
        SELECT a.finished_at, r.kind, coalesce(r.schedule_name, ''), r.queue, 'lost', NULL, NULL
        FROM job_attempt a JOIN job_run r ON r.id = a.run_id
        WHERE a.outcome = 'lost' AND a.finished_at >= :since AND a.finished_at < :until
    ) AS ended
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    {_upsert("job_hour", "hour, kind, schedule_name")}"""

_DAYS = f"""
    INSERT INTO job_day (day, kind, schedule_name, queue, {", ".join(_SUMS)})
    SELECT (hour AT TIME ZONE 'UTC')::date, kind, schedule_name, max(queue),
        {", ".join(f"sum({name})" for name in (*_COUNTS, "seconds"))}, {added("durations")}, {added("waits")}
    FROM job_hour WHERE hour >= :since AND hour < :until
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    {_upsert("job_day", "day, kind, schedule_name")}"""


def fold(now: datetime | None = None, seconds: float = 5.0, since: datetime | None = None) -> int:
    """Count again the hours that may have changed since the last fold, and their days. Idempotent: counting twice
    changes nothing. Returns how many rows of hours it wrote.

    The newest counted hour and the one before it are open: a run is dated before it is committed. After an outage all
    hours since then are counted, oldest first, for about `seconds`; the next fold goes on. With `since`, from the hour
    of that moment: for runs that were written down afterwards, as the demo's are.
    """
    now = now or datetime.now(UTC)
    ends = _hour(now) + HOUR
    last = _newest(ends)
    oldest = _next_day(now - (LOOKS_BACK if last else BEGINS))
    since = max(oldest, _hour(since or (last - HOUR if last else oldest)))
    first, written, began = since, 0, time.monotonic()
    while since < ends:
        until = min(since + DAY, ends)
        written += _run(_HOURS, since, until)
        since = until
        is_late = time.monotonic() - began > seconds
        if is_late and (reached := _newest(ends)) and (last is None or reached > last):
            break
    if written:
        _run(_DAYS, _midnight(first), since)
    return written


def quantile(durations: Sequence[int], part: float) -> float | None:
    """Seconds that `part` (0 to 1) of them stayed below. An estimate: within a bucket they are taken as evenly spread,
    so say “about”. Above the last bound there is only “an hour or more”: 3600. None of nothing."""
    total = sum(durations)
    if not total:
        return None
    rank, below = part * total, 0
    for number, count in enumerate(durations[: len(BOUNDS)]):
        if count and below + count >= rank:
            low = BOUNDS[number - 1] if number else 0.0
            return low + (BOUNDS[number] - low) * max(rank - below, 0) / count
        below += count
    return BOUNDS[-1]


def _newest(ends: datetime) -> datetime | None:
    """The newest hour that was counted, but for hours to come: a worker's clock may be ahead."""
    return db.session.execute(select(func.max(JobHour.hour)).where(JobHour.hour < ends)).scalar()


def _run(statement: str, since: datetime, until: datetime) -> int:
    result: Any = db.session.execute(text(statement), {"since": since, "until": until})
    return int(result.rowcount)


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _midnight(moment: datetime) -> datetime:
    return _day_begins(moment.astimezone(UTC).date())


def _next_day(moment: datetime) -> datetime:
    return _midnight(moment) + DAY


def _day_begins(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
