"""After each alerts run: what waits for a buyer, and is due, becomes one mail to their address (PA-08)."""

from __future__ import annotations

from collections import Counter

import structlog

from app.domain.digests.build import build_some
from app.domain.moments import database_now
from app.jobs.run import Run

log = structlog.get_logger(__name__)


def digests(run: Run) -> dict[str, int]:
    """Idempotent: a digest is unique for an address and a window, and so is its message."""
    counts = Counter(recipients=0, messages=0)
    while (built := build_some(run.window_end, database_now(), job_run_id=run.id)) is not None:
        counts.update(built)
        run.progress("writing mails", counts["recipients"])
        run.commit()
        log.info("digests.built", **built)
    run.then("messages")
    return dict(counts)
