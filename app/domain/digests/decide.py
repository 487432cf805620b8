"""What becomes of each match of one person: shown, merged into another line, or dropped and why. Pure.

Asked twice with the same rules: when the digest is built, and at the last look before it is sent (PA-19).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from app.domain.listings.changes import (
    BACK,
    NEW,
    NOW_MATCHES,
    OPEN_HOUSE,
    PRICE_DROP,
    SPOKEN_FOR,
    STATUS_CHANGE,
)
from app.domain.models import KIND_BITS, AlertKind, ItemOutcome, MatchCause, OpenHouseStatus
from app.domain.models.lookups import StandardStatus

PRICE_DROP_SHARE = Decimal("0.01")
PRICE_DROP_AMOUNT = Decimal(5000)
"""A drop is worth a mail from either on: 1 % or $5,000 below what this buyer was last shown."""
STRENGTH = {kind: place for place, kind in enumerate(AlertKind)}
SOLD = frozenset({StandardStatus.CLOSED, StandardStatus.PENDING})


class DropReason(StrEnum):
    NO_ADDRESS = "no_address"
    CONTACT_INACTIVE = "contact_inactive"
    SUPPRESSED = "suppressed"
    """The address bounced or complained, or all alerts to it were stopped."""
    UNSUBSCRIBED = "unsubscribed"
    PAUSED = "paused"
    BEFORE_SUBSCRIPTION = "before_subscription"
    NOT_WANTED = "not_wanted"
    """The subscription does not ask for this kind of news."""
    HIDDEN = "hidden"
    SOLD_BEFORE_SEND = "sold_before_send"
    NO_LONGER_AVAILABLE = "no_longer_available"
    SEARCH_CHANGED = "search_changed"
    SEARCH_FAILING = "search_failing"
    NO_LONGER_MATCHES = "no_longer_matches"
    """The home changed, not the search."""
    MATCHED_BEFORE = "matched_before"
    """What changed made no difference to the search: it took the home before (T1)."""
    NO_CAUSE = "no_cause"
    """It matches now and did not before, but for nothing worth a mail: a price that rose, a detail entered late (PA-05)."""
    NEVER_SHOWN = "never_shown"
    """A change of status, of a home that this buyer does not know."""
    BUYER_DISCARDED = "buyer_discarded"
    OWN_HOME = "own_home"
    OPEN_HOUSE_OVER = "open_house_over"
    OPEN_HOUSE_OFF = "open_house_off"
    """Called off, or not for the public, before this buyer heard of it."""
    BELOW_THRESHOLD = "below_threshold"
    NO_NET_CHANGE = "no_net_change"
    ALREADY_TOLD = "already_told"
    ADDRESS_CHANGED = "address_changed"
    """The person has another address by now."""
    MESSAGE_EXPIRED = "message_expired"
    MESSAGE_FAILED = "message_failed"
    LOST_ON_THE_WAY = "lost_on_the_way"
    """Of unknown fate, and the relay never heard of it: its homes go with the next mail."""
    TOO_OLD = "too_old"
    """Found, or decided about, when it was no news any more (PA-26)."""
    DISCARDED = "discarded"
    """The whole run was halted, and a person let nothing of it out (PA-27)."""
    DECLINED = "declined"
    """The agent who approves this buyer's mails did not approve this one."""


