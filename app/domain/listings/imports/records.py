"""The records of a JSON file, one by one: of a top-level list, or of the list called value (a RESO Web API's answer)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import ijson

from app.domain.listings.imports.refusal import refused

DEEPEST = 50
"""Lists in lists: no listing needs more, and a file made of nothing else would eat the memory."""
LONGEST_NUMBER = 100
"""Characters. The fastest parser dies, and the worker with it, of a whole number with more than 4,300 digits."""

_OPENS = ("start_map", "start_array")
_CLOSES = ("end_map", "end_array")


def records(source: Any) -> Iterator[Any]:
    """Each record as Python values, streamed: one is held at a time. Whole numbers are int, others Decimal.

    Raises Invalid when there is no list of records, ijson.JSONError where the text is not JSON.
    """
    events = _measured(ijson.basic_parse(_ShortNumbers(source)))
    event, _, _ = next(events)
    if event == "start_map":
        _go_to_value(events)
    elif event != "start_array":
        raise refused('The JSON holds no list of records: expected {"value": [ … ]} or [ … ].')
    for event, value, _ in events:
        if event == "end_array":
            break
        yield _build(event, value, events)
    for _ in events:  # to the end, so that a torn file is noticed
        pass


_NUMERALS = b"+-.0123456789Ee"
_TOO_LONG = re.compile(rb"[-+.0-9eE]{%d}" % (LONGEST_NUMBER + 1))
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_ESCAPED = re.compile(rb"\\.", re.DOTALL)


class _ShortNumbers:
    """The same bytes, refused before a parser sees a number longer than LONGEST_NUMBER. Holds one piece at a time."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.rest = b""
        """What the next piece goes on with: the quotation mark of an open string, or the start of a number."""

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self.source.read(size)
        text = self.rest + piece
        if _TOO_LONG.search(text) and _TOO_LONG.search(_STRINGS.sub(b" ", text)):
            raise refused(f"The JSON holds a number of more than {LONGEST_NUMBER} digits. No listing has one.")
        bare = _ESCAPED.sub(b"", text) if b"\\" in text else text
        if bare.count(b'"') % 2:
            self.rest = b'"\\' if bare.endswith(b"\\") else b'"'
        else:
            self.rest = text[len(text.rstrip(_NUMERALS)) :]
        return piece


def _measured(events: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any, int]]:
    """(event, value, how deep it stands); refuses what is too deep."""
    depth = 0
    for event, value in events:
        if event in _OPENS:
            depth += 1
            if depth > DEEPEST:
                raise refused("The JSON is nested too deeply to be listings.")
        elif event in _CLOSES:
            depth -= 1
        yield event, value, depth


def _go_to_value(events: Iterator[tuple[str, Any, int]]) -> None:
    """Past the start of the list called value."""
    name = None
    for event, value, depth in events:
        if event == "map_key" and depth == 1:
            name = value
        elif depth == 2 and event == "start_array" and name == "value":
            return
        elif depth == 2 and event == "start_map" and name == "error":
            raise refused("This is an error answer of a RESO Web API, not listings.")
    raise refused('The JSON holds no list of records: expected {"value": [ … ]} or [ … ].')


def _build(event: str, value: Any, events: Iterator[tuple[str, Any, int]]) -> Any:
    """The value that begins with this event."""
    if event == "start_map":
        found: dict[str, Any] = {}
        for inner, name, _ in events:
            if inner == "end_map":
                break
            following, scalar, _ = next(events)
            found[name] = _build(following, scalar, events) if following in _OPENS else scalar
        return found
    if event == "start_array":
        items: list[Any] = []
        for inner, scalar, _ in events:
            if inner == "end_array":
                break
            items.append(_build(inner, scalar, events))
        return items
    return value
