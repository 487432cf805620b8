"""Open houses and owners, from a listing's own page; and what a buyer says of a home on the page of a mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.domain.models import BuyerListing, ListingEvent, ListingOwner, OpenHouse
from tests.domain.digests.world import build, digests, news, subscribe


@pytest.fixture
def home(make, office):
    return make.listing(office)


def form(days: int = 3, **values):
    day = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
    return {"open_house_date": day, "open_house_begins": "13:00", "open_house_ends": "15:00"} | values


def test_an_open_house_is_put_down_shown_and_called_off(as_agent, home, db):
    answer = as_agent.post(f"/listings/{home.id}/open-houses", data=form(), follow_redirects=True)
    assert "1:00 PM to 3:00 PM" in answer.text
    assert "The open house is on record" in answer.text
    opening = db.session.scalars(select(OpenHouse)).one()
    assert opening.open_house_start_time.hour in {17, 18}, "1 PM on the wall of the office"
    as_agent.post(f"/listings/{home.id}/open-houses/{opening.id}/cancel")
    db.session.refresh(opening)
    assert opening.open_house_status == "Canceled"
    assert [event.change_type for event in db.session.scalars(select(ListingEvent))] == ["Open House"] * 2
    assert "Open house canceled" in as_agent.get(f"/listings/{home.id}").text


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"open_house_date": ""}, "Give the day of the open house"),
        ({"open_house_ends": "12:00"}, "would end before it begins"),
        ({"open_house_date": "2020-01-01"}, "would have begun already"),
        ({"open_house_date": "9999-12-31", "open_house_begins": "23:59"}, "Give the day of the open house"),
        ({"open_house_date": "0001-01-01", "open_house_begins": "00:00"}, "Give the day of the open house"),
        ({"open_house_begins": "13:00+05:00", "open_house_ends": "12:00"}, "would end before it begins"),
    ],
)
def test_what_cannot_be_is_said_and_not_saved(as_agent, home, db, values, sentence):
    answer = as_agent.post(f"/listings/{home.id}/open-houses", data=form(**values), follow_redirects=True)
    assert sentence in answer.text
    assert db.session.scalars(select(OpenHouse)).all() == []


def test_a_viewer_and_another_office_change_nothing(as_viewer, as_agent, make, db):
    elsewhere = make.listing(make.office())
    assert as_agent.post(f"/listings/{elsewhere.id}/open-houses", data=form()).status_code == 404
    assert as_agent.post(f"/listings/{elsewhere.id}/owners", data={"owner_email": "x@example.com"}).status_code == 404
    assert db.session.scalars(select(OpenHouse)).all() == []


def test_who_sells_a_home_is_put_down_and_taken_back(as_agent, make, office, home, db):
    seller = make.contact(office, email="seller@example.com", full_name="Sam Seller")
    page = as_agent.post(
        f"/listings/{home.id}/owners", data={"owner_email": " Seller@Example.com"}, follow_redirects=True
    )
    assert "Sam Seller" in page.text
    assert db.session.get(ListingOwner, (home.id, seller.id)) is not None
    as_agent.post(f"/listings/{home.id}/owners/{seller.id}/remove")
    assert db.session.scalars(select(ListingOwner)).all() == []
    for unknown in ("no@example.com", "no\x00@example.com"):
        nobody = as_agent.post(f"/listings/{home.id}/owners", data={"owner_email": unknown}, follow_redirects=True)
        assert "No contact of this office has this address." in nobody.text


class TestOpinions:
    @pytest.fixture
    def shown(self, make, office, db):
        buyer = make.contact(office)
        home, event = news(office)
        make.match(subscribe(buyer), event)
        build()
        return digests()[0].token, buyer, home

    def test_a_buyer_discards_a_home_and_takes_it_back_pa_05(self, client, shown, db):
        token, buyer, home = shown
        answer = client.post(f"/d/{token}/{home.id}", data={"opinion": "Discard"})
        assert "You will not hear of this home again." in answer.text
        known = db.session.get(BuyerListing, (buyer.id, home.id))
        assert (known.contact_listing_preference, known.listing_viewed_yn) == ("Discard", True)
        client.post(f"/d/{token}/{home.id}", data={"opinion": "none"})
        db.session.refresh(known)
        assert known.contact_listing_preference is None

    def test_reading_changes_nothing_and_says_nothing_of_the_buyer(self, client, shown, db):
        token, _, home = shown
        client.post(f"/d/{token}/{home.id}", data={"opinion": "Favorite"})
        page = client.get(f"/d/{token}").text
        assert "One of your favorites" not in page
        assert db.session.query(BuyerListing).count() == 1

    def test_only_homes_of_that_mail_can_be_marked(self, client, shown, make, office, db):
        token, _, home = shown
        other = make.listing(office)
        assert client.post(f"/d/{token}/{other.id}", data={"opinion": "Discard"}).status_code == 404
        assert client.post(f"/d/nobody/{home.id}", data={"opinion": "Discard"}).status_code == 404
        assert client.post(f"/d/{token}/{home.id}", data={"opinion": "Burn"}).status_code == 422
        for nothing in ("%00", f"{token}%00", "a%20b", "%F0%9F%8F%A0"):
            assert client.post(f"/d/{nothing}/{home.id}", data={"opinion": "Discard"}).status_code == 404
            assert client.post(f"/d/{nothing}/looked").status_code == 404
            assert client.post(f"/u/{nothing}/quiet").status_code == 404
        assert db.session.query(BuyerListing).count() == 0
