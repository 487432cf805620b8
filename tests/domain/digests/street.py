"""A street of homes and the people who watch it, on the real path: a source says something, events are taken and
matched, digests are built, and mails arrive. Really committed, since what is news depends on transactions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from app.domain.alerts.match import match_one_batch, take_batches
from app.domain.digests.letters import COMPOSERS
from app.domain.listings import openings
from app.domain.listings.record import record
from app.domain.messages.send import send_due
from app.domain.models import DigestItem, Listing, OpenHouse
from app.domain.models.lookups import Origin
from app.domain.searches.saved import create
from app.extensions import db
from tests import make
from tests.domain.digests.world import NOON, build

LONG_AGO = NOON - timedelta(days=60)


class Street:
    def __init__(self, office: Any, relay: Any, catcher: Any) -> None:
        self.office, self.relay, self.catcher = office, relay, catcher
        self.said: dict[str, dict[str, Any]] = {}

    def say(self, now: datetime, *keys: str, origin: Origin = Origin.LIVE_SYNC, **values: Any) -> None:
        """What the source says of these homes; what it said before stays."""
        if "list_price" in values:
            values["list_price"] = Decimal(values["list_price"])
        for key in keys:
            home = self.said.setdefault(
                key,
                {
                    "originating_system_key": key,
                    "standard_status": "Active",
                    "list_price": Decimal(450_000),
                    "property_type": "Residential",
                    "bedrooms_total": 3,
                    "unparsed_address": f"{key} Alder Court",
                    "city": "Port Ellery",
                },
            )
            home.update(values)
        record(self.office.id, "Coast MLS", [self.said[key] for key in keys], origin=origin, now=now)
        db.session.commit()

    def were_there(self, *keys: str, **values: Any) -> None:
        """Homes that came with the first file, on the market for two months."""
        self.say(LONG_AGO, *keys, origin=Origin.BACKFILL, on_market_timestamp=LONG_AGO, **values)

    def watch(self, buyer: Any, name: str, now: datetime = NOON, *, at: time | None = None, **asked: Any) -> Any:
        """A search that begins now; at an hour of its own, or as it happens."""
        kinds = asked.pop("kinds", 31)
        search = create(
            self.office.id,
            buyer.id,
            name,
            {"city": ["Port Ellery"]} | asked,
            schedule_type="Daily" if at else "ASAP",
            send_time=at,
            kinds=kinds,
            now=now,
        )
        db.session.commit()
        return search

    def open_house(self, key: str, starts: datetime, now: datetime) -> OpenHouse:
        """Two hours, for the public."""
        made = openings.create(
            self.office.id, self.home(key).id, starts=starts, ends=starts + timedelta(hours=2), now=now
        )
        db.session.commit()
        return made

    def move(self, opening: OpenHouse, starts: datetime, now: datetime) -> None:
        times = {"open_house_start_time": starts, "open_house_end_time": starts + timedelta(hours=2)}
        openings.change(opening.id, times, office_id=self.office.id, now=now)
        db.session.commit()

    def cancel(self, opening: OpenHouse, now: datetime) -> None:
        openings.cancel(opening.id, office_id=self.office.id, now=now)
        db.session.commit()

    def match(self, now: datetime) -> None:
        take_batches(now)
        db.session.commit()
        while match_one_batch(now) is not None:
            db.session.commit()

    def send(self, now: datetime) -> list[Any]:
        """The mails of this moment, as the catcher has them, oldest first."""
        before = len(self.catcher.messages())
        build(now)
        send_due(COMPOSERS, relay=self.relay, now=now)
        db.session.expire_all()
        return self.catcher.messages()[::-1][before:]

    def run(self, now: datetime) -> list[Any]:
        self.match(now)
        return self.send(now)

    def home(self, key: str) -> Listing:
        return db.session.scalars(select(Listing).where(Listing.originating_system_key == key)).one()


def told(outcomes: Iterable[str] = ("shown",)) -> list[tuple[str, str]]:
    """(kind, address) of what was told, in the order of telling."""
    rows = db.session.execute(
        select(DigestItem.kind, Listing.unparsed_address)
        .join(Listing, Listing.id == DigestItem.listing_id)
        .where(DigestItem.outcome.in_(list(outcomes)))
        .order_by(DigestItem.digest_id, DigestItem.position)
    )
    return [tuple(row) for row in rows]


def dropped() -> list[tuple[str, str]]:
    """(kind, reason) of what was not."""
    rows = db.session.execute(
        select(DigestItem.kind, DigestItem.drop_reason)
        .where(DigestItem.outcome == "dropped")
        .order_by(DigestItem.digest_id, DigestItem.event_seq)
    )
    return [tuple(row) for row in rows]


def a_buyer(office: Any, **values: Any) -> Any:
    agent = make.member(office)
    return make.contact(
        office, **{"email": "amelia@example.com", "owner_member_id": agent.id, "time_zone": "America/New_York"} | values
    )
