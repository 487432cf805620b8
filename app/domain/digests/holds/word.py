"""A person's word about what is held: the whole of a halted run (PA-27), or one mail of a buyer whose agent approves
each. What is let go is looked at again when it is sent: only what is still true is told (PA-19)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from app.domain.digests import queries as digests
from app.domain.digests.build import keeps, message_of
from app.domain.digests.decide import DropReason
from app.domain.digests.holds import queries
from app.domain.errors import Conflict, Invalid
from app.domain.models import Digest, DigestState, HoldState, MailHold, User
from app.extensions import db

PATIENCE = timedelta(days=7)
"""What nobody decided about for so long is no news any more (PA-26)."""
SHORTEST_REASON, LONGEST_REASON = 3, 200


def approve(hold_id: int, user: User, reason: str, now: datetime | None = None) -> MailHold:
    """Let a halted run go, slowly: the next run of digests gives its mails their messages. Raises NotFound, Invalid
    without a reason, Conflict when somebody decided before."""
    return _decide(hold_id, user, reason, HoldState.APPROVED, now)


def discard(hold_id: int, user: User, reason: str, now: datetime | None = None) -> MailHold:
    """Let nothing of a halted run out: each home of it is dropped, with that as its reason. Raises as approve."""
    hold = _decide(hold_id, user, reason, HoldState.DISCARDED, now)
    queries.let_fall(DropReason.DISCARDED, hold_id=hold.id)
    return hold


def _decide(hold_id: int, user: User, reason: str, state: HoldState, now: datetime | None) -> MailHold:
    hold = queries.hold_of(user.office_id, hold_id)
    reason = reason.strip()
    if len(reason) < SHORTEST_REASON:
        raise Invalid("Say why, in a few words: it is kept with the decision.", field="reason")
    if len(reason) > LONGEST_REASON:
        raise Invalid(f"At most {LONGEST_REASON} letters fit here.", field="reason")
    won = db.session.execute(
        update(MailHold)
        .where(MailHold.id == hold.id, MailHold.state == HoldState.WAITING.value)
        .values(state=state.value, reason=reason, decided_at=now or datetime.now(UTC), decided_by_id=user.id)
        .returning(MailHold.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    db.session.refresh(hold)
    if won is None:
        raise Conflict(f"This was decided meanwhile: it is {hold.state}.")
    return hold


def approve_mail(digest_id: int, user: User, *, everybody: bool, now: datetime | None = None) -> Digest:
    """Let one mail go now. `everybody`: the person may decide for every agent of the office. Raises NotFound when it is
    not theirs to decide, Conflict when somebody decided before."""
    now = now or datetime.now(UTC)
    mail = _decide_mail(digest_id, user, DigestState.BUILT, "", everybody=everybody, now=now)
    digests.insert_messages(
        [
            message_of(
                mail.office_id,
                mail.contact_id,
                mail.recipient,
                mail.id,
                mail.window_end,
                needs_approval=True,
                not_before=now,
                expires_at=now + keeps(is_instant=False),
                now=now,
            )
        ]
    )
    return mail


def decline_mail(
    digest_id: int, user: User, reason: str = "", *, everybody: bool, now: datetime | None = None
) -> Digest:
    """Do not send one mail: its homes are dropped, and are not told again. Raises as approve_mail."""
    now = now or datetime.now(UTC)
    mail = _decide_mail(digest_id, user, DigestState.HELD, reason[:LONGEST_REASON], everybody=everybody, now=now)
    queries.let_fall(DropReason.DECLINED, digest_id=mail.id)
    return mail


def _decide_mail(
    digest_id: int, user: User, state: DigestState, reason: str, *, everybody: bool, now: datetime
) -> Digest:
    mail = queries.approval_of(user.office_id, digest_id, user.member_id, everybody=everybody)
    won = db.session.execute(
        update(Digest)
        .where(Digest.id == mail.id, Digest.state == DigestState.HELD.value, Digest.decided_at.is_(None))
        .values(state=state.value, decided_at=now, decided_by_id=user.id, decided_reason=reason.strip())
        .returning(Digest.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if won is None:
        raise Conflict("Somebody decided about this mail a moment ago.")
    return mail


def let_go_of_old(now: datetime) -> int:
    """Drop what has waited for a person for more than a week; how many holds and mails. Idempotent."""
    old = queries.older_than(now - PATIENCE)
    for row in old:
        if row.hold_id is not None:
            db.session.execute(
                update(MailHold)
                .where(MailHold.id == row.hold_id, MailHold.state == HoldState.WAITING.value)
                .values(state=HoldState.EXPIRED.value, decided_at=now)
            )
        queries.let_fall(DropReason.TOO_OLD, hold_id=row.hold_id, digest_id=row.digest_id)
    return len(old)
