"""People who share their alerts: what one of them looks for, all are told, each address once (PA-09)."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select, update

from app.domain.contacts import queries
from app.domain.contacts.address import normal_email
from app.domain.errors import Conflict, Invalid
from app.domain.models import Contact, Household, HouseholdMail
from app.extensions import db


def share(contact_id: int, email: str, mail: str, *, office_id: int, now: datetime | None = None) -> Household:
    """Let a contact and the one who has this address share their alerts from now on. Idempotent.

    `mail`: one that names all of them, or one for each. Raises NotFound; Invalid without such a contact, or an address
    of their own; Conflict when both have a household already, and not the same.
    """
    if mail not in set(HouseholdMail):
        raise Invalid("Say whether they get one mail together or one each.", field="mail")
    contact = queries.contact(office_id, contact_id)
    mate = queries.holder_of(office_id, normal_email(email)) if email.strip() else None
    if mate is None:
        raise Invalid("No buyer has this address. Add them first; then they can share.", field="email")
    if mate.id == contact.id or not contact.email:
        raise Invalid("Two people, each with an address of their own, can share.", field="email")
    locked = select(Contact.id).where(Contact.id.in_((contact.id, mate.id))).order_by(Contact.id).with_for_update()
    db.session.execute(locked)
    db.session.refresh(contact)
    db.session.refresh(mate)
    if contact.household_id and mate.household_id and contact.household_id != mate.household_id:
        raise Conflict(f"{mate.full_name} shares with others already.", field="email")
    household = db.session.get(Household, contact.household_id or mate.household_id or 0)
    if household is None:
        household = Household(office_id=office_id, mail=mail, created_at=now or datetime.now(UTC))
        db.session.add(household)
        db.session.flush()
    household.mail = mail
    contact.household_id = mate.household_id = household.id
    db.session.flush()
    return household


def leave(contact_id: int, *, office_id: int) -> None:
    """This contact shares no more; the last of a household is alone again. Idempotent. Raises NotFound."""
    contact = queries.contact(office_id, contact_id)
    household_id, contact.household_id = contact.household_id, None
    db.session.flush()
    mates = queries.household_of(household_id) if household_id else []
    if len(mates) == 1:
        db.session.execute(update(Contact).where(Contact.household_id == household_id).values(household_id=None))
