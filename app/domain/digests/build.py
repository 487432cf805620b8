"""Waiting matches become one digest per person, and the digest becomes one message (PA-08, PA-11, PA-12)."""

from __future__ import annotations

from datetime import datetime


def build_some(
    window_end: datetime, now: datetime | None = None, job_run_id: int | None = None, limit: int = 200
) -> dict[str, int] | None:
    """Build the digests of up to `limit` people whose alerts are due at `window_end`; None when nobody is left.

    One transaction, which the caller commits; then call again until None. Safe to run twice and by several workers:
    a person is locked while built, and has at most one digest for each `window_end`.
    Returns counts: recipients, digests, empty, messages, shown, merged, dropped.
    """
    raise NotImplementedError
