"""PostgreSQL's binary COPY format: key rows as they come, rows of alert_match as they go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from app.domain.alerts.engine.blocks import KEY_COLUMNS, Columns, Grouped

Array = npt.NDArray[Any]

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END = b"\xff\xff"
_EPOCH = date(2000, 1, 1)
_BIGINT_OID = 20
_ROOM = 4 << 20
"""Bytes of key rows that are gathered before they become numbers."""

_KEY_ROW = np.dtype(
    [("fields", ">i2")]
    + [part for name, kind in KEY_COLUMNS.items() for part in ((f"{name}_length", ">i4"), (name, f">{kind}"))]
)
"""No column is null and each has its width, so a row is one, too."""

_MATCH_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("found_on_length", ">i4"),
        ("found_on", ">i4"),
        ("batch_id_length", ">i4"),
        ("batch_id", ">i8"),
        ("subscription_length", ">i4"),
        ("subscription", ">i8"),
        ("array_length", ">i4"),
        ("dimensions", ">i4"),
        ("has_nulls", ">i4"),
        ("element_type", ">i4"),
        ("elements", ">i4"),
        ("first", ">i4"),
    ]
)
"""A row of alert_match up to its events."""
_ELEMENT = np.dtype([("length", ">i4"), ("seq", ">i8")])
MATCH_COLUMNS = ("found_on", "batch_id", "alert_subscription_id", "event_seqs")


def key_rows(pieces: Iterable[bytes]) -> Columns:
    """The columns of a binary COPY of KEY_COLUMNS. Holds the columns and four megabytes of rows, never all the rows."""
    parts = [_numbers(rows) for rows in _rows(pieces)]
    return {name: np.concatenate([part[name] for part in parts]) for name in KEY_COLUMNS}


def _rows(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Whole rows, some megabytes at once; nothing, at the end, so that there is always a part."""
    gathered = bytearray()
    start = len(_SIGNATURE)
    for piece in pieces:
        gathered += piece
        if len(gathered) > _ROOM:
            whole = start + (len(gathered) - start) // _KEY_ROW.itemsize * _KEY_ROW.itemsize
            yield bytes(gathered[start:whole])
            del gathered[:whole]
            start = 0
    yield bytes(gathered[start : len(gathered) - len(_END)])


def _numbers(rows: bytes) -> Mapping[str, Array]:
    table = np.frombuffer(rows, _KEY_ROW)
    return {name: table[name].astype(kind) for name, kind in KEY_COLUMNS.items()}


def match_rows(group: Grouped, *, found_on: date, batch_id: int, seqs: Array) -> bytes:
    """A binary COPY of alert_match: a row for each subscription. `seqs` are the numbers of the events.

    Put together in words of two bytes, the greatest that every part is made of.
    """
    counts = np.diff(group.starts)
    heads = np.zeros(len(counts), _MATCH_ROW)
    heads["fields"] = len(MATCH_COLUMNS)
    heads["found_on_length"], heads["found_on"] = 4, (found_on - _EPOCH).days
    heads["batch_id_length"], heads["batch_id"] = 8, batch_id
    heads["subscription_length"], heads["subscription"] = 8, group.subscriptions
    heads["array_length"] = 20 + _ELEMENT.itemsize * counts
    heads["dimensions"], heads["element_type"], heads["elements"], heads["first"] = 1, _BIGINT_OID, counts, 1
    elements = np.zeros(len(group.events), _ELEMENT)
    elements["length"], elements["seq"] = 8, seqs[group.events]

    head, element = _MATCH_ROW.itemsize // 2, _ELEMENT.itemsize // 2
    words = np.empty(len(heads) * head + len(elements) * element, np.uint16)
    number = np.arange(len(heads))
    head_at = number * head + group.starts[:-1] * element
    words[head_at[:, None] + np.arange(head)] = heads.view(np.uint16).reshape(-1, head)
    element_at = np.arange(len(elements)) * element + np.repeat((number + 1) * head, counts)
    words[element_at[:, None] + np.arange(element)] = elements.view(np.uint16).reshape(-1, element)
    return _SIGNATURE + words.tobytes() + _END
