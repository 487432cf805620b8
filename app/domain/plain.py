"""Text as it may be kept: what a person cannot see, and what turns the words after it around, is left out on receipt."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls, but for those that are spaces: they part words
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks of direction: one in a name reverses the sentence around it
    "\ufeff\ud800-\udfff]"
)


def plain_line(text: str) -> str:
    """One line without control characters and marks of direction; any run of space is one space."""
    return " ".join(_UNSEEN.sub("", text).split())


def plain_lines(text: str) -> str:
    """The same for several lines: ends of lines are \\n, and spaces stay as they are."""
    kept = _UNSEEN.sub("", text.replace("\r\n", "\n"))
    return "".join(c for c in kept if c in "\n\t" or c >= " ")
