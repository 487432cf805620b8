"""Every night: what has been kept long enough leaves, and the days ahead get their partitions (PA-29)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import structlog

from app.domain.alerts.match import ensure_partitions
from app.domain.listings.imports import forget_files
from app.domain.moments import database_now
from app.domain.ops import retention as rules
from app.domain.ops import sizes, tallies
from app.jobs.run import Run

log = structlog.get_logger(__name__)

DAYS_AHEAD = 7


def retention(run: Run) -> dict[str, int]:
    """Idempotent: what has left once is no longer there. One transaction for each batch of rows."""
    now = database_now()
    counts: Counter[str] = Counter()
    run.progress("counting what ended")
    tallies.fold(now, seconds=600)  # runs leave below, and are to be counted first, even when no sweep went for weeks
    run.commit()
    for number, rule in enumerate(rules.RULES):
        run.progress(rule.table, number, len(rules.RULES))
        left, gone = 0, rules.BATCH
        while gone == rules.BATCH:
            gone = rule.apply(now)
            left += gone
            counts[rule.counted_as] += gone
            run.commit()
        if left:
            log.info("rows.left", table=rule.table, rows=left)
    counts["files_deleted"] = forget_files(now)
    matches = rules.drop_partitions(now)
    counts["days_dropped"] = len(matches)
    counts["alert_match"] += sum(matches)
    run.commit()
    counts["days_prepared"] = ensure_partitions(now.date(), (now + timedelta(days=DAYS_AHEAD)).date())
    sizes.record(now)  # what is left, once a day: the sweep has written the day's first look
    return dict(counts)