IN_WORDS = {
    DropReason.NO_ADDRESS: "The buyer has no email address.",
    DropReason.CONTACT_INACTIVE: "The contact is not active.",
    DropReason.SUPPRESSED: "The address is on the suppression list.",
    DropReason.UNSUBSCRIBED: "The buyer stopped this search.",
    DropReason.PAUSED: "The search was paused.",
    DropReason.BEFORE_SUBSCRIPTION: "It happened before the buyer asked to be told.",
    DropReason.NOT_WANTED: "The buyer did not ask for this kind of news.",
    DropReason.HIDDEN: "The seller does not want this home shown on the internet.",
    DropReason.SOLD_BEFORE_SEND: "It was sold or under contract before the mail went out.",
    DropReason.NO_LONGER_AVAILABLE: "It was no longer on the market before the mail went out.",
    DropReason.SEARCH_CHANGED: "The search was changed and no longer asks for it.",
    DropReason.SEARCH_FAILING: "The search cannot be read.",
    DropReason.NO_LONGER_MATCHES: "The home changed and no longer matches.",
    DropReason.MATCHED_BEFORE: "The search took this home before the change as well.",
    DropReason.NO_CAUSE: "It came to match by a price that rose, or by a detail entered after two weeks.",
    DropReason.NEVER_SHOWN: "The buyer had never been shown this home.",
    DropReason.BUYER_DISCARDED: "The buyer does not want to hear of this home.",
    DropReason.OWN_HOME: "It is the buyer’s own home.",
    DropReason.OPEN_HOUSE_OVER: "The open house had begun before the mail went out.",
    DropReason.OPEN_HOUSE_OFF: "The open house was called off before the buyer heard of it.",
    DropReason.BELOW_THRESHOLD: "The drop was below 1 % and below $5,000.",
    DropReason.NO_NET_CHANGE: "It was back where the buyer last saw it.",
    DropReason.ALREADY_TOLD: "The buyer had been told already.",
    DropReason.ADDRESS_CHANGED: "The buyer’s address was changed before the mail went out.",
    DropReason.MESSAGE_EXPIRED: "The mail could not be sent while it was news.",
    DropReason.MESSAGE_FAILED: "The mail was refused.",
    DropReason.LOST_ON_THE_WAY: "The mail was lost on its way; the next one tells it.",
    DropReason.TOO_OLD: "It was more than a week old when it could have been told.",
    DropReason.DISCARDED: "The run was halted, and a person discarded it.",
    DropReason.DECLINED: "The agent did not approve this mail.",
}

Fingerprint = tuple[int, str, str]
"""(listing, kind, fingerprint): what one address is told at most once (PA-07)."""


class Opening(NamedTuple):
    """An open house as it is now."""

    key: str
    starts: str
    """When it begins, as PostgreSQL writes it."""
    status: str
    is_public: bool
    is_over: bool
    """It has begun."""
    was_at: str | None = None
    """When it was to begin before the event; None for its first."""


class Match(NamedTuple):
    """One (subscription, event) with all that is needed to judge it, as of now."""

    alert_subscription_id: int
    saved_search_id: int
    search_version: int
    event_seq: int
    listing_id: int
    listing_key: str
    event_kinds: int
    wanted_kinds: int
    market_spell_no: int
    """The event's."""
    price_before_event: Decimal | None
    list_price: Decimal | None
    """The listing's, now."""
    last_price_shown: Decimal | None
    reason: DropReason | None
    """Why it cannot be told whatever the news is; None when nothing stands in its way."""
    status_reason: DropReason | None = None
    """The same for a change of status, for which the search need not ask for the status it is in now."""
    status: str = ""
    """The listing's, now."""

    # What happened between two mails, as this search sees it: app.domain.digests.net
    entered: int = 0
    status_before: str | None = None
    was_there: bool = False
    took_before: bool = True
    is_unchanged: bool = True
    cause: MatchCause | None = None

    knows_home: bool = False
    """This buyer was sent it, or marked it."""
    shown_in_spell: bool = False
    """And since it last came to the market."""
    opening: Opening | None = None
    since: str | None = None
    """The subscription's watermark, as PostgreSQL writes it."""


class Decision(NamedTuple):
    match: Match
    outcome: ItemOutcome
    kind: AlertKind
    fingerprint: str
    price_before: Decimal | None
    price_shown: Decimal | None
    drop_reason: DropReason | None = None
    position: int | None = None
    cause: MatchCause | None = None


def decide(matches: Sequence[Match], told: Iterable[Fingerprint] = ()) -> list[Decision]:
    """One decision for each match of one person, in the order given. `told` is what they were told before.

    A listing has one line, whatever number of searches and events brought it: the strongest kind wins, the price is
    before and after of the whole (PA-04, PA-08). Lines are numbered by kind, newest event, price, listing key (PA-11).
    """
    known = frozenset(told)
    by_listing: dict[int, list[Match]] = defaultdict(list)
    for match in matches:
        by_listing[match.listing_id].append(match)
    decided: dict[tuple[int, int], Decision] = {}
    lines: list[Decision] = []
    for group in by_listing.values():
        news = [_judge(match, _baseline(group), known) for match in group]
        line = min((item for item in news if item.drop_reason is None), key=_rank, default=None)
        for item in news:
            if item is line:
                lines.append(item)
            else:
                decided[_key(item)] = _merge(item) if line and _goes_along(item) else item
    for position, item in enumerate(sorted(lines, key=_rank), start=1):
        decided[_key(item)] = item._replace(position=position)
    return [decided[match.alert_subscription_id, match.event_seq] for match in matches]


