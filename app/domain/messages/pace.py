"""How fast, and when again: what a receiver's “later” means, and how many mails one domain gets in a second. Pure."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

BACKOFF_MINUTES = (1, 5, 15, 30, 60, 120, 240)
GREYLISTED_MINUTES = (5, 10, 20, 60, 240)
FULL_MINUTES = (60, 120, 240)
SLOW_FOR = timedelta(minutes=90)
SLOW_GAP = timedelta(minutes=1)
"""A domain that speaks of our reputation gets one mail a minute, for so long."""
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(hours=4)

_WAIT = re.compile(
    r"(?:try(?:ing)? again|retry|come back|wait|resend)\b[^.;\d]{0,30}?(\d{1,6}) ?(second|sec|s|minute|min|m|hour|h)s?\b",
    re.IGNORECASE,
)
_UNITS = {"s": 1, "m": 60, "h": 3600}
_GREY = re.compile(r"gr[ae]y-?\s?list", re.IGNORECASE)
_FULL = re.compile(
    r"\b4\.2\.2\b|(mail)?box (is )?full|over ?quota|quota exceeded|insufficient (disk|storage)", re.IGNORECASE
)
_REPUTATION = re.compile(
    r"reputation|unusual(ly high)? rate|rate.?limit(ed|ing)|temporarily deferred|TSS0\d|user complaints|4\.7\.(0|28)\b"
    r".*(rate|limit|reputation)|too many (messages|mails)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Later:
    """When the next attempt is due, and what was understood; `slows`: the whole domain gets less for a while."""

    delay: timedelta
    meaning: str
    slows: bool = False


def next_attempt(attempt: int, reply: str) -> Later:
    """After the n-th attempt that was answered so: as the receiver asks where it says a time; minutes where it greylists;
    hours where the mailbox is full; else 1, 5, 15, 30 minutes, 1, 2, 4 hours. A fifth more or less, so that a relay that
    comes back is not met by everybody at once."""
    is_about_the_domain = not reply.startswith("429 ")  # that is HTTP, and about our account
    slows = is_about_the_domain and bool(_REPUTATION.search(reply)) and not _FULL.search(reply)
    if asked := _asked_for(reply):
        return Later(asked * random.uniform(1.0, 1.2), "it asked us to wait", slows)  # noqa: S311  spread, not secrecy
    if _FULL.search(reply):
        return Later(_step(FULL_MINUTES, attempt), "mailbox full")
    if _GREY.search(reply):
        return Later(_step(GREYLISTED_MINUTES, attempt), "greylisted")
    return Later(_step(BACKOFF_MINUTES, attempt), "rate limited" if slows else "not now", slows)


def _step(minutes: tuple[int, ...], attempt: int) -> timedelta:
    return timedelta(minutes=minutes[min(attempt, len(minutes)) - 1] * random.uniform(0.8, 1.2))  # noqa: S311


def _asked_for(reply: str) -> timedelta | None:
    found = _WAIT.search(reply)
    if found is None:
        return None
    seconds = int(found[1]) * _UNITS[found[2][0].lower()]
    return min(max(timedelta(seconds=seconds), SHORTEST), LONGEST)


def domain_of_recipient(recipient: str) -> str:
    return recipient.rpartition("@")[2].lower()


class Gate:
    """Lets so many a second through to each domain: a bucket of one second's worth."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._full_at: dict[str, float] = {}
        """When each bucket is full again; one that is full is not kept."""

    def wait(self, domain: str) -> float:
        """Seconds until one more may go; 0 when it may go now, and then it is counted."""
        now = self._clock()
        full_at = max(self._full_at.get(domain, now), now)
        wait = full_at - now - 1.0 + 1.0 / self._per_second
        if wait > 1e-9:
            return wait
        if len(self._full_at) > 10_000:
            self._full_at = {each: at for each, at in self._full_at.items() if at > now}
        self._full_at[domain] = full_at + 1.0 / self._per_second
        return 0.0
