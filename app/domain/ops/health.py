"""Is it well? Judged from rows and from the clock's arithmetic, not from error events: what never ran turns red too
(SY-07). Nothing is asked over the network here; what probes found lately is taken into account, as it was written down:
what this process alone knows is no part of it, so that every process says the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain.messages.returns.inbound import configured
from app.domain.models import HoldCause
from app.domain.moments import database_now
from app.domain.ops import probing, queries
from app.domain.ops.clock import AHEAD, Span, is_ahead, last_owed, owed
from app.domain.ops.feeds import late_since
from app.domain.ops.registry import registry
from app.extensions import settings

ALIVE = timedelta(seconds=45)
"""A worker says so every 15 s."""
CLOCK_ALIVE = timedelta(seconds=30)
"""The scheduler says so after each look at the ledger, every 5 s."""
MAIL_PATIENCE = timedelta(minutes=10)
"""A message due for longer than this waits for somebody who does not come."""
SWEEP_PATIENCE = timedelta(minutes=5)
QUEUE_PATIENCE = timedelta(minutes=10)
"""A run due for longer than this waits behind others, or for nobody."""
REAP_PATIENCE = timedelta(minutes=2)
"""A lease that ran out is taken back within seconds."""
ANSWERS_COUNT = timedelta(minutes=3)
"""What the sweep found outside is asked each minute."""
SECOND_LOOK = timedelta(seconds=10)
"""One answer that fails may have come late: what is asked in vain for less than this is not away."""
WORKERS_RETURN = timedelta(seconds=60)
"""After Redis was away, workers need a moment to come back and say that they live."""
OUTSIDE_PATIENCE = timedelta(seconds=150)
"""What is asked once a minute calls somebody when it was found three times, not for one answer that came late."""
PAUSE_PATIENCE = timedelta(hours=24)
"""A pause is a decision; one that lasts longer may be forgotten."""
APPROVAL_PATIENCE = timedelta(hours=4)
"""A mail that an agent has not decided about for longer is hardly news any more."""
CANARY_PATIENCE = timedelta(minutes=20)
"""From setting out to arriving: a run of alerts comes within fifteen minutes, and a mail takes seconds."""
CANARY_MAILS = 5_000
"""So many mails in 7 days without one bounce: it is the bounces that are not heard of (PA-25)."""
BLOCKS = 20
"""So many blocks of one receiving domain in an hour are about us, and call somebody (PA-24)."""
WEBHOOK_PATIENCE = timedelta(hours=2)
"""A provider that has told nothing of mail for this long tells nothing any more (PA-25)."""
SCHEDULER = "silent:scheduler"


class Tone(StrEnum):
    GOOD = "good"
    WAIT = "wait"
    """Something wants a look; nothing is broken."""
    BAD = "bad"


@dataclass(frozen=True)
class Reason:
    """One thing that is not as it should be, and since when. `key` names the check and its subject, and stays the same
    while the sentence may change."""

    key: str
    tone: Tone
    sentence: str
    since: datetime | None = None
    stage: str = ""
    run_id: int | None = None
    because: tuple[str, ...] = ()
    """Keys of what would explain it: while one of those is known, this is its consequence and not another trouble."""
    why: str = ""
    """What is known of the cause, for the page of the incident."""
    plain: str = ""
    """The sentence in our own words alone, where it holds what somebody typed or what a server said."""
    is_wanted: bool = False
    """A person decided it so: shown, but no trouble."""
    nags: bool = False
    """Nothing is broken, and people are told all the same, once a day."""

    @property
    def in_public(self) -> str:
        """For who does not look after the works: nobody's name, no address, no words of others."""
        return self.plain or self.sentence

    def is_failure(self, now: datetime) -> bool:
        """A person must act: it is bad, and has been for as long as an alarm waits."""
        is_outside = self.key.startswith("unreachable:")
        is_young = is_outside and self.since is not None and self.since > now - OUTSIDE_PATIENCE
        return self.tone is Tone.BAD and not is_young


