"""What was not matched for hours is an outage that is being caught up with (PA-26)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.alerts.backlog import Backlog, backlog
from app.domain.alerts.match import match_one_batch, take_batches
from tests.domain.digests.world import news

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


@pytest.mark.committed
@pytest.mark.parametrize(("hours", "is_late"), [(0.5, False), (26, True)])
def test_pa_26_what_waited_for_more_than_an_hour_is_said_with_its_numbers(db, make, office, hours, is_late):
    first, second = (news(office)[1] for _ in range(2))
    first.recorded_at = NOW - timedelta(hours=hours)
    second.recorded_at = NOW
    db.session.commit()
    assert backlog(NOW) is None
    take_batches(NOW)
    db.session.commit()
    assert backlog(NOW) == (Backlog(first.seq, second.seq, 2) if is_late else None)
    while match_one_batch(NOW) is not None:
        db.session.commit()
    assert backlog(NOW) is None
