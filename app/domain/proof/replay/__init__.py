"""A past window once more: matched again with the statement of today against the searches of then, held beside what is
stored; and each decision of then judged once more. Nothing is sent, nothing is written.

The tables that matching reads are copied into temporary ones of the same name, which this connection sees first; they
are set back to each batch's moment before it is matched. After that PostgreSQL holds the transaction read-only, so that
nothing else can be written, and at the end it is rolled back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from app.domain.alerts.match import BATCH
from app.domain.alerts.queries import Batch, match
from app.domain.digests.decide import IN_WORDS, DropReason, drop_refusal
from app.domain.errors import Invalid
from app.domain.listings.areas import area_ids as place_numbers
from app.domain.models import AlertKind, ItemOutcome, MessageState
from app.domain.proof import queries as rows
from app.domain.proof.homes import area_ids, columns_of, home_of
from app.domain.proof.replay import queries
from app.domain.proof.then import criteria_of, state_at, version_at
from app.domain.proof.words import criteria_lines
from app.domain.searches.keys import explode
from app.domain.searches.queries import replace_keys
from app.domain.searches.saved import columns_of_criteria
from app.extensions import db

KEPT = timedelta(days=90)
"""What was matched, and what became of it."""
MOST_DIFFERENCES = 500
"""So many are told with their reason; the others are counted."""
JUDGED = frozenset(
    {
        DropReason.SUPPRESSED,
        DropReason.PAUSED,
        DropReason.SOLD_BEFORE_SEND,
        DropReason.NO_LONGER_AVAILABLE,
        DropReason.NO_LONGER_MATCHES,
        DropReason.BELOW_THRESHOLD,
    }
)
"""Reasons of then that rows can be asked about again. The others rest on what a moment knew, and are taken as they are."""


class Side(StrEnum):
    ONLY_THEN = "only then"
    ONLY_NOW = "only now"


@dataclass(frozen=True)
class Difference:
    """Something that was matched, or told, then and would not be now, or the reverse."""

    side: Side
    what: str
    """matched or told."""
    contact_id: int | None
    alert_subscription_id: int | None
    listing_id: int | None
    event_seq: int
    reason: str


@dataclass
class Replayed:
    """What a window gave, both times."""

    since: datetime
    until: datetime
    batches: int = 0
    events: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """matched, told, dropped, waiting: the same then and now; and “only then”, “only now”."""
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        return not self.counts[Side.ONLY_THEN] and not self.counts[Side.ONLY_NOW]

    def differs(self, difference: Difference) -> None:
        self.counts[difference.side] += 1
        if len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(difference)


Progress = Callable[[int, int], None]


def replay(
    since: datetime,
    until: datetime,
    *,
    office_id: int | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
    most_batches: int | None = None,
) -> Replayed:
    """Match the window [since, until) again and judge what was told of it. Uses a connection of its own; whatever the
    caller has not committed is not seen. `progress` is told (batches done, of how many).

    Raises Invalid for a window that ends before it begins, that reaches back further than matches are kept, or that has
    more than `most_batches`.
    """
    now = now or datetime.now(UTC)
    if until <= since:
        raise Invalid("The window ends before it begins.", field="until")
    if since < now - KEPT:
        raise Invalid(
            f"What was matched is kept for 90 days: the window can begin on {now - KEPT:%Y-%m-%d} or later.",
            field="since",
        )
    found = Replayed(since, until)
    with _alone():
        batches = queries.batches_between(since, until, office_id)
        if most_batches is not None and len(batches) > most_batches:
            raise Invalid(
                f"{len(batches):,} batches are too many for a page, which takes {most_batches}: choose a shorter window,"
                " or use flask alerts replay.",
                field="until",
            )
        lost = queries.untaken(since, until, office_id)
        queries.make_shadows()
        clock = _Clock(now)
        for done, batch in enumerate(batches, start=1):
            clock.set(batch.done_at)
            _match_again(found, batch)
            if progress is not None:
                progress(done, len(batches))
        _look_at_lost(found, clock, lost, until)
    return found


@contextmanager
def _alone() -> Iterator[None]:
    """A connection that was never used before: what it prepared earlier would still mean the real tables. Nothing of it
    is ever committed."""
    usual = db.session()
    engine = create_engine(
        db.engine.url,
        poolclass=NullPool,
        hide_parameters=True,
        isolation_level="REPEATABLE READ",
        connect_args={"prepare_threshold": None, "options": "-c timezone=UTC -c statement_timeout=300s"},
    )
    session = Session(bind=engine)
    db.session.registry.set(session)  # type: ignore[arg-type]  # a plain one is all it needs
    try:
        yield
    finally:
        session.rollback()
        session.close()
        db.session.registry.set(usual)
        engine.dispose()


class _Clock:
    """Sets the shadows to a moment: first from what is there now, then forward from batch to batch."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.at: datetime | None = None

    def set(self, moment: datetime) -> None:
        if self.at is None:
            changed = queries.changed_between(moment, max(self.now, moment) + timedelta(days=1))
        else:
            changed = queries.changed_between(self.at, moment) if moment > self.at else []
        for one in rows.these_subscriptions(changed):
            _set_back(one, moment)
        self.at = moment