@dataclass(frozen=True)
class Verdict:
    tone: Tone
    sentence: str
    """Short, for the lamp."""
    line: str
    """For the head of the operations page."""
    reasons: Sequence[Reason]
    checked_at: datetime
    pauses: Sequence[ScheduleHealth] = ()
    """The lines that a person stopped: loud on every page of an admin."""
    ages: Mapping[str, float] = field(default_factory=dict)
    """Seconds since each sign of life."""

    @property
    def in_public(self) -> str:
        """The short sentence for who does not look after the works."""
        if not self.reasons:
            return self.sentence
        return self.sentence.replace(self.reasons[0].sentence, self.reasons[0].in_public, 1)


@dataclass(frozen=True)
class ScheduleHealth:
    """One schedule line, judged by arithmetic. `overdue_since`: the due time that should have been kept by now."""

    name: str
    kind: str
    cron: str
    time_zone: str
    grace: timedelta
    is_paused: bool
    paused_reason: str | None
    next_due: datetime | None
    last_success: datetime | None
    overdue_since: datetime | None
    paused_at: datetime | None = None
    paused_by: str | None = None
    """The name of who paused it."""
    is_written: bool = True
    """The due time that is overdue has a run, whatever became of it."""
    is_ahead: bool = False
    """A clock that was wrong has taken it into the future."""


@dataclass(frozen=True)
class Standing:
    """What was found lately of something outside, by whoever asked last."""

    is_up: bool
    """By the newest answer alone."""
    words: str
    at: datetime
    since: datetime | None = None
    """Since when it is asked in vain: the first failed answer after the last good one."""
    failed_at: datetime | None = None
    """When it last failed, if that was within ANSWERS_COUNT."""

    @property
    def is_away(self) -> bool:
        return self.since is not None and self.at - self.since >= SECOND_LOOK


@dataclass(frozen=True)
class Vitals:
    """What the verdict rests on."""

    schedules: Sequence[ScheduleHealth]
    kinds: Sequence[dict[str, Any]]
    processes: Sequence[dict[str, Any]]
    oldest_message: datetime | None
    unknown: int
    unaccounted: int
    """As the last sweep counted it."""
    queues: Sequence[dict[str, Any]] = ()
    """Each queue: its oldest run that is due, and whether one is being worked."""
    held_by_nobody: int = 0
    held_since: datetime | None = None
    answers: Mapping[str, Standing] = field(default_factory=dict)
    """What was found lately of each thing outside."""
    holds: Sequence[Mapping[str, Any]] = ()
    """Runs of mail that were halted, and wait for a person (PA-27)."""
    oldest_approval: datetime | None = None
    """When an agent was first asked about a mail that still waits."""
    feeds: Sequence[Mapping[str, Any]] = ()
    """Sources that must come by themselves, and when each was read last (PA-28)."""
    sent_unbounced: int = 0
    """Mails of 7 days, at most CANARY_MAILS, when not one bounce was heard of; else 0."""
    blocking: Sequence[dict[str, Any]] = ()
    """Receiving domains that blocked us BLOCKS times and more in an hour."""
    untold_since: datetime | None = None
    """When the first mail went out that a provider should have told of by now, and did not."""
    provider_off: Sequence[dict[str, Any]] = ()
    """What did not fit when the last day was counted beside its provider."""
    canary: Mapping[str, Any] = field(default_factory=dict)
    """The last synthetic mail that arrived, and the newest of those that should have arrived by now (PA-25)."""

    def schedule_of(self, kind: str) -> ScheduleHealth | None:
        return next((line for line in self.schedules if line.kind == kind and not line.is_paused), None)

    def workers_of(self, queue: str) -> list[dict[str, Any]]:
        return [each for each in self.processes if each["role"] == "worker" and each["queue"] == queue]

    def kind(self, name: str) -> dict[str, Any]:
        return next((kind for kind in self.kinds if kind["kind"] == name), {})

    @property
    def is_clock_silent(self) -> bool:
        """Nobody keeps the clock: whatever is due next does not begin, and nothing is on time."""
        return not any(process["role"] == "scheduler" and process["alive"] for process in self.processes)

    def is_away(self, name: str) -> bool:
        return name in self.answers and self.answers[name].is_away

    def moved_at(self, queue: str) -> datetime | None:
        """When a run of this queue last ended."""
        mine = [kind for kind in self.kinds if registry().queues.get(kind["kind"]) == queue]
        ends = [kind[end] for kind in mine for end in ("succeeded_at", "fell_at") if kind[end]]
        return max(ends, default=None)


