"""A buyer with searches, homes with news, and the steps from a match to a mail; for tests that need all of it."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from app.domain.digests.build import build_some
from app.domain.models import (
    AlertMatch,
    AlertSubscription,
    Contact,
    Digest,
    DigestItem,
    Listing,
    OutboundMessage,
    SavedSearch,
)
from app.extensions import db
from tests import make

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
"""Noon in the office."""
NOTHING_SEEN = "1:1:"
"""A snapshot before every transaction: all that happens is news to this subscription."""


def subscribe(contact, name="Family home, Alder Glen", criteria=None, **values) -> AlertSubscription:
    search = make.saved_search(
        contact, saved_search_name=name, **({"criteria": criteria} if criteria is not None else {})
    )
    return make.subscription(search, **{"since_snapshot": NOTHING_SEEN} | values)


def news(office, kinds=1, was=None, **values) -> tuple[Listing, object]:
    home = make.listing(office, **values)
    return home, make.event(home, kinds, previous_list_price=was or home.list_price)


def crowd(office, size: int, events) -> list[AlertSubscription]:
    """Many buyers at once, each with one search for which these events wait: buyer0@example.com …"""
    buyers = [
        Contact(
            office_id=office.id,
            contact_key=f"crowd-{office.id}-{n}",
            first_name="Amelia",
            full_name="Amelia Carter",
            email=f"buyer{n}@example.com",
        )
        for n in range(size)
    ]
    db.session.add_all(buyers)
    db.session.flush()
    searches = [
        SavedSearch(
            office_id=office.id,
            contact_id=buyer.id,
            saved_search_key=f"{buyer.contact_key}",
            saved_search_name="Family home",
            criteria={"city": ["Port Ellery"]},
        )
        for buyer in buyers
    ]
    db.session.add_all(searches)
    db.session.flush()
    subscriptions = [
        AlertSubscription(
            office_id=office.id,
            prospecting_key=search.saved_search_key,
            saved_search_id=search.id,
            contact_id=search.contact_id,
            token=f"token-{search.saved_search_key}",
            since_snapshot=NOTHING_SEEN,
        )
        for search in searches
    ]
    db.session.add_all(subscriptions)
    db.session.flush()
    db.session.add_all(
        AlertMatch(
            found_on=NOON.date(),
            batch_id=10_000_000,
            alert_subscription_id=subscription.id,
            event_seqs=[one.seq for one in events],
        )
        for subscription in subscriptions
    )
    db.session.commit()
    return subscriptions


def build(window_end=NOON, now=None, limit=200) -> dict[str, int] | None:
    """Everybody who is due, as the job does it."""
    total: dict[str, int] | None = None
    while (built := build_some(window_end, now or window_end, None, limit)) is not None:
        db.session.commit()
        total = {name: built[name] + (total or {}).get(name, 0) for name in built}
    db.session.expire_all()
    return total


def items(digest: Digest | None = None) -> list[DigestItem]:
    statement = select(DigestItem).order_by(
        DigestItem.digest_id, DigestItem.position.nulls_last(), DigestItem.event_seq
    )
    if digest is not None:
        statement = statement.where(DigestItem.digest_id == digest.id)
    return list(db.session.scalars(statement))


def outcomes() -> list[str]:
    return sorted(item.drop_reason or item.outcome for item in items())


def messages() -> list[OutboundMessage]:
    return list(db.session.scalars(select(OutboundMessage).order_by(OutboundMessage.id)))


def digests() -> list[Digest]:
    return list(db.session.scalars(select(Digest).order_by(Digest.id)))
