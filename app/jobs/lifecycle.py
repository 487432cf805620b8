"""Every hour: searches whose pause is over go on, those that nobody needs are warned of and put to rest (PA-17), and
those that grew too broad are switched off (PA-14)."""

from __future__ import annotations

from collections import Counter

import structlog

from app.domain.digests.lifecycle import rein_in_some, review_some, wake_some
from app.domain.moments import database_now
from app.jobs.run import Run

log = structlog.get_logger(__name__)


def lifecycle(run: Run) -> dict[str, int]:
    """Idempotent: a verdict that stands is not written again, and a notice has one key a day."""
    counts = Counter(warned=0, ended=0, resumed=0, acquitted=0, notices=0)
    while (woken := wake_some(database_now())) is not None:
        counts["resumed"] += woken
        run.commit()
    while (reined_in := rein_in_some(database_now(), job_run_id=run.id)) is not None:
        counts.update(reined_in)
        run.commit()
        log.warning("searches.over_limit", **reined_in)
    while (reviewed := review_some(database_now(), job_run_id=run.id)) is not None:
        counts.update(reviewed)
        run.progress("reviewing searches", counts["warned"] + counts["ended"] + counts["acquitted"])
        run.commit()
        log.info("searches.reviewed", **reviewed)
    return dict(counts)