def vitals(now: datetime | None = None) -> Vitals:
    """Read the vital signs: one statement."""
    now = now or database_now()
    limits = {
        "alive": now - ALIVE,
        "clock_alive": now - CLOCK_ALIVE,
        "reaped": now - REAP_PATIENCE,
        "asked": now - ANSWERS_COUNT,
        "canary": CANARY_MAILS,
        "canary_late": now - CANARY_PATIENCE,
        "ahead": now + AHEAD,
        "blocks": BLOCKS,
        "untold": now - WEBHOOK_PATIENCE,
        "providers": configured(),
    }
    row = queries.vitals(now, registry().queues, limits | {"feeds": list(settings().feeds)})
    sweep = row.last_sweep
    is_fresh = sweep is not None and _moment(sweep["finished_at"]) > now - SWEEP_PATIENCE  # type: ignore[operator]
    return Vitals(
        schedules=[_judge_line(line, now) for line in row.lines],
        kinds=[
            kind | {name: _moment(kind[name]) for name in ("succeeded_at", "failed_at", "fell_at")}
            for kind in row.kinds
        ],
        processes=[process | {"seen_at": _moment(process["seen_at"])} for process in row.processes],
        oldest_message=row.oldest_message,
        unknown=row.unknown,
        unaccounted=int(sweep["counts"].get("unaccounted", 0)) if is_fresh else 0,
        queues=[queue | {"oldest_due": _moment(queue["oldest_due"])} for queue in row.queues],
        held_by_nobody=row.held_by_nobody,
        held_since=row.held_since,
        answers={
            each["name"]: Standing(
                each["is_up"],
                each["words"],
                datetime.fromisoformat(each["at"]),
                _moment(each["since"]),
                _moment(each["failed_at"]),
            )
            for each in row.answers
        },
        sent_unbounced=row.sent_unbounced,
        blocking=row.blocking,
        untold_since=row.untold_since,
        provider_off=row.provider_off,
        canary={name: _moment(value) if name.endswith("_at") else value for name, value in (row.canary or {}).items()},
        holds=[hold | {"created_at": _moment(hold["created_at"])} for hold in row.holds],
        oldest_approval=row.oldest_approval,
        feeds=[feed | {"read_at": _moment(feed["read_at"])} for feed in row.feeds],
    )


def _judge_line(line: dict[str, Any], now: datetime) -> ScheduleHealth:
    due_from = _moment(line["due_from"]) or now
    grace = timedelta(seconds=line["grace_seconds"])
    pauses: list[Span] = [(_moment(begin) or now, _moment(end) or now) for begin, end in line["pauses"]]
    clock = line["cron"], line["time_zone"]
    expected = last_owed(*clock, now - grace, due_from, pauses) if line["enabled"] else None
    last_good, last_success = _moment(line["last_good_due"]), _moment(line["last_success"])
    # Kept by its own run, or by any success since: a person's retry does for a failed one.
    is_kept = expected is None or any(moment is not None and moment >= expected for moment in (last_good, last_success))
    return ScheduleHealth(
        name=line["name"],
        kind=line["kind"],
        cron=line["cron"],
        time_zone=line["time_zone"],
        grace=grace,
        is_paused=not line["enabled"],
        paused_reason=line["paused_reason"],
        next_due=_moment(line["next_due_at"]),
        last_success=last_success,
        overdue_since=None if is_kept else next(owed(*clock, last_good or due_from, now - grace, pauses), None),
        paused_at=_moment(line["paused_at"]),
        paused_by=line["paused_by"],
        is_written=expected is None or (_moment(line["last_written_due"]) or due_from) >= expected,
        is_ahead=line["enabled"] and is_ahead(*clock, _moment(line["last_due_at"]), _moment(line["next_due_at"]), now),
    )


