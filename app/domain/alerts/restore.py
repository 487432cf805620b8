"""After a database was restored from a dump: the one thing that does not survive it are transaction ids.

Events carry the id of the transaction that wrote them, the watermark and each subscription a snapshot of such ids. In
the new cluster ids begin anew, so the old ones would hide new events, or bring old ones back when the count reaches
them. Physical copies and promoted standbys keep their ids and need none of this.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.domain.alerts import queries
from app.domain.alerts.match import BATCH, match_one_batch

CAUGHT_UP = timedelta(days=7)
"""Older events that were in no batch stay unmatched: news of a week ago is none (PA-26)."""


def reset_cursor(now: datetime | None = None) -> dict[str, int]:
    """Make the restored alerts work on: match what waited, then let every comparison begin at this moment.

    Run it once after the restore, before any worker starts. Events of the last days that no batch holds are matched
    first, while old ids can still be compared with old snapshots; after that nothing that is there is news (PA-13).
    Harmless to repeat. Returns requeued (events), batches and pairs.
    """
    now = now or datetime.now(UTC)
    queries.watermark(lock=True)
    requeued = queries.requeue(now - CAUGHT_UP, most=BATCH, now=now)
    counts = {"requeued": requeued, "batches": 0, "pairs": 0}
    while (found := match_one_batch(now)) is not None:
        counts["batches"] += 1
        counts["pairs"] += found["pairs"]
    queries.begin_anew(now)
    return counts
