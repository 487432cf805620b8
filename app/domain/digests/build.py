"""Waiting matches become one digest per person, and the digest becomes one message (PA-08, PA-11, PA-12).

Every (subscription, event) that waited gets a row that says what became of it; nothing is left out silently.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from app.domain.digests import queries
from app.domain.digests.cadence import plan as cadence
from app.domain.digests.cadence import queries as due
from app.domain.digests.decide import Decision, DropReason, decide
from app.domain.digests.look import matches_of, told_of
from app.domain.messages.keys import message_id_for
from app.domain.models import DigestState, ItemOutcome, Stream
from app.domain.models.lookups import ContactStatus, ReasonActiveOrDisabled, ScheduleType
from app.domain.searches import saved
from app.domain.searches.schedule import Quiet, Schedule, first_zone, last_send, next_send
from app.extensions import settings
from app.gateways.mail import domain_of

log = structlog.get_logger(__name__)

KEEPS_ASAP = timedelta(hours=4)
KEEPS_DAILY = timedelta(hours=20)
"""How long a message is news; after that it expires unsent."""

Values = dict[str, Any]
Part = tuple[int, bool]
"""Whose mail, and whether an agent approves it first: what makes a digest of a window."""


def build_some(
    window_end: datetime,
    now: datetime | None = None,
    job_run_id: int | None = None,
    limit: int = 200,
    *,
    release: bool = True,
) -> dict[str, int] | None:
    """Build the digests of up to `limit` people whose alerts are due at `window_end`; None when nobody is left.

    One transaction, which the caller commits; then call again until None. Safe to run twice and by several workers:
    a household is locked while built, and an address has at most one digest for each `window_end` (beside it one of
    searches whose mails an agent approves, which waits for that). A subscription with an hour of its own moves to its
    next one, with or without a match (PA-20). What may not go yet is given its moment (PA-10, PA-21, PA-26).
    `release=False` leaves the messages to app.domain.digests.holds.release, which counts the whole run first (PA-27).
    Returns counts: recipients, digests, empty, messages, shown, merged, dropped, and waiting (match rows).
    """
    now = now or datetime.now(UTC)
    leaders = due.lock_due(window_end, limit)
    return _build_for(leaders, _Window(window_end, now, job_run_id, release=release)) if leaders else None


def build_for(contact_id: int, window_end: datetime, now: datetime) -> dict[str, int]:
    """The same for one person and their household alone, whether or not they are due. For a preview, whose transaction
    is taken back."""
    return _build_for([contact_id], _Window(window_end, now, None, release=False))


def _build_for(leaders: list[int], window: _Window) -> dict[str, int]:
    window_end, now = window.end, window.now
    # A second statement on purpose: it sees what a builder that had these people before us has committed.
    people = {row.id: row for row in due.people(leaders, window_end)}
    clocks = _Clocks(due.due_clocks(list(people), window_end), window_end)
    counts = Counter(recipients=len(people))
    rows: dict[int, list[queries.AnyRow]] = defaultdict(list)
    for row in due.waiting(list(people), window_end):
        rows[row.contact_id].append(row)
    if rows:
        plans = {
            contact: cadence.plan(waiting, buyer_of(people[contact], now), window_end, now, clocks.skipped)
            for contact, waiting in rows.items()
        }
        counts += _build(window, people, plans, clocks)
        counts += _hold_back(plans.values())
    clocks.move()
    return {name: counts[name] for name in COUNTS}


COUNTS = ("recipients", "digests", "empty", "messages", "shown", "merged", "dropped", "waiting")


class _Window:
    """What all digests of one call share."""

    def __init__(self, end: datetime, now: datetime, job_run_id: int | None, *, release: bool) -> None:
        self.end, self.now, self.job_run_id, self.release = end, now, job_run_id, release


def buyer_of(person: queries.AnyRow, now: datetime) -> cadence.Buyer:
    """A person of cadence.queries.people, with the quiet hours of the settings where nobody chose others (PA-21)."""
    config, made_at = settings(), person.made_at or []
    zone = first_zone(person.time_zone, person.area_time_zone, person.office_time_zone)
    usual = config.quiet_hours
    begin = person.quiet_from or (usual[0] if usual else None)
    end = person.quiet_until or (usual[1] if usual else None)
    return cadence.Buyer(
        zone=zone,
        quiet=Quiet(begin, end) if begin is not None and end is not None else None,
        last_window=person.last_window,
        last_at=max(made_at, default=None),
        today=sum(moment.astimezone(zone).date() == now.astimezone(zone).date() for moment in made_at),
        limits=cadence.Limits(timedelta(minutes=config.instant_gap_minutes), config.instant_mails_a_day),
        next_daily=person.next_daily,
    )


def _build(
    window: _Window, people: Mapping[int, queries.AnyRow], plans: Mapping[int, cadence.Plan], clocks: _Clocks
) -> Counter[str]:
    taken = [row for plan in plans.values() for row in plan.taken]
    if not taken:
        return Counter()
    facts, asked_first = _facts(window, people, taken, clocks)
    decided: dict[Part, list[Decision]] = {}
    failing: set[int] = set()
    for part in sorted(facts):
        told = told_of(facts[part])
        beside = decided.get((part[0], False), ())  # what goes without being approved is told already
        told |= {
            (item.match.listing_id, item.kind.value, item.fingerprint)
            for item in beside
            if item.outcome is ItemOutcome.SHOWN
        }
        decided[part] = decide(_still_news(facts[part], window.now, failing), told)
    instant = {part: _is_instant(part, people, plans) for part in decided}
    digests = queries.insert_digests(
        [_digest(window, people[part[0]], items, part, is_instant=instant[part]) for part, items in decided.items()]
    )
    items = [_item(digest_id, people[part[0]], item) for part, digest_id in digests.items() for item in decided[part]]
    items = _write_items(items)
    _stop_failing(items, window.now)
    shown = Counter(row["digest_id"] for row in items if row["outcome"] == ItemOutcome.SHOWN)
    messages = [
        message_of(
            people[part[0]].office_id,
            part[0],
            people[part[0]].recipient,
            digest_id,
            window.end,
            needs_approval=False,
            not_before=window.now,
            expires_at=window.now + keeps(is_instant=instant[part]),
            now=window.now,
        )
        for part, digest_id in digests.items()
        if shown[digest_id] and window.release and not part[1]
    ]
    if messages:
        queries.insert_messages(messages)
    queries.take_matches(
        [
            {
                "found_on": row.found_on,
                "batch_id": row.batch_id,
                "alert_subscription_id": row.alert_subscription_id,
                "digest_id": digests[part],
            }
            for row in taken
            if (part := (row.contact_id, row.alert_subscription_id in asked_first)) in digests
        ]
    )
    return Counter(row["outcome"] for row in items) + Counter(
        digests=len(digests),
        messages=sum(shown[digest] > 0 for digest in digests.values()),
        empty=sum(not shown[digest] for digest in digests.values()),
    )


def _facts(
    window: _Window, people: Mapping[int, queries.AnyRow], taken: Sequence[queries.AnyRow], clocks: _Clocks
) -> tuple[dict[Part, list[queries.Fact]], set[int]]:
    """What is known of all that goes, for each mail; and the subscriptions whose mails an agent approves first. Who
    shares alerts is told of each other's homes as well (PA-09)."""
    asked_first = {row.alert_subscription_id for row in taken if row.concierge_yn}
    households: dict[int, list[int]] = defaultdict(list)
    for person in people.values():
        if person.household_id and _is_reachable(person):
            households[person.household_id].append(person.id)
    pairs = set()
    for row in taken:
        household = people[row.contact_id].household_id
        readers = {row.contact_id, *(households[household] if household and row.active_yn else ())}
        pairs |= {(row.alert_subscription_id, seq, reader) for seq in row.event_seqs for reader in readers}
    facts: dict[Part, list[queries.Fact]] = defaultdict(list)
    for fact in queries.facts_of_pairs(sorted(pairs), window.now, _watermarks(taken, clocks)):
        facts[fact.contact_id, fact.alert_subscription_id in asked_first].append(fact)
    return facts, asked_first


