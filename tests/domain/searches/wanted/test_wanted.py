"""The other way round: for every home and every wish, the key rows say what Criteria.matches says."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.domain.listings import record as listings
from app.domain.models import AlertSubscription, BuyerListing
from app.domain.searches import saved
from app.domain.searches.criteria import Criteria
from app.domain.searches.wanted.queries import wanted, wishes

NOW = datetime.now(UTC)
CITIES = ("Port Ellery", "Quarry Hill", "Marsh Landing")


def home(draw: random.Random) -> dict:
    """A home on a small map, with gaps in what is known of it."""

    def perhaps(value):
        return value if draw.random() < 0.8 else None

    latitude = perhaps(Decimal(draw.randrange(43_600_000, 43_700_000)) / 10**6)
    return {
        "standard_status": draw.choice(["Active", "Active", "Coming Soon", "Pending"]),
        "list_price": perhaps(Decimal(draw.randrange(30_000_000, 60_000_000)) / 100),
        "property_type": draw.choice(["Residential", "Land", "Castle", None]),
        "property_sub_type": draw.choice(["Condominium", "Single Family Residence", "Yurt", None]),
        "bedrooms_total": perhaps(draw.randrange(0, 6)),
        "bathrooms_full": perhaps(draw.randrange(1, 3)),
        "bathrooms_half": draw.randrange(0, 2),
        "living_area": perhaps(Decimal(draw.randrange(60_000, 300_000)) / 100),
        "lot_size_square_feet": perhaps(Decimal(draw.randrange(2_000, 40_000))),
        "year_built": perhaps(draw.randrange(1900, 2026)),
        "city": draw.choice([*CITIES, ""]),
        "postal_code": draw.choice(["04100", "04101-1234", ""]),
        "county_or_parish": draw.choice(["Ellery", ""]),
        "mls_area_major": draw.choice(["North Shore", ""]),
        "garage_spaces": perhaps(draw.randrange(0, 4)),
        "association_fee": perhaps(Decimal(draw.randrange(0, 5) * 600)),
        "association_fee_frequency": draw.choice(["Annually", "Monthly", None]),
        "waterfront_yn": perhaps(draw.random() < 0.5),
        "special_listing_conditions": draw.choice([None, ["Standard"], ["Short Sale"]]),
        "public_remarks": draw.choice(["", "Sea view.", "A dock, no view of the sea"]),
        "latitude": latitude,
        "longitude": None if latitude is None else Decimal(draw.randrange(-70_300_000, -70_200_000)) / 10**6,
    }


def wish(draw: random.Random) -> dict:
    """A search that asks for a place and for some of the rest."""
    place = draw.choice(
        [
            {"city": draw.sample(CITIES, 2)},
            {"postal_code": ["04101"]},
            {"county_or_parish": ["ellery"], "city": ["Quarry Hill"]},
            {"radius": {"latitude": 43.65, "longitude": -70.25, "miles": draw.choice([1, 2, 3])}},
            {"box": {"south": 43.62, "west": -70.28, "north": 43.66, "east": -70.22}, "city": ["Marsh Landing"]},
            {"polygons": [[[43.62, -70.28], [43.63, -70.22], [43.69, -70.25]]], "mls_area_major": ["north shore"]},
            {"city": draw.sample(CITIES, 1), "include_unknown": ["place", "list_price", "waterfront_yn"]},
        ]
    )
    asked = {
        "standard_status": ["Active", "Coming Soon"],
        "property_type": ["Residential"],
        "property_sub_type": ["Condominium", "Townhouse"],
        "list_price": {"ge": 350_000, "le": 450_000},
        "bedrooms_total": {"ge": 3},
        "baths_equivalent": {"ge": 1.5},
        "living_area": {"ge": 900, "le": 2500},
        "lot_size_square_feet": {"ge": 10_000},
        "year_built": {"ge": 1950, "le": 2010},
        "garage_spaces": {"ge": 1},
        "association_fee_monthly": {"le": 100},
        "waterfront_yn": True,
        "special_listing_conditions_not": ["Short Sale"],
        "keywords_any": ["sea view", "dock"],
        "keywords_none": ["no view"],
        "not_polygons": [[[43.6, -70.3], [43.6, -70.25], [43.7, -70.25]]],
    }
    return place | {field: asked[field] for field in draw.sample(list(asked), draw.randrange(0, 4))}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_home_is_wanted_exactly_by_the_searches_whose_words_it_fits(office, make, db, seed):
    draw = random.Random(seed)
    contact = make.contact(office)
    searches = [saved.create(office.id, contact.id, f"Search {n}", wish(draw), schedule_type="ASAP") for n in range(25)]
    hits = 0
    for _ in range(40):
        listing = listings.create(office.id, home(draw), origin="backfill")
        expected = {search.id for search in searches if Criteria.parse(search.criteria).matches(listing)}
        found = wanted(listing)
        subscriptions = db.session.query(AlertSubscription).filter(AlertSubscription.id.in_(found.subscription_ids))
        assert {one.saved_search_id for one in subscriptions} == expected
        assert found.searches == len(expected)
        assert len(found.subscription_ids) == len(expected), "a search that two places hit counts once"
        hits += len(expected)
    assert hits > 20


@pytest.fixture
def listing(office, db):
    found = listings.create(
        office.id, {"standard_status": "Active", "list_price": Decimal(400_000), "city": "Port Ellery"}
    )
    db.session.commit()
    return found


def search_of(office, contact, **values):
    return saved.create(
        office.id, contact.id, "Home", {"city": ["Port Ellery"]}, **({"schedule_type": "ASAP"} | values)
    )


def test_a_stopped_search_and_another_offices_want_nothing(office, make, db, listing):
    stopped = search_of(office, make.contact(office))
    subscription = db.session.query(AlertSubscription).filter_by(saved_search_id=stopped.id).one()
    saved.stop(subscription.id, "Agent Disabled")
    other = make.office()
    search_of(other, make.contact(other))
    assert wanted(listing).searches == 0


def test_a_wish_says_what_its_buyer_knows_of_the_home(office, make, db, listing):
    told, waits, shut = (make.contact(office, full_name=name) for name in ("Told", "Waits", "Shut"))
    searches = {contact.full_name: search_of(office, contact) for contact in (told, waits, shut)}
    by_search = {one.saved_search_id: one for one in db.session.query(AlertSubscription).filter_by(office_id=office.id)}
    event = make.event(listing)
    make.match(by_search[searches["Waits"].id], event)
    make.suppression(office, shut.email)
    db.session.add(
        BuyerListing(
            contact_id=told.id, listing_id=listing.id, last_price_shown=Decimal(420_000), listing_sent_timestamp=NOW
        )
    )
    db.session.commit()
    found = {one.full_name: one for one in wishes(listing, wanted(listing).subscription_ids, [event.seq], NOW)}
    assert next(iter(found)) == "Waits", "who waits for a mail comes first"
    assert found["Told"].price_shown == 420_000
    assert (found["Waits"].is_waiting, found["Told"].is_waiting) == (True, False)
    assert (found["Shut"].is_suppressed, found["Told"].is_suppressed) == (True, False)
    assert wishes(listing, [], [event.seq], NOW) == []