def verdict(now: datetime | None = None, *, signs: Vitals | None = None) -> Verdict:
    """One sentence on everything, and its reasons. The balance is as last swept."""
    now = now or database_now()
    signs = signs or vitals(now)
    reasons = [
        *_silent_processes(signs, now),
        *_unreachable(signs),
        *_ahead(signs, now),
        *_overdue(signs, now),
        *_stuck(signs, now),
        *failing(signs, now),
        *_unbalanced(signs),
        *_waiting_mail(signs, now),
        *_unheard_bounces(signs),
        *_blocked(signs),
        *_untold(signs),
        *missing_canary(signs),
        *_held(signs, now),
        *stale_feeds(signs, now),
    ]
    reasons.sort(key=lambda reason: reason.tone is not Tone.BAD)
    ages = _ages(signs, now)
    bad = [reason for reason in reasons if reason.tone is Tone.BAD]
    if bad:
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        return Verdict(Tone.BAD, bad[0].sentence + more, bad[0].sentence + ".", reasons, now, _pauses(signs), ages)
    if reasons:
        line = f"Everything runs. {reasons[0].sentence}."
        return Verdict(Tone.WAIT, reasons[0].sentence, line, reasons, now, _pauses(signs), ages)
    line = "Everything works, and every row is accounted for."
    return Verdict(Tone.GOOD, "Everything works", line, [], now, ages=ages)


def _pauses(signs: Vitals) -> list[ScheduleHealth]:
    on_the_clock = {line.name for line in registry().lines}
    return [line for line in signs.schedules if line.is_paused and line.name in on_the_clock]


def _silent_processes(signs: Vitals, now: datetime) -> list[Reason]:
    """Nobody keeps the clock, or nobody takes jobs from a queue. While Redis is away no worker can, nor in the minute
    after, and the scheduler does what must be done: worth a look, and what stays undone has checks of its own."""
    reasons = []
    clocks = [process for process in signs.processes if process["role"] == "scheduler"]
    if signs.is_clock_silent:
        seen = max((process["seen_at"] for process in clocks), default=None)
        words = "The scheduler is silent" if seen else "The scheduler has never run"
        reasons.append(Reason(SCHEDULER, Tone.BAD, words, seen, "clock"))
    redis = signs.answers.get(probing.REDIS)
    is_back_just_now = redis is not None and redis.failed_at is not None and redis.failed_at > now - WORKERS_RETURN
    is_covered = (signs.is_away(probing.REDIS) or is_back_just_now) and not reasons
    for queue in sorted(set(registry().queues.values())):
        workers = signs.workers_of(queue)
        if not any(process["alive"] for process in workers):
            seen = max((process["seen_at"] for process in workers), default=None)
            tone = Tone.WAIT if is_covered else Tone.BAD
            words = f"No worker takes jobs from “{queue}”"
            because = (f"unreachable:{probing.REDIS}",)
            reasons.append(Reason(silent(queue), tone, words, seen, queue, because=because))
    return reasons


def silent(queue: str) -> str:
    """The key of a queue that nobody works."""
    return f"silent:worker:{queue}"


def _ahead(signs: Vitals, now: datetime) -> list[Reason]:
    """Somebody's clock was, or is, ahead of PostgreSQL's: what it wrote down lies in the future."""
    lines = [line.name for line in signs.schedules if line.is_ahead]
    processes = [each for each in signs.processes if each["seen_at"] > now + AHEAD]
    if not lines and not processes:
        return []
    why = "Its due times lie in the future; the scheduler's next look sets them right." if lines else ""
    why = why or "A process gave its last sign of life in the future."
    words = f"The clock was ahead: “{lines[0]}” would stand still" if lines else "A clock is ahead of PostgreSQL’s"
    return [Reason("clock:ahead", Tone.BAD, words, None, "clock", why=f"{why} Compare the hosts' clocks (NTP).")]