def _watermarks(taken: Sequence[queries.AnyRow], clocks: _Clocks) -> dict[int, datetime]:
    """Since when each subscription has not been served: its last due moment, and for “as soon as possible” the last
    time that events were taken before the first of those that go now (PA-04)."""
    since = dict(clocks.since)
    asap = [row for row in taken if row.alert_subscription_id not in clocks.since]
    before = queries.taken_before(sorted({row.batch_id for row in asap})) if asap else {}
    for row in asap:
        if moment := before.get(row.batch_id):
            since[row.alert_subscription_id] = min(moment, since.get(row.alert_subscription_id, moment))
    return since


def _is_reachable(person: queries.AnyRow) -> bool:
    return person.contact_status == ContactStatus.ACTIVE and not person.recipient.startswith(queries.NO_ADDRESS)


def _is_instant(part: Part, people: Mapping[int, queries.AnyRow], plans: Mapping[int, cadence.Plan]) -> bool:
    """Whether this mail is one of the few of an hour and a day: nothing in it went by a clock."""
    contact, needs_approval = part
    household = people[contact].household_id
    mine = [
        plan
        for other, plan in plans.items()
        if other == contact or (household and people[other].household_id == household)
    ]
    going = [plan for plan in mine if any(not row.concierge_yn and row.active_yn for row in plan.taken)]
    return not needs_approval and bool(going) and all(plan.is_instant for plan in going)


