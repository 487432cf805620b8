"""The search screens: what is typed is counted before it is saved, and nothing is saved that was not asked for."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import select

from app.domain.listings.areas import area_ids
from app.domain.models import AlertSubscription, AreaKind, SavedSearch, SearchKey
from app.domain.searches import saved
from app.extensions import db as database
from tests.counting import queries_of

HOSTILE = "<script>alert(1)</script>"
HTMX = {"HX-Request": "true"}


def page(client, url, status=200, **kwargs):
    answer = client.get(url, **kwargs)
    assert answer.status_code == status, answer.get_data(as_text=True)[:2000]
    return answer.get_data(as_text=True)


def post(client, url, status, data, **kwargs):
    answer = client.post(url, data=data, **kwargs)
    assert answer.status_code == status, answer.get_data(as_text=True)[:3000]
    return answer if status == 303 else answer.get_data(as_text=True)


def typed(**changes):
    """The form of a usable search, as a browser posts it."""
    return {
        "do": "save",
        "name": "Family home",
        "city": "Port Ellery",
        "standard_status": "Active",
        "price_high": "$525,000",
        "kind": ["New", "Price drop"],
        "schedule": "daily",
        "send_time": "07:00",
    } | changes


@pytest.fixture
def buyer(office, make):
    return make.contact(office, owner_member_id=make.member(office).id)


@pytest.fixture
def search(office, buyer):
    """A stored search that sends every day at 7."""
    found = saved.create(
        office.id,
        buyer.id,
        "Family home",
        {"city": ["Port Ellery"], "list_price": {"le": 525000}, "standard_status": ["Active"]},
        schedule_type="Daily",
        send_time=time(7),
        kinds=3,
    )
    database.session.commit()
    return found


def area_of(office, name):
    """The number of a city of this office's dictionary."""
    return area_ids(office.id, {(AreaKind.CITY, name)})[AreaKind.CITY, name]


def subscription_version(search):
    database.session.expire_all()
    return database.session.get(SavedSearch, search.id).version


def subscription_of(search_id):
    return database.session.scalars(
        select(AlertSubscription)
        .where(AlertSubscription.saved_search_id == search_id)
        .execution_options(populate_existing=True)
    ).one()


# The list


def test_the_list_names_search_sentence_buyer_schedule_state_and_next_mail(as_viewer, search, buyer):
    shown = page(as_viewer, "/searches")
    for words in (
        "Family home",
        "Homes of any type in Port Ellery, up to $525,000.",
        buyer.full_name,
        "Every day, 7:00",
        "Sending",
        f'href="/searches/{search.id}"',
        f'href="/contacts/{buyer.id}"',
    ):
        assert words in shown, words


def test_the_list_says_held_back_when_the_address_is_suppressed(as_staff, office, make, search, buyer):
    make.suppression(office, buyer.email)
    shown = page(as_staff, "/searches")
    assert "Held back" in shown
    assert ">Sending<" not in re.sub(r"<select.*?</select>", "", shown, flags=re.DOTALL)


def test_the_address_line_narrows_the_list_and_each_filter_can_be_taken_away(as_staff, make, search, buyer):
    make.subscription(make.saved_search(buyer, saved_search_name="Paused one"), active_yn=False)
    shown = page(as_staff, "/searches?q=family&state=on")
    assert "Paused one" not in shown
    assert 'href="/searches?state=on"' in shown
    assert "Clear all" in shown
    assert "“nothing” left none" in page(as_staff, "/searches?q=nothing")


def test_htmx_gets_the_results_alone_and_a_clean_address(as_staff, search):
    answer = as_staff.get("/searches?q=&agent=&schedule=daily&state=", headers=HTMX)
    assert "<html" not in answer.get_data(as_text=True)
    assert answer.headers["HX-Push-Url"] == "/searches?schedule=daily"


@pytest.mark.parametrize(
    "query", ["page=x", "sort=1", "agent=99999999999999999999", "state=%00", "schedule=hourly", "page=-5"]
)
def test_a_garbled_address_line_still_shows_the_list(as_staff, search, query):
    page(as_staff, f"/searches?{query}")


@pytest.mark.parametrize("sort", ["name", "-name", "buyer", "last", "-last", "next", "-next", "added"])
def test_each_order_shows_the_list(as_staff, search, sort):
    assert "Family home" in page(as_staff, f"/searches?sort={sort}")


