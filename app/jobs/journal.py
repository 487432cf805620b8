"""What a job says while it is at work (`log.info("batch.matched", pairs=12)`), kept for the run's page.

Collected here from the log's own pipe, and written by the lease's thread (app/jobs/run.py), so that it is there also
when the work is rolled back; a job that is killed takes the last second's with it.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import structlog

from app.discretion import shortened, without_people

MOST_LINES = 500
"""Of one attempt. When there are more, the last one says how many were left out."""
LONGEST = 4000
"""Characters of an event's name, or of a text among its fields."""
ALWAYS_THERE = {"event", "level", "logger", "timestamp", "exc_info", "stack_info"}

_listening: ContextVar[Journal | None] = ContextVar("journal", default=None)


class Journal:
    """One attempt's lines. Written by the job's thread, read by the lease's."""

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self.on_news: Callable[[], None] = lambda: None
        self._lines: list[dict[str, Any]] = []
        self._count = 0
        self._told_left_out = 0
        self._lock = threading.Lock()

    def add(self, level: str, event: str, fields: dict[str, Any]) -> None:
        with self._lock:
            self._count += 1
            if self._count < MOST_LINES:
                self._lines.append(_line(self._count, level, event, fields))
        self.on_news()

    def unwritten(self) -> list[dict[str, Any]]:
        """The lines that are not written down yet, and last of all how many there is no room for."""
        with self._lock:
            left_out = max(0, self._count - MOST_LINES + 1)
            news = left_out != self._told_left_out
            return self._lines + ([_line(MOST_LINES, "warning", "lines.left_out", {"lines": left_out})] if news else [])

    def has_written(self, lines: list[dict[str, Any]]) -> None:
        with self._lock:
            for line in lines:
                if line["line"] == MOST_LINES:
                    self._told_left_out = line["fields"]["lines"]
                else:
                    self._lines.remove(line)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """What is logged inside, by this thread, is kept here too."""
        token = _listening.set(self)
        try:
            yield
        finally:
            _listening.reset(token)


def overhear(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A link in the log's pipe: keeps what a job says at level info or above, whatever the log itself lets through."""
    journal = _listening.get()
    if journal is not None:
        with suppress(Exception):  # what cannot be kept is no reason to fail
            _keep(journal, str(event.get("level", method)), event)
    return event


def _keep(journal: Journal, level: str, event: MutableMapping[str, Any]) -> None:
    if logging.getLevelNamesMapping().get(level.upper(), 0) < logging.INFO:
        return
    bound = structlog.contextvars.get_contextvars()
    fields = {name: value for name, value in event.items() if name not in ALWAYS_THERE and name not in bound}
    if event.get("exc_info"):
        fields["traceback"] = _traceback(event["exc_info"])
    journal.add(level, str(event.get("event", "")), fields)


def install() -> None:
    """Put that link into the pipe that app/logs.py has laid. Idempotent."""
    processors = structlog.get_config()["processors"]
    if overhear not in processors:
        structlog.configure(processors=[*processors[:-1], overhear, processors[-1]])


def _line(number: int, level: str, event: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "line": number,
        "at": datetime.now(UTC),
        "level": level,
        "event": _fit(event),
        "fields": _fit(json.loads(json.dumps(fields, default=str))),
    }


def _fit(value: Any) -> Any:
    """As PostgreSQL takes it, without people, and not too long."""
    if isinstance(value, str):
        words = without_people(value.encode("utf-8", "replace").decode().replace("\0", ""))
        return shortened(words, LONGEST)
    if isinstance(value, dict):
        return {_fit(name): _fit(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_fit(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _traceback(exc_info: Any) -> str:
    error = exc_info if isinstance(exc_info, BaseException) else exc_info[1] if isinstance(exc_info, tuple) else None
    error = error or sys.exc_info()[1]
    return "".join(traceback.format_exception(error)) if error else ""
