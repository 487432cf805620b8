"""What is ready to go, what is usual at this hour, and what waits for a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, or_, select, text
from sqlalchemy.orm import joinedload

from app.domain.errors import NotFound
from app.domain.models import Contact, Digest, DigestState, HoldState, MailHold, User
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]
WEEKS = 4

READY = text("""
-- Offices with something to release: runs that were not halted, first, and then what a person let go.
SELECT d.office_id, bool_or(h.id IS NULL) AS is_new
FROM digest d LEFT JOIN mail_hold h ON h.id = d.hold_id
WHERE d.state = 'held' AND NOT d.needs_approval AND (h.id IS NULL OR h.state = 'approved')
GROUP BY d.office_id ORDER BY d.office_id
""")

LOCK_OFFICE = text("SELECT pg_advisory_xact_lock(hashtextextended('mail of office', :office_id))")

COUNTED = text("""
-- The hour as it would be with all that is ready, and the same hour of the weeks before; by the office's own clock. A
-- week before its first mail says nothing of what is usual.
WITH ready AS (
    SELECT id, contact_id, items_shown, window_end FROM digest
    WHERE office_id = :office_id AND state = 'held' AND hold_id IS NULL AND NOT needs_approval
), clock AS (
    SELECT time_zone, date_trunc('hour', timezone(time_zone, CAST(:now AS timestamptz))) AS hour
    FROM office WHERE id = :office_id
), most AS (SELECT contact_id, items_shown FROM ready ORDER BY items_shown DESC, id LIMIT 1)
SELECT (SELECT count(*) FROM ready) AS ready, (SELECT coalesce(sum(items_shown), 0) FROM ready) AS items,
       (SELECT max(window_end) FROM ready) AS window_end,
       most.contact_id AS most_contact_id, coalesce(most.items_shown, 0) AS most_items,
       (SELECT count(*) FROM outbound_message m JOIN digest d ON d.id = m.digest_id
        WHERE m.office_id = :office_id AND d.hold_id IS NULL AND NOT d.needs_approval
          AND m.created_at >= timezone(clock.time_zone, clock.hour)
          AND m.created_at < timezone(clock.time_zone, clock.hour + interval '1 hour')) AS made,
       ARRAY(SELECT (SELECT count(*) FROM outbound_message m
                     WHERE m.office_id = :office_id AND m.digest_id IS NOT NULL
                       AND m.created_at >= timezone(clock.time_zone, clock.hour - interval '7 days' * week)
                       AND m.created_at < timezone(clock.time_zone, clock.hour - interval '7 days' * week
                                                                  + interval '1 hour'))
             FROM generate_series(1, :weeks) AS week
             WHERE timezone(clock.time_zone, clock.hour - interval '7 days' * week + interval '1 hour')
                 > (SELECT created_at FROM outbound_message WHERE office_id = :office_id ORDER BY id LIMIT 1)
             ORDER BY week) AS weeks
FROM clock LEFT JOIN most ON true
""")

HALT = text("""
WITH hold AS (
    INSERT INTO mail_hold (office_id, window_end, cause, mails, items, usual, weeks, most_items, most_contact_id,
                           job_run_id, created_at)
    VALUES (:office_id, :window_end, :cause, :mails, :items, :usual, CAST(:weeks AS integer[]), :most_items,
            :most_contact_id, :job_run_id, :now)
    ON CONFLICT (office_id, window_end) DO UPDATE
    SET state = 'waiting', decided_at = NULL, decided_by_id = NULL, reason = '', cause = excluded.cause,
        mails = excluded.mails, items = excluded.items, most_items = excluded.most_items,
        most_contact_id = excluded.most_contact_id
    RETURNING id
)
UPDATE digest SET hold_id = hold.id FROM hold
WHERE office_id = :office_id AND state = 'held' AND hold_id IS NULL AND NOT needs_approval
RETURNING hold.id
""")

TAKE = text("""
WITH taken AS (
    SELECT d.id FROM digest d LEFT JOIN mail_hold h ON h.id = d.hold_id
    WHERE d.office_id = :office_id AND d.state = 'held' AND NOT d.needs_approval
      AND (CASE WHEN :is_new THEN h.id IS NULL ELSE h.state = 'approved' END)
    ORDER BY d.id LIMIT :limit
    FOR UPDATE OF d SKIP LOCKED
)
UPDATE digest d SET state = 'built' FROM taken WHERE d.id = taken.id
RETURNING d.id, d.office_id, d.contact_id, d.recipient, d.window_end, d.is_instant
""")

AHEAD = text("SELECT count(*) FROM outbound_message WHERE state = 'queued' AND not_before > :now")

LET_FALL = text("""
-- What was held is not told after all: every home of it says why.
WITH fallen AS (
    SELECT id FROM digest
    WHERE state = 'held' AND (id = CAST(:digest_id AS bigint) OR hold_id = CAST(:hold_id AS bigint))
    FOR UPDATE
), dropped AS (
    UPDATE digest_item i SET outcome = 'dropped', drop_reason = :reason, position = NULL
    FROM fallen WHERE i.digest_id = fallen.id AND i.outcome <> 'dropped'
    RETURNING i.digest_id
)
UPDATE digest d SET state = 'empty', items_shown = 0,
    items_dropped = d.items_dropped + coalesce((SELECT count(*) FROM dropped WHERE dropped.digest_id = d.id), 0)
FROM fallen WHERE d.id = fallen.id
""")

OLD = text("""
SELECT NULL AS hold_id, id AS digest_id FROM digest
WHERE state = 'held' AND needs_approval AND created_at < :before
UNION ALL
SELECT id, NULL FROM mail_hold WHERE state = 'waiting' AND created_at < :before
""")


def ready() -> Sequence[AnyRow]:
    """Offices with mails to release; `is_new`: some that nobody counted yet."""
    return db.session.execute(READY).all()


def lock_office(office_id: int) -> None:
    """Until the transaction ends nobody else counts or halts this office's mail."""
    db.session.execute(LOCK_OFFICE, {"office_id": office_id})