def test_the_list_costs_the_same_few_queries_at_any_size(as_staff, office, make):
    def searches(count):
        for _ in range(count):
            contact = make.contact(office)
            make.subscription(make.saved_search(contact), owner_member_id=make.member(office).id)
            make.suppression(office, contact.email)

    searches(3)
    with queries_of() as few:
        page(as_staff, "/searches")
    searches(27)
    with queries_of() as many:
        page(as_staff, "/searches")
    assert len(many) == len(few)
    assert len(many) <= 8


# The builder


def test_the_builder_shows_the_stored_search_and_what_it_would_do(as_staff, office, make, search, buyer):
    make.listing(
        office, city_area_id=area_of(office, "Port Ellery"), unparsed_address="418 Alder Court", living_area=None
    )
    shown = page(as_staff, f"/searches/{search.id}")
    for words in (
        "Homes of any type in <b>Port Ellery</b>, up to <b>$525,000</b>.",
        "Version 1 has been sending since",
        'value="$525,000"',
        "Limit 500 matches",
        "418 Alder Court",
        "Would have sent nothing in the last 30 days",
        "New York time",
        buyer.email,
        "Can be mailed",
        "Save and keep sending",
        "These are not mailed",
    ):
        assert words in shown, words


def test_a_new_search_says_that_only_what_changes_from_now_on_is_sent(as_staff, buyer):
    shown = page(as_staff, f"/searches/new?contact={buyer.id}")
    assert "Saving sends only what changes from then on." in shown
    assert "Say where: a search needs a place" in shown
    assert "Save and start sending" in shown


def test_a_new_search_without_a_buyer_leads_to_the_buyers(as_staff):
    answer = as_staff.get("/searches/new")
    assert (answer.status_code, answer.location) == (303, "/contacts")


def test_a_made_search_is_found_by_matching_and_its_page_says_from_now_on(as_agent, office, buyer):
    answer = post(as_agent, "/searches", 303, typed(contact=buyer.id))
    made = database.session.scalars(select(SavedSearch)).one()
    assert answer.location == f"/searches/{made.id}"
    assert made.criteria == {"city": ["Port Ellery"], "list_price": {"le": 525000}, "standard_status": ["Active"]}
    assert subscription_of(made.id).kinds == 3
    assert subscription_of(made.id).owner_member_id == buyer.owner_member_id
    assert database.session.scalars(select(SearchKey).where(SearchKey.saved_search_id == made.id)).all()
    assert "only what changes from now on" in page(as_agent, answer.location)


def test_a_search_without_a_name_is_called_by_its_sentence(as_staff, buyer):
    post(as_staff, "/searches", 303, typed(contact=buyer.id, name=""))
    made = database.session.scalars(select(SavedSearch)).one()
    said = "Homes of any type in Port Ellery, up to $525,000"
    assert (made.saved_search_name, made.called) == ("", said)
    here = f"/searches/{made.id}"
    for url in (here, "/searches", f"/contacts/{buyer.id}"):
        assert said in page(as_staff, url)
    assert 'name="name" value=""' in page(as_staff, here)


def test_a_search_without_a_name_is_called_by_what_it_asks_now(as_staff, buyer):
    post(as_staff, "/searches", 303, typed(contact=buyer.id, name="Family home"))
    made = database.session.scalars(select(SavedSearch)).one()
    post(as_staff, f"/searches/{made.id}", 303, typed(version=1, name="", price_high="650k"))
    for url in (f"/searches/{made.id}", "/searches", f"/contacts/{buyer.id}"):
        shown = page(as_staff, url)
        assert "up to $650,000" in shown
        assert "Family home" not in shown
    assert "up to $650,000" in page(as_staff, "/searches?q=650,000")


def test_saving_under_htmx_sends_the_browser_on(as_staff, buyer):
    answer = as_staff.post("/searches", data=typed(contact=buyer.id), headers=HTMX)
    made = database.session.scalars(select(SavedSearch)).one()
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, f"/searches/{made.id}")


