"""Who would want a home now, and what they have been told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from app.domain.models import (
    AlertMatch,
    AlertSubscription,
    BuyerListing,
    Contact,
    Digest,
    DigestItem,
    Listing,
    SavedSearch,
    SearchKey,
    Suppression,
    SuppressionScope,
)
from app.domain.searches.criteria import Criteria
from app.domain.searches.keys import FURTHER, PARTLY
from app.domain.searches.wanted import keys_of, values_of
from app.extensions import db

MOST = 1_001
"""Counting stops here: 1,001 reads as "1,000+"."""


@dataclass(frozen=True)
class Wanted:
    """How wide a home's welcome is."""

    buyers: int
    searches: int
    subscription_ids: list[int]
    """Newest first, at most MOST."""


@dataclass(frozen=True)
class Wish:
    """One search that a home fits: whose, what it asks, and what its buyer knows of the home."""

    subscription_id: int
    saved_search_id: int
    search_name: str
    asks: str
    contact_id: int
    full_name: str
    schedule_type: str
    daily_schedule: list[str]
    send_time: time | None
    next_send_timestamp: datetime | None
    price_shown: Decimal | None
    """What this buyer was last shown, by whatever search; None = never shown."""
    outcome: str | None
    """What became of its newest match: shown, merged, dropped; None = it never matched."""
    drop_reason: str | None
    decided_at: datetime | None
    is_waiting: bool
    """A match of this home waits for the search's next mail."""
    is_suppressed: bool
    """The address, or this search, must not be mailed."""


def wanted(listing: Listing) -> Wanted:
    """Every active search that this home fits as it stands, up to MOST."""
    home = values_of(listing)
    partly = func.bool_and((SearchKey.flags.op("&")(PARTLY | FURTHER)) != 0)
    hits = (
        select(SearchKey.alert_subscription_id.label("id"), partly.label("partly"))
        .where(
            SearchKey.key.in_(keys_of(listing)),
            SearchKey.price_hi >= home["price_ceil"],
            SearchKey.price_lo <= home["price_floor"],
            SearchKey.sub_types.op("&")(literal(home["sub_type"], BigInteger)) != 0,
            SearchKey.triggers.op("&")(home["status"]) != 0,
            SearchKey.beds_lo <= home["beds"],
            SearchKey.baths_lo <= home["baths"],
            SearchKey.living_lo <= home["living_floor"],
            SearchKey.living_hi >= home["living_ceil"],
            SearchKey.year_lo <= home["year_floor"],
            SearchKey.year_hi >= home["year_ceil"],
            SearchKey.lot_lo <= home["lot_floor"],
        )
        .group_by(SearchKey.alert_subscription_id)
        .order_by(SearchKey.alert_subscription_id.desc())
        .limit(MOST)
        .subquery()
    )
    rows = db.session.execute(
        select(
            AlertSubscription.id,
            AlertSubscription.contact_id,
            AlertSubscription.saved_search_id,
            # On the edge of a shape, or asked further than the key says: the search's own words decide.
            select(SavedSearch.criteria)
            .where(SavedSearch.id == AlertSubscription.saved_search_id, hits.c.partly)
            .scalar_subquery(),
        )
        .join(hits, hits.c.id == AlertSubscription.id)
        .where(AlertSubscription.office_id == listing.office_id, AlertSubscription.active_yn)
        .order_by(AlertSubscription.id.desc())
    ).all()
    fits = [row for row in rows if row[3] is None or Criteria.parse(row[3]).matches(listing)]
    return Wanted(len({row[1] for row in fits}), len({row[2] for row in fits}), [row[0] for row in fits])


def wishes(listing: Listing, subscription_ids: Sequence[int], event_seqs: Sequence[int], now: datetime) -> list[Wish]:
    """These subscriptions with what their buyers know of the home, those who wait for a mail first."""
    if not subscription_ids:
        return []
    newest = (
        select(DigestItem.outcome, DigestItem.drop_reason, Digest.created_at)
        .join(Digest, Digest.id == DigestItem.digest_id)
        .where(
            DigestItem.listing_id == listing.id,
            DigestItem.alert_subscription_id == AlertSubscription.id,
        )
        .order_by(DigestItem.digest_id.desc())
        .limit(1)
        .lateral("newest")
    )
    waiting = (
        select(AlertMatch.batch_id)
        .where(
            AlertMatch.alert_subscription_id == AlertSubscription.id,
            AlertMatch.digest_id.is_(None),
            AlertMatch.event_seqs.op("&&")(literal(list(event_seqs), ARRAY(BigInteger))),
        )
        .exists()
    )
    suppressed = (
        select(Suppression.id)
        .where(
            Suppression.office_id == AlertSubscription.office_id,
            Suppression.recipient == Contact.email,
            Suppression.lifted_at.is_(None),
            or_(Suppression.expires_at.is_(None), Suppression.expires_at > now),
            or_(
                Suppression.scope != SuppressionScope.SUBSCRIPTION.value,
                Suppression.alert_subscription_id == AlertSubscription.id,
            ),
        )
        .exists()
    )
    rows = db.session.execute(
        select(
            AlertSubscription.id,
            SavedSearch.id,
            SavedSearch.called,
            SavedSearch.search_query_human_readable,
            Contact.id,
            Contact.full_name,
            AlertSubscription.schedule_type,
            AlertSubscription.daily_schedule,
            AlertSubscription.send_time,
            AlertSubscription.next_send_timestamp,
            BuyerListing.last_price_shown,
            newest.c.outcome,
            newest.c.drop_reason,
            newest.c.created_at,
            waiting,
            suppressed,
        )
        .join(SavedSearch, SavedSearch.id == AlertSubscription.saved_search_id)
        .join(Contact, Contact.id == AlertSubscription.contact_id)
        .outerjoin(BuyerListing, (BuyerListing.contact_id == Contact.id) & (BuyerListing.listing_id == listing.id))
        .outerjoin(newest, literal(value=True))
        .where(AlertSubscription.id == any_(literal(list(subscription_ids), ARRAY(BigInteger))))
        .order_by(waiting.desc(), AlertSubscription.id.desc())
    )
    return [Wish(*found) for found in (tuple[Any, ...](row) for row in rows)]