def counted(office_id: int, now: datetime) -> AnyRow:
    """What is ready, what this hour has had already, and what it had in the weeks before."""
    return db.session.execute(COUNTED, {"office_id": office_id, "now": now, "weeks": WEEKS}).one()


def halt(values: dict[str, Any]) -> tuple[int, int]:
    """Write the hold down, and put all that is ready under it. (hold, digests)."""
    rows = db.session.scalars(HALT, values).all()
    return (rows[0] if rows else 0), len(rows)


def take(office_id: int, *, is_new: bool, limit: int) -> Sequence[AnyRow]:
    """Up to `limit` of an office's mails, no longer held: they get their messages in this transaction."""
    return db.session.execute(TAKE, {"office_id": office_id, "is_new": is_new, "limit": limit}).all()


def ahead(now: datetime) -> int:
    """Messages whose moment is still to come."""
    return db.session.scalar(AHEAD, {"now": now}) or 0


def let_fall(reason: str, *, hold_id: int | None = None, digest_id: int | None = None) -> int:
    """Drop all that a hold, or one mail, means to say; the number of mails."""
    result = db.session.execute(LET_FALL, {"reason": reason, "hold_id": hold_id, "digest_id": digest_id})
    return int(getattr(result, "rowcount", 0))


def older_than(before: datetime) -> Sequence[AnyRow]:
    """What has waited for a person since before then: (hold_id, None) or (None, digest_id)."""
    return db.session.execute(OLD, {"before": before}).all()


# What people see


def hold_of(office_id: int, hold_id: int) -> MailHold:
    """Raises NotFound, also for another office's."""
    found = db.session.scalar(select(MailHold).where(MailHold.id == hold_id, MailHold.office_id == office_id))
    if found is None:
        raise NotFound("There is no such hold.")
    return found


def holds(office_id: int, limit: int = 50) -> Sequence[tuple[MailHold, str | None]]:
    """The halted runs of an office with who decided: those that wait first, then the newest."""
    statement = (
        select(MailHold, User.full_name)
        .outerjoin(User, User.id == MailHold.decided_by_id)
        .where(MailHold.office_id == office_id)
        .order_by(MailHold.state != HoldState.WAITING.value, MailHold.id.desc())
        .limit(limit)
    )
    return [(hold, name) for hold, name in db.session.execute(statement)]


def mails_of_hold(hold_id: int, limit: int) -> Sequence[Digest]:
    """A sample of its mails: those with the most homes, so that what looks wrong is seen first."""
    statement = (
        select(Digest)
        .where(Digest.hold_id == hold_id)
        .options(joinedload(Digest.contact))
        .order_by(Digest.items_shown.desc(), Digest.id)
        .limit(limit)
    )
    return db.session.scalars(statement).all()


def name_of(user_id: int | None) -> str:
    """Who that is; empty for nobody."""
    return db.session.scalar(select(User.full_name).where(User.id == user_id)) or "" if user_id else ""


def held_mail(office_id: int, digest_id: int) -> Digest:
    """A mail that waits for a word. Raises NotFound, also when it was decided or is another office's."""
    found = db.session.scalar(
        select(Digest)
        .where(Digest.id == digest_id, Digest.office_id == office_id, Digest.state == DigestState.HELD.value)
        .options(joinedload(Digest.contact))
    )
    if found is None:
        raise NotFound("No mail waits for a word here: it was decided meanwhile.")
    return found


def _approvals(office_id: int, member_id: int | None, *, everybody: bool) -> Select[Any]:
    statement = (
        select(Digest)
        .join(Contact, Contact.id == Digest.contact_id)
        .where(Digest.office_id == office_id, Digest.state == DigestState.HELD.value, Digest.needs_approval)
    )
    if everybody:
        return statement
    return statement.where(or_(Contact.owner_member_id == member_id, Digest.id.in_(_of_their_searches(member_id))))


def _of_their_searches(member_id: int | None) -> Select[Any]:
    return select(text("i.digest_id")).select_from(
        text(
            "digest_item i JOIN alert_subscription s ON s.id = i.alert_subscription_id AND s.owner_member_id = :member_id"
        ).bindparams(member_id=member_id)
    )


def approvals(office_id: int, member_id: int | None, *, everybody: bool, limit: int = 100) -> Sequence[Digest]:
    """Mails that wait for an agent's word, the oldest first: all of the office, or those of one agent's buyers and
    searches."""
    statement = _approvals(office_id, member_id, everybody=everybody).options(joinedload(Digest.contact))
    return db.session.scalars(statement.order_by(Digest.id).limit(limit)).all()


def awaited(office_id: int, member_id: int | None, *, everybody: bool) -> Select[int, Any]:
    """One row: how many mails wait for an agent's word, and since when the oldest does. To be asked with others."""
    waiting = _approvals(office_id, member_id, everybody=everybody).subquery()
    return select(func.count(waiting.c.id).label("approvals"), func.min(waiting.c.created_at).label("oldest_approval"))


def approval_of(office_id: int, digest_id: int, member_id: int | None, *, everybody: bool) -> Digest:
    """One of them. Raises NotFound, also when it is another agent's, or decided."""
    statement = _approvals(office_id, member_id, everybody=everybody).where(Digest.id == digest_id)
    found: Digest | None = db.session.scalar(statement.options(joinedload(Digest.contact)))
    if found is None:
        raise NotFound("Nothing waits for your word here: it was decided meanwhile, or is another agent’s.")
    return found