def test_checking_shows_the_count_again_and_saves_nothing(as_staff, buyer):
    shown = post(as_staff, "/searches", 200, typed(contact=buyer.id, do="check", beds="3"))
    assert "with <b>3 beds or more</b>" in shown
    assert 'value="$525,000"' in shown
    assert not database.session.scalars(select(SavedSearch)).all()


def test_without_script_a_place_is_added_by_its_name_and_dropped_by_its_button(as_staff, office, make, buyer):
    make.area(office, "Alder Glen", "subdivision_name")
    added = post(as_staff, "/searches", 200, typed(contact=buyer.id, do="check", place="alder glen"))
    assert '<input type="hidden" name="subdivision_name" value="Alder Glen">' in added
    assert 'id="place" name="place" value=""' in added
    dropped = post(as_staff, "/searches", 200, typed(contact=buyer.id, do="check", drop="city:Port Ellery"))
    assert '<input type="hidden" name="city"' not in dropped
    assert re.search(r'id="place"[^>]*autofocus', dropped), "the keyboard goes on where it was"


def test_a_place_of_two_kinds_is_asked_about_and_nothing_is_saved_meanwhile(as_staff, office, make, buyer):
    make.area(office, "Alder Glen", "city")
    make.area(office, "Alder Glen", "subdivision_name")
    shown = post(as_staff, "/searches", 422, typed(contact=buyer.id, place="Alder Glen"))
    assert "the name of more than one place" in shown
    assert 'name="add" value="subdivision_name:Alder Glen"' in shown
    assert not database.session.scalars(select(SavedSearch)).all()
    chosen = post(as_staff, "/searches", 200, typed(contact=buyer.id, do="", place="Alder Glen", add="city:Alder Glen"))
    assert '<input type="hidden" name="city" value="Alder Glen">' in chosen


def test_an_unknown_place_may_be_meant_but_is_said(as_staff, buyer):
    shown = post(as_staff, "/searches", 422, typed(contact=buyer.id, place="Atlantis"))
    assert "Nothing here has been in a place called “Atlantis”" in shown
    assert 'value="county_or_parish:Atlantis"' in shown

    box = shown.partition("Mend this first")[2].partition("</ul>")[0]
    assert "say what it is" not in box
    assert "say what it is:" in shown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"price_low": "-5"}, "“-5” is below zero."),
        ({"price_low": "−$450k"}, "“−$450k” is below zero."),
        ({"price_low": "- five"}, "“- five” is not a number."),
        ({"year_low": "1500"}, "The year built must be between 1600 and 2200."),
    ],
)
def test_a_number_that_cannot_be_asked_for_is_refused_in_plain_words(as_staff, buyer, changes, said):
    assert said in post(as_staff, "/searches/preview", 200, typed(contact=buyer.id, **changes), headers=HTMX)


def test_a_changed_schedule_is_named_when_it_is_saved(as_staff, search):
    asked = typed(version=search.version, schedule="asap")
    post(as_staff, f"/searches/{search.id}", 303, asked)
    page(as_staff, f"/searches/{search.id}")
    post(
        as_staff, f"/searches/{search.id}", 303, asked | {"schedule": "daily", "version": subscription_version(search)}
    )
    shown = page(as_staff, f"/searches/{search.id}")
    assert "Every day at 7:00 instead of as it happens." in shown
    assert "Name, schedule or state last changed" in shown


def test_the_preview_answers_with_the_column_and_every_part_that_follows(as_staff, office, make, search):
    make.listing(office, city_area_id=area_of(office, "Port Ellery"), list_price=600000)
    shown = post(as_staff, f"/searches/{search.id}/preview", 200, typed(price_high="650k"), headers=HTMX)
    assert shown.lstrip().startswith('<aside class="stack follow" id="preview"')
    assert "<html" not in shown
    assert "1 more than version 1" in shown
    assert '<p id="headline" hx-swap-oob="true">Version 2, not saved yet. Version 1 has been sending since' in shown
    assert "up to <b>$650,000</b>" in shown
    assert "1 home matches now" in shown


def test_the_preview_says_what_cannot_be_read_beside_its_line(as_staff, buyer):
    shown = post(as_staff, "/searches/preview", 200, typed(contact=buyer.id, price_high="abc"), headers=HTMX)
    assert "Not counted: a line on the left cannot be read." in shown
    assert re.search(r'id="fault-list_price" hx-swap-oob="true">“abc” is not a number', shown)


