"""Who saw a mail that we lost sight of: the relay's log, asked by Message-ID."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

import orjson

from app.gateways import wire

TAIL = 64 * 1024 * 1024
"""Bytes of a log that are read, from its end, and as many of the one before it."""
SECONDS = 5.0
ALL_SECONDS = 20.0
"""For one question, and for all of a sweep."""


class Silent(Exception):
    """The witness cannot be asked now; that says nothing about the mails."""


def those_of(message_ids: Iterable[str], is_seen: Callable[[str], bool]) -> set[str]:
    """Asks one after the other. Raises Silent when all of them together take too long."""
    until = time.monotonic() + ALL_SECONDS
    seen = set()
    for message_id in message_ids:
        if time.monotonic() > until:
            raise Silent("the log answers too slowly")
        if is_seen(message_id):
            seen.add(message_id)
    return seen


class Witness(Protocol):
    def seen(self, message_ids: Iterable[str]) -> set[str]:
        """Those that were taken. Raises Silent."""
        ...


class LogFile:
    """The relay's own log. Relays write the Message-ID of what they take: Postfix `message-id=<…>`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def seen(self, message_ids: Iterable[str]) -> set[str]:
        wanted = {each.encode(): each for each in message_ids}
        found: set[str] = set()
        try:
            for path in (self._path, self._path.with_name(f"{self._path.name}.1")):
                if path is self._path or path.exists():
                    found |= _named_in(path, wanted)
        except OSError as error:
            raise Silent(f"the relay’s log cannot be read ({type(error).__name__})") from error
        return found


def _named_in(path: Path, wanted: dict[bytes, str]) -> set[str]:
    with path.open("rb") as log:
        log.seek(max(path.stat().st_size - TAIL, 0))
        return {wanted[each] for line in log for each in wanted if each in line}


class LogPage:
    """A page that answers {"accepted": true} or false for ?message_id=…"""

    def __init__(self, url: str) -> None:
        self._url = url

    def seen(self, message_ids: Iterable[str]) -> set[str]:
        return those_of(message_ids, self._has)

    def _has(self, message_id: str) -> bool:
        joint = "&" if urlsplit(self._url).query else "?"
        try:
            reply = wire.ask(
                f"{self._url}{joint}message_id={quote(message_id, safe='')}",
                method="GET",
                seconds=SECONDS,
                headers={"User-Agent": "Porchlight"},
            )
            found = orjson.loads(reply.body) if reply.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Silent(f"the relay’s log does not answer ({type(error).__name__})") from error
        if not isinstance(found, dict) or not isinstance(found.get("accepted"), bool):
            raise Silent(f"the relay’s log answered {reply.status}")
        return bool(found["accepted"])
