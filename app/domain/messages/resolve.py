"""Mails whose fate nobody saw, looked up in the relay's log: 2, 10 and 60 minutes after each began.

Found: sent. Not found after an hour: what then, the stream decides. An alert goes out once more under the same Message-ID
and Date while it is still worth sending, else its homes go with the buyer's next mail. Where nobody can be asked, it
stays unknown until a person or a sign settles it: that it is not in a log is the only ground for sending again (PA-22).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from app.domain.messages import queries
from app.domain.messages.settle import settle_logged
from app.domain.models import Stream
from app.extensions import db, settings
from app.gateways.transport import witness
from app.gateways.witness import Silent, Witness

log = structlog.get_logger(__name__)

MINUTES = (2, 10, 60)
MOST = 25
"""Looked up at a time."""
SENT_AGAIN = (Stream.ALERTS.value, Stream.NOTICES.value)
"""Streams whose mails go out once more: there are no others yet."""
MATCHES_SINCE = timedelta(days=30)

COUNTS = ("found", "not_found", "sent_again", "passed_on")


def resolve(now: datetime, asked: Witness | None = None) -> dict[str, int]:
    """Look up what is due for it, and settle what can be settled. Talks to a gateway, so it commits by itself.

    Safe to run several at once, and again: each step is one conditional update. Returns counts of messages: found,
    not_found (asked for again later), sent_again, passed_on.
    """
    counts = dict.fromkeys(COUNTS, 0)
    lost = queries.lost_sight_of(MINUTES, now, MOST)
    db.session.commit()
    asked = asked or witness(settings())
    if not lost or asked is None:
        return counts
    try:
        seen = asked.seen([message_id for _, message_id, _ in lost])
    except Silent as error:
        log.warning("log.silent", words=str(error), messages=len(lost))
        return counts
    found = [number for number, message_id, _ in lost if message_id in seen]
    missing = [(number, asks) for number, message_id, asks in lost if message_id not in seen]
    if found:
        counts["found"] = settle_logged(found, now)
    if missing:
        _settle_missing(missing, now, counts)
    db.session.commit()
    log.info("messages.resolved", **counts)
    return counts


def _settle_missing(missing: list[tuple[int, int]], now: datetime, counts: dict[str, int]) -> None:
    ids = [number for number, _ in missing]
    db.session.execute(
        queries.NOT_SEEN,
        {"ids": ids, "asks": [asks for _, asks in missing], "words": "The relay’s log does not have it.", "now": now},
    )
    decided = {"ids": ids, "asks": len(MINUTES), "now": now}
    counts["sent_again"] = queries.send_once_more(
        decided
        | {"streams": list(SENT_AGAIN), "words": "Sent once more: after an hour the relay’s log has no such mail."}
    )
    counts["passed_on"] = queries.pass_on(
        decided
        | {
            "streams": list(SENT_AGAIN),
            "words": "Given up: the relay’s log has no such mail. Its homes go with the next.",
            "oldest": now - MATCHES_SINCE,
        }
    )
    counts["not_found"] = len(ids) - counts["sent_again"] - counts["passed_on"]
