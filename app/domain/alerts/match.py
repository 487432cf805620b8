"""Listing events against every active subscription, once each (PA-01, PA-13).

take_batches cuts what is new into batches of up to a thousand events; match_one_batch matches one of them in one
transaction. Any number of workers may do either at any time: what one transaction did, no other does again.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum

from app.domain.alerts import queries

BATCH = 1_000
"""Events in one batch: bounds the work, the memory and the transaction."""
LARGE_BATCH = 10_000
"""Where the searches are held in memory: then the fewer arrays, the better."""


class Way(StrEnum):
    """How a batch is matched; both write the same rows."""

    SQL = "sql"
    """The reference."""
    MEMORY = "memory"


def take_batches(now: datetime | None = None, job_run_id: int | None = None, *, most: int = BATCH) -> int:
    """Put every alertable event committed since the last time into exactly one batch of at most `most`; the number of batches.

    Safe at any moment and from several places at once. With nothing new it reads two rows and writes none. Needs READ
    COMMITTED, and that the caller commits: the lock on the watermark is held until then.
    """
    if not queries.is_newer(queries.watermark()):
        return 0
    # The lock has its own statement, so that the next one's snapshot is newer than the lock.
    return queries.take(queries.watermark(lock=True), most=most, now=now or datetime.now(UTC), job_run_id=job_run_id)


def prepare() -> None:
    """For a worker before it forks for a run: hold the searches in memory while the changes of late would have paid for
    reading them. What fails here costs the run nothing but time."""
    from app.domain.alerts.engine import warm

    warm.prepare()


def batch_size() -> int:
    """How many events a batch should hold for the way in which this program would match it."""
    from app.domain.alerts.engine import warm

    return LARGE_BATCH if warm.is_held() else BATCH


def match_one_batch(now: datetime | None = None, *, way: Way | None = None) -> dict[str, int] | None:
    """Match the oldest waiting batch that no other worker holds; None when there is none.

    Writes one alert_match row for each subscription that any of the events is news for, and closes the batch with its
    counts: events, matched_events, unmatched_events, pairs; and in_memory, 1 where it was matched there. Without `way`,
    in the way that costs less. Idempotent: matching a batch again changes nothing.
    """
    batch = queries.next_batch()
    if batch is None:
        return None
    # Only who matches pays for numpy: neither the web nor a sender of mails.
    from app.domain.alerts.engine import warm

    events = len(batch.event_seqs)
    if way is None:
        way = Way.MEMORY if warm.is_chosen(events) else Way.SQL
    if way is Way.MEMORY and not queries.has_matches(batch):
        pairs, matched = warm.match(batch.id, batch.found_on, batch.event_seqs)
    else:
        way = Way.SQL
        pairs, matched = queries.match(batch)
    queries.finish(batch, matched=matched, pairs=pairs, now=now or datetime.now(UTC))
    counts = {"events": events, "matched_events": matched, "unmatched_events": events - matched, "pairs": pairs}
    return counts | ({"in_memory": 1} if way is Way.MEMORY else {})


def ensure_partitions(first: date, last: date) -> int:
    """Give alert_match a partition for each day from first to last, both included; how many were made. Idempotent.

    A day that has none is kept in the default partition, which this empties of it.
    """
    days = queries.days_without_partition(first, last)
    for day, has_rows in days:
        queries.make_partition(day, move_rows=has_rows)
    return len(days)
