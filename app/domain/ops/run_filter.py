"""Which runs a reader asked for: read from an address, said back in words. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

PERIODS: dict[str, tuple[str, timedelta]] = {
    "1h": ("last hour", timedelta(hours=1)),
    "24h": ("last 24 hours", timedelta(hours=24)),
    "7d": ("last 7 days", timedelta(days=7)),
}
WORKER_PERIOD = timedelta(hours=24)
"""A worker's runs are looked for no further back: its name is new at each start, and no index is kept for it."""
ARGUMENT = re.compile(r"([a-z][a-z0-9_]{0,59})\s*[:=]\s*(\S{1,200})")
NUMBER = re.compile(r"\d{1,18}", re.ASCII)
NOT_UNDERSTOOD = "“{}” is not understood. Write a run’s number, or an argument and its value with a colon between: import_batch_id:42."
UNKNOWN = "“{}” is no {} that is known here. Choose one of the list, or take the filter off."
NO_DATE = "“{}” is no date. Write it as 2026-11-20."
EARLIEST, LATEST = 2000, 2100
"""Years outside these are typing errors."""


@dataclass(frozen=True)
class Choices:
    """What the selects offer; anything else in an address is refused, since without it more would be found than meant."""

    kinds: Collection[str]
    states: Collection[str]
    schedules: Collection[str]
    triggers: Collection[str]
    queues: Collection[str] = ()


@dataclass(frozen=True)
class Chip:
    """A filter that is on: its name, its value in words, and what of the address makes it."""

    label: str
    value: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class RunFilter:
    """`arguments`: each name with the values that will do (42 is looked for as a number and as a word). `office_id`: who
    asks; what a run of another office was given is not found by. None = whoever may see all of it."""

    kind: str = ""
    state: str = ""
    schedule: str = ""
    queue: str = ""
    trigger: str = ""
    worker: str = ""
    error: str = ""
    period: str = ""
    since: datetime | None = None
    until: datetime | None = None
    argument: str = ""
    arguments: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    run_id: int | None = None
    sweeps_too: bool = False
    office_id: int | None = None
    typed: tuple[tuple[str, str, str], ...] = ()
    """The dates: since or until, as they were written, and in words."""
    problem: str = ""
    """Why nothing can be looked for, and which field to mend."""
    problem_field: str = ""

    @property
    def is_narrowed(self) -> bool:
        return bool(self.chips())

    @property
    def is_quiet(self) -> bool:
        """Sweeps that went well are left out: fifteen runs in sixteen, unless one asks for anything in particular."""
        return not (self.sweeps_too or any((self.kind, self.state, self.schedule, self.run_id, self.arguments)))

    def chips(self) -> list[Chip]:
        """Each filter that is on, in the order of the page."""
        named = [
            Chip(label, value, (name,))
            for name, label, value in (
                ("argument", "Run" if self.run_id is not None else "Argument", self.argument),
                ("kind", "Job", self.kind),
                ("state", "State", self.state),
                ("trigger", "Trigger", self.trigger),
                ("schedule", "Schedule", self.schedule),
                ("queue", "Queue", self.queue),
                ("error", "Error", self.error if len(self.error) <= 40 else self.error[:12] + "…"),
                ("worker", "Worker", self.worker),
            )
            if value
        ]
        if self.period:
            named.append(Chip("Time", PERIODS[self.period][0] if self.period in PERIODS else self.period, ("period",)))
        return named + [Chip(name.capitalize(), words, (name,)) for name, _, words in self.typed]

    def args(self) -> dict[str, str]:
        """The filter as an address holds it."""
        plain = {
            name: getattr(self, name)
            for name in ("argument", "kind", "state", "trigger", "schedule", "queue", "error", "worker", "period")
        }
        dates = {name: text for name, text, _ in self.typed}
        kept = {name: value for name, value in (plain | dates).items() if value}
        return kept | ({"all": "1"} if self.sweeps_too else {})

    def words(self) -> str:
        """For the audit: “state failed, job imports”; “all of them” without a filter."""
        return ", ".join(f"{chip.label.lower()} {chip.value}" for chip in self.chips()) or "all of them"

    def without(self, chip: Chip) -> RunFilter:
        """The same but for one chip."""
        gone: dict[str, Any] = {}
        for name in chip.names:
            gone[name] = None if name in {"since", "until"} else ""
        if "argument" in chip.names:
            gone |= {"arguments": (), "run_id": None}
        if "period" in chip.names:
            gone |= {"since": None}
        typed = tuple(pair for pair in self.typed if pair[0] not in chip.names)
        return replace(self, **gone, typed=typed)

    def only_failed(self) -> RunFilter:
        return replace(self, state="failed")


