"""The life of a message in rows: claimed, begun, settled, or taken back. Callers commit.

A message is begun, and that is committed, before the first byte of it leaves. So whoever finds it later knows: a lease
that ran out before it was begun means unsent; after, unknown — and unknown is never sent again blindly.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import TextClause

from app.domain import driver
from app.domain.messages import pace, queries
from app.domain.messages.events import About, follow
from app.domain.messages.mime import Letter
from app.domain.messages.returns.causes import judge
from app.domain.messages.settle import settle_arrived
from app.domain.models import EventType, MessageState
from app.extensions import db
from app.gateways.mail import Outcome, Phase, Verdict

CHUNK = 200


class Queued(NamedTuple):
    """A message in the hands of a sender."""

    id: int
    office_id: int
    contact_id: int
    digest_id: int | None
    stream: str
    dedupe_key: str
    message_id: str
    message_date: datetime | None
    recipient: str
    attempts: int
    """How often it was begun before."""


class Gone(NamedTuple):
    """A message that will not be sent: its last look left nothing to say, or nobody to say it to."""

    state: MessageState
    reason: str


class Claimed(NamedTuple):
    ours: list[Queued]
    ended: list[MessageState]
    """One for each that was found expired or suppressed instead."""
    postponed: int = 0
    """Those whose domain gets one a minute for now."""


class Holder(NamedTuple):
    """The run inside which somebody sends."""

    run_id: int
    attempt: int


def claim(token: UUID, now: datetime, until: datetime, limit: int = CHUNK, *, holder: Holder | None = None) -> Claimed:
    """Take up to `limit` due messages under a lease until `until`; two senders never take the same. With a `holder` they
    are held no longer than that attempt of the run goes on.

    Those whose address or stream is suppressed, and those that are too old, end here (PA-24).
    """
    run_id, attempt = holder or (None, None)
    values = {"token": token, "now": now, "until": until, "limit": limit, "run_id": run_id, "run_attempt": attempt}
    rows = db.session.execute(queries.CLAIM, values).all()
    return Claimed(
        [Queued(*(getattr(row, name) for name in Queued._fields)) for row in rows if row.state == MessageState.SENDING],
        [MessageState(row.state) for row in rows if row.state not in {MessageState.SENDING, MessageState.QUEUED}],
        sum(row.state == MessageState.QUEUED for row in rows),
    )


def begin(message: Queued, letter: Letter, token: UUID, now: datetime, until: datetime) -> bool:
    """Write down that it is about to be sent, and what it says. False when another sender may have it by now."""
    return _count(queries.BEGIN, _begun(message, letter, until) | {"token": token, "now": now})


def settle_sent_and_begin(
    last: tuple[Queued, Outcome], message: Queued, letter: Letter, *, token: UUID, now: datetime, until: datetime
) -> tuple[bool, bool]:
    """That the last one was accepted, and `begin`, in one statement; which of them were ours to write. For two
    people: what one is told does not depend on what the other was."""
    values = _begun(message, letter, until) | _ended(*last, token, now)
    settled, begun = driver.row(queries.SENT_AND_BEGIN, values)
    return settled == b"1", begun == b"1"


def _begun(message: Queued, letter: Letter, until: datetime) -> dict[str, object]:
    return {
        "begin_id": message.id,
        "until": until,
        "message_date": letter.date,
        "subject": letter.subject,
        "body_text": letter.text,
        "body_html": letter.html,
    }


def _ended(message: Queued, outcome: Outcome, token: UUID, now: datetime) -> dict[str, object]:
    return {
        "id": message.id,
        "token": token,
        "now": now,
        "reply": outcome.reply,
        "phase": outcome.phase.value,
        "cause": None,
    }


def settle(message: Queued, outcome: Outcome, token: UUID, now: datetime) -> bool:
    """Write down how an attempt ended. False when it is not ours to say any more.

    An address the relay calls dead is suppressed at once.
    """
    values = _ended(message, outcome, token, now)
    cause = None
    if outcome.state is Verdict.REFUSED:
        said_no_to = "content" if outcome.phase in {Phase.CONTENT, Phase.AWAIT250} else "recipient"
        cause = judge(outcome.reply, outcome.enhanced, stage=said_no_to).cause
        values["cause"] = cause.value if cause else None
    match outcome.state:
        case Verdict.ACCEPTED:
            won = _count(queries.SETTLE_SENT, values)
        case Verdict.RETRY:
            later = pace.next_attempt(message.attempts + 1, outcome.reply)
            won = _count(queries.SETTLE_RETRY, values | {"not_before": now + later.delay, "reason": later.meaning})
            if won and later.slows:
                _slow_down(message.recipient, outcome.reply, now)
        case Verdict.REFUSED:
            won = _count(queries.SETTLE_FAILED, values | {"reason": outcome.enhanced or "refused"})
        case Verdict.UNKNOWN:
            won = _count(queries.SETTLE_UNKNOWN, values | {"reason": f"lost in {outcome.phase.value}"})
    if won and cause is not None:
        about = About(message.id, message.office_id, message.recipient)
        follow(about, "smtp", EventType.FAILED, cause=cause, reply=outcome.reply, at=now)
    return won


def _slow_down(recipient: str, reply: str, now: datetime) -> None:
    """This domain says that we send it too much: one a minute for ninety minutes."""
    db.session.execute(
        queries.SLOW_DOWN,
        {
            "domain": pace.domain_of_recipient(recipient),
            "slow_until": now + pace.SLOW_FOR,
            "next_at": now + pace.SLOW_GAP,
            "reply": reply,
            "now": now,
        },
    )


def give_up(message: Queued, gone: Gone, token: UUID, now: datetime) -> bool:
    """End a message that is not worth sending any more. False when it is not ours."""
    return _count(
        queries.GIVE_UP,
        {"id": message.id, "token": token, "now": now, "state": gone.state.value, "reason": gone.reason},
    )


def put_back(
    message: Queued, token: UUID, *, begun: bool, not_before: datetime | None = None, reply: str | None = None
) -> None:
    """Queue one again of which nothing was sent. `begun`: an attempt was counted that was none."""
    db.session.execute(
        queries.PUT_BACK,
        {"id": message.id, "token": token, "uncount": int(begun), "not_before": not_before, "reply": reply},
    )


def renew(token: UUID, until: datetime) -> None:
    """Keep what is claimed and not begun."""
    db.session.execute(queries.RENEW, {"token": token, "until": until})


def release(token: UUID) -> None:
    """Queue again what is claimed and not begun."""
    db.session.execute(queries.RELEASE, {"token": token})


def take_back(now: datetime) -> int:
    """What dead senders held; how many. Not begun: queued again. Begun: unknown. Cheap, however often it is asked."""
    return db.session.scalar(queries.REAP, {"now": now}) or 0


def reap(now: datetime) -> int:
    """The same; and what gave a sign of having arrived is unknown no longer."""
    taken_back = take_back(now)
    settle_arrived(now)
    return taken_back


def backoff(attempt: int) -> timedelta:
    """How long to wait after the n-th attempt that nobody explained."""
    return pace.next_attempt(attempt, "").delay


def _count(statement: TextClause, values: dict[str, object]) -> bool:
    return bool(driver.count(statement, values))
