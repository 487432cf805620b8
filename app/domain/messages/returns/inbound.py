"""What comes in about our mail is kept as it came, then worked through: the message it speaks of is found, and the event
recorded once. Whoever sends it is answered before anything is done with it; a repeat, another order and a message that
is not ours are all harmless. Callers commit.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import orjson
import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from app.domain.errors import DomainError, NotFound
from app.domain.messages import keys, queries
from app.domain.messages.events import record_event
from app.domain.messages.keys import Purpose
from app.domain.messages.returns.causes import Judged, cause_of, judge
from app.domain.messages.returns.letters import LARGEST, Kind, Returned
from app.domain.messages.returns.letters import read as read_letter
from app.domain.messages.returns.providers import (
    Happening,
    Part,
    Provider,
    Reason,
    Signed,
    Unreadable,
    mailgun,
    postmark,
    sendgrid,
    ses,
)
from app.domain.messages.suppression import suppress
from app.domain.models import (
    Cause,
    EventType,
    InboundEvent,
    InboundState,
    OutboundMessage,
    SuppressionReason,
    SuppressionScope,
)
from app.extensions import db, settings
from app.gateways import sns
from app.gateways.mail import domain_of

log = structlog.get_logger(__name__)

MAIL = "mail"
PROVIDERS: Mapping[str, Provider] = {"mailgun": mailgun, "postmark": postmark, "sendgrid": sendgrid, "ses": ses}
MOST_TRIES = 3
LOOK_BACK = timedelta(days=14)
"""A provider's event that names only an address speaks of the last mail to it, if that was not longer ago."""
BY_ADDRESS = frozenset({EventType.BOUNCED, EventType.COMPLAINED, EventType.UNSUBSCRIBED, EventType.REJECTED})
"""What is worth knowing of an address, even where a provider does not say which mail it was."""
COUNTS = ("done", "unmatched", "ignored", "failed")
OF_LETTER = {
    Kind.BOUNCE: EventType.BOUNCED,
    Kind.DELAY: EventType.DEFERRED,
    Kind.DELIVERED: EventType.DELIVERED,
    Kind.COMPLAINT: EventType.COMPLAINED,
    Kind.OPT_OUT: EventType.UNSUBSCRIBED,
    Kind.AUTOREPLY: EventType.AUTORESPONDED,
}

Unsubscribe = Callable[[str], object]
"""Stops the searches of a message by the signed token of its unsubscribe address; raises NotFound."""


def secret_of(provider: str) -> str:
    """What a provider's webhook is proven with; empty where it is not set up, or does not exist."""
    config = settings()
    return {
        "mailgun": config.mailgun_webhook_key,
        "postmark": config.postmark_webhook_password,
        "sendgrid": config.sendgrid_webhook_key,
        "ses": config.ses_topic_arn,
    }.get(provider, "")


def configured() -> list[str]:
    """The providers that may tell us something."""
    return [name for name in PROVIDERS if secret_of(name)]


def store(source: str, parts: Iterable[Part], *, hints: Mapping[str, str] | None = None, now: datetime) -> int:
    """Keep what came, each event once; how many were new."""
    by_id = {part.event_id[:200]: part.payload for part in parts if part.event_id}
    if not by_id:
        return 0
    given = orjson.dumps(dict(hints or {})).decode()
    result = db.session.execute(
        queries.ADD_INBOUND,
        {
            "source": source,
            "event_ids": list(by_id),
            "payloads": list(by_id.values()),
            "hints": [given] * len(by_id),
            "now": now,
        },
    )
    return int(getattr(result, "rowcount", 0))


def store_mails(mails: Iterable[bytes], sent_to: str = "", now: datetime | None = None) -> int:
    """Keep mails as they came, the same one once; how many were new."""
    parts = []
    for raw in mails:
        body = raw[:LARGEST].replace(b"\x00", b"")
        if body.strip():
            parts.append(Part(hashlib.sha256(body + sent_to.encode()).hexdigest()[:40], body.decode("latin-1")))
    return store(MAIL, parts, hints={"sent_to": sent_to[:400]} if sent_to else None, now=now or datetime.now(UTC))


