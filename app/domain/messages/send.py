"""Messages that are due go to the relay, one attempt in flight on each connection, each outcome committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Composer = Callable[..., Any]


def send_due(
    composers: Mapping[str, Composer],
    *,
    limit: int = 5000,
    now: datetime | None = None,
    stop: Callable[[], bool] | None = None,
    deadline: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Send what is due. Call it as `send_due(COMPOSERS, stop=…)` with COMPOSERS from app.domain.digests.letters.

    Talks to a gateway, so it commits by itself. `stop` is asked before each message (True = the run was lost or is to
    end), `deadline` is a time.monotonic() value, `progress(done, total)` is told now and then. Returns counts: sent,
    suppressed, dropped, failed, retried, unknown, expired. Raises RelayError (app.gateways.mail) when the relay cannot
    be reached or refuses us: what was not tried is queued again, and the run has failed.
    """
    raise NotImplementedError
