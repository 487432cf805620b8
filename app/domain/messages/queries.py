"""What people ask about messages, and the queue's own statements."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload, load_only

from app.domain.errors import NotFound
from app.domain.models import Contact, Digest, DigestItem, MessageEvent, OutboundMessage
from app.extensions import db


def message_for(office_id: int, message_id: int) -> OutboundMessage:
    """The message as it was sent, with its contact and digest. Raises NotFound, also for another office's."""
    message = db.session.scalar(
        select(OutboundMessage)
        .where(OutboundMessage.id == message_id, OutboundMessage.office_id == office_id)
        .options(joinedload(OutboundMessage.contact), joinedload(OutboundMessage.digest))
    )
    if message is None:
        raise NotFound("There is no such message.")
    return message


def events_of_message(message_id: int) -> Select[tuple[MessageEvent]]:
    """What happened to it, in the order it became known."""
    return select(MessageEvent).where(MessageEvent.outbound_message_id == message_id).order_by(MessageEvent.id)


def messages_of_contact(office_id: int, contact_id: int) -> Select[tuple[OutboundMessage]]:
    """Every message to a buyer, newest first, without the bodies; its digest comes along."""
    return (
        select(OutboundMessage)
        .where(OutboundMessage.office_id == office_id, OutboundMessage.contact_id == contact_id)
        .options(
            load_only(
                OutboundMessage.id,
                OutboundMessage.subject,
                OutboundMessage.recipient,
                OutboundMessage.state,
                OutboundMessage.state_reason,
                OutboundMessage.attempts,
                OutboundMessage.not_before,
                OutboundMessage.last_reply,
                OutboundMessage.sent_at,
                OutboundMessage.created_at,
            ),
            joinedload(OutboundMessage.digest),
        )
        .order_by(OutboundMessage.id.desc())
    )


class Alerted(NamedTuple):
    """One line of "who was told about this home": a match, what became of it, and its message when it has one."""

    contact_id: int
    full_name: str
    recipient: str
    saved_search_id: int
    kind: str
    event_seq: int
    price_before: Decimal | None
    price_shown: Decimal | None
    outcome: str
    drop_reason: str | None
    message_id: int | None
    message_state: str | None
    at: datetime


def alerts_of_listing(
    office_id: int, listing_id: int
) -> Select[
    tuple[
        int,
        str,
        str,
        int,
        str,
        int,
        Decimal | None,
        Decimal | None,
        str,
        str | None,
        int | None,
        str | None,
        datetime,
    ]
]:
    """Who was, and was not, told about a listing, newest first. Rows have the fields of `Alerted`; page it as you like:
    `[Alerted(*row) for row in db.session.execute(alerts_of_listing(…).limit(50))]`."""
    return (
        select(
            Digest.contact_id,
            Contact.full_name,
            Digest.recipient,
            DigestItem.saved_search_id,
            DigestItem.kind,
            DigestItem.event_seq,
            DigestItem.price_before,
            DigestItem.price_shown,
            DigestItem.outcome,
            DigestItem.drop_reason,
            OutboundMessage.id.label("message_id"),
            OutboundMessage.state.label("message_state"),
            Digest.created_at.label("at"),
        )
        .join(Digest, Digest.id == DigestItem.digest_id)
        .join(Contact, Contact.id == Digest.contact_id)
        .outerjoin(OutboundMessage, OutboundMessage.digest_id == Digest.id)
        .where(DigestItem.listing_id == listing_id, Digest.office_id == office_id)
        .order_by(DigestItem.digest_id.desc(), DigestItem.position.nulls_last(), DigestItem.event_seq.desc())
    )