def test_the_preview_saves_nothing(as_staff, search):
    post(as_staff, f"/searches/{search.id}/preview", 200, typed(price_high="1"), headers=HTMX)
    database.session.expire_all()
    assert database.session.get(SavedSearch, search.id).criteria["list_price"] == {"le": 525000}


def test_the_preview_counts_days_and_kinds(as_staff, office, make, search):
    area = area_of(office, "Port Ellery")
    for kinds in (1, 2, 4):
        home = make.listing(office, city_area_id=area)
        make.event(home, kinds=kinds, city_area_id=area, recorded_at=datetime.now(UTC) - timedelta(days=2))
    shown = post(as_staff, f"/searches/{search.id}/preview", 200, typed(), headers=HTMX)
    assert "Would have sent 2 in the last 30 days" in shown
    assert "1 new, 1 price drop" in shown
    assert shown.count("<rect class=") >= 30


def test_places_are_suggested_from_the_offices_own_dictionary(as_staff, office, make):
    make.area(office, "Alder Glen", "subdivision_name")
    make.area(make.office(), "Alderney", "city")
    shown = page(as_staff, "/searches/places?place=ald")
    assert 'data-value="Alder Glen, subdivision"' in shown
    assert "Alderney" not in shown


# Refusals


def test_pa_14_a_search_without_a_place_is_refused_beside_where(as_staff, buyer):
    shown = post(as_staff, "/searches", 422, typed(contact=buyer.id, city=""))
    assert re.search(r'id="fault-where">Say where: a search needs a place', shown)
    assert re.search(r'id="place"[^>]*aria-invalid="true"', shown)
    assert 'value="$525,000"' in shown
    assert not database.session.scalars(select(SavedSearch)).all()


def test_pa_14_too_many_matches_are_refused_naming_what_to_narrow(as_staff, office, make, buyer, monkeypatch):
    monkeypatch.setattr(saved, "MOST_MATCHES", 2)
    for _ in range(3):
        make.listing(office, city_area_id=area_of(office, "Port Ellery"))
    shown = post(as_staff, "/searches", 422, typed(contact=buyer.id, price_high=""))
    assert re.search(r'id="fault-list_price">3 homes match now and the limit is 2: give a highest price', shown)
    assert "It cannot be switched on like this" in shown


@pytest.mark.parametrize(
    ("changes", "line", "sentence"),
    [
        ({"price_high": "abc"}, "list_price", "is not a number"),
        ({"price_low": "600000"}, "list_price", "The lowest price is above the highest."),
        ({"beds": "-3"}, "rooms", "is below zero"),
        ({"year_low": "12"}, "year_built", "between 1600 and 2200"),
        ({"living_low": "9" * 30}, "living_area", "must be between"),
        ({"radius_latitude": "43"}, "where", "also needs its longitude, miles"),
        ({"schedule": "daily", "send_time": "noon"}, "schedule", "Write the time of day like 07:00."),
        ({"schedule": "days"}, "schedule", "Tick at least one day."),
        ({"schedule": ""}, "schedule", "Choose when it is sent."),
        ({"kind": []}, "kinds", "Choose at least one kind of news."),
        ({"name": "x" * 130}, "name", "too long"),
        ({"property_type": "Castle"}, "property_type", "is not a property type"),
        ({"standard_status": "Delete"}, "standard_status", "is not a status"),
    ],
)
def test_a_refused_search_keeps_the_words_and_says_the_sentence_beside_the_line(
    as_staff, buyer, changes, line, sentence
):
    shown = post(as_staff, "/searches", 422, typed(contact=buyer.id, **changes))
    assert re.search(rf'id="fault-{line}">[^<]*{re.escape(sentence)}', shown), line
    for value in changes.values():
        if isinstance(value, str) and value not in {"", "daily", "days", "Delete"}:
            assert value in shown
    assert not database.session.scalars(select(SavedSearch)).all()


