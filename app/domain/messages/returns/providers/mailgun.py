"""Mailgun: one event a request; an HMAC over timestamp and token. The signature does not cover the event, so a token is
taken once, whatever comes with it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

import orjson

from app.domain.messages.returns.providers import (
    Happening,
    Part,
    Reason,
    Refused,
    Signed,
    Unreadable,
    address,
    bracketed,
    is_in_time,
    mapping,
    moment,
    text,
)
from app.domain.models import Cause, EventType

EVENTS = {
    "accepted": EventType.QUEUED,
    "rejected": EventType.REJECTED,
    "delivered": EventType.DELIVERED,
    "opened": EventType.OPENED,
    "clicked": EventType.CLICKED,
    "unsubscribed": EventType.UNSUBSCRIBED,
    "complained": EventType.COMPLAINED,
}
REASONS = {
    "bounce": Reason.BOUNCED,
    "hardfail": Reason.BOUNCED,
    "suppress-bounce": Reason.BOUNCED,
    "suppress-complaint": Reason.SPAM,
    "suppress-unsubscribe": Reason.UNSUBSCRIBED,
    "espblock": Reason.BLOCKED,
    "old": Reason.TIMED_OUT,
    "generic": Reason.OTHER,
}


def verify(request: Signed, secret: str, now: datetime) -> None:
    signature = mapping(mapping(_loaded(request.body)).get("signature"))
    timestamp, token, given = (text(signature.get(name), 200) for name in ("timestamp", "token", "signature"))
    expected = hmac.new(secret.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    if not token or not hmac.compare_digest(expected.encode(), given.encode()):
        raise Refused("This is not signed with our Mailgun key.")
    if not timestamp.isdecimal() or not is_in_time(float(timestamp[:15]), now):
        raise Refused("This was signed too long ago.")


def parts(body: bytes) -> Sequence[Part]:
    given = mapping(_loaded(body))
    token = text(mapping(given.get("signature")).get("token"), 200)
    return [Part(token, orjson.dumps(mapping(given.get("event-data"))).decode())]


def read(payload: str) -> Sequence[Happening]:
    event = mapping(_loaded(payload.encode()))
    name = text(event.get("event"), 40)
    delivery = mapping(event.get("delivery-status"))
    words = text(delivery.get("message")) or text(delivery.get("description"))
    code = text(delivery.get("code"), 10)
    event_type, reason, cause = EVENTS.get(name, EventType.UNKNOWN), None, None
    if name == "failed":
        is_temporary = event.get("severity") == "temporary"
        word = text(event.get("reason"), 40)
        reason = REASONS.get(word, Reason.OTHER)
        event_type = EventType.DEFERRED if is_temporary else EventType.BOUNCED
        if word.startswith("suppress-"):
            event_type = EventType.REJECTED
        cause = Cause.DEAD if reason is Reason.BOUNCED and not is_temporary else None
    elif name == "rejected":
        words = words or text(mapping(event.get("reject")).get("reason"))
        reason = Reason.OTHER
    at = moment(event.get("timestamp"))
    headers = mapping(mapping(event.get("message")).get("headers"))
    number = text(event.get("id"), 100)  # unique within a day only
    return [
        Happening(
            f"{at:%Y%m%d}/{number}" if at and number else "",
            event_type,
            address(event.get("recipient")),
            at,
            bracketed(headers.get("message-id")),
            text(mapping(event.get("user-variables")).get("porchlight"), 80),
            reason,
            f"{code} {words}" if code.isdecimal() and code not in words[:5] else words,
            cause=cause,
        )
    ]


def _loaded(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable("This is not JSON.") from None
