"""After each alerts run: what waits for a buyer, and is due, becomes one mail to their address (PA-08). All of them are
made first and counted; then they go, unless the run is halted (PA-27)."""

from __future__ import annotations

from collections import Counter

import structlog

from app.domain.digests.build import build_some
from app.domain.digests.holds.release import release_some
from app.domain.digests.lifecycle.still_watching import write_some
from app.domain.moments import database_now
from app.jobs.run import Run

log = structlog.get_logger(__name__)

RELEASE_ONLY = {"release_only": True}
"""The arguments of a run that builds nothing: a person has let something go."""


def digests(run: Run) -> dict[str, int]:
    """Idempotent: a digest is unique for an address and a window, and so is its message; what an attempt that died
    left without a message is counted and released by the next."""
    counts = Counter(recipients=0, messages=0)
    caught_up = run.args.get("caught_up") or {}
    while not run.args.get("release_only"):
        built = build_some(run.window_end, database_now(), job_run_id=run.id, release=False)
        if built is None:
            break
        counts.update({name: number for name, number in built.items() if name != "messages"})
        run.progress("writing mails", counts["recipients"])
        run.commit()
        log.info("digests.built", **built)
    while (released := release_some(database_now(), run.id, ramped=bool(caught_up))) is not None:
        counts.update(released)
        run.progress("letting mails go", counts["messages"])
        run.commit()
    while (written := write_some(database_now(), run.id)) is not None:
        counts["still_watching"] += written
        run.commit()
    counts.update({f"caught_up_{name}": number for name, number in caught_up.items()})
    run.then("messages")
    return dict(counts)
