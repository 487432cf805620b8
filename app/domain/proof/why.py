"""Why a buyer was, or was not, told about a home: the whole chain from the event to the click, step by step.

Judged from stored versions, so that the answer is the same on any later day (T17): the home in the columns that its event
carries, the search in the version of then, the subscription as it was then. What is kept for a shorter time than the
event (docs/rules.md, PA-29) is answered with the day until which it was kept, never with a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from app.display import money, number
from app.domain.digests.decide import IN_WORDS, PRICE_DROP_AMOUNT, PRICE_DROP_SHARE, DropReason
from app.domain.digests.words import zone_named
from app.domain.models import (
    KIND_BITS,
    AlertKind,
    DigestState,
    EventType,
    ItemOutcome,
    ListingEvent,
    MessageState,
    Suppression,
)
from app.domain.models.lookups import ScheduleType
from app.domain.models.match import WaitsFor
from app.domain.proof import queries, words
from app.domain.proof.homes import Home, area_ids, before_of, columns_of, home_of
from app.domain.proof.then import State, criteria_of, state_at
from app.domain.searches.criteria import Criteria
from app.domain.searches.schedule import Schedule, next_send

ITEMS_KEPT = timedelta(days=90)
"""What became of each match; the events themselves are kept for 18 months."""
MOST_LISTED = 25
"""Events of the home that get a verdict of their own beside the one that was asked about."""

QUESTIONS = {
    "recorded": "Was the change recorded?",
    "alertable": "May it alert anybody?",
    "read": "Has matching read it?",
    "on": "Was a search on?",
    "fits": "Did the home fit the search?",
    "news": "Was it news that they asked for?",
    "matched": "Was it matched?",
    "told": "Was it something they had not been told?",
    "large": "Was the drop large enough?",
    "schedule": "When was their mail due?",
    "look": "Did it pass the last look before sending?",
    "address": "Could the address be mailed?",
    "accepted": "Did the relay take the mail?",
    "delivered": "Was it delivered?",
    "clicked": "Did they look?",
}
STEPS = tuple(QUESTIONS)
STOPS_AT = {
    DropReason.ALREADY_TOLD: "told",
    DropReason.BELOW_THRESHOLD: "large",
    DropReason.NO_NET_CHANGE: "large",
    DropReason.NOT_WANTED: "news",
    DropReason.BEFORE_SUBSCRIPTION: "on",
    DropReason.SEARCH_FAILING: "fits",
    DropReason.NO_ADDRESS: "address",
    DropReason.SUPPRESSED: "address",
    DropReason.UNSUBSCRIBED: "address",
    DropReason.ADDRESS_CHANGED: "address",
    DropReason.MESSAGE_EXPIRED: "accepted",
    DropReason.MESSAGE_FAILED: "accepted",
    DropReason.LOST_ON_THE_WAY: "accepted",
}
"""Where a match that was dropped left the chain; the other reasons are those of the last look."""


class Row(NamedTuple):
    """A stored row that bears a step out: its table in words, and its number."""

    noun: str
    number: int


@dataclass(frozen=True)
class Step:
    """One question of the chain. `answer` is a word or two; `tone` good, wait (here it ended or stands), bad (a fault)
    or idle (not reached)."""

    key: str
    answer: str = "Not reached"
    tone: str = "idle"
    sentence: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    rows: tuple[Row, ...] = ()
    at: datetime | None = None
    rule: str = ""
    criteria: tuple[words.Criterion, ...] = ()

    @property
    def question(self) -> str:
        return QUESTIONS[self.key]


@dataclass(frozen=True)
class Chain:
    """One search of the buyer against one event, as far as it went."""

    alert_subscription_id: int
    saved_search_id: int
    version: int | None
    asks: str
    """The criteria of then, in a sentence."""
    steps: tuple[Step, ...]
    verdict: str
    tone: str
    is_told: bool
    called: str = field(compare=False, default="")
    """What the search is called now: a name is no part of the answer."""

    @property
    def reach(self) -> int:
        """How far it came: the furthest of a buyer's searches is the one that the answer tells."""
        return len(STEPS) + 1 if self.is_told else sum(step.tone == "good" for step in self.steps)