def _overdue(signs: Vitals, now: datetime) -> list[Reason]:
    written = {line.name for line in signs.schedules}
    paused = {line.name for line in _pauses(signs)}
    reasons = [
        Reason(
            f"unwritten:{line.name}",
            Tone.BAD,
            f"“{line.name}” was never put on the clock",
            None,
            line.kind,
            because=(SCHEDULER,),
        )
        for line in registry().lines
        if line.name not in written
    ]
    for line in signs.schedules:
        if line.overdue_since is not None:
            word = "has stopped" if line.last_success else "has never run"
            why = "Its runs are written down and do not succeed."
            if not line.is_written:
                why = "No run was written down for its due time: the scheduler made none."
            reasons.append(
                Reason(
                    f"overdue:{line.name}",
                    Tone.BAD,
                    f"“{line.name}” {word}",
                    line.overdue_since,
                    line.kind,
                    because=(SCHEDULER, silent(registry().queues.get(line.kind, "")), f"failing:{line.kind}"),
                    why=why,
                )
            )
        elif line.name in paused:
            reasons.append(_paused(line, now))
    return reasons


def _paused(line: ScheduleHealth, now: datetime) -> Reason:
    plain = f"“{line.name}” is paused"
    why = f": {line.paused_reason}" if line.paused_reason else ""
    key = f"paused:{line.name}"
    if line.paused_at is None or now - line.paused_at < PAUSE_PATIENCE:
        return Reason(key, Tone.WAIT, plain + why, line.paused_at, line.kind, plain=plain, is_wanted=True)
    days = (now - line.paused_at) // timedelta(days=1)
    words = f"“{line.name}” has been paused for {days} {'day' if days == 1 else 'days'}"
    words += (f" by {line.paused_by}" if line.paused_by else "") + why
    return Reason(key, Tone.WAIT, words, line.paused_at, line.kind, plain=plain, nags=True)


def _stuck(signs: Vitals, now: datetime) -> list[Reason]:
    """Runs that are due and not begun: behind others, which is busy and no more, or for no reason at all. How many
    they are says nothing."""
    reasons = []
    for queue in signs.queues:
        name, oldest = queue["queue"], queue["oldest_due"]
        if oldest is None or oldest > now - QUEUE_PATIENCE:
            continue
        moved = signs.moved_at(name)
        is_busy = queue["is_working"] or (moved is not None and moved > now - QUEUE_PATIENCE)
        because = (silent(name), SCHEDULER, f"unreachable:{probing.REDIS}")
        if is_busy:
            reasons.append(Reason(f"busy:{name}", Tone.WAIT, f"“{name}” is busy", oldest, name, because=because))
        else:
            words = f"Runs on “{name}” are due and nobody begins them"
            reasons.append(Reason(f"stuck:{name}", Tone.BAD, words, oldest, name, because=because))
    if signs.held_by_nobody:
        words = "1 run is" if signs.held_by_nobody == 1 else f"{signs.held_by_nobody:,} runs are"
        words += " held by a worker that is gone"
        reasons.append(Reason("held", Tone.BAD, words, signs.held_since, "clock", because=(SCHEDULER,)))
    return reasons


def failing(signs: Vitals, now: datetime) -> list[Reason]:
    """A kind whose newest end is a failure that nobody dismissed. One that nobody schedules is forgotten after a day."""
    reasons = []
    for kind in signs.kinds:
        failed_at, succeeded_at = kind["failed_at"], kind["succeeded_at"]
        if failed_at is None or (succeeded_at is not None and succeeded_at > failed_at):
            continue
        if failed_at < now - timedelta(days=1) and signs.schedule_of(kind["kind"]) is None:
            continue
        name = kind["kind"]
        is_ours = name != "imports"  # a file that could not be read is its bringer's to look at
        tone = Tone.BAD if is_ours else Tone.WAIT
        sentence = f"“{name}” failed ({kind['error_class']})"
        plain = f"“{name}” failed"
        reasons.append(Reason(f"failing:{name}", tone, sentence, failed_at, name, kind["failed_run"], plain=plain))
    return reasons


