"""Amazon SES by way of SNS: an RSA signature over named fields, with a certificate that is fetched from Amazon. Anybody
may have a topic there that signs well, so only the topic in our settings is heard."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

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
from app.gateways import sns

HOST = re.compile(r"sns\.[a-z]{2}(?:-[a-z]{2,10}){1,3}-\d{1,2}\.amazonaws\.com(?:\.cn)?")
"""Where certificates and confirmations may be asked for; nowhere else, whatever a request says."""
CERTIFICATE = re.compile(r"https://[^/?#]+/SimpleNotificationService-[0-9A-Za-z]{4,64}\.pem")
"""The whole address: at other paths of its hosts, and with a query, Amazon answers in words that its customers chose."""
SIGNED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
SIGNED_OF_TOPIC = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
EVENTS = {
    "Send": EventType.SENT,
    "Delivery": EventType.DELIVERED,
    "Reject": EventType.REJECTED,
    "Bounce": EventType.BOUNCED,
    "Complaint": EventType.COMPLAINED,
    "Open": EventType.OPENED,
    "Click": EventType.CLICKED,
    "Rendering Failure": EventType.FAILED,
    "DeliveryDelay": EventType.DEFERRED,
    "Subscription": EventType.UNSUBSCRIBED,
}
TRANSIENT = {
    "ContentRejected": Cause.BLOCK,
    "AttachmentRejected": Cause.BLOCK,
    "MessageTooLarge": Cause.BLOCK,
}


def verify(request: Signed, secret: str, now: datetime) -> None:
    """`secret`: the ARNs of our topics, with commas."""
    envelope = mapping(_loaded(request.body))
    if text(envelope.get("TopicArn"), 300) not in {arn.strip() for arn in secret.split(",") if arn.strip()}:
        raise Refused("This is not of our SNS topic.")
    sent = moment(envelope.get("Timestamp"))
    if sent is None or not is_in_time(sent.timestamp(), now):
        raise Refused("This was signed too long ago.")
    url = text(envelope.get("SigningCertURL"), 500)
    if not is_amazons(url) or not CERTIFICATE.fullmatch(url):
        raise Refused("Its certificate is not where Amazon keeps them.")
    names = SIGNED if envelope.get("Type") == "Notification" else SIGNED_OF_TOPIC
    said = "".join(f"{name}\n{envelope[name]}\n" for name in names if isinstance(envelope.get(name), str))
    digest = SHA256() if envelope.get("SignatureVersion") == "2" else SHA1()  # noqa: S303  SNS's own, older choice
    try:
        key = load_pem_x509_certificate(sns.certificate(url)).public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise Refused("Its certificate is not of the kind that Amazon uses.")
        signature = base64.b64decode(text(envelope.get("Signature"), 2000), validate=True)
        key.verify(signature, said.encode(), padding.PKCS1v15(), digest)
    except (InvalidSignature, UnsupportedAlgorithm, binascii.Error, ValueError, TypeError):
        raise Refused("This is not signed by Amazon.") from None
    except OSError:
        raise Unreadable("Amazon's certificate cannot be fetched just now; send it again later.") from None


def is_amazons(url: str) -> bool:
    parts = urlsplit(url)
    try:
        return (
            parts.scheme == "https"
            and bool(HOST.fullmatch(parts.hostname or ""))
            and parts.port in {None, 443}
            and not (parts.username or parts.password)
        )
    except ValueError:
        return False


def parts(body: bytes) -> Sequence[Part]:
    envelope = mapping(_loaded(body))
    return [Part(text(envelope.get("MessageId"), 100), orjson.dumps(envelope).decode())]


def subscribe_url(payload: str) -> str | None:
    """Where the subscription of our topic is confirmed; None for anything else."""
    envelope = mapping(_loaded(payload.encode()))
    url = text(envelope.get("SubscribeURL"), 1000)
    return url if envelope.get("Type") == "SubscriptionConfirmation" and is_amazons(url) else None


def read(payload: str) -> Sequence[Happening]:
    envelope = mapping(_loaded(payload.encode()))
    if envelope.get("Type") != "Notification":
        return []
    try:
        event = mapping(orjson.loads(str(envelope.get("Message", ""))))
    except orjson.JSONDecodeError:
        return []  # "Successfully validated SNS topic …"
    name = text(event.get("eventType") or event.get("notificationType"), 40)
    mail = mapping(event.get("mail"))
    detail = mapping(event.get(name[:1].lower() + name[1:])) or mapping(event.get("failure"))
    told = partial(
        Happening,
        event_type=EVENTS.get(name, EventType.UNKNOWN),
        occurred_at=moment(detail.get("timestamp")) or moment(mail.get("timestamp")),
        message_ids=_message_ids(mail),
        key=text(next(iter(listed(mapping(mail.get("tags")).get("porchlight"))), ""), 80),
        fields={"provider_id": text(mail.get("messageId"), 120)},
    )
    number = text(envelope.get("MessageId"), 100)
    if name == "Bounce":
        return [
            told(
                event_id=f"{number}/{n}",
                recipient=address(mapping(one).get("emailAddress")),
                words=re.sub(r"^\w+; *", "", text(mapping(one).get("diagnosticCode"))),
                status=text(mapping(one).get("status"), 12),
                reason=Reason.BOUNCED,
                cause=_cause(detail),
            )
            for n, one in enumerate(listed(detail.get("bouncedRecipients"))[:50])
        ]
    if name == "Complaint":
        if detail.get("complaintFeedbackType") == "not-spam":
            return []
        return [
            told(event_id=f"{number}/{n}", recipient=address(mapping(one).get("emailAddress")), reason=Reason.SPAM)
            for n, one in enumerate(listed(detail.get("complainedRecipients"))[:50])
        ]
    if name == "Subscription":
        preferences = mapping(detail.get("newTopicPreferences"))
        if preferences and not preferences.get("unsubscribeAll"):
            told = partial(told, event_type=EventType.SUBSCRIBED)
    recipients = listed(detail.get("recipients")) or listed(mail.get("destination"))
    words = text(detail.get("smtpResponse") or detail.get("reason") or detail.get("errorMessage"))
    cause = Cause.BLOCK if name == "Reject" else Cause.SOFT if name == "Rendering Failure" else None
    return [
        told(event_id=f"{number}/{n}", recipient=address(one), words=words, cause=cause)
        for n, one in enumerate(recipients[:50] or [""])
    ]


def _cause(bounce: dict[str, object]) -> Cause:
    if bounce.get("bounceType") == "Permanent":
        return Cause.DEAD
    return TRANSIENT.get(text(bounce.get("bounceSubType"), 40), Cause.SOFT)


def _message_ids(mail: dict[str, object]) -> tuple[str, ...]:
    """SES gives each mail an id of its own; ours stands among the headers, where they are told."""
    found = [mapping(mail.get("commonHeaders")).get("messageId")]
    found += [
        mapping(header).get("value")
        for header in listed(mail.get("headers"))[:100]
        if str(mapping(header).get("name")).lower() == "message-id"
    ]
    return tuple(dict.fromkeys(each for one in found for each in bracketed(one)))


def _loaded(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unreadable("This is not JSON.") from None
