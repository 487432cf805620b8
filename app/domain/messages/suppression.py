"""Addresses that must not be mailed, how far that goes, and why (PA-24). Written by people and by bounces; enforced
when a message is claimed and at its last look."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select, update

from app.domain.messages import queries
from app.domain.models import Stream, Suppression, SuppressionReason, SuppressionScope
from app.extensions import db


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
