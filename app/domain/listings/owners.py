"""Whose home a listing is: contacts who sell it are not told about it (PA-05). Callers commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.domain.errors import Invalid, NotFound
from app.domain.listings import queries
from app.domain.models import ListingOwner
from app.extensions import db


def add(office_id: int, listing_id: int, email: str) -> None:
    """The contact with this address sells this home. Idempotent. Raises NotFound, Invalid."""
    queries.listing_of(office_id, listing_id)
    contact_id = queries.contact_with(office_id, email)
    if contact_id is None:
        raise Invalid("No contact of this office has this address.", field="owner_email")
    if db.session.get(ListingOwner, (listing_id, contact_id)) is None:
        db.session.add(ListingOwner(listing_id=listing_id, contact_id=contact_id))
        db.session.flush()


def remove(office_id: int, listing_id: int, contact_id: int) -> None:
    """They do not sell it, after all. Raises NotFound."""
    queries.listing_of(office_id, listing_id)
    found = db.session.get(ListingOwner, (listing_id, contact_id))
    if found is None:
        raise NotFound("They are not on record as an owner of this home.")
    db.session.delete(found)
    db.session.flush()


def of_listing(listing_id: int) -> Sequence[Any]:
    """(id, full_name) of its owners."""
    return queries.owners_of(listing_id)