def test_hostile_and_odd_fields_do_not_break_the_builder(as_staff, buyer):
    everything = dict.fromkeys(("name", "city", "place", "price_low", "beds", "schedule", "send_time", "day"), HOSTILE)
    shown = post(as_staff, "/searches", 422, typed(contact=buyer.id, **everything, drop=HOSTILE, add=f"city:{HOSTILE}"))
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert" in shown
    previewed = post(as_staff, "/searches/preview", 200, typed(contact=buyer.id, **everything), headers=HTMX)
    assert "<script>alert" not in previewed
    assert "<script>alert" not in page(as_staff, f"/searches/places?place={HOSTILE}")
    post(as_staff, "/searches", 422, typed(contact=buyer.id, city=["\x00", "a" * 5000, *(str(n) for n in range(60))]))


# Editing


def test_an_edit_makes_a_version_and_the_history_says_before_and_after(as_staff, search):
    post(as_staff, f"/searches/{search.id}", 303, typed(version=1, price_high="500000", beds="3"))
    shown = page(as_staff, f"/searches/{search.id}")
    assert "Saved as version 2, in force from now on." in shown
    assert "Version 2 has been sending since" in shown
    plain = re.sub(r"<[^>]+>", "", shown)
    assert "Price: up to $525,000 became → up to $500,000" in plain
    assert "Beds: any became → 3 or more" in plain
    assert "Ruth Calloway" in plain


def test_an_edit_of_name_and_schedule_makes_no_version(as_staff, search):
    post(
        as_staff,
        f"/searches/{search.id}",
        303,
        typed(version=1, name="By the water", schedule="asap", kind="Back on market"),
    )
    subscription = subscription_of(search.id)
    assert (subscription.schedule_type, subscription.kinds) == ("ASAP", 4)
    shown = page(as_staff, f"/searches/{search.id}")
    assert "<h1>By the water</h1>" in shown
    assert "Version 1 has been" in shown


@pytest.mark.parametrize("htmx", [False, True])
def test_a_stale_edit_is_answered_409_with_both_and_overwrites_nothing(as_staff, as_admin, search, htmx):
    post(as_admin, f"/searches/{search.id}", 303, typed(version=1, price_high="400000"))
    shown = post(
        as_staff, f"/searches/{search.id}", 409, typed(version=1, price_high="700000"), headers=HTMX if htmx else {}
    )
    assert "Version 2 was saved while you were typing" in shown
    assert "<td>up to $400,000</td><td>up to $700,000</td>" in shown
    assert '<input type="hidden" name="version" value="2">' in shown, "saving again is a choice, made knowingly"
    database.session.expire_all()
    assert database.session.get(SavedSearch, search.id).criteria["list_price"] == {"le": 400000}


@pytest.mark.parametrize("version", ["", "x", "99999999999999999999"])
def test_a_form_with_a_garbled_version_overwrites_nothing(as_staff, search, version):
    post(as_staff, f"/searches/{search.id}", 409, typed(version=version, price_high="1"))


def test_pa_16_a_pause_says_why_and_sending_again_starts_from_then(as_staff, search):
    post(as_staff, f"/searches/{search.id}/pause", 303, {"reason": "Client Disabled"})
    assert subscription_of(search.id).reason_active_or_disabled == "Client Disabled"
    shown = page(as_staff, f"/searches/{search.id}")
    assert "Stopped by the buyer" in shown
    assert "Version 1 is off" in shown
    post(as_staff, f"/searches/{search.id}/resume", 303, {})
    assert subscription_of(search.id).active_yn
    assert "none of it is mailed" in page(as_staff, f"/searches/{search.id}/missed")


def test_a_pause_for_no_known_reason_is_refused(as_staff, search):
    post(as_staff, f"/searches/{search.id}/pause", 422, {"reason": "Ignored"})
    assert subscription_of(search.id).active_yn


def test_pa_14_a_paused_search_that_grew_too_broad_is_not_switched_on(as_staff, office, make, search, monkeypatch):
    post(as_staff, f"/searches/{search.id}/pause", 303, {})
    monkeypatch.setattr(saved, "MOST_MATCHES", 1)
    for _ in range(2):
        make.listing(office, city_area_id=area_of(office, "Port Ellery"))
    shown = post(as_staff, f"/searches/{search.id}/resume", 422, {})
    assert "2 homes match now and the limit is 1" in shown
    assert not subscription_of(search.id).active_yn


