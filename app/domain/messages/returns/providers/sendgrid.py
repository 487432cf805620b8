"""SendGrid: many events a request; an ECDSA signature over its timestamp and the body."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

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
    listed,
    mapping,
    moment,
    text,
)
from app.domain.models import Cause, EventType

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
MOST_EVENTS = 5_000
EVENTS = {
    "bounce": EventType.BOUNCED,
    "deferred": EventType.DEFERRED,
    "delivered": EventType.DELIVERED,
    "dropped": EventType.REJECTED,
    "processed": EventType.QUEUED,
    "click": EventType.CLICKED,
    "open": EventType.OPENED,
    "spamreport": EventType.COMPLAINED,
    "unsubscribe": EventType.UNSUBSCRIBED,
    "group_unsubscribe": EventType.UNSUBSCRIBED,
    "group_resubscribe": EventType.SUBSCRIBED,
}
DROPPED = {
    "Invalid": (Reason.INVALID, Cause.DEAD),
    "Unsubscribed Address": (Reason.UNSUBSCRIBED, None),
    "Bounced Address": (Reason.BOUNCED, Cause.DEAD),
    "Spam Reporting Address": (Reason.SPAM, None),
    "Spam Content": (Reason.BLOCKED, Cause.BLOCK),
}


def verify(request: Signed, secret: str, now: datetime) -> None:
    timestamp = request.headers.get(TIMESTAMP, "")[:20]
    try:
        key = load_der_public_key(base64.b64decode(secret, validate=True))
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise Refused("Our SendGrid key is not one of its kind.")
        signature = base64.b64decode(request.headers.get(SIGNATURE, "")[:400], validate=True)
        key.verify(signature, timestamp.encode() + request.body, ec.ECDSA(SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, binascii.Error, ValueError, TypeError):
        raise Refused("This is not signed with our SendGrid key.") from None
    if not timestamp.isdecimal() or not is_in_time(float(timestamp), now):
        raise Refused("This was signed too long ago.")


def parts(body: bytes) -> Sequence[Part]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable("This is not JSON.") from None
    return [
        Part(_name(event), orjson.dumps(event).decode())
        for event in listed(given if isinstance(given, list) else [given])[:MOST_EVENTS]
        if isinstance(event, dict)
    ]


def read(payload: str) -> Sequence[Happening]:
    event = mapping(orjson.loads(payload))
    name = text(event.get("event"), 40)
    event_type, reason, cause = EVENTS.get(name, EventType.UNKNOWN), None, None
    words = text(event.get("reason")) or text(event.get("response"))
    if name == "dropped":
        reason, cause = DROPPED.get(words, (Reason.OTHER, Cause.SOFT))
    elif name == "bounce":
        is_block = event.get("type") == "blocked"
        reason, cause = (Reason.BLOCKED, Cause.BLOCK) if is_block else (Reason.BOUNCED, Cause.DEAD)
    return [
        Happening(
            _name(event),
            event_type,
            address(event.get("email")),
            moment(event.get("timestamp")),
            bracketed(event.get("smtp-id")),
            text(event.get("porchlight"), 80),
            reason,
            words,
            text(event.get("status"), 12),
            cause,
        )
    ]


def _name(event: dict[str, object]) -> str:
    return text(event.get("sg_event_id"), 120) or hashlib.sha256(orjson.dumps(event)).hexdigest()[:40]
