"""The first page, and how a reader wants to see all pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete

from app.domain.digests.build import build_some
from app.domain.models import Incident, ProcessHeartbeat, Role
from app.domain.ops import health
from app.extensions import settings
from tests.browser import world as worlds
from tests.domain.digests.world import NOON, news, subscribe


@pytest.fixture
def world(db):
    return worlds.build()


def main_of(html: str) -> str:
    return html[html.index("<main") : html.index("</main>")]


def test_an_empty_office_is_told_what_will_stand_here(as_admin, well):
    html = main_of(as_admin.get("/").text)
    assert "Nothing needs you, Ruth." in html
    assert "No match yet this week" in html
    assert "Leads are not part of this release." in html
    assert html.count("First days, nothing to compare") == 4


def test_while_something_is_red_nobody_is_told_that_all_is_well(as_admin, as_staff, as_agent, well, db):
    db.session.execute(delete(ProcessHeartbeat).where(ProcessHeartbeat.queue == "alerts"))
    db.session.commit()
    health.dim(settings().database_url)
    html = main_of(as_admin.get("/").text)
    assert "One thing needs you, Ruth." in html
    assert "<b>No worker takes jobs from “alerts”</b>" in html
    for reader in (as_staff, as_agent):
        html = main_of(reader.get("/").text)
        assert "But the house has trouble: No worker takes jobs from “alerts”." in html
        assert "<b>Nothing needs you.</b>" not in html


def test_an_open_incident_stands_first_until_somebody_is_on_it(world, sign_in, db):
    ruth = sign_in(world.people["admin"])
    html = main_of(ruth.get("/").text)
    needs = html[html.index('id="needs"') :]
    assert needs.index("No worker takes jobs from “bulk”") < needs.index("The run “imports” failed")
    incident = db.session.query(Incident).filter(Incident.closed_at.is_(None)).one()
    assert f'href="/ops/incidents/{incident.id}"' in needs
    ruth.post(f"/ops/incidents/{incident.id}/acknowledge")
    html = main_of(ruth.get("/").text)
    assert "No worker takes jobs from “bulk”" not in html[html.index('id="needs"') :]
    assert "Five things need you, Ruth" in html


def test_the_day_is_told_in_numbers_and_sentences(world, sign_in):
    html = main_of(sign_in(world.people["admin"]).get("/").text)
    assert "Six things need you, Ruth" in html
    assert "1 mail waits for a word" in html
    assert "The run “imports” failed" in html
    assert "1 mail may or may not have arrived" in html
    assert "“retention” is paused" in html
    assert re.search(r"4 rows of <bdi [^>]*>harbor-november\.csv</bdi> could not be used", html)
    assert "Omar Haddad" in html
    assert len(re.findall(r'class="spark"', html)) == 4


def test_why_it_is_not_known_whether_a_mail_arrived_is_its_own_reason(as_admin, make, office):
    make.message(make.contact(office), state="unknown", state_reason="its sender was lost")
    assert "Its sender was killed after it had begun" in main_of(as_admin.get("/").text)
    make.message(make.contact(office), state="unknown", state_reason="lost in content")
    assert "Some lost their sender, some their connection" in main_of(as_admin.get("/").text)


def test_what_only_the_works_can_mend_is_not_shown_to_an_agent(world, sign_in):
    html = main_of(sign_in(world.people["agent"]).get("/").text)
    assert "One thing needs you, Dana" in html  # a mail of a buyer of hers
    assert "/ops/runs" not in html


def test_another_office_sees_none_of_it(world, sign_in, make):
    stranger = make.user(office=make.office(), role=Role.ADMIN)
    html = main_of(sign_in(stranger).get("/").text)
    assert "Omar Haddad" not in html
    assert "harbor-november.csv" not in html
    assert "may or may not have arrived" not in html


def test_the_page_renews_itself_with_its_own_middle(world, sign_in):
    answer = sign_in(world.people["admin"]).get("/", headers={"HX-Request": "true"})
    assert answer.text.lstrip().startswith('<div id="now"')
    assert "<html" not in answer.text
    assert "Omar Haddad" in answer.text


def test_a_choice_of_looks_is_kept_and_drawn_by_the_server(as_viewer):
    answer = as_viewer.post("/preferences", data={"theme": "dark", "next": "/contacts?q=wei"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/contacts?q=wei")
    as_viewer.post("/preferences", data={"density": "comfortable"})
    assert '<html lang="en" data-bs-theme="dark" data-density="comfortable">' in as_viewer.get("/").text
    as_viewer.post("/preferences", data={"theme": "system"})
    assert '<html lang="en" data-density="comfortable">' in as_viewer.get("/").text


@pytest.mark.parametrize(("name", "value"), [("theme", "purple"), ("theme", '"><script>'), ("density", "tiny")])
def test_a_look_that_is_not_offered_is_not_kept(as_viewer, name, value):
    cookies = as_viewer.post("/preferences", data={name: value}).headers.getlist("Set-Cookie")
    assert not [cookie for cookie in cookies if cookie.startswith(name)]
    as_viewer.set_cookie(name, value)
    assert '<html lang="en" data-density="dense">' in as_viewer.get("/").text


def test_nobody_is_sent_elsewhere_by_a_choice_of_looks(as_viewer):
    answer = as_viewer.post("/preferences", data={"theme": "dark", "next": "//evil.example"})
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize(
    ("role", "sees"),
    [
        (Role.ADMIN, {"Today", "Listings", "Searches", "Buyers", "Operations", "Imports"}),
        (Role.STAFF, {"Today", "Listings", "Searches", "Buyers", "Operations", "Imports"}),
        (Role.AGENT, {"Today", "Listings", "Searches", "Buyers"}),
        (Role.VIEWER, {"Today", "Listings", "Searches", "Buyers", "Operations"}),
    ],
)
def test_the_rail_shows_the_places_that_a_role_may_enter(make, office, sign_in, role, sees):
    html = sign_in(make.user(office=office, role=role)).get("/").text
    rail = html[html.index('<nav class="rail"') : html.index("</nav>")]
    assert set(re.findall(r'class="rail-label">([A-Z][a-z]+)</span></a></li>', rail)) == sees


def test_the_style_guide_is_for_administrators(as_admin, as_staff):
    assert as_admin.get("/styleguide").status_code == 200
    assert as_staff.get("/styleguide").status_code == 403


def test_a_search_about_to_stop_stands_here_and_is_kept_with_one_click_pa_17(as_agent, make, office, db):
    search = make.saved_search(make.contact(office, full_name="Amelia Carter"), saved_search_name="Family home")
    subscription = make.subscription(
        search, reason_active_or_disabled="Final Ignored Warning", warned_at=datetime.now(UTC)
    )
    db.session.commit()
    assert "“Family home” of Amelia Carter stops soon" in as_agent.get("/").text
    answer = as_agent.post(f"/searches/{search.id}/keep", data={"next": "/"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    db.session.refresh(subscription)
    assert (subscription.active_yn, subscription.warned_at) == (True, None)
    assert "stops soon" not in as_agent.get("/").text


def test_mails_that_wait_for_an_agents_word_stand_here_for_who_may_give_it(make, office, sign_in, db):
    agent = make.member(office)
    buyer = make.contact(office, owner_member_id=agent.id)
    make.match(subscribe(buyer, concierge_yn=True), news(office)[1])
    while build_some(NOON, NOON, release=False) is not None:
        db.session.commit()
    for role, member_id, is_told in (
        (Role.AGENT, agent.id, True),
        (Role.AGENT, make.member(office).id, False),
        (Role.STAFF, None, True),
        (Role.VIEWER, None, False),
    ):
        told = sign_in(make.user(office, role=role, member_id=member_id)).get("/").text
        assert ("1 mail waits for a word" in told) is is_told
        assert "Waits for a word</a>" in told


def test_who_only_looks_is_not_asked_to_keep_a_search(as_viewer, make, office, db):
    search = make.saved_search(make.contact(office))
    make.subscription(search, reason_active_or_disabled="Final Ignored Warning", warned_at=datetime.now(UTC))
    db.session.commit()
    assert "stops soon" not in as_viewer.get("/").text
    assert as_viewer.post(f"/searches/{search.id}/keep").status_code == 403
