"""Every morning: our count of the last days beside the mail provider's."""

from __future__ import annotations

from app.domain.messages.returns.reconcile import reconcile as count_beside
from app.domain.moments import database_now
from app.jobs.run import Run


def reconcile(run: Run) -> dict[str, int]:
    """Idempotent: each day is counted anew."""
    counts = count_beside(database_now())
    run.commit()
    return counts
