"""From rows to matches: what the database knows now about a (subscription, event), as decide() wants it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import orjson
import structlog

from app.domain.digests.decide import DropReason, Fingerprint, Match, Opening, refusal_of_home
from app.domain.digests.net import Net, net
from app.domain.digests.queries import NO_ADDRESS, Fact
from app.domain.errors import Invalid
from app.domain.models import ListingPreference, OpenHouseType
from app.domain.models.lookups import ContactStatus, ReasonActiveOrDisabled
from app.domain.searches.criteria import Criteria

log = structlog.get_logger(__name__)

BY_THE_BUYER = frozenset({ReasonActiveOrDisabled.CLIENT_DISABLED})
MOST_FAILING = 3
"""Searches of one chunk of people that may throw: more of them have a fault of ours in common."""


def matches_of(rows: Iterable[Fact], failing: set[int] | None = None) -> list[Match]:
    """One Match for each row of queries.facts_of_pairs or queries.look, which name events in their order.

    A search that throws while it is judged fails alone, and is added to `failing` (PA-18). Where more than MOST_FAILING
    do, or without `failing`, it is a fault of ours and raised: then nothing is dropped, and it is tried again.
    """
    began: dict[tuple[int, str], str | None] = {}
    return [_match(row, began, failing) for row in rows]


def _match(row: Fact, began: dict[tuple[int, str], str | None], failing: set[int] | None) -> Match:
    criteria = _criteria(row)
    try:
        against, status_against = _against(row, criteria)
        found = net(vars(row), row.past, criteria) if criteria and row.past else Net()
    except Exception:
        if failing is None or len(failing | {row.saved_search_id}) > MOST_FAILING:
            raise
        failing.add(row.saved_search_id)
        log.exception("search.failing", saved_search_id=row.saved_search_id, version=row.version)
        against, status_against, found = DropReason.SEARCH_FAILING, DropReason.SEARCH_FAILING, Net()
    return Match(
        alert_subscription_id=row.alert_subscription_id,
        saved_search_id=row.saved_search_id,
        search_version=row.version,
        event_seq=row.seq,
        listing_id=row.id,
        listing_key=row.listing_key,
        event_kinds=row.event_kinds,
        wanted_kinds=row.wanted_kinds,
        market_spell_no=row.market_spell_no,
        price_before_event=found.price_before if row.past else row.price_before_event,
        list_price=row.list_price,
        last_price_shown=row.last_price_shown,
        reason=against,
        status_reason=status_against,
        status=row.standard_status,
        entered=found.entered,
        status_before=found.status_before,
        was_there=found.was_there,
        took_before=found.took_before,
        is_unchanged=found.is_unchanged,
        cause=found.cause,
        knows_home=row.listing_sent_timestamp is not None,
        shown_in_spell=row.last_price_shown is not None and row.spell_shown == row.spell,
        opening=_opening(row, began),
        since=row.since,
    )


def _opening(row: Fact, began: dict[tuple[int, str], str | None]) -> Opening | None:
    """`began`: when each was to begin before the first event in hand, as it is gathered on the way (PA-04)."""
    if row.opening is None:
        return None
    key = row.opening["open_house_key"]
    was_at, _ = row.opening_changes.get("open_house_start_time", (None, None))
    return Opening(
        key=key,
        starts=_utc(row.opening["open_house_start_time"]),
        status=row.opening["open_house_status"],
        is_public=row.opening["open_house_type"] == OpenHouseType.PUBLIC,
        is_over=row.opening["is_over"],
        was_at=began.setdefault((row.alert_subscription_id, key), was_at and _utc(was_at)),
    )


def _utc(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).isoformat()


def told_of(rows: Sequence[Fact]) -> set[Fingerprint]:
    """What the person of these rows was told before about these homes (PA-07)."""
    return {
        (row.id, kind, fingerprint)
        for row in rows
        for kind, _, fingerprint in (words.partition("\x1f") for words in row.told or ())
    }


def _against(row: Fact, criteria: Criteria | None) -> tuple[DropReason | None, DropReason | None]:
    """What stands in the way of telling this person about this home: for all news but a change of status, and for that
    (PA-05, PA-19)."""
    refused = _against_person(row) or _against_subscription(row) or _against_home(row)
    if refused or criteria is None:
        return (refused or DropReason.SEARCH_FAILING,) * 2
    verdicts = criteria.judge(vars(row))
    if all(verdicts.values()):
        return None, None
    is_edited = bool(row.edited_since)
    refusal = refusal_of_home(row.standard_status, criteria.standard_status, verdicts, edited_since=is_edited)
    asked = {field: verdict for field, verdict in verdicts.items() if field != "standard_status"}
    return refusal, refusal_of_home(row.standard_status, (row.standard_status,), asked, edited_since=is_edited)


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
    if row.is_own_home:
        return DropReason.OWN_HOME
    return DropReason.BUYER_DISCARDED if row.preference == ListingPreference.DISCARD else None


def _criteria(row: Fact) -> Criteria | None:
    try:
        return criteria_of(row.saved_search_id, row.version, row.criteria)
    except Invalid:
        return None


@lru_cache(maxsize=10_000)
def criteria_of(saved_search_id: int, version: int, criteria: str) -> Criteria:
    """A version never changes, so reading it once is enough."""
    del saved_search_id, version
    return Criteria.parse(orjson.loads(criteria))
