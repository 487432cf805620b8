"""From rows to matches: what the database knows now about a (subscription, event), as decide() wants it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import orjson

from app.domain.digests.decide import DropReason, Fingerprint, Match, refusal_of_home
from app.domain.digests.queries import NO_ADDRESS, Fact
from app.domain.errors import Invalid
from app.domain.models.lookups import ContactStatus, ReasonActiveOrDisabled
from app.domain.searches.criteria import Criteria

BY_THE_BUYER = frozenset({ReasonActiveOrDisabled.CLIENT_DISABLED})


def matches_of(rows: Iterable[Fact]) -> list[Match]:
    """One Match for each row of queries.facts_of_pairs or queries.look."""
    return [
        Match(
            alert_subscription_id=row.alert_subscription_id,
            saved_search_id=row.saved_search_id,
            search_version=row.version,
            event_seq=row.seq,
            listing_id=row.id,
            listing_key=row.listing_key,
            event_kinds=row.event_kinds,
            wanted_kinds=row.wanted_kinds,
            market_spell_no=row.market_spell_no,
            price_before_event=row.price_before_event,
            list_price=row.list_price,
            last_price_shown=row.last_price_shown,
            reason=reason_against(row),
        )
        for row in rows
    ]


def told_of(rows: Sequence[Fact]) -> set[Fingerprint]:
    """What the person of these rows was told before about these homes (PA-07)."""
    return {
        (row.id, kind, fingerprint)
        for row in rows
        for kind, _, fingerprint in (words.partition("\x1f") for words in row.told or ())
    }


def reason_against(row: Fact) -> DropReason | None:
    """What stands in the way of telling this person about this home, whatever the news (PA-05, PA-19)."""
    return _against_person(row) or _against_subscription(row) or _against_home(row)


def _against_person(row: Fact) -> DropReason | None:
    if row.recipient.startswith(NO_ADDRESS):
        return DropReason.NO_ADDRESS
    if row.contact_status != ContactStatus.ACTIVE:
        return DropReason.CONTACT_INACTIVE
    return DropReason.SUPPRESSED if row.is_suppressed else None


def _against_subscription(row: Fact) -> DropReason | None:
    if row.is_stopped:
        return DropReason.UNSUBSCRIBED
    if not row.active_yn:
        stopped = row.reason_active_or_disabled in BY_THE_BUYER
        return DropReason.UNSUBSCRIBED if stopped else DropReason.PAUSED
    return DropReason.BEFORE_SUBSCRIPTION if row.is_before_subscription else None


def _against_home(row: Fact) -> DropReason | None:
    if not row.internet_entire_listing_display_yn:
        return DropReason.HIDDEN
    try:
        criteria = criteria_of(row.saved_search_id, row.version, row.criteria)
    except Invalid:
        return DropReason.SEARCH_FAILING
    verdicts = criteria.judge(row)
    return refusal_of_home(row.standard_status, criteria.standard_status, verdicts, edited_since=bool(row.edited_since))


@lru_cache(maxsize=10_000)
def criteria_of(saved_search_id: int, version: int, criteria: str) -> Criteria:
    """A version never changes, so reading it once is enough."""
    del saved_search_id, version
    return Criteria.parse(orjson.loads(criteria))
