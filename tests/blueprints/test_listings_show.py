"""One listing's page: what it is, what happened, who wants it, who was told, and the way back to the list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.alerts.match import match_one_batch, take_batches
from app.domain.listings import record as listings
from app.domain.models import BuyerListing, Digest, DigestItem, ImportBatch, Role
from app.domain.searches import saved
from tests.counting import queries_of

HOSTILE = "<script>alert(1)</script>"
NOW = datetime.now(UTC)


def page(client, url, status=200, **options):
    answer = client.get(url, **options)
    assert answer.status_code == status, answer.get_data(as_text=True)[:2000]
    return answer.get_data(as_text=True)


def row(**values):
    return {
        "originating_system_key": "A1",
        "listing_id": "PE-2611874",
        "standard_status": "Active",
        "list_price": Decimal(529_000),
        "unparsed_address": "418 Alder Court",
        "city": "Port Ellery",
        "postal_code": "04100",
        "property_type": "Residential",
        "property_sub_type": "Single Family Residence",
        "bedrooms_total": 4,
        "bathrooms_full": 2,
        "bathrooms_half": 1,
        "living_area": Decimal(2140),
        "lot_size_square_feet": Decimal(13_500),
        "year_built": 1998,
        "list_agent_full_name": "Dana Whitlock",
        "private_remarks": "Seller prefers afternoons.",
    } | values


def said(office, *, days, **values):
    """What the source said, so many days ago; the listing's id."""
    written = listings.record(
        office.id, "Ellery MLS", [row(**values)], origin="live_sync", now=NOW - timedelta(days=days)
    )
    return written.rows[0].listing_id


@pytest.fixture
def alder(office, db):
    """Listed 23 days ago at $529,000, down to $509,000, down to $489,000 today."""
    said(office, days=23)
    said(office, days=12, list_price=Decimal(509_000))
    listing_id = said(office, days=0, list_price=Decimal(489_000))
    db.session.commit()
    return listing_id


def tell(
    db, office, listing_id, subscription, event_seq, *, kind="New", state="sent", price=Decimal(529_000), make=None
):
    """A mail about it, with what became of it."""
    contact_id = subscription.contact_id
    digest = Digest(
        office_id=office.id,
        contact_id=contact_id,
        recipient=f"{contact_id}@example.com",
        window_end=NOW - timedelta(minutes=event_seq),
        state="built",
        token=f"{contact_id}-{event_seq}",
    )
    db.session.add(digest)
    db.session.flush()
    db.session.add(
        DigestItem(
            digest_id=digest.id,
            alert_subscription_id=subscription.id,
            event_seq=event_seq,
            office_id=office.id,
            recipient=digest.recipient,
            listing_id=listing_id,
            saved_search_id=subscription.saved_search_id,
            search_version=1,
            kind=kind,
            fingerprint=str(event_seq),
            price_shown=price,
            outcome="shown",
            position=1,
        )
    )
    return make.message(subscription.contact, digest_id=digest.id, state=state)


def seqs(db, listing_id):
    from app.domain.listings.queries import events_of

    return sorted(found.ListingEvent.seq for found in events_of(listing_id))


def test_the_page_says_what_the_home_is(as_viewer, alder):
    shown = page(as_viewer, f"/listings/{alder}")
    for words in (
        "<h1>418 Alder Court, Port Ellery</h1>",
        "<title>418 Alder Court · Porchlight</title>",
        "$489,000",
        "$20,000 (3.9 %)",
        "4 beds, 2.5 baths, 2,140 sq ft",
        "at $229 a sq ft",
        "MLS PE-2611874",
        "Listed by Dana Whitlock",
        "23 days on market",
        "0.31 acres",
        "Ellery MLS",
        "Seller prefers afternoons.",
    ):
        assert words in shown


def test_the_price_chart_has_a_finding_for_its_title_and_its_numbers_behind_it(as_viewer, alder):
    shown = page(as_viewer, f"/listings/{alder}")
    assert "Price fell twice in 23 days, 7.6 % in all" in shown
    assert "Listed at $529,000" in shown
    assert "−$20,000 (3.9 %)" in shown


