"""Two minutes before each run of alerts: a home that does not exist sets out for a mailbox that we read (PA-25)."""

from __future__ import annotations

from app.domain.moments import database_now
from app.domain.proof import canary as bird
from app.jobs.run import Run


def canary(run: Run) -> dict[str, int]:
    """Idempotent: a trip is unique for its due time. Its arrival is noticed by the sweep."""
    if not bird.prepare(run.window_end, database_now()):
        return {"planted": 0}
    run.commit()
    return {"planted": int(bird.plant(run.window_end, database_now()) is not None)}
