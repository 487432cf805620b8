"""What a buyer says of a home on the page of a mail: a favorite, or never again (PA-05, RESO ContactListingPreference)."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.digests import queries
from app.domain.digests.pages import LARGEST_ID
from app.domain.errors import Invalid, NotFound
from app.domain.models import ListingPreference

NONE = "none"
"""Takes back what was said."""


def say(token: str, listing_id: int, opinion: str, now: datetime | None = None) -> ListingPreference | None:
    """Remember it for the buyer of the mail that this link is of. Idempotent.

    Raises NotFound for a home that was not in the mail or a link we never made, Invalid for a word we do not know.
    """
    if opinion not in {*ListingPreference, NONE}:
        raise Invalid("Say Favorite, Possibility or Discard.", field="opinion")
    preference = None if opinion == NONE else ListingPreference(opinion)
    if listing_id > LARGEST_ID or not queries.mark(token, listing_id, preference, now or datetime.now(UTC)):
        raise NotFound("This link is not one of ours.")
    return preference
