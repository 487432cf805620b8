"""What a run said, as its page shows it: each field once and cut, and no more of it than a page may weigh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import escape

from app.domain.models import JobLogLine
from app.domain.ops.queries import runs as ledgered

CUT = 200
"""Letters of a field that are shown; the whole stands behind it where the whole log was asked for."""
LONGEST = 2_000
"""Letters of a line with all its fields, cut ones included."""
ROW = 450
"""Bytes of a line's own markup."""
WEIGHT, WHOLE_WEIGHT = 50_000, 290_000
"""Bytes of a log on a page that asks again every few seconds, and of one that was asked for whole."""


@dataclass(frozen=True)
class Line:
    """`is_cut`: it said more than `words`. `whole` is empty when it did not, or the whole was not asked for."""

    line: JobLogLine
    event: str
    words: str
    is_cut: bool
    whole: str = ""


@dataclass(frozen=True)
class Log:
    """The newest lines, oldest first. `is_cut`: there are older ones. `is_whole`: the whole was asked for."""

    lines: list[Line]
    is_cut: bool = False
    is_whole: bool = False

    @property
    def has_more(self) -> bool:
        """Asking for the whole shows more than this."""
        return not self.is_whole and (self.is_cut or any(line.is_cut for line in self.lines))


NOTHING = Log([])


def log_of(run_id: int, *, whole: bool) -> Log:
    """The newest lines that a page may hold."""
    most = ledgered.MOST_LINES if whole else ledgered.SHOWN_LINES
    found = ledgered.log_of(run_id, most)
    left = WHOLE_WEIGHT if whole else WEIGHT
    lines: list[Line] = []
    for line in reversed(found[-most:]):
        shown, full = _words(line.fields, CUT)[:LONGEST], _words(line.fields)
        event = _cut(line.event, CUT)
        left -= ROW + _weight(event) + _weight(shown)
        if left < 0:
            break
        is_cut = full != shown
        full = full if whole and is_cut and _weight(full) <= left else ""
        left -= _weight(full)
        lines.append(Line(line, event, shown, is_cut, full))
    return Log(lines[::-1], is_cut=len(found) > len(lines), is_whole=whole)


def _words(fields: dict[str, Any], longest: int | None = None) -> str:
    return " ".join(f"{_cut(name, longest)}={_cut(str(value), longest)}" for name, value in fields.items())


def _cut(text: str, longest: int | None) -> str:
    return text if longest is None or len(text) <= longest else text[:longest] + "…"


def _weight(text: str) -> int:
    return len(escape(text).encode())
