"""The form of a buyer. What is right is decided in app.domain.contacts; this carries words in and sentences out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask_wtf import FlaskForm
from wtforms import EmailField, Field, HiddenField, SelectField, StringField, TelField, TextAreaField
from wtforms.fields.choices import SelectChoice

from app.domain.contacts.book import FIELDS, AddressTaken, Faulty
from app.domain.models import Contact, Member
from app.domain.models.lookups import ContactStatus, MemberStatus
from app.web import row_id

ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
    "America/Halifax",
    "America/Toronto",
    "Europe/London",
    "Europe/Berlin",
)
"""Offered while typing; any IANA name is taken."""


class ContactForm(FlaskForm):  # type: ignore[misc]
    first_name = StringField("First name")
    last_name = StringField("Last name")
    email = EmailField("Email", description="Where alerts go. One person, one address.")
    mobile_phone = TelField("Phone")
    time_zone = StringField("Time zone", description="For the hour of daily mails. Empty: the office’s.")
    owner_member_id = SelectField("Agent", validate_choice=False)
    lead_source = StringField("Came from", description="Open house, referral, website…")
    contact_status = SelectField("State", choices=[status.value for status in ContactStatus], validate_choice=False)
    notes = TextAreaField("Notes", description="For the office only; never in a mail.")
    seen = HiddenField()

    @classmethod
    def blank(cls, members: Sequence[Member], member_id: int | None) -> ContactForm:
        form = cls(owner_member_id=str(member_id or ""), contact_status=ContactStatus.ACTIVE.value)
        return form._offer(members, member_id)

    @classmethod
    def of(cls, contact: Contact, members: Sequence[Member]) -> ContactForm:
        first, _, last = contact.full_name.partition(" ")
        split = {} if contact.first_name or contact.last_name else {"first_name": first, "last_name": last}
        form = cls(
            obj=contact,
            **split,
            seen=contact.modification_timestamp.isoformat(),
            owner_member_id=str(contact.owner_member_id or ""),
        )
        return form._offer(members, contact.owner_member_id)

    def _offer(self, members: Sequence[Member], member_id: int | None) -> ContactForm:
        """Active agents, and the one who has this buyer already."""
        active = [m for m in members if m.member_status == MemberStatus.ACTIVE or m.id == member_id]
        self.owner_member_id.choices = [
            SelectChoice("", "Nobody"),
            *(SelectChoice(str(member.id), member.member_full_name) for member in active),
        ]
        return self

    def values(self) -> dict[str, Any]:
        """As the domain takes them; a number that is none becomes one that no agent has."""
        agent: int | None = None
        if self.owner_member_id.data:
            try:
                agent = row_id(self.owner_member_id.data)
            except ValueError:
                agent = -1
        return {name: self[name].data for name in FIELDS} | {"owner_member_id": agent}

    def seen_at(self) -> datetime | None:
        """The version that this form was made from; an unreadable one counts as older than everything."""
        try:
            return datetime.fromisoformat(self.seen.data or "")
        except ValueError:
            return datetime.fromisoformat("1970-01-01T00:00:00+00:00")

    def refused(self, refusal: Faulty | AddressTaken) -> ContactForm:
        """The same words, each fault beside its field; the first one takes the focus."""
        faults = refusal.faults if isinstance(refusal, Faulty) else {"email": refusal.sentence}
        for name, sentence in faults.items():
            field: Field = self[name]
            field.errors = [sentence]
        first = next(field for field in self if field.name in faults)
        first.render_kw = (first.render_kw or {}) | {"autofocus": True}
        return self


def differences(theirs: Contact, form: ContactForm, members: Sequence[Member]) -> list[tuple[str, str, str]]:
    """(field, what is stored now, what was typed) where they are not the same."""
    agents = {str(member.id): member.member_full_name for member in members}
    found = []
    for name in FIELDS:
        stored, typed = str(getattr(theirs, name) or ""), str(form[name].data or "").strip()
        if stored != typed:
            if name == "owner_member_id":
                stored, typed = agents.get(stored, "Nobody"), agents.get(typed, "Nobody")
            found.append((form[name].label.text, stored or "–", typed or "–"))
    return found
