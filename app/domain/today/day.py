"""The first page's whole day, gathered in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.digests.lifecycle.queries import about_to_end
from app.domain.models import (
    KIND_BITS,
    AlertKind,
    DigestState,
    ImportBatch,
    Incident,
    IncidentTone,
    JobRun,
    JobSchedule,
    Office,
)
from app.domain.ops.queries.incidents import open_now
from app.domain.today import queries
from app.domain.today.days import windows

MOST_ENDING = 5
QUIET = frozenset({"sweep", "canary", "lifecycle"})
"""Schedules that run so often, or so quietly, that they are no news in a day's plan."""


@dataclass(frozen=True)
class Needs:
    """What a person has to look at. Runs and schedules belong to the house, the rest to the office."""

    incidents: Sequence[Incident] = ()
    """What is wrong with the works and nobody is on, worst first; only for who can mend it."""
    trouble: str = ""
    """What the lamp says is red while no incident tells of it yet."""
    runs: Sequence[JobRun] = ()
    paused: Sequence[JobSchedule] = ()
    imports: Sequence[ImportBatch] = ()
    unknown_mails: int = 0
    newest_unknown: int | None = None
    unknown_reasons: Sequence[str] = ()
    ending: Sequence[Any] = ()
    """Searches that stop by themselves soon, unless somebody keeps them (PA-17)."""
    approvals: int = 0
    """Mails that wait for this person's word: their own buyers', or the whole office's for staff."""
    oldest_approval: datetime | None = None

    def __len__(self) -> int:
        works = len(self.incidents) + bool(self.trouble) + len(self.runs) + len(self.paused)
        return works + len(self.imports) + bool(self.unknown_mails) + len(self.ending) + bool(self.approvals)


@dataclass(frozen=True)
class Match:
    """One of the newest matches, as the page tells it."""

    listing_id: int
    address: str
    city: str
    price: Any
    contact_id: int
    buyer: str
    saved_search_id: int
    search: str
    kind: AlertKind | None
    before: Any
    message_id: int | None
    fate: str
    """sent, a message's state, held, dropped, next (goes out with the next run) or later (at `due_at`)."""
    due_at: datetime | None
    reason: str | None


@dataclass(frozen=True)
class Step:
    """Something the clock will do today: a schedule line, or daily mails to some buyers."""

    due_at: datetime
    name: str
    buyers: int | None = None


@dataclass(frozen=True)
class Day:
    numbers: queries.Numbers
    needs: Needs
    matches: Sequence[Match]
    steps: Sequence[Step]


def kind_of(kinds: int) -> AlertKind | None:
    """The strongest kind in an event's bits (PA-08)."""
    return next((kind for kind in AlertKind if kinds & KIND_BITS[kind]), None)


def fate_of(row: Any) -> tuple[str, datetime | None]:
    """What became of a match, or what will: a word and, where there is one, its moment."""
    if row.outcome == "dropped":
        return "dropped", None
    if row.message_state is not None:
        return row.message_state, row.sent_at
    if row.digest_id is not None:
        return "held" if row.digest_state == DigestState.HELD else "dropped", None
    if row.schedule_type != "ASAP" and row.next_send_timestamp is not None:
        return "later", row.next_send_timestamp
    return "next", None


def _match(row: Any, next_alerts: datetime | None) -> Match:
    fate, due_at = fate_of(row)
    return Match(
        listing_id=row.listing_id,
        address=row.unparsed_address,
        city=row.city,
        price=row.list_price,
        contact_id=row.contact_id,
        buyer=row.full_name,
        saved_search_id=row.saved_search_id,
        search=row.saved_search_name,
        kind=kind_of(row.kinds),
        before=row.previous_list_price,
        message_id=row.message_id,
        fate=fate,
        due_at=next_alerts if fate == "next" else due_at,
        reason=row.drop_reason,
    )


def day(
    office: Office,
    *,
    sees_the_works: bool,
    mends_the_works: bool = False,
    keeps_searches: bool = False,
    member_id: int | None = None,
    trouble: str = "",
    now: datetime | None = None,
) -> Day:
    """The day of an office up to `now`, in ten queries. What only the works' own people can mend is left out for
    others (`sees_the_works`), and incidents need those who can end them (`mends_the_works`). `member_id`: the agent who looks,
    for the mails that wait for their word. `trouble`: what the lamp says while it is red."""
    now = now or datetime.now(UTC)
    days = windows(now, office.time_zone)
    tonight = days[-1].end
    lines = queries.schedules()
    next_alerts = next((line.next_due_at for line in lines if line.kind == "alerts" and line.enabled), None)
    ending = about_to_end(office.id, limit=MOST_ENDING) if keeps_searches else ()
    needs = Needs(ending=ending)
    if keeps_searches and not sees_the_works:
        approvals, oldest = queries.approvals(office.id, member_id)
        needs = Needs(ending=ending, approvals=approvals, oldest_approval=oldest)
    if sees_the_works:
        mails = queries.mails_to_decide(office.id)
        runs = queries.failed_runs(office.id, now)
        wrong = [each for each in open_now() if each.tone == IncidentTone.BAD] if mends_the_works else []
        told = {run.id for run in runs}
        needs = Needs(
            incidents=[each for each in wrong if each.acknowledged_at is None and each.run_id not in told],
            trouble=trouble if mends_the_works and not wrong and not runs else "",
            runs=runs,
            paused=[line for line in lines if not line.enabled and not line.is_removed],
            imports=queries.imports_to_look_at(office.id, now),
            unknown_mails=mails.unknown,
            newest_unknown=mails.newest,
            unknown_reasons=mails.reasons or (),
            ending=ending,
            approvals=mails.approvals,
            oldest_approval=mails.oldest_approval,
        )
    steps = [
        Step(line.next_due_at, line.name)
        for line in lines
        if line.enabled
        and line.name not in QUIET
        and line.next_due_at
        and now - timedelta(hours=1) < line.next_due_at < tonight
    ]
    steps += [Step(due_at, "mails", buyers) for due_at, buyers in queries.mails_due(office.id, now, tonight)]
    return Day(
        numbers=queries.numbers(office.id, days),
        needs=needs,
        matches=[_match(row, next_alerts) for row in queries.newest_matches(office.id, now)],
        steps=sorted(steps, key=lambda step: step.due_at),
    )
