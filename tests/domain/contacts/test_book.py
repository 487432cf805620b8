"""Writing people down: one row per address and office, nothing overwritten unseen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.contacts import book
from app.domain.contacts.book import AddressTaken, ChangedMeanwhile, Faulty
from app.domain.errors import NotFound
from app.domain.models import Contact
from app.extensions import db as database

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def values(**changes):
    return {"first_name": "Sofia", "last_name": "Delgado", "email": "sofia@example.com"} | changes


def test_a_person_is_written_down_in_normal_form(office, make):
    agent = make.member(office=office)
    sofia = book.create(
        office.id,
        values(
            first_name="  Sofia ", email=" Sofia@Example.com ", mobile_phone="555 555 0148", owner_member_id=agent.id
        ),
        now=NOW,
    )
    assert (sofia.full_name, sofia.email, sofia.mobile_phone) == (
        "Sofia Delgado",
        "sofia@example.com",
        "(555) 555-0148",
    )
    assert sofia.original_entry_timestamp == NOW
    assert sofia.owner_member_id == agent.id


def test_a_second_person_with_the_address_is_refused_by_name(office):
    first = book.create(office.id, values())
    with pytest.raises(AddressTaken) as refusal:
        book.create(office.id, values(first_name="Mateo", email="SOFIA@example.com"))
    assert refusal.value.contact_id == first.id
    assert "Sofia Delgado" in refusal.value.sentence
    assert refusal.value.field == "email"


def test_the_session_is_usable_after_a_refused_address(office):
    book.create(office.id, values())
    with pytest.raises(AddressTaken):
        book.create(office.id, values())
    assert book.create(office.id, values(email="sofia2@example.com")).id


def test_two_offices_may_know_the_same_address(office, make):
    assert book.create(office.id, values()).id != book.create(make.office().id, values()).id


def test_many_people_may_have_no_address(office):
    assert book.create(office.id, values(email="")).id != book.create(office.id, values(email=" ")).id


@pytest.mark.committed
def test_two_forms_saved_at_once_make_one_person(app, db, make):
    office_id = make.office().id

    def save(_):
        with app.app_context():
            try:
                contact = book.create(office_id, values())
                database.session.commit()
                return contact.id
            except AddressTaken as refusal:
                database.session.rollback()
                return f"taken by {refusal.full_name}"
            finally:
                database.session.remove()

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(save, range(6)))
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert outcomes.count("taken by Sofia Delgado") == 5


def test_every_fault_is_named_at_once(office, make):
    elsewhere = make.member(office=make.office())
    with pytest.raises(Faulty) as refusal:
        book.create(
            office.id,
            {
                "first_name": " ",
                "email": "nobody",
                "mobile_phone": "no",
                "time_zone": "Mars/Olympus",
                "owner_member_id": elsewhere.id,
                "contact_status": "Sleepy",
                "notes": "x" * 8001,
            },
        )
    assert set(refusal.value.faults) == {
        "first_name",
        "email",
        "mobile_phone",
        "time_zone",
        "owner_member_id",
        "contact_status",
        "notes",
    }
    assert refusal.value.faults["notes"] == "At most 8,000 characters fit here; this has 8,001."


def test_control_characters_do_not_reach_the_database(office):
    sofia = book.create(office.id, values(first_name="So\x00fia", notes="first\r\nsecond\x07"))
    assert (sofia.first_name, sofia.notes) == ("Sofia", "first\nsecond")


def test_marks_of_direction_do_not_turn_a_name_around(office):
    assert book.create(office.id, values(first_name="So\u202efia\u2069")).first_name == "Sofia"


def test_an_edit_changes_the_row_and_its_moment(office):
    sofia = book.create(office.id, values(), now=NOW)
    later = book.edit(
        sofia.id, values(last_name="Delgado Ruiz"), office_id=office.id, seen=NOW, now=NOW + timedelta(hours=1)
    )
    assert later.full_name == "Sofia Delgado Ruiz"
    assert later.modification_timestamp == NOW + timedelta(hours=1)


def test_an_edit_of_an_older_version_changes_nothing_and_shows_the_newer(office):
    sofia = book.create(office.id, values(), now=NOW)
    book.edit(sofia.id, values(notes="Dana's"), office_id=office.id, seen=NOW, now=NOW + timedelta(minutes=1))
    with pytest.raises(ChangedMeanwhile) as refusal:
        book.edit(sofia.id, values(notes="mine"), office_id=office.id, seen=NOW, now=NOW + timedelta(minutes=2))
    assert refusal.value.theirs.notes == "Dana's"
    assert database.session.get(Contact, sofia.id).notes == "Dana's"


def test_an_edit_keeps_its_own_address_and_may_not_take_anothers(office):
    sofia = book.create(office.id, values())
    mateo = book.create(office.id, values(first_name="Mateo", email="mateo@example.com"))
    assert (
        book.edit(mateo.id, values(first_name="Mateo", email="mateo@example.com"), office_id=office.id).id == mateo.id
    )
    with pytest.raises(AddressTaken) as refusal:
        book.edit(mateo.id, values(first_name="Mateo"), office_id=office.id)
    assert refusal.value.contact_id == sofia.id


def test_another_office_cannot_edit(office, make):
    sofia = book.create(office.id, values())
    with pytest.raises(NotFound):
        book.edit(sofia.id, values(), office_id=make.office().id)