def _still_news(facts: Sequence[queries.Fact], now: datetime, failing: set[int]) -> list[Any]:
    return [
        match._replace(reason=DropReason.TOO_OLD)
        if match.reason is None
        and cadence.too_old(datetime.fromisoformat(fact.recorded_at), fact.schedule_type, fact.weekdays, now)
        else match
        for fact, match in zip(facts, matches_of(facts, failing), strict=True)
    ]


def _hold_back(plans: Iterable[cadence.Plan]) -> Counter[str]:
    held = [
        {
            "found_on": row.found_on.isoformat(),
            "batch_id": row.batch_id,
            "alert_subscription_id": row.alert_subscription_id,
            "waits_until": wait.until.isoformat(),
            "waits_for": wait.why.value,
        }
        for plan in plans
        for row, wait in plan.held
    ]
    if held:
        due.hold_back(held)
    return Counter(waiting=len(held))


def _digest(
    window: _Window, person: queries.AnyRow, items: Sequence[Decision], part: Part, *, is_instant: bool
) -> Values:
    shown = sum(item.outcome is ItemOutcome.SHOWN for item in items)
    is_held = part[1] or not window.release
    return {
        "office_id": person.office_id,
        "contact_id": person.id,
        "recipient": person.recipient,
        "window_end": window.end,
        "state": DigestState.EMPTY if not shown else DigestState.HELD if is_held else DigestState.BUILT,
        "token": secrets.token_urlsafe(16),
        "items_shown": shown,
        "items_dropped": sum(item.outcome is ItemOutcome.DROPPED for item in items),
        "job_run_id": window.job_run_id,
        "is_instant": is_instant,
        "needs_approval": part[1],
        "created_at": window.now,
    }


def _item(digest_id: int, person: queries.AnyRow, item: Decision) -> Values:
    return {
        "digest_id": digest_id,
        "alert_subscription_id": item.match.alert_subscription_id,
        "event_seq": item.match.event_seq,
        "office_id": person.office_id,
        "recipient": person.recipient,
        "listing_id": item.match.listing_id,
        "saved_search_id": item.match.saved_search_id,
        "search_version": item.match.search_version,
        "since": item.match.since,
    } | outcome_columns(item)


def outcome_columns(item: Decision) -> Values:
    """The columns of a digest_item that a last look may change."""
    return {
        "kind": item.kind,
        "fingerprint": item.fingerprint,
        "price_before": item.price_before,
        "price_shown": item.price_shown,
        "outcome": item.outcome,
        "drop_reason": item.drop_reason,
        "position": item.position,
        "cause": item.cause,
    }


