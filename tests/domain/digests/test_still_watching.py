"""A word a month from a search that finds nothing, for who asked for it (PA-12)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.digests.letters import COMPOSERS
from app.domain.digests.lifecycle.still_watching import want, write_some
from app.domain.errors import NotFound
from app.domain.messages.send import send_due
from app.extensions import db as database
from tests.domain.digests.world import NOON, messages, subscribe

FIRST = datetime(2026, 12, 1, 14, 0, tzinfo=UTC)
"""9:00 in the office."""


@pytest.fixture
def subscription(make, office):
    return subscribe(make.contact(office, email="amelia@example.com"), "Family home")


def written(now: datetime) -> int:
    total = 0
    while (count := write_some(now)) is not None:
        database.session.commit()
        total += count
    database.session.expire_all()
    return total


def test_pa_12_it_is_off_unless_somebody_asked_for_it(subscription):
    assert subscription.still_watching_at is None
    assert written(FIRST) == 0


def test_pa_12_once_a_month_it_says_when_the_last_match_was(subscription, relay, catcher, db):
    subscription.last_new_changed_timestamp = NOON - timedelta(days=40)
    want(subscription.id, wanted=True, now=NOON)
    db.session.commit()
    assert written(FIRST - timedelta(minutes=1)) == 0
    assert written(FIRST) == 1
    assert written(FIRST + timedelta(days=20)) == 0
    assert subscription.still_watching_at == datetime(2027, 1, 1, 14, 0, tzinfo=UTC)
    assert send_due(COMPOSERS, relay=relay, now=FIRST)["sent"] == 1
    [letter] = catcher.messages()
    assert letter.summary.subject == "Still watching Family home"
    assert "Its last match was on October 11." in " ".join(letter.text.split())
    assert letter.header("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"


def test_pa_12_a_month_with_a_mail_needs_none_and_the_clock_moves_on(subscription, db):
    subscription.last_new_changed_timestamp = FIRST - timedelta(days=10)
    want(subscription.id, wanted=True, now=NOON)
    assert written(FIRST) == 0
    assert subscription.still_watching_at == datetime(2027, 1, 1, 14, 0, tzinfo=UTC)


def test_pa_12_who_stopped_alerts_gets_no_such_word(subscription, relay, make, office, db):
    want(subscription.id, wanted=True, now=NOON)
    make.suppression(office, "amelia@example.com")
    assert written(FIRST) == 1
    assert send_due(COMPOSERS, relay=relay, now=FIRST)["suppressed"] == 1
    assert [message.state for message in messages()] == ["suppressed"]


def test_pa_12_it_is_switched_off_again_and_is_nobody_elses_to_switch(subscription, make):
    want(subscription.id, wanted=True, now=NOON)
    with pytest.raises(NotFound):
        want(subscription.id, wanted=False, office_id=make.office().id)
    want(subscription.id, wanted=False, now=NOON)
    assert written(FIRST) == 0
