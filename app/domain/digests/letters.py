"""The alert mail of a digest: the last look, then the words (PA-19)."""

from __future__ import annotations

from typing import Any

COMPOSERS: dict[str, Any] = {}
"""For send_due: how each stream's message is made at the moment it is sent."""