def test_events_say_from_and_to_by_whom_and_why_nobody_was_told(as_staff, alder, office, db, make):
    ruth = make.user(office, full_name="Ruth Lee")
    listings.change(alder, {"year_built": 1989}, office_id=office.id, user_id=ruth.id, origin="correction")
    listings.change(alder, {"standard_status": "Pending"}, office_id=office.id, user_id=ruth.id)
    db.session.commit()
    shown = page(as_staff, f"/listings/{alder}")
    for words in (
        "<b>Price</b> $509,000 → $489,000",
        "<b>Year built</b> 1998 → 1989",
        "<b>Status</b> Active → Pending",
        "New listing at $529,000",
        "Ruth Lee, by hand",
        "a correction, so nobody is alerted",
        "for buyers who follow its status",
        "Live sync",
    ):
        assert words in shown


def test_an_event_names_the_import_that_brought_it(as_staff, office, db):
    batch = ImportBatch(
        office_id=office.id, source="Ellery MLS", file_name="november.csv", file_path="x", file_sha256="x", file_bytes=1
    )
    db.session.add(batch)
    db.session.flush()
    written = listings.record(office.id, "Ellery MLS", [row()], origin="backfill", import_batch_id=batch.id)
    db.session.commit()
    shown = page(as_staff, f"/listings/{written.rows[0].listing_id}")
    assert "First import of its source" in shown
    assert "november.csv" in shown


def test_who_was_told_is_listed_with_what_became_of_the_mail(as_staff, alder, office, db, make):
    first = make.subscription(make.saved_search(make.contact(office, full_name="Owen Prescott")))
    second = make.subscription(make.saved_search(make.contact(office, full_name="Paul Reyes")))
    db.session.refresh(first, ["contact"])
    db.session.refresh(second, ["contact"])
    new, *_ = seqs(db, alder)
    make.message_event(tell(db, office, alder, first, new, make=make), "clicked")
    make.message_event(tell(db, office, alder, second, new, make=make), "bounced")
    shown = page(as_staff, f"/listings/{alder}")
    assert "Owen Prescott" in shown
    assert "Clicked" in shown
    assert "Bounced" in shown
    assert "2 buyers told" in shown
    assert '<span class="stat-value">2</span>' in shown


def test_buyers_whose_searches_it_fits_are_named_with_what_they_last_saw(as_staff, office, db, make):
    """A search that a price drop brought into range is among them, one out of range is not."""
    amelia, rosa = make.contact(office, full_name="Amelia Carter"), make.contact(office, full_name="Rosa Lindgren")
    for contact, most in ((amelia, 500_000), (rosa, 480_000)):
        saved.create(
            office.id,
            contact.id,
            "Family home",
            {"city": ["Port Ellery"], "list_price": {"le": most}},
            schedule_type="ASAP",
        )
    listing_id = said(office, days=1, list_price=Decimal(489_000))
    db.session.add(
        BuyerListing(
            contact_id=amelia.id, listing_id=listing_id, last_price_shown=Decimal(509_000), listing_sent_timestamp=NOW
        )
    )
    db.session.commit()
    shown = page(as_staff, f"/listings/{listing_id}")
    assert "Amelia Carter" in shown
    assert "$509,000" in shown
    assert "Rosa Lindgren" not in shown
    assert "1 in 1 search" in shown


@pytest.mark.committed
def test_until_alerts_have_read_an_event_its_buyers_will_be_read_for(as_staff, office, db, make):
    saved.create(office.id, make.contact(office).id, "Any", {"city": ["Port Ellery"]}, schedule_type="ASAP")
    db.session.commit()
    listing_id = said(office, days=0)
    db.session.commit()
    shown = page(as_staff, f"/listings/{listing_id}")
    assert "Will be read " in shown
    assert "Nothing new to tell" not in shown
    take_batches(NOW)
    db.session.commit()
    assert "Will be read " in page(as_staff, f"/listings/{listing_id}")
    while match_one_batch(NOW):
        db.session.commit()
    assert "Will be read " not in page(as_staff, f"/listings/{listing_id}")


def test_a_home_off_the_market_fits_nobody(as_staff, office, db, make):
    saved.create(office.id, make.contact(office).id, "Any", {"city": ["Port Ellery"]}, schedule_type="ASAP")
    listing_id = said(office, days=1, standard_status="Closed")
    db.session.commit()
    assert "no active search asks for such homes" in page(as_staff, f"/listings/{listing_id}")


