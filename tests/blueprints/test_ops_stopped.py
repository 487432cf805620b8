"""Operations, Stopped: who is not written to and why, and what staff may do about it (PA-24)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.domain.digests.optout import stop_by_mail
from app.domain.messages.returns import inbound
from app.domain.messages.suppression import in_force, suppress
from app.domain.models import AuditEntry, ProviderDay, Suppression, SuppressionReason, SuppressionScope
from tests.counting import queries_of
from tests.domain.messages.returns.letterbox import dsn

ADDRESS = "amelia@example.com"


@pytest.fixture
def stop(office, db):
    def stop(reason: str, address: str = ADDRESS, **values) -> Suppression:
        suppress(office.id, address, SuppressionScope.ADDRESS, SuppressionReason(reason), **values)
        db.session.commit()
        return in_force(office.id, address)[-1]

    return stop


def test_an_address_is_listed_with_its_reason_its_evidence_and_its_person(as_staff, make, office, stop):
    amelia = make.contact(office, email=ADDRESS)
    stop("bounced", evidence="550 5.1.1 User unknown", source="mailgun")
    shown = as_staff.get("/ops/stopped").text
    assert ADDRESS in shown
    assert "Bounced" in shown
    assert "550 5.1.1 User unknown" in shown
    assert f"/contacts/{amelia.id}" in shown


def test_what_a_person_asked_for_nobody_here_can_lift_pa_24(as_admin, stop, office):
    for reason in ("complained", "unsubscribed"):
        one = stop(reason, f"{reason}@example.com")
        answer = as_admin.post(f"/ops/stopped/{one.id}/lift")
        assert answer.status_code == 403
        assert [each.reason for each in in_force(office.id, f"{reason}@example.com")] == [reason]
    assert "Lift</button>" not in as_admin.get("/ops/stopped").text


@pytest.mark.parametrize("reason", ["bounced", "unreachable", "by_hand"])
def test_the_rest_is_lifted_by_an_admin_and_written_down(as_admin, as_staff, stop, office, db, reason):  # noqa: PLR0917
    one = stop(reason)
    assert as_staff.post(f"/ops/stopped/{one.id}/lift").status_code == 403
    assert as_admin.post(f"/ops/stopped/{one.id}/lift").status_code == 303
    assert in_force(office.id, ADDRESS) == []
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.subject_id) == ("stop.lifted", str(one.id))
    assert ADDRESS not in entry.sentence
    assert as_admin.post(f"/ops/stopped/{one.id}/lift").status_code == 409
    assert "lifted by" in as_admin.get("/ops/stopped?which=all").text


def test_an_address_is_stopped_by_hand_with_a_note(as_admin, as_staff, office):
    assert as_staff.post("/ops/stopped", data={"address": ADDRESS}).status_code == 403
    answer = as_admin.post("/ops/stopped", data={"address": " Amelia@Example.com ", "note": "asked by phone"})
    assert answer.status_code == 303
    [one] = in_force(office.id, ADDRESS)
    assert (one.reason, one.scope, one.source) == ("by_hand", "address", "person")
    assert one.evidence.endswith(": asked by phone")
    assert as_admin.post("/ops/stopped", data={"address": "no address"}).status_code == 422


def test_another_offices_stops_are_neither_seen_nor_lifted(as_admin, make, db):
    other = make.office()
    suppress(other.id, "theirs@example.com", SuppressionScope.ADDRESS, SuppressionReason.BOUNCED)
    db.session.commit()
    [one] = in_force(other.id, "theirs@example.com")
    assert "theirs@example.com" not in as_admin.get("/ops/stopped?which=all").text
    assert as_admin.post(f"/ops/stopped/{one.id}/lift").status_code == 404
    assert len(in_force(other.id, "theirs@example.com")) == 1


def test_the_list_is_narrowed_by_address_reason_and_whether_it_holds(as_staff, stop):
    stop("bounced", "a@example.com")
    stop("unreachable", "b@example.com", expires_at=datetime.now(UTC) + timedelta(days=1))
    past = datetime.now(UTC) - timedelta(days=15)
    suppress(
        stop("bounced", "c@example.com").office_id,
        "ended@example.com",
        SuppressionScope.ADDRESS,
        SuppressionReason.UNREACHABLE,
        expires_at=past + timedelta(days=14),
        now=past,
    )
    assert "b@example.com" not in as_staff.get("/ops/stopped?reason=bounced").text
    assert "a@example.com" not in as_staff.get("/ops/stopped?q=b@EX").text
    assert "ended@example.com" not in as_staff.get("/ops/stopped").text
    assert "ended@example.com" in as_staff.get("/ops/stopped?which=all").text
    assert as_staff.get("/ops/stopped?reason=nonsense").status_code == 422


def test_blocks_are_counted_by_receiving_domain_with_what_it_said(as_staff, make, office):
    for n in range(3):
        message = make.message(make.contact(office, email=f"buyer{n}@blocks.example"), state="sent")
        make.message_event(message, "bounced", cause="block", reply="554 5.7.1 blocked using a list", source="mail")
    shown = as_staff.get("/ops/stopped").text
    assert "blocks.example" in shown
    assert "554 5.7.1 blocked using a list" in shown


def test_a_day_that_does_not_fit_is_red(as_staff, db):
    db.session.add(
        ProviderDay(
            day=datetime.now(UTC).date(),
            provider="mailgun",
            accepted=100,
            heard_of=60,
            delivered=60,
            came_back=0,
            is_off=True,
            words="nothing was told of 40 of 100 mails",
            checked_at=datetime.now(UTC),
        )
    )
    db.session.commit()
    assert "nothing was told of 40 of 100 mails" in as_staff.get("/ops/stopped").text


def test_a_full_page_costs_few_statements(as_staff, make, office, stop):
    for n in range(60):
        make.contact(office, email=f"buyer{n}@example.com")
        stop("bounced", f"buyer{n}@example.com")
    with queries_of() as seen:
        assert as_staff.get("/ops/stopped").status_code == 200
    assert len(seen) <= 12


@pytest.mark.parametrize("reason", [each.value for each in SuppressionReason])
def test_a_persons_page_says_every_reason_in_words(as_staff, make, office, stop, reason):
    amelia = make.contact(office, email=ADDRESS)
    stop(reason, evidence="why")
    answer = as_staff.get(f"/contacts/{amelia.id}")
    assert answer.status_code == 200
    assert "In force" in answer.text


def test_what_came_in_for_nobody_s_office_names_nobody_as_every_office_sees_it(as_staff, db):
    said = "550 5.1.1 <of.another.office@example.com>: User unknown"
    inbound.store_mails([dsn(recipient="of.another.office@example.com", said=said)])
    inbound.work_some(stop_by_mail, datetime.now(UTC))
    db.session.commit()
    shown = as_staff.get("/ops/stopped").text
    assert "User unknown" in shown
    assert "of.another.office" not in shown
