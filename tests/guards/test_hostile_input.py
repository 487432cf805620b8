"""Whatever a stranger or a person writes into an address, a header or a hidden field: an answer, never a failure."""

from __future__ import annotations

import pytest

HOSTILE = (
    "%00",
    "a%00b",
    "9223372036854775808",
    "9" * 5000,
    "-1",
    "%C2%B2",
    "x" * 5000,
    "%FF%FE",
    "%ED%A0%80",
    "%E2%80%AE",
    "%27%22%3C",
    "NaN",
    "",
)
"""Percent-encoded: NUL, numbers that no column holds, a digit that is none, bytes that are no text, half a pair."""

PARAMETERS = {
    "/contacts": ("q", "agent", "searches", "mail", "sort", "page"),
    "/contacts/{contact}": ("before",),
    "/searches": ("q", "agent", "schedule", "state", "sort", "page"),
    "/searches/new": ("contact",),
    "/searches/places": ("place",),
    "/ops/runs": ("kind", "state", "schedule", "before", "all"),
    "/ops/messages": ("state", "before"),
    "/ops/balance": ("since",),
}


@pytest.mark.parametrize("path", PARAMETERS)
def test_no_query_of_a_page_makes_it_fail(as_admin, make, office, path):
    where = path.format(contact=make.contact(office).id)
    queries = [f"{name}={value}" for name in PARAMETERS[path] for value in HOSTILE]
    queries += [f"{name}[]=1&{name}=%00&{name}=2" for name in PARAMETERS[path]]
    failed = [query[:60] for query in queries if as_admin.get(f"{where}?{query}").status_code >= 500]
    assert not failed


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "path", ["/sign-in?next={}", "/u/{}", "/u/a.{}", "/d/{}", "/d/a/{}", "/assets/x/{}", "/vendor/x/{}", "/nowhere/{}"]
)
def test_no_address_that_is_open_to_strangers_fails(client, path, value):
    assert client.get(path.format(value)).status_code < 500


@pytest.mark.parametrize("value", ["http://[", "http://]:x/", "//", "http://[::1", "\\", "x" * 5000])
def test_no_word_on_where_one_came_from_fails(client, value):
    assert client.get("/contacts", headers={"HX-Request": "true", "HX-Current-URL": value}).status_code == 401
    answer = client.post("/contacts", headers={"Referer": value})
    assert (answer.status_code, answer.location) == (303, "/sign-in")


@pytest.mark.parametrize("field", ["email", "password", "next"])
@pytest.mark.parametrize("value", ["\0", "a\0b@x.com", "²", "x" * 5000, "\ud800"])
def test_nothing_typed_at_the_door_fails(client, field, value):
    sent = {"email": "ruth@harborvine.example", "password": "wrong"} | {field: value.encode(errors="surrogatepass")}
    assert client.post("/sign-in", data=sent).status_code == 422


@pytest.mark.parametrize("agent", ["9223372036854775808", "9" * 5000, "²", "\0", "-1", "1.5"])
def test_an_agent_that_no_row_can_be_is_a_fault_of_the_form(as_staff, make, office, agent):
    buyer = make.contact(office)
    answer = as_staff.post(f"/contacts/{buyer.id}", data={"first_name": "Sofia", "owner_member_id": agent})
    assert answer.status_code == 422
    assert "This agent does not work here." in answer.text