@dataclass(frozen=True)
class Seen:
    """One event of the home, with the verdict on it."""

    seq: int
    at: datetime
    change_type: str
    price: Decimal | None
    status: str
    verdict: str
    tone: str
    is_told: bool


@dataclass(frozen=True)
class Answer:
    """The whole of it. Equal answers are equal values: names of today are left out of the comparison."""

    contact_id: int
    listing_id: int
    as_of: datetime
    event_seq: int | None
    verdict: str
    tone: str
    is_told: bool
    steps: tuple[Step, ...]
    chain: Chain | None
    others: tuple[Chain, ...]
    """The buyer's other searches, and how far each came."""
    events: tuple[Seen, ...]
    """What happened to the home up to then, newest first."""
    buyer: str = field(compare=False, default="")
    address: str = field(compare=False, default="")


def why(
    contact_id: int,
    listing_id: int,
    *,
    office_id: int | None,
    event_seq: int | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> Answer:
    """Why this buyer was, or was not, told about this home by `as_of`: about one event of it, else the newest that could
    alert anybody. `office_id` None is for the terminal. Writes nothing. Raises NotFound."""
    now = now or datetime.now(UTC)
    as_of = as_of or now
    about = queries.subject(office_id, contact_id, listing_id)
    contact, listing = about.contact, about.listing
    zone = zone_named(about.time_zone)
    events = [event for event in queries.events_of(listing_id) if event.recorded_at <= as_of]
    asked = next((event for event in events if event.seq == event_seq), None) or _worth_asking(events)
    listed = events[:MOST_LISTED] if asked is None or asked in events[:MOST_LISTED] else [*events[:MOST_LISTED], asked]
    facts = _Facts.of(contact, listing, listed, zone=zone, as_of=as_of, now=now)
    explained = {event.seq: facts.explain(event) for event in listed}
    seen = tuple(
        Seen(
            event.seq,
            event.recorded_at,
            event.change_type,
            event.list_price,
            event.standard_status,
            explained[event.seq].verdict,
            explained[event.seq].tone,
            explained[event.seq].is_told,
        )
        for event in listed
    )
    told = explained[asked.seq] if asked is not None else _nothing_happened()
    return Answer(
        contact_id=contact_id,
        listing_id=listing_id,
        as_of=as_of,
        event_seq=asked.seq if asked is not None else None,
        verdict=told.verdict,
        tone=told.tone,
        is_told=told.is_told,
        steps=told.steps,
        chain=told.chain,
        others=told.others,
        events=seen,
        buyer=contact.full_name,
        address=listing.unparsed_address or f"Listing {listing.id}",
    )


def _worth_asking(events: Sequence[ListingEvent]) -> ListingEvent | None:
    """The newest that could alert somebody; else the newest of all."""
    return next((event for event in events if event.alertable), events[0] if events else None)


class _Explained(NamedTuple):
    verdict: str
    tone: str
    is_told: bool
    steps: tuple[Step, ...]
    chain: Chain | None
    others: tuple[Chain, ...]


def _nothing_happened() -> _Explained:
    step = Step("recorded", "No", "wait", "No event of this home is kept from before this moment.", rule="PA-01")
    sentence = "Nothing happened to this home that Porchlight recorded in the last 18 months."
    return _Explained(sentence, "wait", False, _whole([step]), None, ())


@dataclass(frozen=True)
class _Facts:
    """All rows that bear on one buyer and one home, read once."""

    zone: ZoneInfo
    as_of: datetime
    now: datetime
    listing_key: str
    names: Mapping[int, str]
    batches: Mapping[int, Any]
    subscriptions: Sequence[Any]
    items: Mapping[tuple[int, int], Any]
    all_items: Sequence[Any]
    waiting: Mapping[tuple[int, int], Any]
    happenings: Mapping[int, Sequence[Any]]
    suppressions: Sequence[Suppression]
    shown: Any

    @classmethod
    def of(
        cls,
        contact: Any,
        listing: Any,
        events: Sequence[ListingEvent],
        *,
        zone: ZoneInfo,
        as_of: datetime,
        now: datetime,
    ) -> _Facts:
        seqs = [event.seq for event in events]
        subscriptions = queries.subscriptions_of(contact.id)
        numbers = [one.id for one in subscriptions]
        items = [row for row in queries.items_of(listing.id, numbers) if row.built_at <= as_of]
        mails = sorted({row.message_id for row in items if row.message_id is not None})
        recipients = sorted({contact.email, *(row.recipient for row in items)} - {""})
        homes = [columns_of(event) for event in events] + [home for event in events if (home := before_of(event))]
        happenings: dict[int, list[Any]] = {}
        for one in queries.happenings_of(mails) if mails else ():
            if one.recorded_at <= as_of:
                happenings.setdefault(one.outbound_message_id, []).append(one)
        return cls(
            zone=zone,
            as_of=as_of,
            now=now,
            listing_key=listing.listing_key,
            names=queries.names_of(area_ids(homes)),
            batches=queries.batches_of(seqs) if seqs else {},
            subscriptions=subscriptions,
            items={(row.alert_subscription_id, row.event_seq): row for row in items},
            all_items=items,
            waiting=queries.waiting_of(numbers, seqs) if numbers and seqs else {},
            happenings=happenings,
            suppressions=queries.suppressions_of(contact.office_id, recipients) if recipients else (),
            shown=queries.shown_of(contact.id, listing.id),
        )

    # One event

    def explain(self, event: ListingEvent) -> _Explained:
        """The answer about one event: the common beginning, then the search that came furthest."""
        steps = [self._recorded(event), *self._alertable(event)]
        if not event.alertable:
            reason = words.silence(event.not_alertable_reason)
            return _Explained(f"Nobody was to be told. {reason}", "wait", False, _whole(steps), None, ())
        steps.append(self._read(event))
        if steps[-1].tone != "good":
            said = steps[-1].sentence if steps[-1].tone == "bad" else "Matching has not read it yet: the next run will."
            return _Explained(said, steps[-1].tone, False, _whole(steps), None, ())
        chains = sorted((self._chain(one, event) for one in self.subscriptions), key=lambda one: -one.reach)
        if not chains:
            nobody = Step("on", "No", "wait", "The buyer had no saved search.", rule="PA-13")
            return _Explained("They had no saved search.", "wait", False, _whole([*steps, nobody]), None, ())
        best = chains[0]
        whole = _whole([*steps, *best.steps])
        return _Explained(best.verdict, best.tone, best.is_told, whole, best, tuple(chains[1:]))

    def _recorded(self, event: ListingEvent) -> Step:
        pairs = _change_pairs(event)
        origin = event.origin.replace("_", " ")
        return Step(
            "recorded",
            "Yes",
            "good",
            f"{event.change_type}, from {origin}.",
            pairs,
            (Row("event", event.seq),),
            event.recorded_at,
            "PA-01",
        )

    def _alertable(self, event: ListingEvent) -> list[Step]:
        if not event.alertable:
            said = words.silence(event.not_alertable_reason)
            return [Step("alertable", "No", "wait", said, rows=(Row("event", event.seq),), rule="PA-05")]
        names = ", ".join(kind.value for kind in AlertKind if event.kinds & KIND_BITS[kind])
        return [Step("alertable", "Yes", "good", f"As {names}.", rows=(Row("event", event.seq),), rule="PA-02")]

    def _read(self, event: ListingEvent) -> Step:
        row = self.batches.get(event.seq)
        step = Step("read", "Yes", "good", rule="PA-01")
        if row is not None and row.id is not None and row.taken_at <= self.as_of:
            return replace(step, rows=(Row("batch", row.id),), at=row.taken_at)
        if any(seq == event.seq for _, seq in (*self.items, *self.waiting)):
            return step  # what became of it is told below
        if row is None or row.id is not None or not row.is_read:
            return replace(step, answer="Not yet", tone="wait", sentence="It came after the last run of alerts.")
        if self.is_gone(event):
            return replace(step, sentence=f"Its batch was kept until {self.kept_until(event)}.", rule="PA-29")
        said = "The watermark has passed it and no batch took it: that is a fault."
        return replace(step, answer="No", tone="bad", sentence=said)

    # One search against it

    def _chain(self, one: Any, event: ListingEvent) -> Chain:
        item = self.items.get((one.id, event.seq))
        waits = self.waiting.get((one.id, event.seq))
        state = state_at(one, event.recorded_at)
        version = self._version(one, event, state, item)
        criteria = criteria_of(one.saved_search_id, *version) if version else None
        asks = criteria.sentence() if criteria else ""
        walk = _Walk(self, one, event, state, item, waits, criteria)
        steps = walk.steps()
        return Chain(
            one.id,
            one.saved_search_id,
            version[0] if version else None,
            asks,
            tuple(steps),
            walk.verdict,
            walk.tone,
            walk.is_told,
            one.called,
        )

    def _version(self, one: Any, event: ListingEvent, state: State | None, item: Any) -> tuple[int, str] | None:
        """The version that judged: the one that was stored with the match; else that of the moment the mail was due,
        which judges its whole window (PA-15)."""
        found = [
            (each["version"], orjson.dumps(each["criteria"]).decode(), datetime.fromisoformat(each["created_at"]))
            for each in one.versions or ()
        ]
        if item is not None:
            return next(((number, said) for number, said, _ in found if number == item.search_version), None)
        until = event.recorded_at
        if state is not None and state.schedule.schedule_type is not ScheduleType.ASAP:
            until = min(next_send(event.recorded_at, state.schedule, self.zone) or until, self.as_of)
        before = [(number, said) for number, said, made in found if made <= until]
        first = [(number, said) for number, said, _ in found[:1]]
        return (before or first)[-1] if found else None

    def home(self, columns: Home) -> Home:
        return home_of(columns, self.names, self.listing_key)

    def is_gone(self, event: ListingEvent) -> bool:
        return self.now - event.recorded_at > ITEMS_KEPT

    def kept_until(self, event: ListingEvent) -> str:
        return words.when(event.recorded_at + ITEMS_KEPT, self.zone)


@dataclass
class _Walk:
    """One search against one event, step by step, until it ends."""

    facts: _Facts
    one: Any
    event: ListingEvent
    state: State | None
    item: Any
    waits: Any
    criteria: Criteria | None
    verdict: str = ""
    tone: str = "wait"
    is_told: bool = False

    @property
    def reason(self) -> DropReason | None:
        """Why it was dropped, where it was and the reason is one we know."""
        said = self.item.drop_reason if self.item is not None else None
        return DropReason(said) if said in set(DropReason) else None

    @property
    def stop(self) -> str:
        """The step at which it was dropped; empty when it was not."""
        if self.item is None or not self.item.drop_reason:
            return ""
        return STOPS_AT.get(self.reason, "look") if self.reason else "look"

    @property
    def is_matched(self) -> bool:
        return self.item is not None or self.waits is not None

    def steps(self) -> list[Step]:
        done: list[Step] = []
        for step in (
            self.on,
            self.fits,
            self.news,
            self.matched,
            self.told,
            self.large,
            self.schedule,
            self.look,
            self.address,
            self.accepted,
            self.delivered,
            self.clicked,
        ):
            done.append(step())
            if self.verdict and not self.is_told:
                break
        return done

    def _ends(self, step: Step, verdict: str, tone: str = "wait") -> Step:
        self.verdict, self.tone = verdict, tone
        return replace(step, tone=tone)

    def _dropped(self, step: Step) -> Step:
        assert self.item is not None
        said = IN_WORDS[self.reason] if self.reason else str(self.item.drop_reason).replace("_", " ").capitalize() + "."
        return self._ends(replace(step, answer="No", sentence=said), said)

    def on(self) -> Step:
        one, state = self.one, self.state
        rows = (Row("search", one.saved_search_id), Row("subscription", one.id))
        step = Step("on", "Yes", "good", "", rows=rows, rule="PA-16")
        if self.stop == "on":
            return self._dropped(step)
        if self.is_matched:
            return replace(step, at=state.began_at if state else one.original_entry_timestamp)
        if state is None:
            since = words.when(one.original_entry_timestamp, self.facts.zone)
            said = f"The search began later, {since}: what was there already is no news."
            return self._ends(replace(step, answer="No", sentence=said, rule="PA-13"), said)
        if not state.active_yn:
            since = words.when(state.began_at, self.facts.zone)
            said = f"The search was off since {since}: {words.why_off(state.reason)}."
            return self._ends(replace(step, answer="No", sentence=said, at=state.began_at), said)
        return replace(step, at=state.began_at)

    def fits(self) -> Step:
        step = Step("fits", "Yes", "good", rule="PA-06")
        if self.criteria is None:
            if self.is_matched and self.stop != "fits":
                return replace(step, sentence="The version that judged it cannot be read any more.")
            said = IN_WORDS[DropReason.SEARCH_FAILING]
            return self._ends(replace(step, answer="No", sentence=said, rule="PA-18"), said, "bad")
        home = self.facts.home(columns_of(self.event))
        lines = words.criteria_lines(self.criteria, home)
        holds = sum(line.holds is True for line in lines)
        pairs = (("hold", f"{holds} of {len(lines)}"),)
        rows = (Row("search", self.one.saved_search_id),)
        step = replace(step, criteria=lines, pairs=pairs, rows=rows)
        if self.criteria.matches(home):
            return step
        if self.is_matched:
            said = "Matching took it by its main lines; all of them are read at the last look."
            return replace(step, answer="At first look", sentence=said)
        missed = next((line for line in lines if line.holds is False), None) or next(
            (line for line in lines if line.holds is not True), None
        )
        said = f"It did not fit. {missed.against}." if missed else "It did not fit."
        answer = "Not known" if missed is not None and missed.holds is None else "No"
        return self._ends(replace(step, answer=answer, sentence=said), said)

    def news(self) -> Step:
        step = Step("news", "Yes", "good", rule="PA-04")
        wanted = self.state.kinds if self.state is not None else self.one.kinds
        named = _kinds_in(wanted)
        step = replace(step, pairs=(("happened", _kinds_in(self.event.kinds)), ("asked for", named)))
        if self.stop == "news":
            return self._dropped(step)
        if self.item is not None:
            return replace(step, sentence=f"Told as {self.item.kind}." if not self.stop else "")
        if self.is_matched:
            return step
        if not self.event.kinds & wanted:
            said = f"They asked for {named}, and this is {_kinds_in(self.event.kinds)}."
            return self._ends(replace(step, answer="No", sentence=said), said)
        left = self.event.kinds & wanted
        if self._fitted_before():
            left &= ~KIND_BITS[AlertKind.NOW_MATCHES]
        if not left:
            said = "It fitted before the change as well, so this is not new to them."
            return self._ends(replace(step, answer="No", sentence=said), said)
        if left == KIND_BITS[AlertKind.STATUS_CHANGE] and not self._is_known():
            said = "Such a change is told of homes they were shown, and this one they were not."
            return self._ends(replace(step, answer="No", sentence=said), said)
        return step

    def _is_known(self) -> bool:
        """Had they been shown this home by then?"""
        then, shown = self.event.recorded_at, self.facts.shown
        if any(row.sent_at is not None and row.sent_at < then for row in self.facts.all_items):
            return True
        return shown is not None and bool(shown.listing_sent_timestamp < then)

    def _fitted_before(self) -> bool:
        before = before_of(self.event)
        return before is not None and self.criteria is not None and self.criteria.matches(self.facts.home(before))

    def matched(self) -> Step:
        step = Step("matched", "Yes", "good", rule="PA-01")
        if self.waits is not None:
            return replace(step, rows=(Row("batch", self.waits.batch_id),))
        row = self.facts.batches.get(self.event.seq)
        if self.item is not None:
            if row is None or row.id is None:
                return step
            return replace(step, rows=(Row("batch", row.id),), at=row.done_at)
        if self.facts.is_gone(self.event):
            return self._too_old(step)
        if row is not None and row.id is not None and row.done_at is None:
            said = "Its batch is being matched now."
            return self._ends(replace(step, answer="Not yet", sentence=said), said)
        said = "By the stored versions it should have been matched, and no match is stored: that is a fault."
        return self._ends(replace(step, answer="No", sentence=said), said, "bad")

    def _too_old(self, step: Step) -> Step:
        """It fitted; what came of it is kept no longer. The ledger of what was shown lasts longer."""
        until, shown = self.facts.kept_until(self.event), self.facts.shown
        kept = f"What became of a match is kept for 90 days, until {until}."
        if shown is not None and shown.listing_sent_timestamp >= self.event.recorded_at:
            at = words.when(shown.listing_sent_timestamp, self.facts.zone)
            price = f" at {money(shown.last_price_shown)}" if shown.last_price_shown is not None else ""
            said = f"It fitted, and they were last sent this home {at}{price}. {kept}"
        else:
            said = f"It fitted. {kept}"
        return self._ends(replace(step, answer="Kept no longer", sentence=kept, rule="PA-29"), said)

    def told(self) -> Step:
        step = Step("told", "Yes", "good", rule="PA-07")
        if self.stop != "told" or self.item is None:
            return step
        earlier = [
            row
            for row in self.facts.all_items
            if row.outcome == ItemOutcome.SHOWN
            and (row.kind, row.fingerprint) == (self.item.kind, self.item.fingerprint)
            and row.digest_id != self.item.digest_id
        ]
        said = IN_WORDS[DropReason.ALREADY_TOLD]
        if earlier:
            first = earlier[0]
            at = words.when(first.sent_at or first.built_at, self.facts.zone)
            said = f"They had been told of this ({self.item.kind}) {at}."
            if first.message_id:
                step = replace(step, rows=(Row("message", first.message_id),), at=first.sent_at)
        return self._ends(replace(step, answer="No", sentence=said), said)

    def large(self) -> Step:
        step = Step("large", "Yes", "good", rule="PA-04")
        item = self.item
        if item is None or (item.kind != AlertKind.PRICE_DROP and self.stop != "large"):
            return replace(step, answer="Does not apply")
        before, after = item.price_before, item.price_shown
        if before and after is not None:
            fell = before - after
            share = number((fell / before * 100).quantize(Decimal("0.1")))
            step = replace(
                step,
                pairs=(
                    ("found", f"{money(fell)}, {share} %"),
                    ("needed", f"{money(PRICE_DROP_AMOUNT)} or {number(PRICE_DROP_SHARE * 100)} %"),
                ),
                sentence=f"From {money(before)}, what they were last shown, to {money(after)}.",
            )
        if self.stop == "large":
            seen = f" They last saw {money(before)}; it was {money(after)}." if before and after is not None else ""
            said = (IN_WORDS[self.reason] if self.reason else "The drop was too small.") + seen
            return self._ends(replace(step, answer="No", sentence=said), said)
        return step

    def schedule(self) -> Step:
        state = self.state
        how = _clock_words(state.schedule) if state is not None else ""
        step = Step("schedule", "Due", "good", how, rule="PA-20")
        item = self.item
        if item is None and self.waits is not None and self.waits.waits_until is not None:
            why = WAITS_FOR.get(self.waits.waits_for, "It may not go at once")
            said = f"{why}: it waits until {words.when(self.waits.waits_until, self.facts.zone)}."
            return self._ends(replace(step, answer="Waits", sentence=said, rule="PA-10"), said)
        if item is None:
            at = self.one.next_send_timestamp if state is None or state.schedule.send_time else None
            until = f" The next is due {words.when(at, self.facts.zone)}." if at else ""
            said = f"It waits for their next mail, {how[:1].lower() + how[1:]}.{until}"
            return self._ends(replace(step, answer="Waits", sentence=said), said)
        rows = [Row("digest", item.digest_id)]
        if item.job_run_id:
            rows.append(Row("run", item.job_run_id))
        pairs = (("window until", words.when(item.window_end, self.facts.zone)),)
        return replace(step, rows=tuple(rows), pairs=pairs, at=item.built_at)

    def look(self) -> Step:
        step = Step("look", "Yes", "good", rule="PA-19")
        item = self.item
        assert item is not None
        if self.stop == "look":
            if item.message_id:
                step = replace(step, rows=(Row("message", item.message_id),), at=item.attempting_at)
            return self._dropped(step)
        if item.outcome == ItemOutcome.MERGED:
            step = replace(step, sentence="On the line of another change of the same home, in the same mail.")
        if item.message_id is None and self.stop:
            return replace(step, answer="Not needed", sentence="No mail was made of it.")
        if item.message_id is None and item.digest_state == DigestState.HELD:
            who = "its agent approves it first" if item.needs_approval else "its run was halted until somebody decides"
            said = f"The mail is made and held back: {who}."
            return self._ends(replace(step, answer="Waits", sentence=said, rule="PA-27"), said)
        if item.message_id is None:
            said = "Its digest has no mail."
            return self._ends(replace(step, answer="No", sentence=said), said, "bad")
        is_begun = item.attempting_at is not None and item.attempting_at <= self.facts.as_of
        return replace(step, rows=(Row("message", item.message_id),), at=item.attempting_at if is_begun else None)

    def address(self) -> Step:
        item, as_of = self.item, self.facts.as_of
        step = Step("address", "Yes", "good", rule="PA-24")
        if item is None:
            return step
        judged = item.attempting_at or item.built_at
        stops = [
            one
            for one in self.facts.suppressions
            if one.recipient == item.recipient
            and one.created_at <= min(as_of, judged)
            and (one.lifted_at is None or one.lifted_at > judged)
            and one.alert_subscription_id in (None, self.one.id)
        ]
        is_stopped = self.stop == "address" or item.state == MessageState.SUPPRESSED
        if not is_stopped:
            return replace(step, sentence=f"To {item.recipient}.")
        said = IN_WORDS[self.reason] if self.reason else IN_WORDS[DropReason.SUPPRESSED]
        if stops:
            first = stops[0]
            said = f"{said} It {first.reason} {words.when(first.created_at, self.facts.zone)}."
            step = replace(step, rows=(Row("suppression", first.id),), at=first.created_at)
        return self._ends(replace(step, answer="No", sentence=said), said)

    def accepted(self) -> Step:
        item, as_of = self.item, self.facts.as_of
        assert item is not None
        step = Step("accepted", "Yes", "good", rule="PA-22")
        if item.message_id is not None:
            step = replace(step, rows=(Row("message", item.message_id),))
        if self.stop == "accepted":
            return self._dropped(step)
        if item.sent_at is not None and item.sent_at <= as_of:
            at = words.when(item.sent_at, self.facts.zone)
            as_what = f" as {item.kind}" if item.kind else ""
            self.verdict, self.tone, self.is_told = f"They were told{as_what} {at}, at {item.recipient}.", "good", True
            return replace(step, at=item.sent_at, sentence=item.last_reply or "")
        state = item.state if item.sent_at is None else MessageState.QUEUED
        said = MESSAGE_IN_WORDS.get(state, f"The mail is {state}.")
        return self._ends(
            replace(step, answer="Not yet" if state in WAITS else "No", sentence=said),
            said,
            "bad" if state in {MessageState.FAILED, MessageState.EXPIRED} else "wait",
        )

    def _happened(self, *types: EventType) -> Any:
        mail = self.facts.happenings.get(self.item.message_id, ())
        return next((one for one in mail if one.event_type in types), None)

    def delivered(self) -> Step:
        step = Step("delivered", rule="PA-22")
        if (bad := self._happened(EventType.BOUNCED, EventType.REJECTED, EventType.FAILED)) is not None:
            self.verdict += f" The mail came back {words.when(bad.occurred_at, self.facts.zone)}."
            self.tone, said = "wait", bad.reply or "It came back."
            return replace(step, answer="It came back", tone="wait", at=bad.occurred_at, sentence=said)
        if (complaint := self._happened(EventType.COMPLAINED)) is not None:
            said = "It was reported as spam."
            return replace(step, answer="Yes", tone="wait", at=complaint.occurred_at, sentence=said)
        found = self._happened(EventType.DELIVERED, EventType.OPENED, EventType.CLICKED, EventType.UNSUBSCRIBED)
        if found is None:
            return replace(step, answer="Nothing heard", sentence="The relay took it; no word came after that.")
        return replace(step, answer="Yes", tone="good", at=found.occurred_at, sentence=f"By {found.source}.")

    def clicked(self) -> Step:
        step = Step("clicked")
        if (found := self._happened(EventType.CLICKED)) is not None:
            return replace(
                step, answer="Yes", tone="good", at=found.occurred_at, sentence="A link of the mail was opened."
            )
        if (found := self._happened(EventType.UNSUBSCRIBED)) is not None:
            return replace(step, answer="They unsubscribed", tone="wait", at=found.occurred_at)
        return replace(step, answer="Not that we know", sentence="No link of the mail was opened by then.")


WAITS_FOR: Mapping[str, str] = {
    WaitsFor.HOUR: "They had a mail within the hour",
    WaitsFor.DAY: "They had all mails of the day",
    WaitsFor.QUIET: "Quiet hours",
    WaitsFor.AGE: "It was found late, and goes with the daily mail",
}
WAITS = frozenset({MessageState.QUEUED, MessageState.SENDING})
MESSAGE_IN_WORDS: Mapping[str, str] = {
    MessageState.QUEUED: "The mail waits to be sent.",
    MessageState.SENDING: "The mail is being sent.",
    MessageState.FAILED: "The relay refused the mail for good.",
    MessageState.EXPIRED: "The mail could not be sent while it was news.",
    MessageState.DROPPED: "The last look left nothing to say.",
    MessageState.UNKNOWN: "The connection broke while it was sent: it may or may not have arrived.",
}


def _whole(steps: Sequence[Step]) -> tuple[Step, ...]:
    """All steps of the chain: those that were walked, and the others as not reached."""
    walked = {step.key: step for step in steps}
    return tuple(walked.get(key, Step(key)) for key in STEPS)


def _change_pairs(event: ListingEvent) -> tuple[tuple[str, str], ...]:
    """Before and after of what matters most in it."""
    for name in ("list_price", "standard_status"):
        if name in event.changes:
            before, after = event.changes[name]
            pair = [
                words.one(name, Decimal(each) if name == "list_price" and each else each) for each in (before, after)
            ]
            return (("before", pair[0] if before not in (None, "") else "–"), ("after", pair[1]))
    return (("price", money(event.list_price)), ("status", event.standard_status))


def _kinds_in(bits: int) -> str:
    names = [kind.value for kind in AlertKind if bits & KIND_BITS[kind]]
    return ", ".join(names) or "nothing"


def _clock_words(schedule: Schedule) -> str:
    at = f" at {schedule.send_time:%H:%M}" if schedule.send_time else ""
    if schedule.schedule_type is ScheduleType.ASAP:
        return "As soon as possible"
    return f"{schedule.schedule_type.value}{at}"
