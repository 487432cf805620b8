"""Adding and changing a listing by hand: what is accepted, what is refused in words, and who wins when two save."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import time_machine
from sqlalchemy import select

from app.domain.listings import record as listings
from app.domain.models import JobSchedule, Listing, ListingEvent, Role
from app.domain.searches import saved

CHANGED = "Price $489,000 → $475,000"


def typed(client, url):
    """The form's values as a browser would send them back untouched."""
    html = client.get(url).get_data(as_text=True)
    form = html[html.index('<form class="stack record-form"') :]
    form = form[: form.index("</form>")]
    values = {}
    for tag in re.findall(r"<input\b[^>]*>", form):
        kind, name = re.search(r'type="(\w+)"', tag), re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if (
            name
            and name[1] != "csrf_token"
            and (kind is None or kind[1] not in ("checkbox", "radio") or " checked" in tag)
        ):
            values[name[1]] = value[1] if value else ""
    for name, body in re.findall(r'<select\b[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"|<option value="([^"]*)" selected', body)
        values[name] = (chosen[1] or chosen[2] or "") if chosen else ""
    for name, body in re.findall(r'<textarea\b[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        values[name] = body.removeprefix("\r\n").removeprefix("\n")
    return values


def events(db, listing_id):
    return db.session.scalars(
        select(ListingEvent).where(ListingEvent.listing_id == listing_id).order_by(ListingEvent.seq)
    ).all()


@pytest.fixture
def alder(office, db):
    listing = listings.create(
        office.id,
        {
            "standard_status": "Active",
            "list_price": Decimal(489_000),
            "unparsed_address": "418 Alder Court",
            "city": "Port Ellery",
            "postal_code": "04100",
            "bathrooms_full": 2,
            "bathrooms_half": 1,
            "latitude": Decimal("43.65"),
            "longitude": Decimal("-70.25"),
            "property_sub_type": "Log Cabin De Luxe",
            "public_remarks": "Two steps from the harbor.\nSunny.",
        },
    )
    db.session.commit()
    return listing.id


# Adding


def new(**values):
    return {
        "standard_status": "Active",
        "unparsed_address": "9 Chandlery Row",
        "city": "Port Ellery",
        "internet_entire_listing_display_yn": "y",
        "internet_address_display_yn": "y",
    } | values


def test_a_home_is_added_with_prices_and_sizes_as_people_write_them(as_agent, office, db):
    answer = as_agent.post(
        "/listings/new",
        data=new(
            list_price="$365,000", living_area="1,180 sq ft", lot_size_square_feet="0.5 acres", bathrooms_full="2"
        ),
    )
    listing = db.session.scalar(select(Listing).where(Listing.office_id == office.id))
    assert answer.status_code == 303
    assert answer.location == f"/listings/{listing.id}"
    assert (listing.list_price, listing.living_area, listing.lot_size_square_feet) == (365_000, 1180, 21_780)
    assert listing.baths_equivalent == 2
    shown = as_agent.get(answer.location).get_data(as_text=True)
    assert "9 Chandlery Row is on record. No active search fits it, so nobody is told." in shown
    assert [event.change_type for event in events(db, listing.id)] == ["New Listing"]


def test_a_home_added_as_a_correction_alerts_nobody(as_staff, office, db):
    as_staff.post("/listings/new", data=new(is_correction="y"))
    listing = db.session.scalar(select(Listing).where(Listing.office_id == office.id))
    (event,) = events(db, listing.id)
    assert (event.origin, event.alertable) == ("correction", False)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"unparsed_address": "  "}, "A listing needs its address."),
        ({"list_price": "call us"}, "“call us” is not a price. Write a number such as 450,000, or leave it empty."),
        ({"list_price": "0"}, "is not a price"),
        ({"list_price": "-5"}, "is not a price"),
        ({"list_price": "450.000"}, "is not a price"),
        ({"list_price": "99999999999"}, "is not a price"),
        ({"bedrooms_total": "four"}, "“four” is not a whole number."),
        ({"bedrooms_total": "2.5"}, "“2.5” is not a whole number."),
        ({"bedrooms_total": "99999"}, "Bedrooms must be between 0 and 999."),
        ({"year_built": "98"}, "Year built must be between 1600 and 2200."),
        ({"living_area": "big"}, "“big” is not a size."),
        ({"latitude": "43.6"}, "A point has both"),
        ({"latitude": "143", "longitude": "0"}, "Latitude must be between -90 and 90."),
        ({"latitude": "NaN", "longitude": "0"}, "“NaN” is not in degrees."),
        ({"close_date": "tomorrow"}, "“tomorrow” is not a date."),
        ({"standard_status": "Sold"}, "Not a valid choice"),
        ({"postal_code": "0" * 11}, "Postal code is longer than 10 characters."),
        ({"list_agent_id": "999999999"}, "That agent is not of this office."),
    ],
)
def test_what_cannot_be_saved_is_said_beside_its_field_and_stays_typed(as_staff, db, values, sentence):
    answer = as_staff.post("/listings/new", data=new(**values))
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert sentence in shown.replace("&#39;", "'")
    assert 'aria-invalid="true"' in shown
    assert "nothing was saved" in shown
    for value in values.values():
        if value.strip() and value != "Sold":
            assert f'value="{value}"' in shown or "999999999" in value
    assert db.session.scalar(select(Listing.id)) is None