def _set_back(one: Any, moment: datetime) -> None:
    """The shadow of one subscription, as it was at the moment."""
    state, version = state_at(one, moment), version_at(one, moment)
    criteria = criteria_of(one.saved_search_id, *version) if version else None
    if state is None or criteria is None or not state.active_yn:
        replace_keys([one.id], [])
        return
    queries.set_since(one.id, state.since_snapshot)
    queries.set_search(one.saved_search_id, columns_of_criteria(criteria))
    keys = explode(
        criteria,
        office_id=one.office_id,
        areas=place_numbers(one.office_id, criteria.areas, create=False),
        kinds=state.kinds,
        subscription_id=one.id,
        search_id=one.saved_search_id,
    )
    replace_keys([one.id], keys)


def _match_again(found: Replayed, batch: Any) -> None:
    if not batch.event_seqs:
        return
    found.batches += 1
    found.events += len(batch.event_seqs)
    for start in range(0, len(batch.event_seqs), BATCH):
        match(Batch(batch.id, batch.found_on, batch.event_seqs[start : start + BATCH]))
    now = queries.pairs_now(batch.found_on, batch.id, batch.event_seqs)
    then = queries.pairs_then(batch.found_on, batch.id, batch.event_seqs)
    facts = _Facts(batch.event_seqs, {pair[0] for pair in now ^ then})
    for pair in sorted(then - now):
        if facts.is_of_an_edit(pair):
            found.counts["matched"] += 1
            continue
        found.differs(facts.difference(Side.ONLY_THEN, pair))
    for pair in sorted(now - then):
        found.differs(facts.difference(Side.ONLY_NOW, pair))
    found.counts["matched"] += len(now & then)
    _judge_again(found, facts, then)


def _look_at_lost(found: Replayed, clock: _Clock, lost: Sequence[int], until: datetime) -> None:
    """What no batch took: matched now as it should have been then."""
    if not lost:
        return
    clock.set(until)
    day = until.astimezone(UTC).date()
    match(Batch(0, day, list(lost)))
    facts = _Facts(lost, set())
    found.events += len(lost)
    for pair in sorted(queries.pairs_now(day, 0, lost)):
        found.differs(facts.difference(Side.ONLY_NOW, pair, "No batch of then took this event: it was never matched."))