def waits() -> bool:
    """Is there anything that has not been worked through?"""
    return queries.inbound_waits()


def work_some(unsubscribe: Unsubscribe, now: datetime, limit: int = 100) -> dict[str, int] | None:
    """Work through up to `limit` of what waits; None when nothing does. One that fails is tried again, three times in
    all, and keeps nobody waiting (PA-18)."""
    rows = queries.waiting_inbound(limit)
    if not rows:
        return None
    counts: Counter[str] = Counter()
    for row in rows:
        counts[_work_one(row, unsubscribe, now).value] += 1
    db.session.flush()
    return {name: counts[name] for name in COUNTS}


def _work_one(row: InboundEvent, unsubscribe: Unsubscribe, now: datetime) -> InboundState:
    row.tries += 1
    row.worked_at = now
    try:
        with db.session.begin_nested():
            state = _mail(row, unsubscribe, now) if row.source == MAIL else _events(row, now)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.warning("inbound.not_worked", inbound_id=row.id, error=type(error).__name__)
        state = InboundState.FAILED if row.tries >= MOST_TRIES else InboundState.WAITING
        row.words = f"could not be worked through ({type(error).__name__})"
    row.state = state.value
    return state


# --- A mail ---


def _mail(row: InboundEvent, unsubscribe: Unsubscribe, now: datetime) -> InboundState:
    returned = read_letter((row.payload or "").encode("latin-1", "replace"), str(row.hints.get("sent_to", "")))
    stop = next((token for purpose, token in returned.tokens if purpose == "unsub"), None)
    if stop is not None and returned.kind is Kind.LETTER:
        return _stop(row, stop, unsubscribe)
    event_type = OF_LETTER.get(returned.kind)
    if event_type is None:
        return _ignore(row, returned.trouble or "a letter, or a report that is about no mail of ours")
    judged = cause_of(returned) if returned.kind is Kind.BOUNCE else Judged(None, "")
    person = returned.person
    words = (person.words or returned.words)[:500]
    found = _of_letter(returned)
    return _record(
        row,
        Happening(
            row.event_id,
            event_type,
            person.address,
            now,
            words=words,
            status=person.status,
            cause=judged.cause,
            fields={"rule": judged.rule} if judged.rule else {},
        ),
        found,
    )


def _stop(row: InboundEvent, token: str, unsubscribe: Unsubscribe) -> InboundState:
    """The mail of a List-Unsubscribe address: its token is the proof, whoever sent it."""
    try:
        unsubscribe(token)
    except NotFound:
        return _ignore(row, "an unsubscribe address that is not one of ours")
    row.event_type, row.known_by = EventType.UNSUBSCRIBED.value, "token"
    row.outbound_message_id = keys.read(settings().secret_key, Purpose.ONE_CLICK, token)
    return InboundState.DONE


class Found(NamedTuple):
    message: OutboundMessage
    known_by: str


def _of_letter(returned: Returned) -> Found | None:
    """By the token in its envelope, else by the mail that came back with it. Never by the address it names alone:
    anybody may write to us of anybody."""
    for purpose, token in returned.tokens:
        number = keys.read(settings().secret_key, Purpose.BOUNCE, token) if purpose == "bounce" else None
        message = db.session.get(OutboundMessage, number) if number else None
        if message is not None:
            return Found(message, "token")
    return _of_names(returned.keys, returned.message_ids)


# --- A provider's events ---


def _events(row: InboundEvent, now: datetime) -> InboundState:
    payload = row.payload or ""
    if row.source == "ses" and (url := ses.subscribe_url(payload)) is not None:
        sns.confirm(url)
        return _ignore(row, "a subscription of our topic, confirmed")
    happenings = PROVIDERS[row.source].read(payload)
    states = set()
    for number, each in enumerate(happenings):
        told = each if each.event_id else replace(each, event_id=f"{row.event_id}/{number}")
        known = _of_names((told.key,) if told.key else (), told.message_ids)
        states.add(_record(row, told, known or _of_address(told.recipient, told.event_type, now)))
    if not states:
        return _ignore(row, "nothing about a mail")
    return InboundState.DONE if InboundState.DONE in states else InboundState.UNMATCHED


