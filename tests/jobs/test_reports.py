"""What Sentry is told of a lost attempt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from app.domain.models import Trigger
from app.domain.ops import ledger
from app.domain.ops.ledger import Work
from app.jobs.reports import lost_now, report_lost

NOW = datetime(2026, 11, 20, 10, 3, tzinfo=UTC)


class Kept(Transport):
    """Sentry's wire, ending here."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.events += [item.payload.json for item in envelope.items if item.type == "event"]


@pytest.fixture
def sentry() -> Iterator[Kept]:
    kept = Kept()
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=kept)
    yield kept
    sentry_sdk.init()


def test_what_is_told_of_a_lost_attempt_is_its_own_whatever_the_next_one_says(db, sentry):
    run = ledger.add("imports", Work("bulk", 3, skips_overlap=False), trigger=Trigger.MANUAL, now=NOW)
    ledger.claim(run.id, "w", 60, now=NOW)
    ledger.lose(run.id, "w", "The working process was killed by SIGKILL.", now=NOW)
    lost = lost_now([run.id])
    db.session.commit()
    later = NOW + timedelta(minutes=1)
    token = ledger.claim(run.id, "w", 60, now=later).lease_token
    ledger.fail(run.id, token, "ValueError", "Wilhelmina Okonkwo is not a number", now=later)
    db.session.commit()
    report_lost(lost)
    (event,) = sentry.events
    assert event["message"] == "imports: The working process was killed by SIGKILL."
    assert event["event_id"] == ledger.report_id(run.id, 1)
    report_lost(lost_now([run.id]))
    assert sentry.events[1]["message"] == "imports: Its process was lost.", "an error's words never leave as ours"