def test_bytes_no_database_holds_are_left_out(as_staff, office, db):
    as_staff.post("/listings/new", data=new(city="Port\x00 Ellery", list_price="365\x00000"))
    listing = db.session.scalar(select(Listing).where(Listing.office_id == office.id))
    assert listing is None or listing.city == "Port Ellery"


# Changing


def test_the_whole_form_saved_untouched_records_nothing(as_staff, alder, db):
    answer = as_staff.post(f"/listings/{alder}/edit", data=typed(as_staff, f"/listings/{alder}/edit"))
    assert answer.status_code == 303
    assert "nothing was recorded" in as_staff.get(answer.location).get_data(as_text=True)
    assert len(events(db, alder)) == 1


def test_a_change_is_recorded_and_said(as_agent, alder, db):
    values = typed(as_agent, f"/listings/{alder}/edit") | {"list_price": "$475,000", "bathrooms_full": "3"}
    answer = as_agent.post(f"/listings/{alder}/edit?q=alder&at=1", data=values)
    assert answer.location == f"/listings/{alder}?q=alder&at=1"
    shown = as_agent.get(answer.location).get_data(as_text=True)
    assert f"{CHANGED}, Bathrooms, simple sum 3 → 4 and 2 more fields." in shown
    listing = db.session.get(Listing, alder, populate_existing=True)
    assert (listing.list_price, listing.baths_equivalent, listing.lock_version) == (475_000, Decimal("3.5"), 2)
    assert listing.property_sub_type == "Log Cabin De Luxe", "a word of the feed's own survives a form"
    assert listing.public_remarks == "Two steps from the harbor.\nSunny."
    assert events(db, alder)[-1].user_id is not None


def test_a_correction_changes_it_without_alerting_anybody(as_staff, alder, db):
    values = typed(as_staff, f"/listings/{alder}/edit") | {"list_price": "475000", "is_correction": "y"}
    answer = as_staff.post(f"/listings/{alder}/edit", data=values)
    assert "A correction, so nobody is alerted." in as_staff.get(answer.location).get_data(as_text=True)
    assert events(db, alder)[-1].alertable is False


def test_a_form_with_a_mistake_keeps_what_was_typed(as_staff, alder, db):
    values = typed(as_staff, f"/listings/{alder}/edit") | {"list_price": "call us", "city": "Quarry Hill"}
    answer = as_staff.post(f"/listings/{alder}/edit", data=values)
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'value="call us"' in shown
    assert 'value="Quarry Hill"' in shown
    assert len(events(db, alder)) == 1


def test_unticking_a_box_is_a_change(as_staff, alder, db):
    values = typed(as_staff, f"/listings/{alder}/edit")
    del values["internet_address_display_yn"]
    as_staff.post(f"/listings/{alder}/edit", data=values)
    assert db.session.get(Listing, alder, populate_existing=True).internet_address_display_yn is False


def test_a_change_that_buyers_will_hear_of_says_how_many_searches_and_when(as_staff, alder, office, make, db):
    """The next alerts run is known to the minute once the clock has said so."""
    db.session.add(
        JobSchedule(
            name="alerts",
            kind="alerts",
            cron="*/15 * * * *",
            time_zone="UTC",
            grace_seconds=600,
            next_due_at=datetime(2026, 11, 20, 15, 45, tzinfo=UTC),
        )
    )
    for _ in range(2):
        saved.create(office.id, make.contact(office).id, "Home", {"city": ["Port Ellery"]}, schedule_type="ASAP")
    db.session.commit()
    with time_machine.travel(datetime(2026, 11, 20, 15, 31, tzinfo=UTC), tick=False):
        answer = as_staff.post(f"/listings/{alder}/terms", data=terms(list_price="475000"))
        shown = as_staff.get(answer.location).get_data(as_text=True)
    assert f"{CHANGED}. It fits 2 searches; alerts go out at 10:45." in shown


