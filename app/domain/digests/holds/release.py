"""The mails of a run get their messages, once all of them are known: an unusual run is halted first (PA-27).

How many mails there will be is not guessed but counted: they are all built, and none has a message yet. Whoever dies in
between leaves mails that the next run counts and releases.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import structlog

from app.crash import crash_point
from app.domain.digests import queries as digests
from app.domain.digests.build import keeps, message_of
from app.domain.digests.holds import queries
from app.domain.models import HoldCause
from app.extensions import settings

log = structlog.get_logger(__name__)

CHUNK = 500


def release_some(
    now: datetime | None = None, job_run_id: int | None = None, *, limit: int = CHUNK, ramped: bool = False
) -> dict[str, int] | None:
    """Count the mails of an office that are ready, and give up to `limit` of them their messages, or halt them all;
    None when nothing is left to release. One transaction, which the caller commits; then call again until None.

    Safe to run twice and by several at once: an office is counted and released under a lock, each time with all that
    is ready and all that this hour has had. `ramped` spreads them over the minutes to come (PA-26), as what a person
    approved always is. Returns counts: messages, held.
    """
    now = now or datetime.now(UTC)
    for office in queries.ready():
        queries.lock_office(office.office_id)
        if office.is_new and (held := _halt_if_unusual(office.office_id, now, job_run_id)):
            return {"messages": 0, "held": held}
        rows = queries.take(office.office_id, is_new=office.is_new, limit=limit)
        if not rows:
            continue  # another is at it
        starts = _ramp(len(rows), now) if ramped or not office.is_new else [now] * len(rows)
        digests.insert_messages(
            [
                message_of(
                    row.office_id,
                    row.contact_id,
                    row.recipient,
                    row.id,
                    row.window_end,
                    needs_approval=False,
                    not_before=start,
                    expires_at=start + keeps(is_instant=row.is_instant),
                    now=now,
                )
                for row, start in zip(rows, starts, strict=True)
            ]
        )
        crash_point("before_release")
        return {"messages": len(rows), "held": 0}
    return None


def _halt_if_unusual(office_id: int, now: datetime, job_run_id: int | None) -> int:
    """How many mails were halted; 0 when all is as usual."""
    counted = queries.counted(office_id, now)
    usual = int(median(counted.weeks or [0]))
    mails = counted.ready + counted.made
    cause = why_halt(mails, usual, counted.most_items)
    if cause is None or not counted.ready:
        return 0
    hold_id, held = queries.halt(
        {
            "office_id": office_id,
            "window_end": counted.window_end,
            "cause": cause.value,
            "mails": mails,
            "items": int(counted.items),
            "usual": usual,
            "weeks": list(counted.weeks),
            "most_items": counted.most_items,
            "most_contact_id": counted.most_contact_id,
            "job_run_id": job_run_id,
            "now": now,
        }
    )
    crash_point("run_halted")
    log.warning("run.halted", hold_id=hold_id, office_id=office_id, cause=cause.value, mails=mails, usual=usual)
    return held


def why_halt(mails: int, usual: int, most_items: int) -> HoldCause | None:
    """Whether a person is asked before an hour has so many mails, or a buyer so many homes in one (PA-27)."""
    config = settings()
    if mails > config.halt_above_mails and mails > config.halt_above_times * usual:
        return HoldCause.VOLUME
    return HoldCause.BUYER if most_items > config.halt_above_homes else None


def _ramp(count: int, now: datetime) -> list[datetime]:
    """A moment for each, after those whose moment is set already: so many a minute (PA-26)."""
    first, a_minute = queries.ahead(now), settings().ramp_per_minute
    return [now + timedelta(minutes=(first + n) // a_minute) for n in range(count)]


def words_of(hold: Any) -> str:
    """Why it was halted, in a sentence."""
    if hold.cause == HoldCause.VOLUME:
        usual = "none is usual" if not hold.usual else f"{hold.usual:,} {'is' if hold.usual == 1 else 'are'} usual"
        return f"{hold.mails:,} mails in one hour, where {usual}"
    return f"{hold.most_items:,} homes for one buyer in one mail"