def test_previous_and_next_walk_the_list_it_came_from(as_viewer, office, make):
    homes = [make.listing(office, search_text=f"{n} alder court", list_price=n * 100_000) for n in range(1, 6)]
    make.listing(office, search_text="9 birch lane", list_price=250_000)
    shown = page(as_viewer, f"/listings/{homes[2].id}?q=alder&sort=price&at=3")
    assert "3 of 5" in shown
    assert f'rel="prev" href="/listings/{homes[1].id}?q=alder&amp;sort=price&amp;at=2"' in shown
    assert f'rel="next" href="/listings/{homes[3].id}?q=alder&amp;sort=price&amp;at=4"' in shown
    assert 'href="/listings?q=alder&amp;sort=price">For sale now, filtered</a>' in shown


def test_the_ends_of_the_list_lead_no_further(as_viewer, office, make):
    homes = [make.listing(office, list_price=n * 100_000) for n in (1, 2)]
    first = page(as_viewer, f"/listings/{homes[0].id}?sort=price&at=1")
    assert 'rel="prev"' not in first
    assert 'rel="next"' in first
    last = page(as_viewer, f"/listings/{homes[1].id}?sort=price&at=2")
    assert 'rel="next"' not in last


def test_the_walk_goes_on_when_the_listing_moved_or_left_the_list(as_viewer, office, make):
    homes = [make.listing(office, list_price=n * 100_000) for n in range(1, 6)]
    moved = page(as_viewer, f"/listings/{homes[2].id}?sort=price&at=2")
    assert "3 of 5" in moved
    gone = page(as_viewer, f"/listings/{homes[2].id}?sort=price&price_max=250k&at=2")
    assert f'href="/listings/{homes[0].id}?' in gone
    for odd in ("at=0", "at=-1", "at=x", "at=99999999999999999999", "at=9999"):
        page(as_viewer, f"/listings/{homes[2].id}?{odd}")


def test_opened_by_itself_it_has_no_neighbours(as_viewer, alder):
    assert "Previous listing" not in page(as_viewer, f"/listings/{alder}")


@pytest.mark.parametrize("url", ["/listings/{}", "/listings/{}/edit"])
def test_another_offices_listing_is_not_there(as_staff, make, url):
    foreign = make.listing(make.office())
    page(as_staff, url.format(foreign.id), 404)
    page(as_staff, url.format(10**30), 404)


def test_a_viewer_sees_no_way_to_change_it(as_viewer, as_agent, alder):
    assert "Change price or status" not in page(as_viewer, f"/listings/{alder}")
    assert "Change price or status" in page(as_agent, f"/listings/{alder}")


def test_hostile_words_are_shown_as_words(as_staff, office, db, make):
    listing_id = said(
        office,
        days=1,
        unparsed_address=HOSTILE,
        city=HOSTILE,
        public_remarks=HOSTILE,
        private_remarks=f"'\"{HOSTILE}",
        list_agent_full_name=HOSTILE,
        listing_id=HOSTILE,
        subdivision_name=HOSTILE,
        property_sub_type=HOSTILE,
    )
    listings.change(listing_id, {"county_or_parish": HOSTILE}, office_id=office.id)
    db.session.commit()
    for url in (f"/listings/{listing_id}?q={HOSTILE}&at=1", f"/listings/{listing_id}/edit?q={HOSTILE}"):
        shown = page(as_staff, url)
        assert HOSTILE not in shown
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_a_home_of_which_nothing_is_known_has_a_page(as_staff, office, db):
    written = listings.record(
        office.id,
        "Ellery MLS",
        [{"originating_system_key": "bare", "standard_status": "Incomplete"}],
        origin="backfill",
    )
    db.session.commit()
    shown = page(as_staff, f"/listings/{written.rows[0].listing_id}")
    assert "no address" in shown
    assert "Price not public" in shown
    assert "Size not known" in shown


@pytest.mark.parametrize("count", [1, 20])
def test_the_page_costs_fifteen_statements_whatever_happened(sign_in, office, db, make, count):
    reader = sign_in(make.user(office, Role.ADMIN))
    listing_id = said(office, days=200)
    for number in range(count):
        said(office, days=190 - number, list_price=Decimal(529_000 - number * 1000))
        contact = make.contact(office)
        saved.create(office.id, contact.id, "Home", {"city": ["Port Ellery"]}, schedule_type="ASAP")
        subscription = make.subscription(make.saved_search(contact))
        db.session.refresh(subscription, ["contact"])
        tell(db, office, listing_id, subscription, seqs(db, listing_id)[0] * 1000 + number, make=make)
    with queries_of() as seen:
        shown = page(reader, f"/listings/{listing_id}?at=1")
    assert len(seen) <= 15, "\n".join(seen)
    assert len(shown.encode()) < 80_000