# Two at once


def other_saves(office, make, db, listing_id, **changes):
    """Dana saves while the form is open."""
    dana = make.user(office, Role.AGENT, full_name="Dana Whitlock")
    listings.change(listing_id, changes, office_id=office.id, user_id=dana.id)
    db.session.commit()


def test_a_form_that_was_overtaken_shows_both_values_and_saves_nothing(as_staff, alder, office, make, db):
    values = typed(as_staff, f"/listings/{alder}/edit") | {"list_price": "485000"}
    other_saves(office, make, db, alder, list_price=Decimal(475_000))
    answer = as_staff.post(f"/listings/{alder}/edit", data=values)
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "Dana Whitlock changed this listing while you were typing" in shown
    assert "Keep theirs: <b>$475,000</b>" in shown
    assert "Use yours: <b>$485,000</b>" in shown
    assert 'name="lock_version" type="hidden" value="2"' in shown
    assert db.session.get(Listing, alder, populate_existing=True).list_price == 475_000


@pytest.mark.parametrize(("choice", "price"), [("theirs", 475_000), ("yours", 485_000)])
def test_the_choice_decides_and_what_else_was_typed_is_saved(  # noqa: PLR0917
    as_staff, alder, office, make, db, choice, price
):
    values = typed(as_staff, f"/listings/{alder}/edit") | {"list_price": "485000", "city": "Quarry Hill"}
    other_saves(office, make, db, alder, list_price=Decimal(475_000))
    as_staff.post(f"/listings/{alder}/edit", data=values)
    newest = events(db, alder)[-1].seq
    values |= {"lock_version": "2", "seq": str(newest), "clash": "list_price", "keep-list_price": choice}
    assert as_staff.post(f"/listings/{alder}/edit", data=values).status_code == 303
    listing = db.session.get(Listing, alder, populate_existing=True)
    assert (listing.list_price, listing.city) == (price, "Quarry Hill")


def test_without_a_choice_nothing_is_saved(as_staff, alder, office, make, db):
    values = typed(as_staff, f"/listings/{alder}/edit") | {"list_price": "485000"}
    first = values["seq"]
    other_saves(office, make, db, alder, list_price=Decimal(475_000))
    answer = as_staff.post(
        f"/listings/{alder}/edit", data=values | {"lock_version": "2", "seq": first, "clash": "list_price"}
    )
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "Choose whose value stands" in shown
    assert "Use yours: <b>$485,000</b>" in shown
    assert db.session.get(Listing, alder, populate_existing=True).list_price == 475_000


def test_what_only_the_other_one_changed_is_kept(as_staff, alder, office, make, db):
    """Two people, two fields: neither undoes the other, whatever the first form still holds."""
    values = typed(as_staff, f"/listings/{alder}/edit") | {"city": "Quarry Hill"}
    other_saves(office, make, db, alder, list_price=Decimal(475_000), year_built=1998)
    shown = as_staff.post(f"/listings/{alder}/edit", data=values).get_data(as_text=True)
    assert "Keep theirs" not in shown
    assert "price $475,000" in shown
    again = re.search(r'name="list_price"[^>]*value="([^"]*)"', shown)
    assert again[1] == "475,000"
    assert 'value="Quarry Hill"' in shown


@pytest.mark.parametrize("lock_version", ["", "0", "99", "x", "-1"])
def test_a_form_that_lost_its_version_cannot_overwrite(as_staff, alder, db, lock_version):
    values = typed(as_staff, f"/listings/{alder}/edit") | {"list_price": "1000", "lock_version": lock_version}
    assert as_staff.post(f"/listings/{alder}/edit", data=values).status_code == 409
    assert db.session.get(Listing, alder, populate_existing=True).list_price == 489_000


# Price and status on the page


def terms(**values):
    return {"lock_version": "1", "seq": "0", "list_price": "489,000", "standard_status": "Active"} | values


def test_price_and_status_change_on_the_page(as_agent, alder, db):
    answer = as_agent.post(f"/listings/{alder}/terms?view=new&at=2", data=terms(list_price="$475,000"))
    assert answer.status_code == 303
    assert answer.location == f"/listings/{alder}?view=new&at=2"
    assert f"{CHANGED}. No active search fits it" in as_agent.get(answer.location).get_data(as_text=True)
    assert db.session.get(Listing, alder, populate_existing=True).list_price == 475_000


