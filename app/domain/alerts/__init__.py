"""Listing events × subscriptions → matches."""

from __future__ import annotations

from datetime import timedelta

LATE = timedelta(hours=72)
"""What is older when it is matched goes with the daily mail, so it is in batches of its own (PA-26)."""
