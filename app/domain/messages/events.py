"""What others say happened to a message: bounces, complaints, deliveries. They may come twice, late, or before our own
commit; what is stored does not depend on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from app.domain.errors import NotFound
from app.domain.messages import queries
from app.domain.messages.returns.causes import judge
from app.domain.messages.settle import ARRIVED, settle_arrived
from app.domain.messages.suppression import suppress
from app.domain.models import Cause, EventType, MessageState, OutboundMessage, SuppressionReason, SuppressionScope
from app.extensions import db

CAME_BACK = frozenset({EventType.BOUNCED, EventType.FAILED, EventType.REJECTED})
SOFT_BOUNCES = 3
SOFT_SPAN = timedelta(hours=72)
SOFT_REST = timedelta(days=14)
SOFT_MEMORY = timedelta(days=30)
"""So many, over so long, give an address so much rest; older ones are forgotten (PA-24)."""


def record_event(
    outbound_message_id: int,
    source: str,
    event_id: str,
    event_type: EventType,
    *,
    reply: str = "",
    enhanced: str = "",
    cause: Cause | None = None,
    fields: dict[str, Any] | None = None,
    occurred_at: datetime | None = None,
) -> bool:
    """Append what happened. Idempotent by (source, event_id); False when it was known. Never changes `sent`; of a
    message of unknown fate, a sign that it arrived makes it sent.

    Why it came back is `cause`, else judged from `reply` and `enhanced` (as in RFC 3463). What follows from it (PA-24): a
    complaint or a dead address suppress at once, the third soft bounce within three days or more for two weeks, a block
    never. Raises NotFound.
    """
    message = db.session.get(OutboundMessage, outbound_message_id)
    if message is None:
        raise NotFound("There is no such message.")
    now = datetime.now(UTC)
    occurred_at = occurred_at or now
    if event_type in CAME_BACK and cause is None:
        cause = judge(reply, enhanced).cause
    result = db.session.execute(
        queries.ADD_EVENT,
        {
            "outbound_message_id": message.id,
            "source": source,
            "event_id": event_id,
            "event_type": event_type.value,
            "cause": cause.value if cause and event_type in CAME_BACK else None,
            "reply": reply,
            "fields": orjson.dumps(fields or {}).decode(),
            "occurred_at": occurred_at,
        },
    )
    is_new = int(getattr(result, "rowcount", 0)) == 1
    if is_new:
        about = About(message.id, message.office_id, message.recipient)
        follow(about, source, event_type, cause=cause, reply=reply, at=occurred_at)
    if event_type in ARRIVED and message.state == MessageState.UNKNOWN:
        settle_arrived()
    return is_new


class About(NamedTuple):
    """The mail that something is said of."""

    id: int
    office_id: int
    recipient: str


def follow(about: About, source: str, event_type: EventType, *, cause: Cause | None, reply: str, at: datetime) -> None:
    """What follows for the address (PA-24). Ask once for each event: what a person lifted stays lifted."""
    expires_at = None
    if event_type is EventType.COMPLAINED:
        reason = SuppressionReason.COMPLAINED
    elif event_type not in CAME_BACK:
        return
    elif cause is Cause.DEAD:
        reason = SuppressionReason.BOUNCED
    elif cause is Cause.SOFT and _is_tired(about, at):
        reason, expires_at = SuppressionReason.UNREACHABLE, at + SOFT_REST
    else:
        return
    suppress(
        about.office_id,
        about.recipient,
        SuppressionScope.ADDRESS,
        reason,
        source=source,
        evidence=reply,
        outbound_message_id=about.id,
        expires_at=expires_at,
        now=at,
    )


def _is_tired(about: About, at: datetime) -> bool:
    """Has the address come back often enough, over long enough, with no sign of life between and since its last rest?"""
    found = queries.soft_bounces(about.office_id, about.recipient, at - SOFT_MEMORY, at)
    return found.n >= SOFT_BOUNCES and found.last - found.first >= SOFT_SPAN