def _of_names(own: Iterable[str], message_ids: Iterable[str]) -> Found | None:
    """By our own name for it, or by its Message-ID, which begins with that name."""
    domain = domain_of(settings().mail_from)
    names = [f"<{key}@{domain}>" for key in own] + list(message_ids)
    number = queries.message_named(names) if names else None
    message = db.session.get(OutboundMessage, number) if number else None
    return Found(message, "message id") if message is not None else None


def _of_address(address: str, event_type: EventType, now: datetime) -> Found | None:
    if "@" not in address or event_type not in BY_ADDRESS:
        return None
    number = queries.message_to(address.strip().lower(), now - LOOK_BACK, now)
    message = db.session.get(OutboundMessage, number) if number else None
    return Found(message, "address") if message is not None else None


def _record(row: InboundEvent, told: Happening, found: Found | None) -> InboundState:
    """Write down what happened, on this row and, where its message is known, on that one."""
    cause = _judged(told)
    row.event_type, row.cause = told.event_type.value, cause.value if cause else None
    row.words, row.recipient = told.words[:500] or None, told.recipient[:320] or None
    if found is None:
        return InboundState.UNMATCHED
    message, row.known_by = found
    row.outbound_message_id, row.office_id = message.id, message.office_id
    fields = {name: value for name, value in told.fields.items() if value}
    if told.reason is not None:
        fields["reason"] = told.reason.value
    record_event(
        message.id,
        row.source,
        told.event_id,
        told.event_type,
        reply=told.words[:500],
        enhanced=told.status,
        cause=cause,
        fields=fields | {"inbound": row.id},
        occurred_at=told.occurred_at,
    )
    if told.event_type is EventType.UNSUBSCRIBED or told.reason is Reason.UNSUBSCRIBED:
        _stop_stream(message, row.source, told)
    elif told.event_type is EventType.REJECTED and told.reason is Reason.SPAM:
        _suppress(message, SuppressionScope.ADDRESS, SuppressionReason.COMPLAINED, row.source, told)
    return InboundState.DONE


def _judged(told: Happening) -> Cause | None:
    """The server's own words before the provider's class: “permanent” is said of full mailboxes, too."""
    if told.event_type not in {EventType.BOUNCED, EventType.REJECTED, EventType.FAILED}:
        return None
    judged = judge(told.words, told.status)
    return judged.cause if judged.rule not in {"nothing", "number"} else told.cause or judged.cause


def _stop_stream(message: OutboundMessage, source: str, told: Happening) -> None:
    """Somebody used the provider's own door: it does not know our searches, so it is all alerts."""
    _suppress(message, SuppressionScope.STREAM, SuppressionReason.UNSUBSCRIBED, source, told)


def _suppress(
    message: OutboundMessage, scope: SuppressionScope, reason: SuppressionReason, source: str, told: Happening
) -> None:
    suppress(
        message.office_id,
        message.recipient,
        scope,
        reason,
        source=source,
        evidence=told.words[:500] or f"told by {source}",
        outbound_message_id=message.id,
        now=told.occurred_at,
    )


def _ignore(row: InboundEvent, why: str) -> InboundState:
    row.words = why
    return InboundState.IGNORED


def receive(provider: str, headers: Mapping[str, str], body: bytes, now: datetime | None = None) -> int:
    """Take a provider's request: proven, then kept; how many events were new. Raises NotFound for a provider that is
    not set up, Refused for a wrong signature, Unreadable for what is none of its events."""
    now = now or datetime.now(UTC)
    secret = secret_of(provider)
    if not secret:
        raise NotFound("No provider is set up at this address.")
    speaker = PROVIDERS[provider]
    try:
        speaker.verify(Signed(headers, body), secret, now)
        parts = [part for part in speaker.parts(body) if part.event_id]
    except DomainError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unreadable("That could not be read.") from error
    if not parts:
        raise Unreadable("There is no event in it.")
    return store(provider, parts, now=now)
