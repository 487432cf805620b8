"""What a mail says of a home, rendered once for all buyers who are told the same of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.domain.digests.words import Line

MOST = 2_000
"""Pieces kept, of two or three kilobytes each."""
URL, WHY = "\ud801", "\ud802"
"""Stand for what is each buyer's own. Halves of surrogate pairs: no words that a database holds have them."""


class Once:
    """For a template: `{% call(line) once(each) %}…{% endcall %}`. What is inside is rendered anew for a line that says
    anything else; only its link and why it came (`why`, where the template wraps that itself) are put in afterwards.
    One for each template."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], str] = {}

    def __call__(self, line: Line, *further: Any, why: str | None = None, caller: Callable[..., str]) -> str:
        key = (line._replace(url=URL, why=WHY), *further)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= MOST:
                self._kept.clear()
            found = self._kept[key] = caller(*key)
        # In HTML both are escaped here: what caller makes is Markup.
        return found.replace(URL, line.url).replace(WHY, line.why if why is None else why)