def _unbalanced(signs: Vitals) -> list[Reason]:
    if not signs.unaccounted:
        return []
    words = "1 row is" if signs.unaccounted == 1 else f"{signs.unaccounted:,} rows are"
    return [Reason("unbalanced", Tone.BAD, f"{words} not accounted for", None, "balance")]


def _waiting_mail(signs: Vitals, now: datetime) -> list[Reason]:
    reasons = []
    if signs.oldest_message is not None and signs.oldest_message < now - MAIL_PATIENCE:
        because = (
            silent("messages"),
            SCHEDULER,
            "stuck:messages",
            "failing:messages",
            f"unreachable:{probing.MAIL}",
        )
        words = "Mail is due and is not sent"
        reasons.append(Reason("mail:waiting", Tone.BAD, words, signs.oldest_message, "messages", because=because))
    if signs.unknown:
        words = "1 message" if signs.unknown == 1 else f"{signs.unknown:,} messages"
        reasons.append(Reason("mail:unknown", Tone.WAIT, f"{words} may or may not have arrived", None, "messages"))
    return reasons


def _held(signs: Vitals, now: datetime) -> list[Reason]:
    """A run that was halted calls somebody: nothing of it goes out until a person says so (PA-27)."""
    reasons = [
        Reason(
            f"halted:{hold['id']}",
            Tone.BAD,
            f"Mail is halted: {hold['mails']:,} mails in an hour, usual are {hold['usual']:,}"
            if hold["cause"] == HoldCause.VOLUME
            else f"Mail is halted: {hold['most_items']:,} homes for one buyer",
            hold["created_at"],
            "messages",
            why="Look at a sample under Held mail, and approve or discard it.",
        )
        for hold in signs.holds
    ]
    if signs.oldest_approval is not None and signs.oldest_approval < now - APPROVAL_PATIENCE:
        words = "A mail waits for its agent’s approval"
        reasons.append(Reason("approval:waiting", Tone.WAIT, words, signs.oldest_approval, "messages"))
    return reasons


def stale_feeds(signs: Vitals, now: datetime) -> list[Reason]:
    """A source that must come by itself and does not (PA-28): that nothing matches says nothing then."""
    reasons = []
    for feed in signs.feeds:
        since = late_since(feed["read_at"], now, feed["time_zone"] or "UTC", settings().business_hours)
        if since is not None:
            words = f"No data: “{feed['name']}” was not read for an hour"
            words = words if feed["read_at"] else f"No data: “{feed['name']}” was never read"
            reasons.append(Reason(f"feed:{feed['name']}", Tone.BAD, words, since, "imports"))
    return reasons


def missing_canary(signs: Vitals) -> list[Reason]:
    """A mail of ours that everybody's mails share the way with did not come (PA-25). While later ones come, one that
    was lost is worth a look and calls nobody."""
    missing_at, came_at = signs.canary.get("missing_at"), signs.canary.get("due_at")
    if missing_at is None or any(line.kind == "alerts" for line in _pauses(signs)):
        return []
    because = (
        SCHEDULER,
        silent("alerts"),
        silent("messages"),
        f"unreachable:{probing.MAIL}",
        "mail:waiting",
        "overdue:alerts",
    )
    why = (
        f"Buyer {signs.canary['contact_id']}, listing {signs.canary['listing_id']}; {signs.canary['missing']} did not"
        " arrive in the last day."
    )
    is_over = came_at is not None and came_at > missing_at
    words = "A canary mail was lost; later ones arrive" if is_over else "The canary’s mail has not arrived"
    tone = Tone.WAIT if is_over else Tone.BAD
    return [Reason("canary:missing", tone, words, missing_at, "messages", because=() if is_over else because, why=why)]