def _write_items(items: list[Values]) -> list[Values]:
    """Write them all. What the unique key refuses was told by another transaction a moment ago: it, and what was to go
    along with it, is dropped as told."""
    written = queries.insert_items(items)
    refused = [row for row in items if _key(row) not in written]
    if not refused:
        return items
    lines = {(row["digest_id"], row["listing_id"]) for row in refused}
    told: dict[str, Any] = {"outcome": ItemOutcome.DROPPED, "drop_reason": DropReason.ALREADY_TOLD, "position": None}
    queries.insert_items([row | told for row in refused])
    queries.drop_merged(sorted(lines), DropReason.ALREADY_TOLD)
    queries.count_items(sorted({digest_id for digest_id, _ in lines}))
    return [
        row | told if (row["digest_id"], row["listing_id"]) in lines and row["outcome"] != ItemOutcome.DROPPED else row
        for row in items
    ]


def _stop_failing(items: Sequence[Values], now: datetime) -> None:
    """A search that cannot be read stops alone, and says so on its page: the others go on (PA-18)."""
    for number in sorted(
        {row["alert_subscription_id"] for row in items if row["drop_reason"] == DropReason.SEARCH_FAILING}
    ):
        saved.stop(number, ReasonActiveOrDisabled.SEARCH_FAILING, now)
        log.error("search.stopped", alert_subscription_id=number)


def _key(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return row["digest_id"], row["alert_subscription_id"], row["event_seq"]


def keeps(*, is_instant: bool) -> timedelta:
    """How long a mail is news."""
    return KEEPS_ASAP if is_instant else KEEPS_DAILY


def message_of(
    office_id: int,
    contact_id: int,
    recipient: str,
    digest_id: int,
    window_end: datetime,
    *,
    needs_approval: bool,
    not_before: datetime,
    expires_at: datetime,
    now: datetime,
) -> Values:
    """The row of a digest's message. Its key follows from whose window it is, so it exists once."""
    dedupe_key = f"alert:{office_id}:{recipient}:{window_end.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    if needs_approval:
        dedupe_key += ":approved"
    return {
        "office_id": office_id,
        "contact_id": contact_id,
        "digest_id": digest_id,
        "stream": Stream.ALERTS,
        "dedupe_key": dedupe_key,
        "message_id": message_id_for(settings().secret_key, dedupe_key, domain_of(settings().mail_from)),
        "recipient": recipient,
        "not_before": not_before,
        "expires_at": expires_at,
        "created_at": now,
    }


class _Clocks:
    """The subscriptions whose own hour has come. Each local day is served once, and a window that comes late does not
    make up for each day it missed (PA-20)."""

    def __init__(self, rows: Sequence[queries.AnyRow], window_end: datetime) -> None:
        self.moved = []
        self.since: dict[int, datetime] = {}
        """The due moment before the one that is served now."""
        skipped = set()
        for row in rows:
            schedule = Schedule(ScheduleType(row.schedule_type), row.send_time, tuple(row.daily_schedule))
            zone = first_zone(row.time_zone, row.area_time_zone, row.office_time_zone)
            day = cadence.served_day(window_end, row.next_send_timestamp, schedule, zone)
            if row.served_on is not None and row.served_on >= day:
                skipped.add(row.id)
                day = row.served_on
            following = next_send(window_end, schedule, zone)
            if (last := last_send(row.next_send_timestamp - timedelta(seconds=1), schedule, zone)) is not None:
                self.since[row.id] = last
            self.moved.append(
                {
                    "id": row.id,
                    "was": row.next_send_timestamp,
                    "next_send_timestamp": following,
                    "served_on": day,
                }
            )
        self.skipped = frozenset(skipped)
        """Had their mail of this local day already: what they found waits for the next one."""

    def move(self) -> None:
        if self.moved:
            due.move_clocks(self.moved)
