"""What was not matched for hours is an outage that is being caught up with (PA-26)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.domain.alerts.backlog import Backlog, backlog
from app.domain.alerts.match import match_one_batch, take_batches
from app.domain.listings import record
from app.domain.models import AlertMatch, ListingEvent
from app.domain.searches import saved
from tests.domain.digests.world import build, items, news

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


@pytest.mark.committed
def test_pa_26_what_is_older_than_72_hours_is_matched_apart_so_that_it_can_wait_for_the_daily_mail(db, make, office):
    buyer = make.contact(office)
    saved.create(office.id, buyer.id, "", {"city": ["Port Ellery"]}, schedule_type="ASAP", now=NOW, judge=False)
    db.session.commit()
    events = []
    for hours in (80, 2, 75, 1):
        home = record.create(
            office.id, {"standard_status": "Active", "list_price": 400_000, "city": "Port Ellery"}, now=NOW
        )
        db.session.commit()
        event = db.session.scalar(select(ListingEvent).where(ListingEvent.listing_id == home.id))
        event.recorded_at = NOW - timedelta(hours=hours)
        db.session.commit()
        events.append(event.seq)
    assert take_batches(NOW) == 2
    db.session.commit()
    while match_one_batch(NOW) is not None:
        db.session.commit()
    build(NOW)
    assert [item.event_seq for item in items() if item.outcome == "shown"] == [events[3], events[1]]
    [waiting] = db.session.scalars(select(AlertMatch).where(AlertMatch.digest_id.is_(None)))
    assert (sorted(waiting.event_seqs), waiting.waits_for) == ([events[0], events[2]], "age")
    build(waiting.waits_until)
    assert len([item for item in items() if item.outcome == "shown"]) == 4