def _unheard_bounces(signs: Vitals) -> list[Reason]:
    """The canary (PA-25): among so many mails some come back."""
    if signs.sent_unbounced < CANARY_MAILS:
        return []
    words = "No bounce has been heard of: is the bounce mailbox read?"
    why = f"More than {CANARY_MAILS:,} mails went out in 7 days, and not one came back."
    return [Reason("canary:bounces", Tone.BAD, words, None, "messages", why=why)]


def _blocked(signs: Vitals) -> list[Reason]:
    """A receiving domain refuses us, not its people: no address is stopped for it, and somebody must find out why."""
    return [
        Reason(
            f"blocked:{each['domain']}",
            Tone.BAD,
            f"{each['domain']} blocks our mail",
            _moment(each["since"]),
            "messages",
            why=f"It refused {each['n']:,} mails within an hour for a reason that is about us: spam, policy or "
            "reputation. What it says stands on Operations, Stopped.",
            plain="A receiving domain blocks our mail",
        )
        for each in signs.blocking
    ]


def _untold(signs: Vitals) -> list[Reason]:
    """The mail provider is silent, or counts otherwise than we do (PA-25)."""
    reasons = []
    if signs.untold_since is not None:
        words = "The mail provider tells nothing of what we send"
        why = "Mail went out more than 2 hours ago, and no event of it or of any later one came in."
        reasons.append(Reason("silent:webhooks", Tone.BAD, words, signs.untold_since, "messages", why=why))
    reasons += [
        Reason(
            f"counts:{each['provider']}",
            Tone.BAD,
            f"{each['provider'].capitalize()} counts otherwise than we do",
            None,
            "messages",
            why=f"Of {each['day']}: {each['words']}.",
        )
        for each in signs.provider_off
    ]
    return reasons


def _unreachable(signs: Vitals) -> list[Reason]:
    """PostgreSQL is no part of it: these signs were read from it."""
    tones = dict.fromkeys((probing.REDIS, probing.MONGO, probing.SLACK, probing.SENTRY), Tone.WAIT)
    own = {probing.MAIL: "does not take mail", probing.SENTRY: "cannot be reached"}
    return [
        Reason(
            f"unreachable:{name}",
            tones.get(name, Tone.BAD),
            f"{name} {found.words}",
            found.since,
            name,
            plain=f"{name} {own.get(name, 'does not answer')}",
        )
        for name, found in sorted(signs.answers.items())
        if found.is_away and name != probing.POSTGRESQL
    ]


def _ages(signs: Vitals, now: datetime) -> dict[str, float]:
    moments: dict[str, datetime | None] = {}
    for process in signs.processes:
        moments[f"{process['role']}:{process['queue']}" if process["queue"] else process["role"]] = process["seen_at"]
    moments |= {f"success:{kind['kind']}": kind["succeeded_at"] for kind in signs.kinds}
    moments |= {f"oldest due:{queue['queue']}": queue["oldest_due"] for queue in signs.queues}
    return {name: round((now - moment).total_seconds(), 1) for name, moment in moments.items() if moment}


# --- The lamp: the verdict, kept for a few seconds ---

LAMP_SECONDS = 10.0
_lamp_lock = threading.Lock()
_lamp: dict[str, tuple[float, Verdict]] = {}


def lamp(key: str, now: datetime | None = None, *, after: datetime | None = None) -> Verdict:
    """The verdict for the foot of every page: at most one statement every 10 s in a process. `key`: whose database.
    One that was judged before `after` will not do: the reader has changed something since, maybe through another
    process."""
    with _lamp_lock:
        then, kept = _lamp.get(key, (0.0, None))
    if kept is not None and time.monotonic() - then < LAMP_SECONDS and (after is None or kept.checked_at > after):
        return kept
    fresh = verdict(now)
    light(key, fresh)
    return fresh


def dim(key: str) -> None:
    """Something was changed that the lamp tells: the next page judges anew."""
    with _lamp_lock:
        _lamp.pop(key, None)


def light(key: str, fresh: Verdict) -> None:
    """A page has judged in full: let the lamp say the same."""
    with _lamp_lock:
        _lamp[key] = (time.monotonic(), fresh)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
