"""Every night: what has been kept long enough leaves, and tomorrow's partitions are made (PA-29)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from app.domain.ops import retention as rules
from app.jobs.run import Run


def retention(run: Run) -> dict[str, int]:
    """Idempotent: what has left once is no longer there. One transaction for each batch of rows."""
    now = datetime.now(UTC)
    counts: Counter[str] = Counter()
    for number, rule in enumerate(rules.RULES):
        run.progress(rule.table, number, len(rules.RULES))
        while gone := rule.apply(now):
            counts[rule.counted_as] += gone
            run.commit()
            if gone < rules.BATCH:
                break
    counts["days_of_matches_dropped"] += rules.drop_partitions(now)
    run.commit()
    counts["days_of_matches_prepared"] += rules.make_partitions(now)
    return dict(counts)
