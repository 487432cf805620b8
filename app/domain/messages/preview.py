"""A mail as the office may look at it: the buyer's words, without the buyer's keys."""

from __future__ import annotations

import re

MASK = "•••"

_STOPS = re.compile(r"(/u/)[^\s\"'<>?#/]+|\b(unsub(?:\+|%2B|&#43;))[^\s\"'<>@?&]+", re.IGNORECASE)
"""The token of an unsubscribe address, on the web (/u/…) and by mail (unsub+…@)."""


def disarm(words: str) -> str:
    """The same HTML, text or header, each unsubscribe token masked. Links to the homes shown stay as they are: for
    somebody who is signed in they only show."""
    return _STOPS.sub(lambda found: (found[1] or found[2]) + MASK, words)
