"""Waiting matches become one digest per person, and the digest becomes one message (PA-08, PA-11, PA-12).

Every (subscription, event) that waited gets a row that says what became of it; nothing is left out silently.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.digests import queries
from app.domain.digests.decide import Decision, DropReason, decide
from app.domain.digests.look import matches_of, told_of
from app.domain.messages.keys import message_id_for
from app.domain.models import DigestState, ItemOutcome, Stream
from app.domain.models.lookups import ScheduleType
from app.domain.searches.schedule import Schedule, next_send
from app.extensions import settings
from app.gateways.mail import domain_of

KEEPS_ASAP = timedelta(hours=4)
KEEPS_DAILY = timedelta(hours=20)
"""How long a message is news; after that it expires unsent."""

Values = dict[str, Any]


def build_some(
    window_end: datetime, now: datetime | None = None, job_run_id: int | None = None, limit: int = 200
) -> dict[str, int] | None:
    """Build the digests of up to `limit` people whose alerts are due at `window_end`; None when nobody is left.

    One transaction, which the caller commits; then call again until None. Safe to run twice and by several workers:
    a person is locked while built, and has at most one digest for each `window_end`. A subscription with an hour of its
    own moves to its next one, with or without a match (PA-20).
    Returns counts: recipients, digests, empty, messages, shown, merged, dropped.
    """
    now = now or datetime.now(UTC)
    people = {row.id: row for row in queries.lock_due(window_end, limit)}
    if not people:
        return None
    # A second statement on purpose: it sees what a builder that had these people before us has committed.
    waiting = queries.waiting(list(people), window_end)
    counts = Counter(recipients=len(people))
    if waiting:
        counts += _build(_Window(window_end, now, job_run_id), people, waiting)
    _move_clocks(list(people), window_end)
    return {name: counts[name] for name in COUNTS}


COUNTS = ("recipients", "digests", "empty", "messages", "shown", "merged", "dropped")


class _Window:
    """What all digests of one call share."""

    def __init__(self, end: datetime, now: datetime, job_run_id: int | None) -> None:
        self.end, self.now, self.job_run_id = end, now, job_run_id


def _build(window: _Window, people: Mapping[int, queries.AnyRow], waiting: Sequence[queries.AnyRow]) -> Counter[str]:
    pairs = sorted({(row.alert_subscription_id, seq) for row in waiting for seq in row.event_seqs})
    facts: dict[int, list[queries.Fact]] = {row.contact_id: [] for row in waiting}
    for row in queries.facts_of_pairs(list(facts), pairs, window.now):
        facts[row.contact_id].append(row)
    decided = {contact: decide(matches_of(rows), told_of(rows)) for contact, rows in facts.items()}

    digests = queries.insert_digests([_digest(window, people[contact], items) for contact, items in decided.items()])
    items = [
        _item(digest_id, people[contact], item) for contact, digest_id in digests.items() for item in decided[contact]
    ]
    items = _write_items(items)
    shown = Counter(row["digest_id"] for row in items if row["outcome"] == ItemOutcome.SHOWN)
    messages = [
        _message(window, digest_id, people[contact], keeps=_keeps(facts[contact]))
        for contact, digest_id in digests.items()
        if shown[digest_id]
    ]
    if messages:
        queries.insert_messages(messages)
    queries.take_matches(
        [
            {
                "found_on": row.found_on,
                "batch_id": row.batch_id,
                "alert_subscription_id": row.alert_subscription_id,
                "digest_id": digests[row.contact_id],
            }
            for row in waiting
            if row.contact_id in digests
        ]
    )
    return Counter(row["outcome"] for row in items) + Counter(
        digests=len(digests), messages=len(messages), empty=len(digests) - len(messages)
    )


def _digest(window: _Window, person: queries.AnyRow, items: Sequence[Decision]) -> Values:
    shown = sum(item.outcome is ItemOutcome.SHOWN for item in items)
    return {
        "office_id": person.office_id,
        "contact_id": person.id,
        "recipient": person.recipient,
        "window_end": window.end,
        "state": DigestState.BUILT if shown else DigestState.EMPTY,
        "token": secrets.token_urlsafe(16),
        "items_shown": shown,
        "items_dropped": sum(item.outcome is ItemOutcome.DROPPED for item in items),
        "job_run_id": window.job_run_id,
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


def _key(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return row["digest_id"], row["alert_subscription_id"], row["event_seq"]


def _keeps(facts: Sequence[queries.Fact]) -> timedelta:
    return KEEPS_ASAP if all(row.schedule_type == ScheduleType.ASAP for row in facts) else KEEPS_DAILY


def _message(window: _Window, digest_id: int, person: queries.AnyRow, *, keeps: timedelta) -> Values:
    dedupe_key = f"alert:{person.office_id}:{person.recipient}:{window.end.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    return {
        "office_id": person.office_id,
        "contact_id": person.id,
        "digest_id": digest_id,
        "stream": Stream.ALERTS,
        "dedupe_key": dedupe_key,
        "message_id": message_id_for(dedupe_key, domain_of(settings().mail_from)),
        "recipient": person.recipient,
        "not_before": window.now,
        "expires_at": window.now + keeps,
        "created_at": window.now,
    }


def _move_clocks(contacts: Sequence[int], window_end: datetime) -> None:
    """To the first due moment after this window: a window that comes late does not make up for each day it missed."""
    moved = [
        {
            "id": row.id,
            "was": row.next_send_timestamp,
            "next_send_timestamp": next_send(
                window_end,
                Schedule(ScheduleType(row.schedule_type), row.send_time, tuple(row.daily_schedule)),
                ZoneInfo(row.time_zone),
            ),
        }
        for row in queries.due_clocks(contacts, window_end)
    ]
    if moved:
        queries.move_clocks(moved)
