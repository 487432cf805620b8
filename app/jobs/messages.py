"""Whenever there is mail to send: after each digests run, and from the sweep for what became due since."""

from __future__ import annotations

import time

from app.domain.digests.letters import COMPOSERS
from app.domain.messages.queue import Holder
from app.domain.messages.send import send_due
from app.domain.moments import database_now
from app.domain.ops import queries
from app.jobs.run import Run

SECONDS = 45.0
"""What one run sends for before it hands on to the next: others of its queue get their turn, and a deploy waits for
no more than this."""


def messages(run: Run) -> dict[str, int]:
    """Idempotent: each message is claimed with a lease of its own, and committed by itself."""
    counts = send_due(
        COMPOSERS,
        stop=run.must_stop,
        deadline=time.monotonic() + SECONDS,
        progress=run.progress,
        holder=Holder(run.id, run.attempt),
    )
    if queries.due_messages(database_now(), limit=1):
        run.then("messages")
    return counts
