"""A small brokerage that lives through simulated days: homes change, runs of alerts come and go, retention works. With
real commits, because what a run sees depends on what was committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from app.domain.alerts.match import match_one_batch, take_batches
from app.domain.digests.build import build_some
from app.domain.digests.letters import COMPOSERS
from app.domain.listings import record
from app.domain.messages.send import send_due
from app.domain.models import AlertSubscription, Contact, Listing, Office
from app.domain.ops import retention
from app.domain.searches import saved
from app.extensions import db
from app.gateways.mail import Relay
from tests import make

DAWN = datetime(2026, 9, 1, 14, 0, tzinfo=UTC)
"""Ten in the morning in the office: no quiet hours."""
HOME: dict[str, Any] = {
    "standard_status": "Active",
    "list_price": 489_000,
    "property_type": "Residential",
    "property_sub_type": "Single Family Residence",
    "bedrooms_total": 4,
    "bathrooms_full": 2,
    "living_area": 2140,
    "year_built": 1998,
    "unparsed_address": "418 Alder Court",
    "city": "Port Ellery",
    "state_or_province": "ME",
    "postal_code": "04100",
}


@dataclass
class Life:
    """What there is, and what time it is."""

    relay: Relay
    now: datetime = DAWN
    office: Office = field(default_factory=make.office)

    def wait(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now

    def buyer(self, name: str, **values: Any) -> Contact:
        return make.contact(self.office, first_name=name, full_name=f"{name} Carter", **values)

    def search(self, buyer: Contact, criteria: dict[str, Any] | None = None, **values: Any) -> AlertSubscription:
        """A search that is on from now on."""
        wanted = {"city": ["Port Ellery"]} | (criteria or {})
        given = {"schedule_type": "ASAP"} | values
        made = saved.create(self.office.id, buyer.id, "", wanted, now=self.now, judge=False, **given)
        db.session.commit()
        return db.session.query(AlertSubscription).filter_by(saved_search_id=made.id).one()

    def home(self, **values: Any) -> Listing:
        made = record.create(self.office.id, HOME | values, now=self.now)
        db.session.commit()
        return made

    def change(self, home: Listing, **values: Any) -> Any:
        event = record.change(home.id, values, office_id=self.office.id, now=self.now)
        db.session.commit()
        return event

    def alerts(self, *, send: bool = True) -> dict[str, int]:
        """One run of alerts, with its digests and its mails."""
        take_batches(self.now)
        db.session.commit()
        while match_one_batch(self.now) is not None:
            db.session.commit()
        while build_some(self.now, self.now) is not None:
            db.session.commit()
        db.session.commit()
        return send_due(COMPOSERS, relay=self.relay, now=self.now) if send else {}

    def retention(self) -> None:
        """A night."""
        for rule in retention.RULES:
            while rule.apply(self.now) == retention.BATCH:
                db.session.commit()
        retention.drop_partitions(self.now)
        db.session.commit()
        db.session.expire_all()

    def count(self, table: str) -> int:
        return int(db.session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)
