"""Numbers of runs in words, as a person would say them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Phrase = tuple[str, str, str]
"""The name of a count, and what one and many of it are called."""

SAID: dict[str, tuple[Phrase, ...]] = {
    "alerts": (("events", "event", "events"), ("pairs", "match", "matches")),
    "digests": (("messages", "mail", "mails"), ("dropped", "match dropped", "matches dropped")),
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
        ("messages_due", "message due", "messages due"),
        ("unaccounted", "row not accounted for", "rows not accounted for"),
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
    "imports": "no rows",
    "retention": "nothing old enough",
}


def counts_in_words(kind: str, counts: Mapping[str, Any]) -> str:
    """“71 events, 23 matches”, or that there was nothing to do."""
    if kind == "retention":
        gone = sum(value for name, value in counts.items() if not name.startswith(("days_", "files_")))
        days, files = counts.get("days_dropped", 0), counts.get("files_deleted", 0)
        said = [f"{gone:,} {'row' if gone == 1 else 'rows'} left"] if gone else []
        said += [f"{files:,} {'file' if files == 1 else 'files'} deleted"] if files else []
        said += [f"{days} {'day' if days == 1 else 'days'} of matches dropped"] if days else []
    else:
        said = [
            f"{counts[name]:,} {one if counts[name] == 1 else many}"
            for name, one, many in SAID.get(kind, ())
            if counts.get(name)
        ]
        if kind not in SAID:
            said = [f"{value:,} {name.replace('_', ' ')}" for name, value in counts.items() if value]
    return ", ".join(said) or NOTHING.get(kind, "done")


def did_nothing(kind: str, counts: Mapping[str, Any]) -> bool:
    """Succeeded, and had nothing to do: shown paler than a run that worked."""
    return counts_in_words(kind, counts) == NOTHING.get(kind, "")


def clock_in_words(cron: str) -> str:
    """“every 15 min”, “daily 3:15”; another clock is shown as it is written."""
    minute, hour, *rest = cron.split()
    if rest != ["*", "*", "*"]:
        return cron
    if (minute, hour) == ("*", "*"):
        return "every minute"
    if minute.startswith("*/") and hour == "*":
        return f"every {minute[2:]} min"
    if minute.isdigit() and hour.isdigit():
        return f"daily {int(hour)}:{int(minute):02d}"
    if minute.isdigit() and hour == "*":
        return f"hourly at :{int(minute):02d}"
    return cron


def bytes_in_words(size: int) -> str:
    """9.1 GB, 21 MB, 640 kB."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            amount = size / factor
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:,.0f} {unit}"
    return f"{size} B"
