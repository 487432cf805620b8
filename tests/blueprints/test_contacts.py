"""The buyers' screens: what a person sees, may do, and is told when something cannot be saved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.models import Contact
from app.extensions import db as database
from tests.counting import queries_of

HOSTILE = "<script>alert(1)</script>"


def page(client, url, status=200, **kwargs):
    answer = client.get(url, **kwargs)
    assert answer.status_code == status, answer.get_data(as_text=True)[:2000]
    return answer.get_data(as_text=True)


def typed(**changes):
    return {"first_name": "Sofia", "last_name": "Delgado", "email": "sofia@example.com"} | changes


# The list


def test_the_list_names_everybody_with_address_agent_searches_and_state(as_viewer, office, make):
    dana = make.member(office)
    sofia = make.contact(
        office,
        full_name="Sofia Delgado",
        email="sofia@example.com",
        mobile_phone="(555) 555-0148",
        owner_member_id=dana.id,
    )
    make.subscription(make.saved_search(sofia))
    make.subscription(make.saved_search(sofia), active_yn=False)
    make.suppression(office, sofia.email)
    shown = page(as_viewer, "/contacts")
    for words in ("Sofia Delgado", "sofia@example.com", "(555) 555-0148", "Dana Whitlock", "of 2", "Unsubscribed"):
        assert words in shown


def test_the_address_line_narrows_the_list_and_each_filter_can_be_taken_away(as_staff, office, make):
    make.contact(office, full_name="Sofia Delgado")
    make.contact(office, full_name="Ben Aldous", email="")
    shown = page(as_staff, "/contacts?q=sofia&mail=open")
    assert "Sofia Delgado" in shown
    assert "Ben Aldous" not in shown
    assert 'href="/contacts?mail=open"' in shown, "the chip of the words leads to the list without them"
    assert "Clear all" in shown


def test_an_empty_result_says_which_filter_emptied_it(as_staff, office, make):
    make.contact(office)
    assert "“nobody” left nobody" in page(as_staff, "/contacts?q=nobody")


def test_an_empty_book_offers_the_first_step_to_those_who_may_take_it(as_staff, as_viewer):
    assert 'href="/contacts/new"' in page(as_staff, "/contacts")
    assert 'href="/contacts/new"' not in page(as_viewer, "/contacts")


def test_pages_are_numbered_and_a_page_beyond_the_end_is_the_last(as_staff, office, make):
    for number in range(53):
        make.contact(office, full_name=f"Person {number:03}")
    first, beyond = page(as_staff, "/contacts"), page(as_staff, "/contacts?page=99")
    assert "1–50 of 53" in first
    assert "Person 050" not in first
    assert "51–53 of 53" in beyond
    assert "Person 052" in beyond


def test_htmx_gets_the_results_alone_and_a_clean_address(as_staff, office, make):
    make.contact(office)
    answer = as_staff.get("/contacts?q=amelia&agent=&searches=&mail=", headers={"HX-Request": "true"})
    assert "<html" not in answer.get_data(as_text=True)
    assert 'id="results"' in answer.get_data(as_text=True)
    assert answer.headers["HX-Push-Url"] == "/contacts?q=amelia"
    assert "HX-Request" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "query",
    ["page=-1", "page=x", "sort=;drop", "agent=999999", "agent=x", "mail=%00", "q=" + "%25" * 50, "searches=all"],
)
def test_a_garbled_address_line_still_shows_the_list(as_staff, office, make, query):
    make.contact(office)
    page(as_staff, f"/contacts?{query}")


@pytest.mark.parametrize("sort", ["name", "-name", "email", "-email", "added", "-added"])
def test_each_order_is_said_in_the_head(as_staff, office, make, sort):
    make.contact(office)
    assert f'aria-sort="{"descending" if sort.startswith("-") else "ascending"}"' in page(
        as_staff, f"/contacts?sort={sort}"
    )


def test_the_list_costs_the_same_few_queries_at_any_size(as_staff, office, make):
    def people(count):
        for _ in range(count):
            contact = make.contact(office, owner_member_id=make.member(office).id)
            make.subscription(make.saved_search(contact))
            make.message(contact, state="sent")
            make.suppression(office, contact.email)

    people(3)
    with queries_of() as few:
        page(as_staff, "/contacts")
    people(27)
    with queries_of() as many:
        page(as_staff, "/contacts")
    assert len(many) == len(few)
    assert len(many) <= 8


# One buyer


def test_a_buyers_page_shows_facts_searches_mails_suppression_and_what_happened(as_viewer, office, make):
    sofia = make.contact(
        office,
        full_name="Sofia Delgado",
        email="sofia@example.com",
        owner_member_id=make.member(office).id,
        lead_source="Open house",
        notes="Has a dog.",
    )
    search = make.saved_search(sofia, saved_search_name="By the water")
    make.subscription(
        search,
        schedule_type="Daily",
        send_time=datetime(2026, 1, 1, 7).time(),
        next_send_timestamp=datetime.now(UTC) + timedelta(hours=5),
    )
    mail = make.message(sofia, state="sent", subject="3 homes by the water")
    make.message_event(mail, "bounced", reply="550 5.1.1 no such user")
    make.suppression(
        office,
        sofia.email,
        scope="address",
        reason="bounced",
        evidence="550 5.1.1 no such user",
        outbound_message_id=mail.id,
    )
    shown = page(as_viewer, f"/contacts/{sofia.id}")
    for words in (
        "Dana Whitlock",
        "Open house",
        "Has a dog.",
        "By the water",
        "Every day, 7:00",
        "3 homes by the water",
        f'href="/ops/messages/{mail.id}"',
        "Address bounces",
        "Bounced: nothing is sent to this address",
        "550 5.1.1 no such user",
        "In force",
        "Search made",
        "Written down",
        f'href="/searches/{search.id}"',
    ):
        assert words in shown, words


def test_mails_beyond_the_first_page_are_reached_by_key(as_staff, office, make):
    sofia = make.contact(office)
    mails = [make.message(sofia, state="sent", subject=f"Mail {number:02}") for number in range(23)]
    first = page(as_staff, f"/contacts/{sofia.id}")
    assert "Mail 22" in first
    assert f"before={mails[3].id}" in first
    older = as_staff.get(f"/contacts/{sofia.id}?before={mails[3].id}", headers={"HX-Request": "true"}).get_data(
        as_text=True
    )
    assert "Mail 02" in older
    assert "Mail 03" not in older
    assert "<html" not in older


def test_an_unknown_buyer_and_another_offices_are_not_found(as_staff, make):
    stranger = make.contact(make.office())
    for url in (f"/contacts/{stranger.id}", f"/contacts/{stranger.id}/edit", "/contacts/987654321"):
        page(as_staff, url, status=404)
    assert as_staff.post(f"/contacts/{stranger.id}", data=typed()).status_code == 404


def test_a_buyers_page_costs_the_same_few_queries_at_any_size(as_staff, office, make):
    sofia = make.contact(office, owner_member_id=make.member(office).id)

    def more(count):
        for _ in range(count):
            subscription = make.subscription(make.saved_search(sofia))
            mail = make.message(sofia, state="sent")
            make.message_event(mail, "clicked")
            make.suppression(office, sofia.email, scope="subscription", alert_subscription_id=subscription.id)

    more(2)
    with queries_of() as few:
        page(as_staff, f"/contacts/{sofia.id}")
    more(15)
    with queries_of() as many:
        page(as_staff, f"/contacts/{sofia.id}")
    assert len(many) == len(few)
    assert len(many) <= 12


# Writing


def test_a_new_buyer_is_written_down_and_shown(as_agent, office):
    answer = as_agent.post("/contacts", data=typed(email=" Sofia@Example.com "), follow_redirects=True)
    assert "Sofia Delgado is in the book." in answer.get_data(as_text=True)
    assert database.session.query(Contact).filter_by(office_id=office.id).one().email == "sofia@example.com"


def test_a_refused_form_keeps_the_words_and_puts_each_sentence_beside_its_field(as_staff):
    answer = as_staff.post("/contacts", data=typed(first_name="", last_name="", email="nobody", mobile_phone="x"))
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'value="nobody"' in shown
    assert shown.count('aria-invalid="true"') == 3
    assert "Write a first or a last name." in shown
    assert "one email address" in shown
    assert "not a phone number" in shown


def test_a_taken_address_names_its_owner_with_a_link(as_staff, office, make):
    sofia = make.contact(office, full_name="Sofia Delgado", email="sofia@example.com")
    answer = as_staff.post("/contacts", data=typed(first_name="Mateo", email="SOFIA@example.com"))
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert f'<a class="link" href="/contacts/{sofia.id}">Sofia Delgado</a>' in shown
    assert 'value="SOFIA@example.com"' in shown


def test_an_edit_is_saved_and_shown(as_agent, office, make):
    sofia = make.contact(office)
    form = page(as_agent, f"/contacts/{sofia.id}/edit")
    assert f'value="{sofia.modification_timestamp.isoformat()}"'.replace("+", "&#43;") in form.replace("+", "&#43;")
    as_agent.post(
        f"/contacts/{sofia.id}",
        data=typed(notes="Prefers mornings.", seen=sofia.modification_timestamp.isoformat(), contact_status="Inactive"),
    )
    shown = page(as_agent, f"/contacts/{sofia.id}")
    assert "Prefers mornings." in shown
    assert "Inactive" in shown


def test_a_stale_edit_is_answered_409_with_both_and_saves_nothing(as_staff, office, make):
    sofia = make.contact(
        office, first_name="Sofia", last_name="Delgado", full_name="Sofia Delgado", notes="Dana's note"
    )
    answer = as_staff.post(
        f"/contacts/{sofia.id}",
        data=typed(email=sofia.email, notes="mine", seen="2026-01-01T00:00:00+00:00", contact_status="Active"),
    )
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "Dana&#39;s note" in shown
    assert ">mine</td>" in shown
    database.session.expire_all()
    assert database.session.get(Contact, sofia.id).notes == "Dana's note"


@pytest.mark.parametrize("seen", ["", "yesterday", "2026-01-01"])
def test_a_form_with_a_garbled_version_overwrites_nothing(as_staff, office, make, seen):
    sofia = make.contact(office)
    assert as_staff.post(f"/contacts/{sofia.id}", data=typed(seen=seen)).status_code == 409


def test_a_viewer_looks_and_changes_nothing(as_viewer, office, make):
    sofia = make.contact(office)
    assert "Edit" not in page(as_viewer, f"/contacts/{sofia.id}")
    page(as_viewer, "/contacts/new", status=403)
    page(as_viewer, f"/contacts/{sofia.id}/edit", status=403)
    assert as_viewer.post("/contacts", data=typed()).status_code == 403
    assert as_viewer.post(f"/contacts/{sofia.id}", data=typed()).status_code == 403


def test_nobody_enters_without_signing_in(client, office, make):
    sofia = make.contact(office)
    for url in ("/contacts", f"/contacts/{sofia.id}", "/contacts/new"):
        assert client.get(url).status_code == 303


def test_hostile_words_are_shown_as_words(as_staff, office, make):
    member = make.member(office, member_full_name=HOSTILE)
    sofia = make.contact(
        office,
        full_name=HOSTILE,
        first_name=HOSTILE,
        lead_source=HOSTILE,
        notes=HOSTILE,
        mobile_phone=HOSTILE,
        owner_member_id=member.id,
    )
    search = make.saved_search(sofia, saved_search_name=HOSTILE, search_query_human_readable=HOSTILE)
    make.subscription(search)
    mail = make.message(sofia, state="failed", subject=HOSTILE, state_reason=f'"{HOSTILE}')
    make.message_event(mail, "bounced", reply=HOSTILE, source=HOSTILE)
    make.suppression(
        office, sofia.email, scope="address", evidence=HOSTILE, lifted_at=datetime.now(UTC), lifted_by=HOSTILE
    )
    for url in (
        "/contacts",
        f"/contacts?q={HOSTILE}",
        f"/contacts/{sofia.id}",
        f"/contacts/{sofia.id}/edit",
    ):
        shown = page(as_staff, url)
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert" in shown
    refused = as_staff.post("/contacts", data=typed(email=HOSTILE, first_name=HOSTILE, owner_member_id=HOSTILE))
    assert "<script>alert" not in refused.get_data(as_text=True)
