"""What the buyers' list and page read: found by what a person would type, never another office's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.contacts import queries
from app.domain.contacts.queries import Filters
from app.domain.errors import NotFound

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def names(office, order="name", descending=False, **filters):
    rows = queries.contact_rows(office.id, Filters(**filters), sort=order, descending=descending, now=NOW)
    assert queries.count_contacts(office.id, Filters(**filters), now=NOW) == len(rows)
    return [row.full_name for row in rows]


def test_a_person_is_found_by_part_of_the_name_the_address_or_the_phone(office, make):
    make.contact(office, full_name="Sofia Delgado", email="sofia@shore.example", mobile_phone="(555) 555-0148")
    make.contact(office, full_name="Ben Aldous", email="ben_a@example.com", mobile_phone="(555) 555-0199")
    assert names(office, q="delg") == ["Sofia Delgado"]
    assert names(office, q="SHORE sofia") == ["Sofia Delgado"]
    assert names(office, q="555-0148") == ["Sofia Delgado"]
    assert names(office, q="(555) 555") == ["Ben Aldous", "Sofia Delgado"]
    assert names(office, q="n_a@") == ["Ben Aldous"], "an underscore is a letter, not a pattern"
    assert names(office, q="%") == []


def test_another_offices_people_are_not_found(office, make):
    stranger = make.contact(make.office(), full_name="Sofia Delgado")
    assert names(office, q="Sofia") == []
    with pytest.raises(NotFound):
        queries.contact(office.id, stranger.id)


def test_the_list_narrows_by_agent_searches_and_mail(office, make):
    dana = make.member(office)
    active = make.contact(office, full_name="Active", owner_member_id=dana.id)
    make.subscription(make.saved_search(active))
    paused = make.contact(office, full_name="Paused")
    make.subscription(make.saved_search(paused), active_yn=False)
    make.contact(office, full_name="Nothing", email="")
    stopped = make.contact(office, full_name="Stopped")
    make.suppression(office, stopped.email, scope="address", reason="bounced")
    lifted = make.contact(office, full_name="Lifted")
    make.suppression(office, lifted.email, lifted_at=NOW)
    over = make.contact(office, full_name="Over")
    make.suppression(office, over.email, expires_at=NOW - timedelta(days=1))
    one_search = make.contact(office, full_name="One search")
    make.suppression(
        office,
        one_search.email,
        scope="subscription",
        alert_subscription_id=make.subscription(make.saved_search(one_search)).id,
    )

    assert names(office, member_id=dana.id) == ["Active"]
    assert names(office, searches="active") == ["Active", "One search"]
    assert names(office, searches="none") == ["Lifted", "Nothing", "Over", "Stopped"]
    assert names(office, mail="stopped") == ["Stopped"]
    assert names(office, mail="missing") == ["Nothing"]
    assert names(office, mail="open") == ["Active", "Lifted", "One search", "Over", "Paused"]


def test_a_row_counts_searches_and_names_the_last_mail_and_the_standing(office, make):
    sofia = make.contact(office, full_name="Sofia Delgado", owner_member_id=make.member(office).id)
    make.subscription(make.saved_search(sofia))
    make.subscription(make.saved_search(sofia), active_yn=False, reason_active_or_disabled="Client Disabled")
    make.message(sofia, state="sent", sent_at=NOW - timedelta(days=2))
    make.message(sofia, state="sent", sent_at=NOW - timedelta(days=1))
    make.message(sofia, state="queued")
    make.suppression(office, sofia.email)
    [row] = queries.contact_rows(office.id, Filters(), now=NOW)
    assert (row.searches_active, row.searches_all) == (1, 2)
    assert row.last_sent_at == NOW - timedelta(days=1)
    assert row.standing.word == "Unsubscribed"
    assert row.agent == "Dana Whitlock"


def test_the_order_is_stable_and_pages_do_not_overlap(office, make):
    for _ in range(7):
        make.contact(office, full_name="Same Name")
    seen = []
    for offset in range(0, 7, 3):
        page = queries.contact_rows(office.id, Filters(), sort="name", offset=offset, limit=3, now=NOW)
        seen += [row.id for row in page]
    assert seen == sorted(seen)
    assert len(set(seen)) == 7
    assert names(office, order="email", descending=True) == ["Same Name"] * 7


def test_messages_are_read_newest_first_and_go_on_from_a_key(office, make):
    sofia = make.contact(office)
    ids = [make.message(sofia, state="sent").id for _ in range(5)]
    first = queries.messages_of(sofia.id, limit=3)
    rest = queries.messages_of(sofia.id, before=first[-1].id, limit=3)
    assert [row.id for row in first + rest] == ids[::-1]


def test_pa_24_a_suppression_is_read_with_reason_time_source_and_search(office, make):
    sofia = make.contact(office)
    search = make.saved_search(sofia, saved_search_name="By the water")
    mail = make.message(sofia, state="sent")
    make.suppression(
        office,
        sofia.email,
        scope="subscription",
        alert_subscription_id=make.subscription(search).id,
        evidence="one-click link",
        outbound_message_id=mail.id,
    )
    make.suppression(office, sofia.email, lifted_at=NOW, lifted_by="Ruth Calloway", reason="bounced", scope="address")
    make.suppression(make.office(), sofia.email)
    in_force, lifted = queries.suppressions_of(office.id, sofia.email, now=NOW)
    assert in_force.in_force
    assert (in_force.search_name, in_force.search_id) == ("By the water", search.id)
    assert (in_force.evidence, in_force.message_id) == ("one-click link", mail.id)
    assert (lifted.in_force, lifted.lifted_by) == (False, "Ruth Calloway")
    assert queries.suppressions_of(office.id, "", now=NOW) == []


def test_the_timeline_tells_what_happened_newest_first(office, make):
    sofia = make.contact(office, lead_source="Open house", original_entry_timestamp=NOW - timedelta(days=9))
    search = make.saved_search(sofia, saved_search_name="By the water")
    mail = make.message(sofia, state="sent", sent_at=NOW - timedelta(days=2), created_at=NOW - timedelta(days=2))
    make.message_event(mail, "bounced", reply="550 no such user", occurred_at=NOW - timedelta(days=1))
    make.message_event(mail, "opened", occurred_at=NOW - timedelta(hours=30))
    make.suppression(office, sofia.email, scope="address", reason="bounced", created_at=NOW - timedelta(hours=23))
    moments = queries.timeline_of(sofia)
    assert [moment.kind for moment in moments if moment.kind != "search"] == ["suppressed", "bounced", "mail", "added"]
    assert [(m.what, m.link) for m in moments if m.kind == "search"] == [("By the water", search.id)]
    assert [m.at for m in moments] == sorted((m.at for m in moments), reverse=True)
    assert moments[-1].what == "Open house"
