"""How a file is refused."""

from __future__ import annotations

from app.domain.errors import Invalid


def refused(sentence: str) -> Invalid:
    """The file cannot be read, for this reason."""
    return Invalid(sentence, field="file")
