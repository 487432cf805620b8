"""Every 15 minutes: what happened to the listings, against every saved search (PA-01, PA-10)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import structlog

from app.domain.alerts.backlog import backlog
from app.domain.alerts.match import batch_size, match_one_batch, take_batches
from app.domain.listings import openings
from app.domain.moments import database_now
from app.jobs.run import Run

log = structlog.get_logger(__name__)


def alerts(run: Run) -> dict[str, int]:
    """Idempotent: an event is taken into one batch, a batch is matched in one transaction."""
    if openings.announce(database_now()):
        run.commit()
    taken = take_batches(database_now(), job_run_id=run.id, most=batch_size())
    run.commit()
    late = backlog(database_now())
    counts = Counter(events=0, pairs=0, batches=0)
    while (found := match_one_batch(database_now())) is not None:
        counts.update(found)
        counts["batches"] += 1
        run.progress("matching", counts["batches"], max(taken, counts["batches"]))
        run.commit()
        log.info("batch.matched", batch=counts["batches"], **found)
    follows: dict[str, Any] = {"window_end": run.window_end.isoformat()}
    if late is not None:
        log.warning("alerts.caught_up", first=late.first, last=late.last, events=late.events)
        follows["caught_up"] = late._asdict()
    run.then("digests", follows)
    return dict(counts)