def refusal_of_home(
    status: str, statuses: Sequence[str], verdicts: Mapping[str, bool | None], *, edited_since: bool
) -> DropReason | None:
    """Why a search does not take a home as it is now; None when it does. `verdicts` are Criteria.judge's, and
    `edited_since` says whether the search was changed after the event was recorded."""
    if all(verdicts.values()):
        return None
    if status not in statuses:
        if status in SOLD:
            return DropReason.SOLD_BEFORE_SEND
        return DropReason.SEARCH_CHANGED if edited_since else DropReason.NO_LONGER_AVAILABLE
    return DropReason.SEARCH_CHANGED if edited_since else DropReason.NO_LONGER_MATCHES


def drop_refusal(before: Decimal | None, now: Decimal | None) -> DropReason | None:
    """Why a price is no drop worth telling (T2); None when it is."""
    if before is None or now is None or now >= before:
        return DropReason.NO_NET_CHANGE
    if before - now >= min(PRICE_DROP_AMOUNT, before * PRICE_DROP_SHARE):
        return None
    return DropReason.BELOW_THRESHOLD


def _baseline(group: Sequence[Match]) -> Decimal | None:
    """The price to compare with: what this buyer was last shown, else the price before the first drop in hand."""
    shown = next((match.last_price_shown for match in group if match.last_price_shown is not None), None)
    if shown is not None:
        return shown
    drops = [match for match in group if match.event_kinds & KIND_BITS[AlertKind.PRICE_DROP]]
    return min(drops, key=lambda match: match.event_seq).price_before_event if drops else None


def _judge(match: Match, baseline: Decimal | None, told: frozenset[Fingerprint]) -> Decision:
    """The strongest kind of this match that may be told; else the strongest, with what stands in its way."""
    first: Decision | None = None
    happened = kinds_of(match)
    offered = [kind for kind in happened if match.wanted_kinds & KIND_BITS[kind]]
    unwanted = [kind for kind in happened if kind is not AlertKind.STATUS_CHANGE] or (
        [] if match.event_kinds & match.wanted_kinds else happened
    )
    for kind in offered or unwanted or [_nothing(match)]:
        fingerprint = _fingerprint(match, kind, told)
        reason = (
            _in_the_way(match, kind)
            or (None if offered else DropReason.NOT_WANTED if unwanted else _why_nothing(match))
            or _refusal(match, kind, baseline, told)
        )
        if not reason and (match.listing_id, kind.value, fingerprint) in told:
            reason = DropReason.ALREADY_TOLD
        item = Decision(
            match=match,
            outcome=ItemOutcome.DROPPED if reason else ItemOutcome.SHOWN,
            kind=kind,
            fingerprint=fingerprint,
            price_before=_price_before(match, kind, baseline),
            price_shown=match.list_price,
            drop_reason=reason,
            cause=match.cause if kind is AlertKind.NOW_MATCHES else None,
        )
        if reason is None:
            return item
        first = first or item
    assert first is not None
    return first


def kinds_of(match: Match) -> list[AlertKind]:
    """What an event is news of, for its search: strongest first. Empty: of nothing.

    New and Back on market are told of a home that came to the market since the last mail, by whatever event it was
    found. A price drop is one to those who had the home in view; to others it makes the home match (T1). Who was shown
    the home hears of the drop where that was told already.
    """
    kinds = match.event_kinds
    if kinds & OPEN_HOUSE:
        return [AlertKind.OPEN_HOUSE]
    found: list[AlertKind] = []
    entered = (kinds | match.entered) & (NEW | BACK) if kinds & ~STATUS_CHANGE else 0
    if entered & BACK:
        found.append(AlertKind.BACK_ON_MARKET)
    if entered & NEW and not match.was_there:
        found.append(AlertKind.NEW)
    if kinds & PRICE_DROP and match.took_before:
        found.append(AlertKind.PRICE_DROP)
    if kinds & (PRICE_DROP | NOW_MATCHES) and not match.took_before:
        found += [AlertKind.NOW_MATCHES] if match.cause and not entered else []
        found += [AlertKind.PRICE_DROP] if kinds & PRICE_DROP and match.last_price_shown is not None else []
    return [*found, AlertKind.STATUS_CHANGE] if kinds & STATUS_CHANGE else found


