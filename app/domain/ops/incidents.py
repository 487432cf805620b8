"""A check that fails opens one incident, whoever looks; it closes itself when no look has found it for a while. The
scheduler, the workers and the web all look, so that none of them can die unseen.

A look that finds less than another takes nothing away from it: an incident is open as long as anybody finds it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import CursorResult, and_, case, func, literal_column, not_, text, update
from sqlalchemy.dialects.postgresql import insert

from app.domain.errors import Conflict
from app.domain.models import Incident, IncidentTone, User
from app.domain.moments import database_now
from app.domain.ops import alarms, audit, probing
from app.domain.ops.health import Reason, Tone, verdict
from app.domain.ops.queries import incidents as queries
from app.extensions import db, settings

log = structlog.get_logger(__name__)

LOOK_SECONDS = 15.0
"""A process looks at most this often."""
PATIENCE = timedelta(seconds=60)
"""A trouble that is over sooner is written down and told to nobody: so a restart of everything calls nobody."""
PATIENCE_OUTSIDE = timedelta(seconds=90)
"""What is asked once a minute is away when it was found twice, and told when it was found three times."""
CLEAN = timedelta(seconds=30)
"""Closed when no look has found it for so long: at least two looks, so that what flickers is one incident."""
SEEN_AGAIN = timedelta(seconds=5)
"""A sighting younger than this is not written anew: many processes look."""

SCHEDULER, WORKER, WEB = "scheduler", "worker", "web"
UNREACHABLE = "unreachable:"


@dataclass(frozen=True)
class Looked:
    """What a look changed, by key."""

    opened: Sequence[str]
    closed: Sequence[str]


def look(now: datetime | None = None, *, by: str) -> Looked:
    """Judge the house, and write down what that changes. Safe from any number of processes at once. Commits: what is
    told afterwards must be written first."""
    now = now or database_now()
    found = [reason for reason in verdict(now).reasons if not reason.is_wanted]
    known = {each.key: each for each in queries.open_now()}
    opened = _open(found, known, now, by)
    db.session.commit()
    closed = _close([reason.key for reason in found], now)
    db.session.commit()
    for key in opened:
        log.warning("incident.opened", key=key, by=by)
    for key in closed:
        log.info("incident.closed", key=key, by=by)
    return Looked(opened, closed)


def _open(found: Sequence[Reason], known: Mapping[str, Incident], now: datetime, by: str) -> list[str]:
    """Open what is new, and say of the rest that it was seen. A consequence of what is known is told with its cause
    and opens none of its own, also while the cause is about to close."""
    tones = {key: each.tone for key, each in known.items()} | {reason.key: reason.tone.value for reason in found}
    follows: dict[str, list[str]] = {}
    rows = []
    for reason in sorted(found, key=lambda reason: reason.key):
        cause = _cause(reason, tones)
        if cause is not None:
            follows.setdefault(cause, []).append(reason.sentence)
        if cause is None or reason.key in known:
            rows.append(reason)
    same = [reason.key for reason in rows if _is_same(reason, follows.get(reason.key, []), known.get(reason.key))]
    if same:
        db.session.execute(
            update(Incident)
            .where(Incident.closed_at.is_(None), Incident.key.in_(same), Incident.seen_at < now - SEEN_AGAIN)
            .values(seen_at=now)
            .execution_options(synchronize_session=False)
        )
    rows = [reason for reason in rows if reason.key not in same]
    if not rows:
        return []
    table = Incident.__table__.c
    new = insert(Incident).values(
        [
            {
                "key": reason.key,
                "tone": reason.tone.value,
                "sentence": reason.sentence,
                "stage": reason.stage,
                "run_id": reason.run_id,
                "detail": _detail(reason, follows.get(reason.key, [])),
                "opened_by": by,
                "opened_at": now,
                "seen_at": now,
                "next_notice_at": _first_notice(reason, now),
            }
            for reason in rows
        ]
    )
    turned_bad = and_(new.excluded.tone == IncidentTone.BAD.value, table.tone == IncidentTone.WAIT.value)
    turned_mild = and_(new.excluded.tone == IncidentTone.WAIT.value, table.tone == IncidentTone.BAD.value)
    # Who was on it was on something milder: from here on it is nobody's, and is told.
    was_told = and_(table.notified_at.is_not(None), table.acknowledged_at.is_(None))
    statement = new.on_conflict_do_update(
        index_elements=["key"],
        index_where=text("closed_at IS NULL"),  # literally as the index says it: a bound value would not match
        set_={
            "tone": new.excluded.tone,
            "sentence": new.excluded.sentence,
            "stage": new.excluded.stage,
            "run_id": new.excluded.run_id,
            "detail": new.excluded.detail.op("||")(
                case(
                    (turned_bad, func.jsonb_build_object("worse_at", now.isoformat())),
                    (
                        table.detail.has_key("worse_at"),
                        func.jsonb_build_object("worse_at", table.detail["worse_at"]),
                    ),
                    else_=func.jsonb_build_object(),
                )
            ),
            "acknowledged_at": case((turned_bad, None), else_=table.acknowledged_at),
            "acknowledged_by_id": case((turned_bad, None), else_=table.acknowledged_by_id),
            "seen_at": func.greatest(table.seen_at, new.excluded.seen_at),
            "next_notice_at": case(
                (and_(turned_bad, not_(was_told)), new.excluded.next_notice_at),
                (table.notified_at.is_not(None), table.next_notice_at),
                (turned_mild, None),
                else_=table.next_notice_at,
            ),
        },
    ).returning(table.key, literal_column("incident.xmax = 0").label("is_new"))
    return [row.key for row in db.session.execute(statement) if row.is_new]


def _is_same(reason: Reason, follows: list[str], there: Incident | None) -> bool:
    """Nothing is to be written but that it was seen. (An upsert would use up a number each time.)"""
    return there is not None and (
        there.tone,
        there.sentence,
        there.run_id,
        there.detail.get("follows"),
        there.detail.get("why"),
    ) == (reason.tone.value, reason.sentence, reason.run_id, follows, reason.why)


def _first_notice(reason: Reason, now: datetime) -> datetime | None:
    if reason.nags:  # it has waited long enough before it opened
        return now
    if reason.tone is not Tone.BAD:
        return None
    return now + (PATIENCE_OUTSIDE if reason.key.startswith(UNREACHABLE) else PATIENCE)


def _cause(reason: Reason, tones: dict[str, str]) -> str | None:
    """The key of what explains it: found by this look, or open. Only something as bad explains what is bad, or
    nobody would be told."""
    for key in reason.because:
        if key in tones and (tones[key] == Tone.BAD.value or reason.tone is not Tone.BAD):
            return key
    return None


def _detail(reason: Reason, follows: list[str]) -> dict[str, Any]:
    return {
        "since": reason.since.isoformat() if reason.since else None,
        "why": reason.why,
        "follows": follows,
    }


def _close(found: Sequence[str], now: datetime) -> list[str]:
    """What was told is told to be over as well."""
    statement = (
        update(Incident)
        .where(Incident.closed_at.is_(None), Incident.key.not_in(found), Incident.seen_at <= now - CLEAN)
        .values(closed_at=now, next_notice_at=case((Incident.notified_at.is_not(None), now), else_=None))
        .returning(Incident.key)
        .execution_options(synchronize_session=False)
    )
    return [row.key for row in db.session.execute(statement)]


def acknowledge(incident_id: int, user: User, now: datetime | None = None) -> Incident:
    """“I am on it”: no more reminders. Whoever says so last has it. Raises NotFound, or Conflict when it is over."""
    now = now or datetime.now(UTC)
    found = queries.incident(incident_id)
    taken: CursorResult[Any] = db.session.execute(  # type: ignore[assignment]
        update(Incident)
        .where(Incident.id == incident_id, Incident.closed_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by_id=user.id, next_notice_at=None)
    )
    if taken.rowcount != 1:
        raise Conflict("This is over already.")
    audit.record(user, "incident.acknowledged", "incident", incident_id, f"Is on it: “{found.sentence}”")
    db.session.refresh(found)
    return found


# --- The watch: what each process of the house calls now and then ---

_lock = threading.Lock()
_looked: dict[str, float] = {}
_beside: list[threading.Thread] = []


def watch(by: str) -> None:
    """Look, and tell what is to be told; at most every 15 s in a process. Leaves the session as it would be after a
    commit. Never raises, and telling takes seconds at most: whoever calls has other work."""
    if not _is_time():
        return
    try:
        if by == SCHEDULER:
            _ask_again()
        look(by=by)
        alarms.tell_due()
    except Exception as error:  # PostgreSQL away: there is nothing to look at, and the next look is soon
        db.session.rollback()
        log.warning("watch.failed", by=by, error=type(error).__name__)
    finally:
        db.session.remove()


def watch_beside(by: str = WEB) -> None:
    """The same in a thread of its own, for a caller that somebody waits for. Only where `watches` was said to the app
    (wsgi.py): a page that is tested changes nothing."""
    if not current_app.extensions.get("watches") or not _is_time(peek=True):
        return
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

    def look_beside() -> None:
        with app.app_context():
            watch(by)

    with _lock:
        if any(thread.is_alive() for thread in _beside):
            return
        thread = threading.Thread(target=look_beside, name="watch", daemon=True)
        _beside[:] = [thread]
    thread.start()


def _is_time(*, peek: bool = False) -> bool:
    """A process that has just begun waits for its first look too: whoever starts with it is given the time."""
    key = settings().database_url
    with _lock:
        now = time.monotonic()
        if now - _looked.setdefault(key, now) < LOOK_SECONDS:
            return False
        if not peek:
            _looked[key] = now
        return True


def _ask_again() -> None:
    """Between the sweeps the scheduler asks what is away, so that an incident does not outlive its trouble; and Redis,
    which it goes on without, while no worker is told of a sweep. What is news is written down for all."""
    away = {each.key.removeprefix(UNREACHABLE) for each in queries.open_now() if each.key.startswith(UNREACHABLE)}
    db.session.commit()  # nothing is held while the network is asked
    answers = probing.ask(*{probing.REDIS, *away} & {*probing.INTEGRATIONS}, seconds=probing.PATIENCE_SECONDS)
    probing.write_news(answers)
    db.session.commit()