def test_a_suppressed_buyer_is_shown_beside_the_search(as_staff, office, make, search, buyer):
    make.suppression(
        office,
        buyer.email,
        scope="subscription",
        alert_subscription_id=subscription_of(search.id).id,
        evidence="one-click link",
    )
    shown = page(as_staff, f"/searches/{search.id}")
    assert "Held back" in shown
    assert "They unsubscribed from this search" in shown
    assert "one-click link" in shown


# Who may


def test_a_viewer_looks_and_changes_nothing(as_viewer, search, buyer):
    shown = page(as_viewer, f"/searches/{search.id}")
    assert "Family home" in shown
    assert '<fieldset class="stack bare-set" disabled>' in shown
    for words in ("Save and keep sending", "/pause", 'hx-post="/searches/1/preview"'):
        assert words not in shown
    page(as_viewer, f"/searches/new?contact={buyer.id}", status=403)
    for url in (
        "/searches",
        "/searches/preview",
        *(f"/searches/{search.id}{end}" for end in ("", "/preview", "/pause", "/resume")),
    ):
        assert as_viewer.post(url, data=typed(contact=buyer.id, version=1)).status_code == 403, url
    assert subscription_of(search.id).active_yn


def test_unknown_and_foreign_buyers_and_searches_are_not_found(as_staff, make):
    stranger = make.contact(make.office())
    theirs = make.subscription(make.saved_search(stranger)).saved_search_id
    for url in (
        f"/searches/{theirs}",
        "/searches/987654321",
        f"/searches/new?contact={stranger.id}",
        "/searches/new?contact=987654321",
        "/searches/new?contact=99999999999999999999",
        "/searches/new?contact=x",
    ):
        page(as_staff, url, status=404)
    for url in (f"/searches/{theirs}", *(f"/searches/{theirs}/{verb}" for verb in ("preview", "pause", "resume"))):
        assert as_staff.post(url, data=typed(version=1)).status_code == 404, url
    for url in ("/searches", "/searches/preview"):
        assert as_staff.post(url, data=typed(contact=stranger.id)).status_code == 404, url


def test_nobody_enters_without_signing_in(client, search):
    for url in ("/searches", f"/searches/{search.id}", "/searches/new", "/searches/places"):
        assert client.get(url).status_code == 303


def test_stored_hostile_words_are_shown_as_words(as_staff, office, make):
    buyer = make.contact(office, full_name=HOSTILE, owner_member_id=make.member(office, member_full_name=HOSTILE).id)
    search = make.saved_search(
        buyer,
        saved_search_name=HOSTILE,
        search_query_human_readable=HOSTILE,
        criteria={"city": [HOSTILE], "standard_status": ["Active"]},
    )
    make.subscription(search, owner_member_id=buyer.owner_member_id)
    make.listing(
        office, city_area_id=area_of(office, HOSTILE), unparsed_address=HOSTILE, living_area=None, city=HOSTILE
    )
    for url in ("/searches", f"/searches?q={HOSTILE}", f"/searches/{search.id}", f"/searches/new?contact={buyer.id}"):
        shown = page(as_staff, url)
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert" in shown


def test_the_builder_costs_the_same_few_queries_at_any_size(as_staff, office, make, search):
    def grow(count):
        area = area_of(office, "Port Ellery")
        for number in range(count):
            home = make.listing(office, city_area_id=area)
            make.event(home, city_area_id=area)
            version = database.session.get(SavedSearch, search.id).version
            saved.edit(
                search.id,
                office_id=office.id,
                version=version,
                criteria={"city": ["Port Ellery"], "list_price": {"le": 600000 + number}},
            )
        database.session.commit()

    grow(2)
    with queries_of() as few:
        page(as_staff, f"/searches/{search.id}")
    grow(14)
    with queries_of() as many:
        page(as_staff, f"/searches/{search.id}")
    assert len(many) == len(few)
    assert len(many) <= 12


def test_a_search_that_cannot_be_read_opens_and_says_so_pa_18(as_staff, search, db):
    search.criteria = {"no_such_field": 1, "city": ["Port Ellery"]}
    search.time_zone = ""
    saved.stop(db.session.scalars(select(AlertSubscription.id)).one(), "Search Failing")
    db.session.commit()
    page = as_staff.get(f"/searches/{search.id}")
    assert page.status_code == 200
    assert "It could not be run. Save it again" in page.text
