"""A held mail as its buyer would get it now: the last look is had, and nothing of it is written down. Nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.digests.letters import compose
from app.domain.messages.keys import message_id_for
from app.domain.messages.mime import Letter
from app.domain.messages.queue import Gone, Queued
from app.domain.models import Digest, Stream
from app.extensions import db, settings
from app.gateways.mail import domain_of

NOBODY = 0
"""The number of a message that does not exist: what is signed with it opens nothing."""


def preview(digest: Digest, now: datetime | None = None) -> Letter | Gone:
    """The letter, or why there would be none any more."""
    key = f"preview:{digest.id}"
    message = Queued(
        id=NOBODY,
        office_id=digest.office_id,
        contact_id=digest.contact_id,
        digest_id=digest.id,
        stream=Stream.ALERTS.value,
        dedupe_key=key,
        message_id=message_id_for(settings().secret_key, key, domain_of(settings().mail_from)),
        message_date=None,
        recipient=digest.recipient,
        attempts=0,
    )
    looked = db.session.begin_nested()
    try:
        return compose(message, now or datetime.now(UTC))
    finally:
        looked.rollback()
