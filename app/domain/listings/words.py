"""Remarks and keywords as the words in them, so that one is found in the other the same way in Python and in SQL.

A word is a run of letters and digits, case-folded; everything else is a gap. " sea view " is a part of " the sea view is
wide ", and of no " seaview ".
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str | None) -> str:
    """The words with one space between, before and behind them; empty when there is none."""
    found = _WORD.findall(unicodedata.normalize("NFKC", text or "").casefold())
    return f" {' '.join(found)} " if found else ""
