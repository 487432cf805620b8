"""What waits for matching."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, text

from app.extensions import db

WAITING = text("""
WITH waiting AS (SELECT unnest(event_seqs) AS seq FROM match_batch WHERE done_at IS NULL)
SELECT min(e.seq) AS first, max(e.seq) AS last, count(*) AS events, min(e.recorded_at) AS oldest
FROM waiting JOIN listing_event e USING (seq)
""")


def waiting() -> Row[*tuple[Any, ...]]:
    """The events of open batches: first, last, events, oldest (all but events None without any)."""
    return db.session.execute(WAITING).one()
