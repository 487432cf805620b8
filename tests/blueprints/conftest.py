"""What the tests of several screens begin with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app.domain.ops import due, health
from app.domain.ops.heartbeat import Heart
from app.extensions import settings
from app.jobs.schedule import SCHEDULE


@pytest.fixture
def well(db) -> Iterator[None]:
    """A house in which everything runs: its clock is kept, and each queue has a worker."""
    due.write_schedule(SCHEDULE, now=datetime.now(UTC))
    for heart in (Heart("scheduler"), *(Heart("worker", queue) for queue in ("alerts", "messages", "bulk"))):
        heart.beat()
    db.session.commit()
    health.dim(settings().database_url)
    yield
    health.dim(settings().database_url)
