"""Numbers of runs in words, as a person would say them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

Phrase = tuple[str, str, str]
"""The name of a count, and what one and many of it are called."""

SAID: dict[str, tuple[Phrase, ...]] = {
    "alerts": (
        ("events", "event", "events"),
        ("pairs", "match", "matches"),
        ("in_memory", "batch in memory", "batches in memory"),
    ),
    "digests": (
        ("messages", "mail", "mails"),
        ("held", "mail held for a person’s word", "mails held for a person’s word"),
        ("waiting", "match waits for its hour", "matches wait for their hour"),
        ("dropped", "match dropped", "matches dropped"),
        ("still_watching", "“still watching”", "“still watching”"),
    ),
    "messages": (
        ("sent", "sent", "sent"),
        ("retried", "to be tried again", "to be tried again"),
        ("failed", "refused", "refused"),
        ("suppressed", "suppressed", "suppressed"),
        ("dropped", "with nothing left to say", "with nothing left to say"),
        ("expired", "too old", "too old"),
        ("unknown", "unknown", "unknown"),
    ),
    "sweep": (
        ("runs_taken_back", "run taken back", "runs taken back"),
        ("messages_taken_back", "message taken back", "messages taken back"),
        ("unknown_found", "unknown message found in the log", "unknown messages found in the log"),
        ("unknown_not_found", "unknown message not in the log", "unknown messages not in the log"),
        ("unknown_sent_again", "lost message sent once more", "lost messages sent once more"),
        ("unknown_passed_on", "lost message passed on to the next", "lost messages passed on to the next"),
        ("messages_due", "message due", "messages due"),
        ("unaccounted", "row not accounted for", "rows not accounted for"),
    ),
    "lifecycle": (
        ("warned", "search warned of", "searches warned of"),
        ("ended", "search put to rest", "searches put to rest"),
        ("resumed", "pause over", "pauses over"),
        ("acquitted", "warning taken back", "warnings taken back"),
    ),
    "returns": (
        ("read", "mail read", "mails read"),
        ("done", "event written down", "events written down"),
        ("unmatched", "about no mail of ours", "about no mail of ours"),
        ("ignored", "about nothing", "about nothing"),
        ("failed", "that could not be read", "that could not be read"),
    ),
    "canary": (("planted", "canary set out", "canaries set out"),),
    "reconcile": (
        ("days", "day counted", "days counted"),
        ("off", "that does not fit", "that do not fit"),
    ),
    "imports": (
        ("created", "listing new", "listings new"),
        ("updated", "updated", "updated"),
        ("unchanged", "unchanged", "unchanged"),
        ("rejected", "row rejected", "rows rejected"),
    ),
}
NOTHING = {
    "alerts": "nothing new",
    "digests": "nothing to tell",
    "messages": "nothing due",
    "sweep": "all in place",
    "returns": "nothing came back",
    "reconcile": "no provider is set up",
    "imports": "no rows",
    "canary": "no canary is set",
    "lifecycle": "every search as it was",
    "retention": "nothing old enough",
}


def counts_in_words(kind: str, counts: Mapping[str, Any]) -> str:
    """“71 events, 23 matches”, or that there was nothing to do."""
    if kind == "retention":
        gone = sum(value for name, value in counts.items() if not name.startswith(("days_", "files_")))
        days, files = counts.get("days_dropped", 0), counts.get("files_deleted", 0)
        said = [f"{gone:,} {'row' if gone == 1 else 'rows'} moved out"] if gone else []
        said += [f"{files:,} {'file' if files == 1 else 'files'} deleted"] if files else []
        said += [f"{days} {'day' if days == 1 else 'days'} of matches dropped"] if days else []
    else:
        said = [
            f"{counts[name]:,} {one if counts[name] == 1 else many}"
            for name, one, many in SAID.get(kind, ())
            if counts.get(name)
        ]
        if counts.get("caught_up_events"):
            return ", ".join([caught_up_words(counts), *said[bool(counts.get("messages")) :]])
        if kind not in SAID:
            said = [f"{value:,} {name.replace('_', ' ')}" for name, value in counts.items() if value]
    return ", ".join(said) or NOTHING.get(kind, "done")


def caught_up_words(counts: Mapping[str, Any]) -> str:
    """“caught up seq 1–40, 40 events, 3 mails”: what a run after an outage made up for (PA-26)."""
    first, last, events = (counts[f"caught_up_{name}"] for name in ("first", "last", "events"))
    mails = counts.get("messages", 0)
    said = f"caught up seq {first:,}–{last:,}, {events:,} {'event' if events == 1 else 'events'}"
    return f"{said}, {mails:,} {'mail' if mails == 1 else 'mails'}"


def did_nothing(kind: str, counts: Mapping[str, Any]) -> bool:
    """Succeeded, and had nothing to do: shown paler than a run that worked."""
    return counts_in_words(kind, counts) == NOTHING.get(kind, "")


COVERS: dict[str, str] = {
    "alerts": "Takes every change to a listing that was recorded since the run before, whatever time passed, and holds "
    "it against every saved search. When it has succeeded, digests turns what fits into one mail a buyer, and messages "
    "sends them.",
    "sweep": "Asks what is outside how it is, takes back what dead workers held (so does the scheduler), starts messages "
    "when mail is due, counts what ended for charts and Prometheus, and draws the balance of the last 24 hours for the "
    "lamp of every page.",
    "lifecycle": "Warns of searches that find nothing or whose mails nobody opens, puts them to rest when that goes on, "
    "writes to the buyer each time, and lets searches go on whose pause is over.",
    "canary": "Lets a home that does not exist set out, two minutes before each run of alerts, for a mailbox that we "
    "read: if its mail does not come, mail to buyers does not come either. The sweep looks whether it came.",
    "retention": "Moves out what is older than it is kept, as the Data page lists it, deletes the files of old imports, "
    "and makes room for the matches of the coming days.",
    "digests": "Turns the matches that wait for a buyer, and are due, into one mail to their address. All mails are made "
    "and counted before any goes; a run of far more than usual is halted, and a person decides.",
    "messages": "Sends what is due, each message claimed by itself; it starts itself again while there is more.",
    "returns": "Reads the mailbox of bounces, and works through what providers and mail servers told: each event is written "
    "beside its message, and a dead address or a complaint stops the mail to it.",
    "reconcile": "Counts the last three days beside the mail provider: what the relay took from us, what the provider told us "
    "of, and, where we may ask it, what it says itself.",
    "imports": "Reads one uploaded file to its end and records every change to a listing.",
}
"""What a kind of run does, which stages follow it, and which stretch of time it speaks for."""
WITHOUT: dict[str, str] = {
    "alerts": "While it is paused no match is found and no mail of matches goes out. Changes wait; none is lost.",
    "sweep": "While it is paused what is outside is asked only when somebody looks, what ends is not counted for charts "
    "and Prometheus, the balance of the lamp stands still, and mail that became due waits for the next digests run. What "
    "dead workers held is taken back all the same: the scheduler does that.",
    "lifecycle": "While it is paused no search is warned of or put to rest, and a buyer’s pause does not end by itself.",
    "canary": "While it is paused nobody tries whether a mail arrives.",
    "reconcile": "While it is paused nobody notices that a mail provider forgets to tell of mails, or loses them.",
    "retention": "While it is paused the tables grow, and no room is made for the matches of the coming days.",
}
"""What does not happen while a line of this kind is paused."""


def covers(kind: str) -> str:
    return COVERS.get(kind, f"Does what app/jobs says of “{kind}”.")


def without(kind: str) -> str:
    return WITHOUT.get(kind, "While it is paused it makes no runs, and owes none.")


WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
MOST_TIMES = 6
"""A list of more times of day than this says less than the cron line itself."""


class _Unsaid(ValueError):
    """A clock for which there are no plain words."""


def clock_in_words(cron: str, time_zone: str = "") -> str:
    """“every 15 minutes”; “every day at 3:15, New York time”; “on weekdays at 9:00”. The zone is named where it makes
    a difference. A clock without plain words is shown as it is written."""
    fields = cron.lower().split()
    try:
        minute, hour, day, month, weekday = fields
        is_daily = (day, month, weekday) == ("*", "*", "*")
        times, repeats = _times(minute, hour)
        if is_daily:
            said = times if repeats else f"every day {times}"
        else:
            said = f"{times} {_days(day, month, weekday)}" if repeats else f"{_days(day, month, weekday)} {times}"
    except ValueError:
        return f"{cron}, {zone_in_words(time_zone)}" if time_zone else cron
    names_a_place = not is_daily or hour != "*"
    return f"{said}, {zone_in_words(time_zone)}" if time_zone and names_a_place else said


def zone_in_words(time_zone: str) -> str:
    """America/New_York → New York time; UTC stays."""
    return f"{time_zone.rsplit('/', 1)[-1].replace('_', ' ')} time" if "/" in time_zone else time_zone


def wall(moment: datetime, time_zone: str) -> str:
    """“Fri Nov 20, 10:45” on the wall of a zone."""
    local = moment.astimezone(ZoneInfo(time_zone))
    return f"{local:%a %b} {local.day}, {local.hour}:{local:%M}"


def _times(minute: str, hour: str) -> tuple[str, bool]:
    """The times of a day, and whether they are a rhythm (“every 15 minutes”) rather than moments (“at 3:15”)."""
    every = _step(minute, 60)
    if hour == "*":
        if every:
            return _rhythm(every, "minute"), True
        past = [f":{one:02d}" for one in _numbers(minute, 0, 59)]
        if len(past) > MOST_TIMES:
            raise _Unsaid
        return f"every hour at {_listed(past)}", True
    hours = _numbers(hour, 0, 23)
    if not every:
        minutes = _numbers(minute, 0, 59)
        step = _step(hour, 24)
        if step and step > 1 and len(minutes) == 1:
            return _rhythm(step, "hour") + (f" at :{minutes[0]:02d}" if minutes[0] else ""), True
        if len(minutes) == 1 and len(hours) > 2 and _is_run(hours):
            return f"every hour from {_wall(hours[0], minutes[0])} to {_wall(hours[-1], minutes[0])}", True
        moments = [_wall(one, other) for one in hours for other in minutes]
        if len(moments) > MOST_TIMES:
            raise _Unsaid
        return f"at {_listed(moments)}", False
    if not _is_run(hours):
        raise _Unsaid
    return f"{_rhythm(every, 'minute')} from {_wall(hours[0], 0)} to {_wall(hours[-1], 60 - every)}", True


def _days(day: str, month: str, weekday: str) -> str:
    said = []
    if day == "l":
        said.append("on the last day of the month")
    elif day != "*":
        said.append(f"on the {_listed([_ordinal(one) for one in _numbers(day, 1, 31)])} of the month")
    if weekday != "*":
        names = {name[:3].lower(): number for number, name in enumerate(WEEKDAYS)}
        days = sorted({one % 7 for one in _numbers(weekday, 0, 7, names)})
        if days == [1, 2, 3, 4, 5]:
            said.append("on weekdays")
        elif days == [0, 6]:
            said.append("at weekends")
        else:
            # The week is told from Monday on.
            said.append(f"on {_listed([WEEKDAYS[one] for one in sorted(days, key=lambda each: (each - 1) % 7)])}")
    words = " and ".join(said)  # cron means either day, when both are named
    if month == "*":
        return words
    names = {name[:3].lower(): number for number, name in enumerate(MONTHS, 1)}
    months = _listed([MONTHS[one - 1] for one in _numbers(month, 1, 12, names)])
    if words.endswith(" of the month"):
        return f"{words.removesuffix(' the month')} {months}"
    return f"{words or 'every day'} in {months}"


def _numbers(field: str, lowest: int, highest: int, names: Mapping[str, int] | None = None) -> list[int]:
    """What a field allows: numbers, names, lists, ranges and steps. Raises ValueError for what only cron knows."""

    def number(word: str) -> int:
        return names[word] if names and word in names else int(word)

    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = lowest if span == "*" else number(first)
        end = number(last) if last else highest if step or span == "*" else start
        if not lowest <= start <= end <= highest:
            raise _Unsaid
        found.update(range(start, end + 1, int(step or 1)))
    return sorted(found)


def _step(field: str, whole: int) -> int:
    """15 for */15, 1 for *; 0 where there is no even rhythm."""
    step = 1 if field == "*" else int(field[2:]) if field.startswith("*/") else 0
    return step if step and whole % step == 0 else 0


def _rhythm(step: int, unit: str) -> str:
    return f"every {unit}" if step == 1 else f"every {step} {unit}s"


def _is_run(numbers: list[int]) -> bool:
    return numbers == list(range(numbers[0], numbers[-1] + 1))


def _wall(hour: int, minute: int) -> str:
    return f"{hour}:{minute:02d}"


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def bytes_in_words(size: int) -> str:
    """9.1 GB, 21 MB, 640 kB."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            amount = size / factor
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:,.0f} {unit}"
    return f"{size} B"
