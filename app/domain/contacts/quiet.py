"""When somebody does not want mail “as soon as possible”: the buyer's own hours, or the office's for all of its buyers
(PA-21). What they hold back is not lost: it comes in one mail at their end."""

from __future__ import annotations

from datetime import time

from app.domain.contacts import queries
from app.domain.errors import Invalid, NotFound
from app.domain.models import Contact, Office
from app.extensions import db

Hours = tuple[time, time] | None
"""From, until, on a wall clock; the same twice is none at all, None is whatever holds for everybody."""


def set_hours(contact_id: int, hours: Hours, *, office_id: int) -> Contact:
    """A buyer's quiet hours. Idempotent. Raises NotFound, Invalid."""
    contact = queries.contact(office_id, contact_id)
    contact.quiet_from, contact.quiet_until = _checked(hours)
    db.session.flush()
    return contact


def set_office_hours(office_id: int, hours: Hours) -> Office:
    """Those of an office, for buyers who chose none. Idempotent. Raises NotFound, Invalid."""
    office = db.session.get(Office, office_id)
    if office is None:
        raise NotFound("There is no such office.")
    office.quiet_from, office.quiet_until = _checked(hours)
    db.session.flush()
    return office


def _checked(hours: Hours) -> tuple[time | None, time | None]:
    if hours is None:
        return None, None
    if any(moment.tzinfo is not None for moment in hours):
        raise Invalid("Quiet hours are on the buyer’s wall clock: give them without a zone.", field="quiet_from")
    begin, end = (moment.replace(second=0, microsecond=0) for moment in hours)
    return begin, end
