"""How large the tables were in the 90 days before: the one thing of the demo that is painted, since nobody was there to
measure. It leads to the sizes of today, and what retention took follows from the same arithmetic."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from random import Random

from sqlalchemy import insert, select, text

from app.domain.models import JobRun, TableSize
from app.domain.ops import sizes
from app.domain.ops.queries import tables
from app.domain.ops.retention import RULES
from app.extensions import db

DAYS = 90
OPENED = 140
"""Days since the house began to fill."""
SLOW = 0.2
"""How much smaller a table was that grows with the office and not with its events."""


def write(now: datetime) -> None:
    """The past of every table, and today's size. Commits."""
    random = Random(2)  # noqa: S311 — wiggles only
    db.session.execute(text("ANALYZE"))
    held = {name: sizes.held_days(name, [rule for rule in RULES if rule.table == name]) for name in sizes.names()}
    today = now.astimezone(UTC).date()
    found = {row.name: row for row in tables.tables(held)}
    rows = []
    for ago in range(1, DAYS + 1):
        day, whole = today - timedelta(days=ago), 0
        for name, row in found.items():
            if name == tables.DATABASE or not row.rows:
                continue
            part = _part(held[name], ago) * (1 + 0.01 * math.sin(ago / 7 * math.tau) + random.uniform(-0.003, 0.003))
            size = max(8192, round(row.bytes * part / 8192) * 8192)
            whole += size - int(row.bytes)
            rows.append({"day": day, "table_name": name, "bytes": size, "rows": round(row.rows * part)})
        rows.append(
            {"day": day, "table_name": tables.DATABASE, "bytes": int(found[tables.DATABASE].bytes) + whole, "rows": 0}
        )
    db.session.execute(insert(TableSize), rows)
    sizes.record(now)
    _taken(random, {name: int(row.rows) for name, row in found.items()}, held)
    db.session.commit()


def _part(held_days: int | None, ago: int) -> float:
    """How full a table was so many days ago, against today."""
    if held_days is None:
        return 1 - SLOW * ago / DAYS
    return min(OPENED - ago, held_days) / min(OPENED, held_days)


def _taken(random: Random, rows: dict[str, int], held: dict[str, int | None]) -> None:
    """What the nights of the ledger took: of a full table, a day's rows."""
    for run in db.session.scalars(select(JobRun).where(JobRun.kind == "retention")):
        counts = {rule.counted_as: 0 for rule in RULES}
        for rule in RULES:
            days = held.get(rule.table)
            if rule.takes_rows and days is not None and rule.age.days == days < OPENED:
                counts[rule.counted_as] = round(rows[rule.table] / days * random.uniform(0.9, 1.1))
        run.counts = counts
