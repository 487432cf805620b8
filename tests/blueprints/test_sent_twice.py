"""A form that is sent twice makes one thing: a double click, a reload, a slow network that was not waited for."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from app.domain.models import Contact, Listing, SavedSearch

MAKES = {
    "contacts": ("/contacts/new", "/contacts", Contact, "last_name"),
    "listings": ("/listings/new", "/listings/new", Listing, "city"),
    "searches": ("/searches/new?contact={buyer}", "/searches", SavedSearch, "name"),
}
TYPED = {
    "contacts": {"first_name": "Sofia", "last_name": "Delgado"},
    "listings": {"standard_status": "Active", "unparsed_address": "31 Alder Lane", "list_price": "365,000"},
    "searches": {
        "do": "save",
        "name": "Family home",
        "city": "Port Ellery",
        "standard_status": "Active",
        "kind": "New",
        "schedule": "daily",
        "send_time": "07:00",
    },
}


@pytest.fixture(params=list(MAKES))
def noun(request) -> str:
    return request.param


@pytest.fixture
def buyer(make, office):
    return make.contact(office)


@pytest.fixture
def elsewhere(sign_in, make):
    """Somebody of another office."""
    return sign_in(make.user(office=make.office()))


@pytest.fixture
def four(sign_in, make, office):
    """Four browsers of one person."""
    user = make.user(office=office)
    return [sign_in(user) for _ in range(4)]


def key_in(html: str) -> str:
    return re.search(r'name="form_key" value="([0-9a-f]{32})"', html)[1]


def opened(browser, noun: str, buyer) -> dict[str, str]:
    """The form as it was opened and filled in, ready to be sent."""
    page = browser.get(MAKES[noun][0].format(buyer=buyer.id)).text
    return TYPED[noun] | {"form_key": key_in(page)} | ({"contact": str(buyer.id)} if noun == "searches" else {})


def made(db, noun: str) -> int:
    return db.session.scalar(select(func.count()).select_from(MAKES[noun][2])) - (noun == "contacts")  # but the buyer


def test_the_second_time_leads_to_what_the_first_made(as_agent, db, noun, buyer):
    form = opened(as_agent, noun, buyer)
    first, second = (as_agent.post(MAKES[noun][1], data=form) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.location == second.location
    assert made(db, noun) == 1


def test_other_words_or_a_form_opened_anew_make_another(as_agent, db, noun, buyer):
    form = opened(as_agent, noun, buyer)
    changed = form | {MAKES[noun][3]: "Another"}
    again = opened(as_agent, noun, buyer)
    places = {as_agent.post(MAKES[noun][1], data=sent).location for sent in (form, changed, again)}
    assert len(places) == made(db, noun) == 3


def test_a_form_that_comes_back_to_be_mended_keeps_its_key(as_agent, noun, buyer):
    form = opened(as_agent, noun, buyer)
    wrong = {"first_name": "", "last_name": "", "unparsed_address": "", "send_time": "at noon"}
    answer = as_agent.post(MAKES[noun][1], data=form | {name: text for name, text in wrong.items() if name in form})
    assert answer.status_code == 422
    assert key_in(answer.text) == form["form_key"]


@pytest.mark.parametrize("noun", ["contacts", "listings"], indirect=True)  # a search's form names a buyer of the office
def test_another_office_with_the_same_key_makes_its_own(as_agent, elsewhere, db, noun, buyer):
    form = opened(as_agent, noun, buyer)
    assert as_agent.post(MAKES[noun][1], data=form).location != elsewhere.post(MAKES[noun][1], data=form).location
    assert made(db, noun) == 2


@pytest.mark.committed
def test_sent_four_times_at_once_it_is_made_once(four, db, noun, buyer):
    db.session.commit()
    form = opened(four[0], noun, buyer)
    db.session.commit()
    together = Barrier(4)

    def send(browser) -> tuple[int, str]:
        together.wait(10)
        answer = browser.post(MAKES[noun][1], data=form)
        return answer.status_code, answer.location

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(send, four))
    assert len(answers) == 1
    assert answers.pop()[0] == 303
    assert made(db, noun) == 1
