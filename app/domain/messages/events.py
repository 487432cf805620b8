"""What others say happened to a message: bounces, complaints, deliveries. They may come twice, late, or before our own
commit; what is stored does not depend on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from app.domain.errors import NotFound
from app.domain.messages import queries
from app.domain.messages.queue import DEAD_ADDRESS
from app.domain.messages.settle import ARRIVED, settle_arrived
from app.domain.messages.suppression import suppress
from app.domain.models import EventType, MessageState, OutboundMessage, SuppressionReason, SuppressionScope
from app.extensions import db


def record_event(
    outbound_message_id: int,
    source: str,
    event_id: str,
    event_type: EventType,
    *,
    reply: str = "",
    enhanced: str = "",
    fields: dict[str, Any] | None = None,
    occurred_at: datetime | None = None,
) -> bool:
    """Append what happened. Idempotent by (source, event_id); False when it was known. Never changes `sent`; of a
    message of unknown fate, a sign that it arrived makes it sent.

    A complaint, and a bounce that calls the address dead (`enhanced` as in RFC 3463), suppress the address at once.
    Raises NotFound.
    """
    message = db.session.get(OutboundMessage, outbound_message_id)
    if message is None:
        raise NotFound("There is no such message.")
    occurred_at = occurred_at or datetime.now(UTC)
    result = db.session.execute(
        queries.ADD_EVENT,
        {
            "outbound_message_id": message.id,
            "source": source,
            "event_id": event_id,
            "event_type": event_type.value,
            "cause": None,
            "reply": reply,
            "fields": orjson.dumps(fields or {}).decode(),
            "occurred_at": occurred_at,
        },
    )
    reason = {EventType.COMPLAINED: SuppressionReason.COMPLAINED}.get(event_type)
    if event_type is EventType.BOUNCED and enhanced in DEAD_ADDRESS:
        reason = SuppressionReason.BOUNCED
    if reason is not None:
        suppress(
            message.office_id,
            message.recipient,
            SuppressionScope.ADDRESS,
            reason,
            evidence=reply,
            outbound_message_id=message.id,
            now=occurred_at,
        )
    if event_type in ARRIVED and message.state == MessageState.UNKNOWN:
        settle_arrived()
    return int(getattr(result, "rowcount", 0)) == 1
