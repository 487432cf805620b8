"""Postmark: one event a request; a name and a password in the address of the webhook."""

from __future__ import annotations

import base64
import binascii
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
    mapping,
    moment,
    text,
)
from app.domain.models import Cause, EventType

BOUNCES = {
    "HardBounce": (EventType.BOUNCED, Reason.BOUNCED, Cause.DEAD),
    "BadEmailAddress": (EventType.BOUNCED, Reason.INVALID, Cause.DEAD),
    "Transient": (EventType.DEFERRED, None, None),
    "SoftBounce": (EventType.BOUNCED, Reason.BOUNCED, Cause.SOFT),
    "DnsError": (EventType.BOUNCED, Reason.BOUNCED, Cause.SOFT),
    "AddressChange": (EventType.AUTORESPONDED, None, None),
    "AutoResponder": (EventType.AUTORESPONDED, None, None),
    "ChallengeVerification": (EventType.AUTORESPONDED, None, None),
    "OpenRelayTest": (EventType.BOUNCED, Reason.OTHER, Cause.BLOCK),
    "VirusNotification": (EventType.BOUNCED, Reason.SPAM, Cause.BLOCK),
    "SpamNotification": (EventType.BOUNCED, Reason.SPAM, Cause.BLOCK),
    "Blocked": (EventType.BOUNCED, Reason.BLOCKED, Cause.BLOCK),
    "DMARCPolicy": (EventType.BOUNCED, Reason.BLOCKED, Cause.BLOCK),
    "SMTPApiError": (EventType.FAILED, Reason.OTHER, Cause.SOFT),
    "ManuallyDeactivated": (EventType.REJECTED, Reason.BLOCKED, Cause.SOFT),
    "Unsubscribe": (EventType.UNSUBSCRIBED, Reason.UNSUBSCRIBED, None),
    "Subscribe": (EventType.SUBSCRIBED, None, None),
    "SpamComplaint": (EventType.COMPLAINED, Reason.SPAM, None),
    "InboundError": (EventType.UNKNOWN, None, None),
    "TemplateRenderingFailed": (EventType.FAILED, Reason.OTHER, Cause.SOFT),
    "Unconfirmed": (EventType.UNKNOWN, None, None),
}
RECORDS = {"Delivery": EventType.DELIVERED, "Open": EventType.OPENED, "Click": EventType.CLICKED}
TIMES = ("BouncedAt", "DeliveredAt", "ReceivedAt", "ChangedAt")


def verify(request: Signed, secret: str, now: datetime) -> None:
    """Basic authentication: there is no signature, and no moment of one."""
    del now
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    try:
        shown = base64.b64decode(given.strip(), validate=True) if kind.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        shown = b""
    if not hmac.compare_digest(shown, secret.encode()):
        raise Refused("This does not show our Postmark password.")


def parts(body: bytes) -> Sequence[Part]:
    event = mapping(_loaded(body))
    return [Part(_name(event), orjson.dumps(event).decode())]


def read(payload: str) -> Sequence[Happening]:
    event = mapping(_loaded(payload.encode()))
    record = text(event.get("RecordType"), 40)
    reason, cause = None, None
    if record in {"Bounce", "SpamComplaint"}:
        event_type, reason, cause = BOUNCES.get(
            text(event.get("Type"), 40), (EventType.BOUNCED, Reason.OTHER, Cause.SOFT)
        )
    elif record == "SubscriptionChange":
        event_type, reason, cause = _subscription(event)
    else:
        event_type = RECORDS.get(record, EventType.UNKNOWN)
    words = text(event.get("Details")) or text(event.get("Description"))
    return [
        Happening(
            _name(event),
            event_type,
            address(event.get("Email") or event.get("Recipient")),
            next((moment(event[name]) for name in TIMES if event.get(name)), None),
            (),
            text(mapping(event.get("Metadata")).get("porchlight"), 80),
            reason,
            words.removeprefix("smtp;").strip(),
            cause=cause,
            fields={"provider_id": text(event.get("MessageID"), 80)},
        )
    ]


def _subscription(event: dict[str, object]) -> tuple[EventType, Reason | None, Cause | None]:
    if not event.get("SuppressSending"):
        return EventType.SUBSCRIBED, None, None
    match event.get("SuppressionReason"):
        case "HardBounce":
            return EventType.BOUNCED, Reason.BOUNCED, Cause.DEAD
        case "SpamComplaint":
            return EventType.COMPLAINED, Reason.SPAM, None
    return EventType.UNSUBSCRIBED, Reason.UNSUBSCRIBED, None


def _name(event: dict[str, object]) -> str:
    """Postmark names bounces only; the rest is known by what it says."""
    told = [text(event.get(name), 100) for name in ("RecordType", "ID", "MessageID", "Email", "Recipient", *TIMES)]
    return f"{told[0]}/{hashlib.sha256('/'.join(told).encode()).hexdigest()[:32]}"


def _loaded(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable("This is not JSON.") from None
