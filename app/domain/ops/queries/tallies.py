"""The tallies, added up: for each schedule line, each kind, each queue over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import text

from app.domain.ops.tallies import added, quantile
from app.extensions import db


@dataclass(frozen=True)
class Tally:
    """What ended in some span. `seconds`: working time, summed. `durations`, `waits`: histograms over
    app.domain.ops.tallies.BOUNDS."""

    succeeded: int = 0
    failed: int = 0
    missed: int = 0
    skipped: int = 0
    cancelled: int = 0
    lost: int = 0
    seconds: float = 0.0
    durations: tuple[int, ...] = ()
    waits: tuple[int, ...] = ()

    @property
    def ran(self) -> int:
        """Runs that were done to their end, well or not."""
        return self.succeeded + self.failed

    @property
    def success_rate(self) -> float | None:
        """Of those that should have been done: 0 to 1. None when there were none."""
        owed = self.ran + self.missed
        return self.succeeded / owed if owed else None

    def took(self, part: float) -> float | None:
        """Seconds that `part` of the runs stayed below; an estimate."""
        return quantile(self.durations, part)

    def waited(self, part: float) -> float | None:
        """Seconds from being due to being begun that `part` of the runs stayed below; an estimate."""
        return quantile(self.waits, part)


_SUMS = f"""
    sum(succeeded)::bigint AS succeeded, sum(failed)::bigint AS failed, sum(missed)::bigint AS missed,
    sum(skipped)::bigint AS skipped, sum(cancelled)::bigint AS cancelled, sum(lost)::bigint AS lost,
    sum(seconds) AS seconds, {added("durations")} AS durations, {added("waits")} AS waits
"""


def by_schedule(since: datetime, now: datetime) -> dict[str, Tally]:
    """For each schedule line, the whole hours from the one that holds `since` (35 days are kept). A line that nothing
    ended of is missing."""
    return _by("schedule_name", since, now, "AND schedule_name <> ''")


def by_kind(since: datetime, now: datetime) -> dict[str, Tally]:
    """The same for each kind of run, wherever it came from."""
    return _by("kind", since, now)


def by_queue(
    since: datetime, now: datetime, bucket: Literal["hour", "day"] = "hour", zone: str = "UTC"
) -> dict[str, dict[datetime, Tally]]:
    """For each queue: each hour, or each day of `zone`, that something ended in, oldest first."""
    found: dict[str, dict[datetime, Tally]] = {}
    for row in db.session.execute(
        text(
            f"""
            SELECT queue, date_trunc(:bucket, hour, :zone) AS moment, {_SUMS} FROM job_hour
            WHERE hour >= date_trunc('hour', CAST(:since AS timestamptz), 'UTC') AND hour <= :now
            GROUP BY 1, 2 ORDER BY 1, 2
            """
        ),
        {"bucket": bucket, "zone": zone, "since": since, "now": now},
    ):
        found.setdefault(row.queue, {})[row.moment] = tally_of(row)
    return found


def tally_of(row: Any) -> Tally:
    """Of a row that has the columns of job_hour."""
    return Tally(
        row.succeeded,
        row.failed,
        row.missed,
        row.skipped,
        row.cancelled,
        row.lost,
        row.seconds,
        tuple(row.durations),
        tuple(row.waits),
    )


def _by(column: Literal["schedule_name", "kind"], since: datetime, now: datetime, only: str = "") -> dict[str, Tally]:
    rows = db.session.execute(
        text(
            f"""
            SELECT {column} AS name, {_SUMS} FROM job_hour
            WHERE hour >= date_trunc('hour', CAST(:since AS timestamptz), 'UTC') AND hour <= :now {only}
            GROUP BY 1
            """
        ),
        {"since": since, "now": now},
    )
    return {row.name: tally_of(row) for row in rows}
