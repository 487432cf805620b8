"""What a home was, by taking back what the log says was changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

from app.domain.listings.fields import FIELDS
from app.domain.listings.history import undone, version_at
from app.domain.listings.record import change, record
from app.domain.models import Listing

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_home_comes_back_as_it_was_at_each_moment_pa_04(db, office):
    row = {"originating_system_key": "A-1", "standard_status": "Active", "list_price": Decimal(510_000)}
    written = record(office.id, "Coast MLS", [row | {"city": "Port Ellery"}], origin="live_sync", now=NOW)
    home = db.session.get(Listing, written.rows[0].listing_id)
    steps = (
        {"list_price": Decimal("499000.50"), "latitude": Decimal("43.65912345"), "longitude": Decimal("-70.2568")},
        {"standard_status": "Pending", "close_date": date(2026, 12, 1)},
        {"bedrooms_total": 3, "waterfront_yn": True, "special_listing_conditions": ["Short Sale"]},
        {"list_price": None, "bedrooms_total": None},
    )
    versions = [version_at(office.id, home.id, NOW)]
    for number, changes in enumerate(steps, 1):
        change(home.id, changes, office_id=office.id, now=NOW + number * HOUR)
        versions.append(version_at(office.id, home.id, NOW + number * HOUR))
    for number, version in enumerate(versions):
        then = version_at(office.id, home.id, NOW + number * HOUR)
        followed = [name for name in FIELDS if not name.endswith("_timestamp") and name != "previous_list_price"]
        assert {name: then[name] for name in followed} == {name: version[name] for name in followed}
    assert version_at(office.id, home.id, NOW - HOUR) is None
    assert version_at(office.id + 1, home.id, NOW) is None
    assert db.session.scalar(select(Listing.list_price)) is None


def test_the_first_sight_is_where_a_home_begins():
    home = {"standard_status": "Active", "list_price": Decimal(2)}
    assert undone(home, [{"standard_status": [None, "Active"]}, {"list_price": ["1.00", "2.00"]}]) is None
    assert undone(home, [{"list_price": ["1.00", "2.00"]}]) == home | {"list_price": Decimal("1.00")}
    assert undone(home, []) == home