class _Facts:
    """What the reasons of one batch's differences, and its decisions, are told from."""

    def __init__(self, seqs: Sequence[int], subscriptions: set[int]) -> None:
        self.homes = queries.homes_of(seqs)
        self.items = queries.items_of(seqs)
        wanted = sorted(subscriptions | {item.alert_subscription_id for item in self.items})
        self.subscriptions = {one.id: one for one in rows.these_subscriptions(wanted)}
        numbers = sorted({*seqs, *(item.home_seq for item in self.items if item.home_seq is not None)})
        self.events = {event.seq: event for event in queries.events_of(numbers)}
        columns = [columns_of(event) for event in self.events.values()]
        self.names = rows.names_of(area_ids(columns))
        self.keys = queries.listing_keys(sorted({event.listing_id for event in self.events.values()}))
        self.stops = queries.stops_of(sorted({item.recipient for item in self.items}))

    def home(self, seq: int) -> dict[str, Any]:
        event = self.events[seq]
        return home_of(columns_of(event), self.names, self.keys[event.listing_id])

    def is_of_an_edit(self, pair: queries.Pair) -> bool:
        """A later version reread the window and brought it in (PA-15)."""
        one, event = self.subscriptions.get(pair[0]), self.events.get(pair[1])
        if one is None or event is None:
            return False
        later = [
            each["version"]
            for each in one.versions or ()
            if datetime.fromisoformat(each["created_at"]) > event.recorded_at
        ]
        said = {each["version"]: each["criteria"] for each in one.versions or ()}
        found = (criteria_of(one.saved_search_id, n, orjson.dumps(said[n]).decode()) for n in later)
        return any(criteria is not None and criteria.matches(self.home(pair[1])) for criteria in found)

    def difference(self, side: Side, pair: queries.Pair, reason: str = "") -> Difference:
        one = self.subscriptions.get(pair[0])
        return Difference(
            side,
            "matched",
            one.contact_id if one is not None else queries.owners_of([pair[0]]).get(pair[0]),
            pair[0],
            self.homes.get(pair[1]),
            pair[1],
            reason or self.reason(side, pair),
        )

    def reason(self, side: Side, pair: queries.Pair) -> str:
        one, event = self.subscriptions.get(pair[0]), self.events[pair[1]]
        if side is Side.ONLY_NOW:
            return "By the versions of then it matches, and no match is stored."
        if one is None:
            return "The subscription is gone."
        state, version = state_at(one, event.recorded_at), version_at(one, event.recorded_at)
        if state is None:
            return "The search began later."
        if not state.active_yn:
            return "The search was off then."
        if not state.kinds & event.kinds:
            return IN_WORDS[DropReason.NOT_WANTED]
        criteria = criteria_of(one.saved_search_id, *version) if version else None
        if criteria is None:
            return IN_WORDS[DropReason.SEARCH_FAILING]
        missed = [line for line in criteria_lines(criteria, self.home(event.seq)) if line.holds is not True]
        return f"{missed[0].against}." if missed else "By the versions of then it is no news."


def _judge_again(found: Replayed, facts: _Facts, then: set[queries.Pair]) -> None:
    """What became of each match: told, dropped or waiting; and whether rows bear it out."""
    accounted = set()
    for item in facts.items:
        pair = (item.alert_subscription_id, item.event_seq)
        if pair not in then:
            continue
        accounted.add(pair)
        is_told = item.outcome != ItemOutcome.DROPPED and item.state == MessageState.SENT
        refusal = _refusal(facts, item)
        if is_told and refusal is not None:
            found.differs(_told(Side.ONLY_THEN, item, IN_WORDS[refusal]))
        elif item.outcome == ItemOutcome.DROPPED and item.drop_reason in JUDGED and refusal is None:
            said = IN_WORDS[DropReason(item.drop_reason)]
            found.differs(_told(Side.ONLY_NOW, item, f"Dropped then: “{said}” Rows do not bear that out."))
        else:
            found.counts["told" if is_told else "dropped" if item.outcome == ItemOutcome.DROPPED else "in a mail"] += 1
    found.counts["waiting"] += len(then - accounted)


def _told(side: Side, item: Any, reason: str) -> Difference:
    return Difference(
        side, "told", item.contact_id, item.alert_subscription_id, item.listing_id, item.event_seq, reason
    )


def _refusal(facts: _Facts, item: Any) -> DropReason | None:
    """The last look of then, once more, as far as rows can be asked: stops, the search's state and criteria against the
    home of that moment, and the size of a drop."""
    at = item.attempting_at or item.built_at
    if any(_holds(stop, item, at) for stop in facts.stops):
        return DropReason.SUPPRESSED
    one = facts.subscriptions.get(item.alert_subscription_id)
    if one is None:
        return None
    state, version = state_at(one, at), version_at(one, at)
    if state is not None and not state.active_yn:
        return DropReason.PAUSED
    criteria = criteria_of(one.saved_search_id, *version) if version else None
    if item.kind == AlertKind.STATUS_CHANGE or criteria is None or item.home_seq is None:
        return None
    if not criteria.matches(facts.home(item.home_seq)):
        return DropReason.NO_LONGER_MATCHES
    if item.kind == AlertKind.PRICE_DROP and item.outcome != ItemOutcome.MERGED:
        return DropReason.BELOW_THRESHOLD if drop_refusal(item.price_before, item.price_shown) else None
    return None


def _holds(stop: Any, item: Any, at: datetime) -> bool:
    return (
        (stop.office_id, stop.recipient) == (item.office_id, item.recipient)
        and stop.alert_subscription_id in (None, item.alert_subscription_id)
        and stop.created_at <= at
        and (stop.lifted_at is None or stop.lifted_at > at)
        and (stop.expires_at is None or stop.expires_at > at)
    )
