"""Writing in the office's book of people. Who is mailed, and what, is decided elsewhere."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from app.domain.contacts import queries
from app.domain.contacts.address import normal_email, normal_phone
from app.domain.contacts.clock import moved_send
from app.domain.errors import Conflict, Invalid
from app.domain.models import Contact
from app.domain.models.lookups import ContactStatus
from app.domain.plain import plain_line, plain_lines
from app.domain.searches.saved import zone_for, zone_named
from app.domain.searches.schedule import Schedule
from app.extensions import db

FIELDS = (
    "first_name",
    "last_name",
    "email",
    "mobile_phone",
    "time_zone",
    "owner_member_id",
    "lead_source",
    "notes",
    "contact_status",
)
LONGEST = {"first_name": 80, "last_name": 80, "lead_source": 150, "notes": 8000, "email": 254, "mobile_phone": 40}
"""Characters."""


class Faulty(Invalid):
    """Some fields cannot be used: every one of them with its sentence, so that one look mends them all."""

    def __init__(self, faults: dict[str, str]) -> None:
        field, sentence = next(iter(faults.items()))
        super().__init__(sentence, field=field)
        self.faults = faults


class AddressTaken(Conflict):
    """Another contact of the office has this address: one person, one row (PA-08 counts on it)."""

    status = 422

    def __init__(self, contact_id: int, full_name: str) -> None:
        super().__init__(f"{full_name} already has this address.", field="email")
        self.contact_id = contact_id
        self.full_name = full_name


class ChangedMeanwhile(Conflict):
    """Somebody saved this contact after the form was opened; `theirs` is what is stored now."""

    def __init__(self, theirs: Contact) -> None:
        super().__init__(f"{theirs.full_name} was changed while you were typing. Nothing of yours was saved.")
        self.theirs = theirs


def create(office_id: int, values: dict[str, Any], *, key: str | None = None, now: datetime | None = None) -> Contact:
    """Write a new person down. Asked again with the same `key`, it answers with the person it wrote then.

    Raises Faulty with the fields to mend, AddressTaken with who has the address.
    """
    now = now or datetime.now(UTC)
    contact_key = f"contact-{key or secrets.token_hex(8)}"
    if key and (written := queries.contact_by_key(office_id, contact_key)):
        return written
    checked = _check(office_id, values)
    checked.setdefault("contact_status", ContactStatus.ACTIVE)
    contact = Contact(
        office_id=office_id,
        contact_key=contact_key,
        full_name=_full_name(checked),
        original_entry_timestamp=now,
        modification_timestamp=now,
        **checked,
    )
    try:
        with db.session.begin_nested():
            db.session.add(contact)
    except IntegrityError:
        if written := queries.contact_by_key(office_id, contact_key):  # the same form, sent twice at once
            return written
        raise _taken(office_id, checked["email"]) from None
    return contact


def edit(
    contact_id: int,
    values: dict[str, Any],
    *,
    office_id: int,
    seen: datetime | None = None,
    now: datetime | None = None,
) -> Contact:
    """Replace what is known of a person. `seen` is the modification_timestamp the form was made from.

    Raises NotFound, Faulty, AddressTaken, and ChangedMeanwhile when the row is newer than `seen`: nothing is
    overwritten unseen.
    """
    now = now or datetime.now(UTC)
    contact = queries.contact(office_id, contact_id)
    old_zone = contact.time_zone
    checked = _check(office_id, values)
    taken = queries.holder_of(office_id, checked["email"]) if checked["email"] else None
    if taken is not None and taken.id != contact_id:
        raise AddressTaken(taken.id, taken.full_name)
    condition = [Contact.id == contact_id, Contact.office_id == office_id]
    if seen is not None:
        condition.append(Contact.modification_timestamp == seen)
    statement = (
        update(Contact)
        .where(*condition)
        .values(**checked, full_name=_full_name(checked), modification_timestamp=now)
        .returning(Contact.id)
    )
    try:
        with db.session.begin_nested():
            won = db.session.execute(statement).scalar_one_or_none()
    except IntegrityError:
        raise _taken(office_id, checked["email"]) from None
    db.session.refresh(contact)
    if won is None:
        raise ChangedMeanwhile(contact)
    _move_clocks(contact, old_zone, now)
    return contact


def _move_clocks(contact: Contact, old_name: str, now: datetime) -> None:
    """Daily mails follow the buyer to another time zone: one on each local day (PA-20)."""
    if contact.time_zone == old_name:
        return
    for one in queries.subscriptions_of(contact.id):
        new_zone = zone_for(contact, one.saved_search)
        old_zone = zone_named(old_name, contact.office_id, one.saved_search)
        if one.active_yn and new_zone != old_zone:
            schedule = Schedule.parse(one.schedule_type, one.send_time, one.daily_schedule)
            one.next_send_timestamp = moved_send(
                one.next_send_timestamp, schedule, old_zone, new_zone, began=one.original_entry_timestamp, now=now
            )
    db.session.flush()


def _full_name(values: dict[str, Any]) -> str:
    return f"{values['first_name']} {values['last_name']}".strip()


def _check(office_id: int, values: dict[str, Any]) -> dict[str, Any]:
    """Every field in its stored form. Raises Faulty naming all that cannot be used."""
    unknown = set(values) - set(FIELDS)
    if unknown:
        raise Invalid(f"A contact has no {', '.join(sorted(unknown))}.")
    faults: dict[str, str] = {}
    checked: dict[str, Any] = {}
    for name in ("first_name", "last_name", "lead_source", "email", "mobile_phone", "time_zone"):
        checked[name] = plain_line(str(values.get(name) or ""))
    checked["notes"] = plain_lines(str(values.get("notes") or "")).strip()
    for name, longest in LONGEST.items():
        if len(checked[name]) > longest:
            faults[name] = f"At most {longest:,} characters fit here; this has {len(checked[name]):,}."
    if not checked["first_name"] and not checked["last_name"]:
        faults["first_name"] = "Write a first or a last name."
    for name, normal in (("email", normal_email), ("mobile_phone", normal_phone)):
        try:
            checked[name] = normal(checked[name])
        except Invalid as wrong:
            faults.setdefault(name, wrong.sentence)
    if checked["time_zone"] and checked["time_zone"] not in available_timezones():
        faults["time_zone"] = "No time zone has this name. Choose one such as America/New_York."
    checked["owner_member_id"] = values.get("owner_member_id") or None
    if checked["owner_member_id"] and not queries.is_member(office_id, checked["owner_member_id"]):
        faults["owner_member_id"] = "This agent does not work here. Choose another."
    if values.get("contact_status"):
        checked["contact_status"] = str(values["contact_status"])
        if checked["contact_status"] not in set(ContactStatus):
            faults["contact_status"] = "Choose one of the states offered."
    if faults:
        raise Faulty(faults)
    return checked


def _taken(office_id: int, email: str) -> AddressTaken:
    """Two forms were saved at once: the unique index decided, and this names the winner."""
    holder = queries.holder_of(office_id, email)
    if holder is None:
        raise RuntimeError("a contact could not be written, and not for its address")
    return AddressTaken(holder.id, holder.full_name)
