"""How values are written for people: money, times, counts, areas. Template filters, all pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

from flask import Flask, g, has_request_context
from flask_login import current_user
from markupsafe import Markup

DASH = "–"
MINUTE, HOUR, DAY = 60, 3600, 86400


def money(amount: Decimal | float | None) -> str:
    """$489,000; cents only when there are any."""
    if amount is None:
        return DASH
    whole = Decimal(amount)
    return f"${whole:,.0f}" if whole == whole.to_integral_value() else f"${whole:,.2f}"


def number(value: Decimal | float | None) -> str:
    """1,284 and 2.5; no trailing zeros."""
    if value is None:
        return DASH
    exact = Decimal(str(value))
    return f"{exact:,.0f}" if exact == exact.to_integral_value() else f"{exact.normalize():,f}"


def zone_of_reader() -> ZoneInfo:
    """The reader's office's zone; UTC where nobody is signed in. Looked up once a request: a list asks for every row."""
    if not has_request_context():
        return ZoneInfo("UTC")
    if "zone_of_reader" not in g:
        if not (current_user and current_user.is_authenticated):
            return ZoneInfo("UTC")
        g.zone_of_reader = ZoneInfo(current_user.office.time_zone)
    return cast("ZoneInfo", g.zone_of_reader)


def exact_time(moment: datetime | None) -> str:
    """Fri 20 Nov 2026, 10:42:11 EST: in the reader's zone, named."""
    if moment is None:
        return DASH
    local = moment.astimezone(zone_of_reader())
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S %Z}"


def duration(seconds: float | None) -> str:
    """0.4 s · 12 s · 3 min 12 s · 2 h 5 min · 3 d 4 h."""
    if seconds is None:
        return DASH
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f} min" + (f" {seconds % MINUTE:.0f} s" if seconds < 10 * MINUTE else "")
    if seconds < DAY:
        return f"{seconds // HOUR:.0f} h {seconds % HOUR // MINUTE:.0f} min"
    return f"{seconds // DAY:.0f} d {seconds % DAY // HOUR:.0f} h"


def ago_words(moment: datetime | None, now: datetime | None = None) -> str:
    """12 s ago, in 3 min; beyond a week the date."""
    if moment is None:
        return DASH
    now = now or datetime.now(UTC)
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    if size >= 7 * DAY:
        local = moment.astimezone(zone_of_reader())
        return f"{local:%b} {local.day}" + ("" if local.year == now.year else f", {local.year}")
    if size < 1:
        return "now"
    if size < MINUTE:
        words = f"{size:.0f} s"
    elif size < HOUR:
        words = f"{size // MINUTE:.0f} min"
    elif size < DAY:
        words = f"{size // HOUR:.0f} h"
    else:
        words = f"{size // DAY:.0f} d"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def ago(moment: datetime | None) -> Markup:
    """A <time> element: relative words, the exact time as its title."""
    if moment is None:
        return Markup(DASH)  # noqa: S704
    return Markup('<time datetime="{}" title="{}" data-ago>{}</time>').format(
        moment.astimezone(UTC).isoformat(timespec="seconds"), exact_time(moment), ago_words(moment)
    )


def clock(moment: datetime | None) -> str:
    """10:45 today, Fri 10:45 within a week, Nov 3 10:45 beyond; in the reader's zone."""
    if moment is None:
        return DASH
    zone = zone_of_reader()
    local, today = moment.astimezone(zone), datetime.now(zone).date()
    days = abs((local.date() - today).days)
    if days == 0:
        return f"{local:%H:%M}"
    if days < 7:
        return f"{local:%a %H:%M}"
    return f"{local:%b} {local.day} {local:%H:%M}"


def day(value: date | datetime | None) -> str:
    """Nov 20, with the year when it is not this one."""
    if value is None:
        return DASH
    local = value.astimezone(zone_of_reader()).date() if isinstance(value, datetime) else value
    return f"{local:%b} {local.day}" + ("" if local.year == datetime.now(UTC).year else f", {local.year}")


def plural(count: int, one: str, many: str | None = None) -> str:
    """1 home, 2 homes, 1,284 homes."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def count_words(count: int) -> str:
    """three; digits above twelve."""
    return NUMBER_WORDS[count] if 0 <= count < len(NUMBER_WORDS) else f"{count:,}"


def initials(name: str) -> str:
    """Ruth Calloway → RC."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()


class Tone(NamedTuple):
    """How a state looks: good, bad, wait, info or idle; hollow when it is not finished; and its word."""

    tone: str
    hollow: bool
    label: str


TONES: dict[str, Tone] = {
    # A listing's StandardStatus
    "Active": Tone("good", False, "Active"),
    "Active Under Contract": Tone("good", True, "Active Under Contract"),
    "Coming Soon": Tone("info", True, "Coming Soon"),
    "Pending": Tone("idle", False, "Pending"),
    "Hold": Tone("idle", True, "Hold"),
    "Incomplete": Tone("idle", True, "Incomplete"),
    "Withdrawn": Tone("idle", True, "Withdrawn"),
    "Canceled": Tone("idle", False, "Canceled"),
    "Expired": Tone("idle", False, "Expired"),
    "Closed": Tone("info", False, "Closed"),
    "Delete": Tone("bad", False, "Deleted"),
    # A message's state
    "queued": Tone("info", True, "Queued"),
    "sending": Tone("info", True, "Sending"),
    "sent": Tone("good", False, "Sent"),
    "suppressed": Tone("idle", False, "Suppressed"),
    "dropped": Tone("idle", False, "Dropped"),
    "expired": Tone("idle", False, "Expired"),
    "unknown": Tone("wait", False, "Unknown"),
    # A run's state
    "pending": Tone("idle", True, "Pending"),
    "running": Tone("info", True, "Running"),
    "succeeded": Tone("good", False, "Succeeded"),
    "failed": Tone("bad", False, "Failed"),
    "missed": Tone("bad", True, "Missed"),
    "skipped": Tone("idle", False, "Skipped"),
    "cancelled": Tone("idle", False, "Cancelled"),
    # An import's state and what became of a row
    "mapping": Tone("wait", False, "Needs mapping"),
    "finished": Tone("good", False, "Finished"),
    "created": Tone("good", False, "Created"),
    "updated": Tone("info", False, "Updated"),
    "unchanged": Tone("idle", False, "Unchanged"),
    "rejected": Tone("bad", False, "Rejected"),
    # A digest and its items
    "built": Tone("good", False, "Built"),
    "empty": Tone("idle", True, "Nothing left to say"),
    "shown": Tone("good", False, "Shown"),
    "merged": Tone("info", False, "Merged"),
}


def tone_of(word: str) -> Tone:
    """How a known state looks; an unknown word is idle and speaks for itself."""
    return TONES.get(str(word), Tone("idle", False, str(word)))


FILTERS: dict[str, Any] = {
    "initials": initials,
    "count_words": count_words,
    "money": money,
    "number": number,
    "ago": ago,
    "exact_time": exact_time,
    "duration": duration,
    "clock": clock,
    "day": day,
    "plural": plural,
}


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals["tone_of"] = tone_of