def _nothing(match: Match) -> AlertKind:
    """What an event would have been news of."""
    if match.event_kinds & NOW_MATCHES and not match.took_before:
        return AlertKind.NOW_MATCHES
    kinds = match.event_kinds & match.wanted_kinds or match.event_kinds
    return next((kind for kind in AlertKind if kinds & KIND_BITS[kind]), AlertKind.PRICE_DROP)


def _why_nothing(match: Match) -> DropReason:
    return DropReason.MATCHED_BEFORE if match.is_unchanged or match.was_there else DropReason.NO_CAUSE


def _in_the_way(match: Match, kind: AlertKind) -> DropReason | None:
    is_off = match.opening is not None and match.opening.status == OpenHouseStatus.CANCELED
    return match.status_reason if kind is AlertKind.STATUS_CHANGE or is_off else match.reason


def _fingerprint(match: Match, kind: AlertKind, told: frozenset[Fingerprint]) -> str:
    if kind is AlertKind.PRICE_DROP:
        return f"{match.list_price or 0:.2f}"
    if kind is AlertKind.STATUS_CHANGE:
        return match.status
    if kind is AlertKind.OPEN_HOUSE and match.opening:
        opening = match.opening
        if opening.status == OpenHouseStatus.CANCELED:
            return f"{opening.key} canceled"
        is_moved = _was_told_of(match, told) and opening.was_at not in (None, opening.starts)
        return f"{opening.key} {opening.starts}" if is_moved else opening.key
    return str(match.market_spell_no)


def _was_told_of(match: Match, told: frozenset[Fingerprint]) -> bool:
    key = match.opening.key if match.opening else ""
    return (match.listing_id, AlertKind.OPEN_HOUSE.value, key) in told


def _refusal(
    match: Match, kind: AlertKind, baseline: Decimal | None, told: frozenset[Fingerprint]
) -> DropReason | None:
    """What a kind itself asks for."""
    if kind is AlertKind.PRICE_DROP:
        return drop_refusal(baseline, match.list_price)
    if kind is AlertKind.NOW_MATCHES and match.cause is MatchCause.PRICE and match.shown_in_spell:
        return drop_refusal(match.last_price_shown, match.list_price)  # a price that this buyer saw is none
    if kind is AlertKind.STATUS_CHANGE:
        if match.status == match.status_before or match.status not in SPOKEN_FOR:
            return DropReason.NO_NET_CHANGE
        return None if match.knows_home else DropReason.NEVER_SHOWN
    if kind is AlertKind.OPEN_HOUSE and match.opening:
        return opening_refusal(match.opening, was_told=_was_told_of(match, told))
    return None


def opening_refusal(opening: Opening, *, was_told: bool) -> DropReason | None:
    """Why an open house is not told of; None when it is. That it is off is told to those who were told of it."""
    if opening.is_over:
        return DropReason.OPEN_HOUSE_OVER
    if opening.status == OpenHouseStatus.CANCELED:
        return None if was_told else DropReason.OPEN_HOUSE_OFF
    return None if opening.is_public and opening.status == OpenHouseStatus.ACTIVE else DropReason.OPEN_HOUSE_OFF


def _price_before(match: Match, kind: AlertKind, baseline: Decimal | None) -> Decimal | None:
    if kind is AlertKind.PRICE_DROP:
        return baseline
    if kind is AlertKind.NOW_MATCHES and match.cause is MatchCause.PRICE:
        return match.price_before_event
    if kind is AlertKind.NEW and match.last_price_shown is None:
        return None
    return baseline if baseline != match.list_price else None


def _goes_along(item: Decision) -> bool:
    """On the line of its listing: told with it, or a price step too small for a line of its own."""
    return item.drop_reason in (None, DropReason.BELOW_THRESHOLD, DropReason.NO_NET_CHANGE)


def _merge(item: Decision) -> Decision:
    return item._replace(outcome=ItemOutcome.MERGED, drop_reason=None)


def _key(item: Decision) -> tuple[int, int]:
    return item.match.alert_subscription_id, item.match.event_seq


def _rank(item: Decision) -> tuple[int, int, bool, Decimal, str, int]:
    price = item.price_shown
    return (
        STRENGTH[item.kind],
        -item.match.event_seq,
        price is None,
        price or Decimal(0),
        item.match.listing_key,
        item.match.alert_subscription_id,
    )
