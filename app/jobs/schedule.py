"""The whole clock, as data. Each due time of a line becomes exactly one run (app/domain/ops/due.py)."""

from __future__ import annotations

from app.domain.ops.clock import Line

SCHEDULE: tuple[Line, ...] = (
    # name        kind         clock           zone                grace, seconds
    Line("alerts", "alerts", "*/15 * * * *", "UTC", 600),
    Line("canary", "canary", "13-59/15 * * * *", "UTC", 3 * 3600),
    Line("sweep", "sweep", "* * * * *", "UTC", 240),
    Line("lifecycle", "lifecycle", "5 * * * *", "UTC", 3 * 3600),
    Line("reconcile", "reconcile", "30 6 * * *", "UTC", 3 * 3600),
    Line("retention", "retention", "15 3 * * *", "America/New_York", 3 * 3600),
)
