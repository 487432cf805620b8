"""Addresses that must not be mailed, how far that goes, and why (PA-24). Written by people and by bounces; enforced
when a message is claimed and at its last look."""

from __future__ import annotations

from datetime import UTC, datetime

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select, update

from app.domain.errors import Conflict, Forbidden, Invalid, NotFound
from app.domain.messages import queries
from app.domain.models import Stream, Suppression, SuppressionReason, SuppressionScope, User
from app.extensions import db

IN_WORDS = {
    SuppressionReason.UNSUBSCRIBED: "Unsubscribed",
    SuppressionReason.BOUNCED: "Bounced",
    SuppressionReason.COMPLAINED: "Complained",
    SuppressionReason.UNREACHABLE: "Kept coming back",
    SuppressionReason.BY_HAND: "Stopped by hand",
}
THEIRS = {
    SuppressionReason.COMPLAINED: "They reported a mail as spam. Nobody here can lift that; a new wish must come from them.",
    SuppressionReason.UNSUBSCRIBED: "They asked for it. Only they can lift it, by the link in any of our mails.",
}
"""What staff cannot lift, and why."""


def suppress(
    office_id: int,
    recipient: str,
    scope: SuppressionScope,
    reason: SuppressionReason,
    *,
    alert_subscription_id: int | None = None,
    source: str = "",
    evidence: str = "",
    outbound_message_id: int | None = None,
    expires_at: datetime | None = None,
    now: datetime | None = None,
) -> bool:
    """Stop mail to an address. Idempotent: one of a scope and reason is in force at a time, the first one stays; reasons
    stand beside each other, so that what lifts one leaves the rest. With `expires_at` it ends by itself. True when
    new."""
    now = now or datetime.now(UTC)
    if expires_at is not None:  # one whose time is over holds the place of the next
        key = {"office_id": office_id, "recipient": recipient, "reason": reason.value, "now": now}
        db.session.execute(queries.END_RESTS, key)
    result = db.session.execute(
        queries.ADD_SUPPRESSION,
        {
            "office_id": office_id,
            "recipient": recipient,
            "scope": scope.value,
            "stream": Stream.ALERTS.value if scope is SuppressionScope.STREAM else None,
            "alert_subscription_id": alert_subscription_id,
            "reason": reason.value,
            "source": source,
            "evidence": evidence,
            "outbound_message_id": outbound_message_id,
            "expires_at": expires_at,
            "now": now,
        },
    )
    return int(getattr(result, "rowcount", 0)) == 1


def lift(suppression_ids: list[int], *, by: str, now: datetime | None = None) -> int:
    """Let mail flow again; how many were in force. `by` says who asked: the person themselves, for an unsubscribe."""
    result = db.session.execute(
        update(Suppression)
        .where(Suppression.id.in_(suppression_ids), Suppression.lifted_at.is_(None))
        .values(lifted_at=now or datetime.now(UTC), lifted_by=by)
    )
    return int(getattr(result, "rowcount", 0))


def stop_by_hand(user: User, address: str, note: str = "", now: datetime | None = None) -> Suppression:
    """Stop all mail to an address, because somebody of the office says so. Idempotent. Raises Invalid."""
    try:
        recipient = validate_email(address, check_deliverability=False).normalized.strip().lower()
    except EmailNotValidError:
        raise Invalid("That is not an email address.", field="address") from None
    suppress(
        user.office_id,
        recipient,
        SuppressionScope.ADDRESS,
        SuppressionReason.BY_HAND,
        source="person",
        evidence=f"{user.full_name}: {note.strip()[:400]}".rstrip(": "),
        now=now,
    )
    return next(
        one for one in in_force(user.office_id, recipient, now) if one.reason == SuppressionReason.BY_HAND.value
    )


def lift_one(user: User, suppression_id: int, now: datetime | None = None) -> Suppression:
    """Let mail to an address flow again. Raises NotFound, also for another office's; Forbidden for what only the person
    can lift (PA-24); Conflict when it is lifted already."""
    found = db.session.scalar(
        select(Suppression).where(Suppression.id == suppression_id, Suppression.office_id == user.office_id)
    )
    if found is None:
        raise NotFound("There is no such stop.")
    if why := THEIRS.get(SuppressionReason(found.reason)):
        raise Forbidden(why)
    if not lift([found.id], by=user.full_name, now=now):
        raise Conflict("This is lifted already.")
    db.session.refresh(found)
    return found


def in_force(office_id: int, recipient: str, now: datetime | None = None) -> list[Suppression]:
    """Every suppression of an address that holds now, oldest first."""
    now = now or datetime.now(UTC)
    return list(
        db.session.scalars(
            select(Suppression)
            .where(
                Suppression.office_id == office_id,
                Suppression.recipient == recipient,
                Suppression.lifted_at.is_(None),
                Suppression.expires_at.is_(None) | (Suppression.expires_at > now),
            )
            .order_by(Suppression.id)
        )
    )
