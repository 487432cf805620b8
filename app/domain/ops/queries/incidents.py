"""What the pages of incidents read."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import selectinload

from app.domain.errors import NotFound
from app.domain.models import Alarm, AlarmOutcome, Incident, IncidentTone, User
from app.extensions import db


def open_now() -> list[Incident]:
    """What is wrong now, worst first, then oldest first."""
    worst_first = case((Incident.tone == IncidentTone.BAD.value, 0), else_=1)
    return list(
        db.session.scalars(
            select(Incident).where(Incident.closed_at.is_(None)).order_by(worst_first, Incident.opened_at, Incident.id)
        )
    )


def closed(before: int | None = None) -> Select[Incident]:
    """Those that are over, newest end first; `before` an incident's id continues a list."""
    found = select(Incident).where(Incident.closed_at.is_not(None))
    if before is not None:
        last = select(Incident.closed_at).where(Incident.id == before).scalar_subquery()
        found = found.where(Incident.closed_at <= last, Incident.id != before)
    return found.order_by(Incident.closed_at.desc(), Incident.id.desc())


def incident(incident_id: int) -> Incident:
    """With all that was told of it. Raises NotFound."""
    found = db.session.scalar(select(Incident).where(Incident.id == incident_id).options(selectinload(Incident.alarms)))
    if found is None:
        raise NotFound("There is no such incident. Those that are over are kept for 24 months.")
    return found


def holders_of(found: Iterable[Incident]) -> dict[int, str]:
    """Who is on it: the person's name, for each incident that somebody is on."""
    wanted = {each.id: each.acknowledged_by_id for each in found if each.acknowledged_by_id is not None}
    if not wanted:
        return {}
    rows = db.session.execute(select(User.id, User.full_name).where(User.id.in_(set(wanted.values()))))
    names = {row[0]: row[1] for row in rows}
    return {incident_id: names[user_id] for incident_id, user_id in wanted.items()}


def tries(incident_ids: Iterable[int]) -> dict[int, tuple[int, int]]:
    """How often it was tried to tell of each: taken, and in vain. Those that were never told of are left out."""
    is_sent = Alarm.outcome == AlarmOutcome.SENT.value
    rows = db.session.execute(
        select(Alarm.incident_id, func.count().filter(is_sent), func.count().filter(~is_sent))
        .where(Alarm.incident_id.in_(list(incident_ids)))
        .group_by(Alarm.incident_id)
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def earlier(found: Incident, limit: int = 10) -> list[Incident]:
    """The same trouble before, newest first."""
    return list(
        db.session.scalars(
            select(Incident)
            .where(Incident.key == found.key, Incident.id < found.id)
            .order_by(Incident.id.desc())
            .limit(limit)
        )
    )


def last_notices(limit: int = 5) -> list[tuple[Alarm, Incident]]:
    """What was told last, to whom it may concern, newest first."""
    rows = db.session.execute(
        select(Alarm, Incident).join(Incident, Incident.id == Alarm.incident_id).order_by(Alarm.id.desc()).limit(limit)
    )
    return [(row[0], row[1]) for row in rows]
