"""What came back: the mailbox of bounces is read, and what waits — mails and providers' events — is worked through."""

from __future__ import annotations

import time
from pathlib import Path

from app.domain.digests.optout import stop_by_mail
from app.domain.messages.returns import inbound
from app.domain.moments import database_now
from app.extensions import db, settings
from app.gateways import mailbox
from app.jobs.run import Run

COUNTS = ("read", *inbound.COUNTS)
CHUNK = 25
SLICE = 30.0
"""Seconds for working through: mails wait for the same worker, and anybody may fill the mailbox of bounces. What is left
is the next sweep's."""


def returns(run: Run) -> dict[str, int]:
    """Idempotent: a mail is kept once, an event recorded once. Committed in pieces."""
    counts = dict.fromkeys(COUNTS, 0)
    if settings().bounce_mailbox:
        counts["read"] = mailbox.empty(Path(settings().bounce_mailbox), _keep, stop=run.must_stop)
    until = time.monotonic() + SLICE
    while (worked := inbound.work_some(stop_by_mail, database_now(), CHUNK)) is not None:
        for name, number in worked.items():
            counts[name] += number
        run.commit()
        run.progress("working through", sum(counts[name] for name in inbound.COUNTS))
        if time.monotonic() > until or run.must_stop():
            break
    run.commit()
    return counts


def returns_wait() -> bool:
    """Has anything come back that nobody has looked at? Asked by each sweep."""
    path = settings().bounce_mailbox
    return inbound.waits() or bool(path and mailbox.has_mail(Path(path)))


def _keep(mails: list[bytes]) -> None:
    """For good: the mailbox forgets them next."""
    inbound.store_mails(mails)
    db.session.commit()