def test_a_wrong_price_stays_on_the_page_with_its_reason(as_agent, alder):
    answer = as_agent.post(f"/listings/{alder}/terms", data=terms(list_price="call us"))
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "“call us” is not a price" in shown
    assert 'value="call us"' in shown
    assert '<details class="quick" open>' in shown


@pytest.mark.parametrize("price", ["48900", "978001"])
def test_a_price_that_may_be_a_slip_is_asked_about_once(as_agent, alder, db, price):
    url = f"/listings/{alder}/terms"
    answer = as_agent.post(url, data=terms(list_price=price, standard_status="Pending"))
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert f"Yes, ${int(price):,} is right" in shown
    assert f'value="{price}"' in shown
    assert '<option selected value="Pending">' in shown
    assert db.session.get(Listing, alder, populate_existing=True).list_price == 489_000
    right = re.search(r'name="right_price" value="([^"]*)"', shown)[1]
    other = as_agent.post(url, data=terms(list_price="4890", right_price=right))
    assert other.status_code == 422, "another price is asked about anew"
    assert as_agent.post(url, data=terms(list_price=price, right_price=right)).status_code == 303
    assert db.session.get(Listing, alder, populate_existing=True).list_price == int(price)


@pytest.mark.parametrize("price", ["244500", "978000", ""])
def test_half_and_double_a_price_are_not_asked_about(as_agent, alder, price):
    assert as_agent.post(f"/listings/{alder}/terms", data=terms(list_price=price)).status_code == 303


def test_the_whole_form_asks_about_such_a_price_too(as_staff, alder, db):
    values = typed(as_staff, f"/listings/{alder}/edit") | {"list_price": "48900", "city": "Quarry Hill"}
    answer = as_staff.post(f"/listings/{alder}/edit", data=values)
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'value="Quarry Hill"' in shown
    values["right_price"] = re.search(r'name="right_price" value="([^"]*)"', shown)[1]
    assert as_staff.post(f"/listings/{alder}/edit", data=values).status_code == 303
    assert db.session.get(Listing, alder, populate_existing=True).list_price == 48_900


def test_a_price_changed_meanwhile_shows_both(as_agent, alder, office, make, db):
    seq = events(db, alder)[-1].seq
    other_saves(office, make, db, alder, list_price=Decimal(475_000))
    answer = as_agent.post(f"/listings/{alder}/terms", data=terms(seq=str(seq), list_price="485000"))
    shown = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "Dana Whitlock changed the price while you were typing." in shown
    assert "Theirs is $475,000" in shown
    assert "yours is $485,000" in shown
    assert 'name="lock_version" type="hidden" value="2"' in shown


# Who may


@pytest.mark.parametrize("path", ["/listings/new", "/listings/{}/edit"])
def test_a_viewer_may_not_edit(as_viewer, alder, path):
    assert as_viewer.get(path.format(alder)).status_code == 403
    assert as_viewer.post(path.format(alder), data=new()).status_code == 403
    assert as_viewer.post(f"/listings/{alder}/terms", data=terms()).status_code == 403


@pytest.mark.parametrize("path", ["/listings/{}/edit", "/listings/{}/terms"])
def test_another_offices_listing_cannot_be_changed(as_admin, make, db, path):
    foreign = make.listing(make.office())
    assert as_admin.post(path.format(foreign.id), data=terms(list_price="1000")).status_code == 404
    assert db.session.get(Listing, foreign.id, populate_existing=True).list_price == 489_000


# What a search may ask further


def test_features_the_fee_and_the_conditions_of_the_sale_are_kept_shown_and_sent_back_unchanged(as_staff, alder, db):
    url = f"/listings/{alder}/edit"
    page = typed(as_staff, url) | {
        "pool_private_yn": "no",
        "association_fee": "$1,200",
        "association_fee_frequency": "Annually",
        "special_listing_conditions": "standard,  Short  sale, Raffle",
        "mls_area_major": "North Shore",
    }
    assert as_staff.post(url, data=page).status_code == 303
    home = db.session.get(Listing, alder, populate_existing=True)
    assert (home.pool_private_yn, home.waterfront_yn, home.association_fee_monthly) == (False, None, Decimal(100))
    assert home.special_listing_conditions == ["Raffle", "Short Sale", "Standard"]
    shown = as_staff.get(f"/listings/{alder}").get_data(as_text=True)
    for words in ("$100 a month", "Raffle, Short Sale, Standard", "North Shore"):
        assert words in shown
    before = len(events(db, alder))
    assert as_staff.post(url, data=typed(as_staff, url)).status_code == 303
    assert len(events(db, alder)) == before