def read(
    given: Mapping[str, str],
    choices: Choices,
    time_zone: str,
    now: datetime | None = None,
    *,
    office_id: int | None = None,
) -> RunFilter:
    """The filter of an address. What cannot be read, or is not among the choices, is named in `problem`, and kept as it
    was typed."""
    now = now or datetime.now(UTC)
    period = _text(given, "period")
    asked = RunFilter(
        kind=_text(given, "kind"),
        state=_text(given, "state"),
        schedule=_text(given, "schedule"),
        queue=_text(given, "queue"),
        trigger=_text(given, "trigger"),
        worker=_text(given, "worker"),
        error=_text(given, "error"),
        period=period,
        since=now - PERIODS[period][1] if period in PERIODS else None,
        sweeps_too="all" in given,
        office_id=office_id,
    )
    asked = _refuse_unknown(asked, choices)
    asked = _read_dates(asked, given, ZoneInfo(time_zone))
    asked = _read_argument(asked, _text(given, "argument"))
    if asked.worker:
        asked = replace(asked, since=max(asked.since or now - WORKER_PERIOD, now - WORKER_PERIOD))
    return asked


def _text(given: Mapping[str, str], name: str) -> str:
    return "".join(letter for letter in given.get(name, "") if letter.isprintable()).strip()[:300]


def _refuse_unknown(asked: RunFilter, choices: Choices) -> RunFilter:
    for name, noun, allowed in (
        ("kind", "job", choices.kinds),
        ("state", "state", choices.states),
        ("schedule", "schedule", choices.schedules),
        ("queue", "queue", choices.queues),
        ("trigger", "trigger", choices.triggers),
        ("period", "time", PERIODS),
    ):
        value = getattr(asked, name)
        if value and value not in allowed:
            shown = value if len(value) <= 60 else value[:60] + "…"
            return replace(asked, problem=UNKNOWN.format(shown, noun), problem_field=name)
    return asked


def _read_dates(asked: RunFilter, given: Mapping[str, str], zone: ZoneInfo) -> RunFilter:
    typed = [(name, _text(given, name)) for name in ("since", "until") if _text(given, name)]
    asked = replace(asked, typed=tuple((name, text, _said(text, zone)) for name, text in typed))
    bounds: dict[str, datetime] = {}
    for name, text in typed:
        moment = moment_of(text, zone, end=name == "until")
        if moment is None:
            return _with_problem(asked, NO_DATE.format(text), name)
        bounds[name] = moment
    if len(bounds) == 2 and bounds["since"] >= bounds["until"]:
        return _with_problem(asked, "“Until” lies before “since”.", "until")
    since = max((moment for moment in (asked.since, bounds.get("since")) if moment), default=None)
    return replace(asked, since=since, until=bounds.get("until"))


def _with_problem(asked: RunFilter, sentence: str, field: str) -> RunFilter:
    """The first one is told."""
    return asked if asked.problem else replace(asked, problem=sentence, problem_field=field)


def _said(text: str, zone: ZoneInfo) -> str:
    """A day as it was written; a moment on the wall of the office."""
    moment = moment_of(text, zone) if len(text) > 10 else None
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}" if moment else text


def moment_of(text: str, zone: ZoneInfo, *, end: bool = False) -> datetime | None:
    """2026-11-20 is its first moment in the zone, or with `end` its last; 2026-11-20T10:45 is that minute. None when
    it is neither."""
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            moment = datetime.combine(day, time(), zone)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return moment.astimezone(UTC) if EARLIEST <= moment.year <= LATEST else None
    except (ValueError, OverflowError):
        return None


def _read_argument(asked: RunFilter, text: str) -> RunFilter:
    """A run's number, or one argument or several."""
    asked = replace(asked, argument=text)
    if not text:
        return asked
    if NUMBER.fullmatch(text):
        return replace(asked, run_id=int(text))
    pairs = ARGUMENT.findall(text)
    if not pairs or ARGUMENT.sub("", text).strip(" ,"):
        shown = text if len(text) <= 60 else text[:60] + "…"
        return _with_problem(asked, NOT_UNDERSTOOD.format(shown), "argument")
    return replace(asked, arguments=tuple((name, _values(value.rstrip(","))) for name, value in pairs))


def _values(text: str) -> tuple[Any, ...]:
    """42 may have been written down as a number or as a word; so may true."""
    word = text.strip('"“”')
    if re.fullmatch(r"-?\d{1,18}", word, re.ASCII):
        return (int(word), word)
    return (json.loads(word), word) if word in {"true", "false", "null"} else (word,)
