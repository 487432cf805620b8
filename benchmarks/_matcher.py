"""A program that holds the searches and matches the batch that waits: benchmarks/alerts.py runs one, to measure its memory.

python -m benchmarks._matcher DATABASE_URL
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import UTC, datetime

from app.domain.alerts import match
from app.domain.alerts.engine import warm
from app.extensions import db
from benchmarks._ground import app_on
from benchmarks._report import seconds


def main() -> None:
    """Print {load_seconds, held_mb, seconds, pairs, peak_mb}."""
    with app_on(sys.argv[1]):
        load = seconds(warm.refresh)
        db.session.commit()
        pairs = 0

        def work() -> None:
            nonlocal pairs
            while found := match.match_one_batch(datetime.now(UTC), way=match.Way.MEMORY):
                pairs += found["pairs"]
                db.session.commit()

        took = seconds(work)
        measured = {
            "load_seconds": round(load, 2),
            "held_mb": round(warm.refresh().bytes / 1e6),
            "seconds": round(took, 3),
            "pairs": pairs,
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
        db.session.rollback()
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
