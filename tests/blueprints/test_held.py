"""Mail that waits for somebody's word, on the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from app.domain.digests.build import build_some
from app.domain.digests.holds.release import release_some
from app.domain.models import AuditEntry, Digest, JobRun, MailHold, OutboundMessage
from app.domain.ops import health
from app.extensions import db as database
from tests.domain.digests.world import NOON, crowd, news, outcomes, subscribe


@pytest.fixture
def hold(app, db, make, office) -> MailHold:
    kept = app.extensions["porchlight"]
    app.extensions["porchlight"] = replace(kept, halt_above_mails=5)
    crowd(office, 7, [news(office)[1], news(office)[1]])
    while build_some(NOON, NOON, release=False) is not None:
        database.session.commit()
    while release_some(NOON) is not None:
        database.session.commit()
    yield database.session.scalars(select(MailHold)).one()
    app.extensions["porchlight"] = kept


@pytest.fixture
def asked(make, office):
    """Two mails of one agent's buyer, and the agent."""
    agent = make.member(office)
    buyer = make.contact(office, full_name="Amelia Carter", owner_member_id=agent.id)
    make.match(subscribe(buyer, concierge_yn=True), news(office)[1])
    while build_some(NOON, NOON, release=False) is not None:
        database.session.commit()
    return agent, database.session.scalars(select(Digest)).one()


def test_pa_27_a_halted_run_is_shown_with_its_numbers_and_a_sample(as_admin, hold):
    listed = as_admin.get("/held").get_data(as_text=True)
    assert "7 mails in one hour, where none is usual" in listed
    shown = as_admin.get(f"/held/{hold.id}").get_data(as_text=True)
    assert "Nothing of it has gone out" in shown
    assert "the median of four weeks" in shown
    mail = database.session.scalars(select(Digest)).first()
    assert f"/held/mails/{mail.id}" in shown
    page = as_admin.get(f"/held/mails/{mail.id}").get_data(as_text=True)
    assert "as it would go now" in page
    before = outcomes()
    body = as_admin.get(f"/held/mails/{mail.id}/html")
    assert "Alder Court" in body.get_data(as_text=True)
    assert "default-src 'none'" in body.headers["Content-Security-Policy"]
    assert outcomes() == before
    assert database.session.scalars(select(OutboundMessage)).all() == []


@pytest.mark.parametrize(("verb", "state", "runs"), [("approve", "approved", 1), ("discard", "discarded", 0)])
def test_pa_27_an_admin_decides_with_a_reason_that_is_kept(as_admin, hold, db, *, verb, state, runs):
    refused = as_admin.post(f"/held/{hold.id}/decide", data={"verb": verb, "reason": ""})
    assert refused.status_code == 422
    assert as_admin.post(f"/held/{hold.id}/decide", data={"verb": verb, "reason": "seen to"}).status_code == 303
    db.session.expire_all()
    assert (hold.state, hold.reason) == (state, "seen to")
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.subject_id) == (f"mail.{state}", str(hold.id))
    assert len(db.session.scalars(select(JobRun).where(JobRun.kind == "digests")).all()) == runs
    again = as_admin.post(f"/held/{hold.id}/decide", data={"verb": "approve", "reason": "once more"})
    assert again.status_code == 409


def test_pa_27_a_halted_run_is_no_agents_and_no_other_offices_affair(as_agent, hold):
    assert as_agent.get(f"/held/{hold.id}").status_code == 403
    mail = database.session.scalars(select(Digest)).first()
    assert as_agent.get(f"/held/mails/{mail.id}").status_code == 403


def test_pa_27_staff_look_and_only_admins_decide(as_staff, hold):
    assert as_staff.get(f"/held/{hold.id}").status_code == 200
    assert as_staff.post(f"/held/{hold.id}/decide", data={"verb": "discard", "reason": "no"}).status_code == 403


def test_pa_27_a_halt_is_red_and_calls_somebody(hold):
    [reason] = [reason for reason in health.verdict(NOON).reasons if reason.key == f"halted:{hold.id}"]
    assert reason.tone is health.Tone.BAD
    assert reason.sentence == "Mail is halted: 7 mails in an hour, usual are 0"


def test_staff_approve_a_mail_and_it_is_sent(as_staff, asked, db):
    _, mail = asked
    assert "Amelia Carter" in as_staff.get("/held").get_data(as_text=True)
    assert as_staff.post("/held/mails/decide", data={"verb": "approve", "id": mail.id}).status_code == 303
    db.session.expire_all()
    assert db.session.scalars(select(OutboundMessage)).one().digest_id == mail.id
    assert "Amelia Carter" not in as_staff.get("/held").get_data(as_text=True)
    assert as_staff.post("/held/mails/decide", data={"verb": "approve", "id": mail.id}).status_code == 404


def test_an_agent_decides_about_their_own_buyers_alone(as_agent, asked, db, make, office):
    agent, mail = asked
    assert as_agent.get(f"/held/mails/{mail.id}").status_code == 404
    assert "Amelia Carter" not in as_agent.get("/held").get_data(as_text=True)
    assert as_agent.post("/held/mails/decide", data={"verb": "decline", "id": mail.id}).status_code == 404
    db.session.execute(
        database.text("UPDATE \"user\" SET member_id = :member WHERE role = 'agent'"), {"member": agent.id}
    )
    db.session.commit()
    assert as_agent.get(f"/held/mails/{mail.id}").status_code == 200
    done = as_agent.post("/held/mails/decide", data={"verb": "decline", "id": mail.id, "reason": "seen already"})
    assert done.status_code == 303
    db.session.expire_all()
    assert outcomes() == ["declined"]
