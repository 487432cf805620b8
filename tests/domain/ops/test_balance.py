"""The balance: a true day comes out at zero, and each way a row can get lost leaves a remainder.

The day is made by the real verbs and really committed (what a snapshot sees is the point); each test then spoils one
row the way a bug would, and the sum must say so.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import text

from app.domain.alerts.match import match_one_batch, take_batches
from app.domain.digests.build import build_some
from app.domain.listings import record
from app.domain.models import Contact, Trigger
from app.domain.ops import balance as sums
from app.domain.ops import due, health, ledger, queries
from app.domain.ops.clock import Line
from app.domain.ops.ledger import Work
from app.domain.ops.queries import Window
from app.domain.searches import saved
from app.extensions import db as database
from tests import make as makers

CITY = "Port Ellery"
WORK = Work("alerts", 3, skips_overlap=False)


def run_sql(statement: str, **values: object) -> None:
    database.session.execute(text(statement), values)
    database.session.commit()


@pytest.fixture
def day(db):
    """Two buyers, three homes: one fits both, one fits nobody, one is a correction. One mail waits, one was sent."""
    office = makers.office()
    buyers = [makers.contact(office) for _ in range(2)]
    for buyer in buyers:
        saved.create(office.id, buyer.id, "Homes by the harbor", {"city": [CITY]}, schedule_type="ASAP")
    # The third buyer's mail waits for tomorrow.
    patient = makers.contact(office)
    saved.create(
        office.id, patient.id, "Once a day", {"city": [CITY]}, schedule_type="Daily", send_time=time(9), kinds=7
    )
    db.session.commit()
    home = {"list_price": 480_000, "standard_status": "Active", "property_type": "Residential"}
    record.create(office.id, home | {"city": CITY, "unparsed_address": "1 Alder Court"})
    record.create(office.id, home | {"city": "Elsewhere", "unparsed_address": "2 Alder Court"})
    moved = record.create(office.id, home | {"city": "Farther", "unparsed_address": "3 Alder Court"})
    db.session.commit()
    record.change(moved.id, {"list_price": 470_000}, office_id=office.id, origin="correction")
    db.session.commit()
    take_batches()
    db.session.commit()
    while match_one_batch() is not None:
        db.session.commit()
    now = datetime.now(UTC)
    while build_some(now, now) is not None:
        db.session.commit()
    first = db.session.execute(text("SELECT min(id) FROM outbound_message")).scalar()
    run_sql("UPDATE outbound_message SET state = 'sent', sent_at = now() WHERE id = :id", id=first)
    run_sql(
        "INSERT INTO message_event (outbound_message_id, source, event_id, event_type, occurred_at)"
        " VALUES (:id, 'smtp', 'x/1/sent', 'sent', now())",
        id=first,
    )
    return office


def remainders() -> dict[str, int]:
    database.session.rollback()
    now = datetime.now(UTC) + timedelta(seconds=1)
    return {line.key: line.remainder for line in sums.balance(now - timedelta(hours=1), now)}


def parts(key: str) -> dict[str, int]:
    now = datetime.now(UTC) + timedelta(seconds=1)
    line = next(line for line in sums.balance(now - timedelta(hours=1), now) if line.key == key)
    return {part.key: part.count for part in line.shown} | {"total": line.total}


def window() -> Window:
    now = datetime.now(UTC) + timedelta(seconds=1)
    return Window(now - timedelta(hours=1), now)


EVEN = {"events": 0, "matches": 0, "messages": 0, "due_times": 0}


@pytest.mark.committed
def test_a_true_day_comes_out_at_zero_and_each_sum_says_where_its_rows_are(day):
    assert remainders() == EVEN
    assert parts("events") == {"total": 4, "matched": 1, "unmatched": 2, "not_alertable": 1}
    assert parts("matches") == {"total": 3, "in_message": 2, "dropped": 0, "waiting": 1}
    assert parts("messages") == {"total": 2, "sent": 1, "due": 1}


@pytest.mark.committed
def test_events_that_the_watermark_has_not_reached_are_counted_as_not_yet_read(day):
    record.create(day.id, {"list_price": 1, "standard_status": "Active", "city": CITY})
    database.session.commit()
    assert parts("events")["unread"] == 1
    assert remainders() == EVEN
    take_batches()
    database.session.commit()
    assert parts("events")["being_matched"] == 1
    assert remainders() == EVEN


@pytest.mark.committed
def test_an_event_that_no_batch_took_is_found(day):
    run_sql("UPDATE match_batch SET event_seqs = event_seqs[2:]")
    assert remainders()["events"] == 1
    assert len(queries.lost_events(window())) == 1


@pytest.mark.committed
def test_an_event_in_two_batches_is_found(day):
    run_sql(
        "INSERT INTO match_batch (found_on, event_seqs, done_at, matched_events, unmatched_events, pairs)"
        " SELECT found_on, event_seqs[1:1], now(), 0, 1, 0 FROM match_batch"
    )
    assert remainders()["events"] == -1


@pytest.mark.committed
def test_a_correction_that_was_matched_is_found(day):
    run_sql("UPDATE match_batch SET event_seqs = event_seqs || (SELECT max(seq) FROM listing_event)")
    assert remainders()["events"] == -1


@pytest.mark.committed
def test_a_match_that_vanished_is_found(day):
    run_sql("DELETE FROM alert_match WHERE digest_id IS NULL")
    assert remainders()["matches"] == 1
    assert [row.why for row in queries.lost_pairs(window())] == ["the batch counted 3 matches, 2 are there"]


@pytest.mark.committed
def test_a_match_whose_digest_does_not_speak_of_it_is_found(day):
    run_sql("DELETE FROM digest_item WHERE digest_id = (SELECT min(id) FROM digest)")
    assert remainders()["matches"] == 1
    assert [row.why for row in queries.lost_pairs(window())] == ["its digest does not say what became of it"]


@pytest.mark.committed
def test_a_digest_without_its_message_is_found(day):
    run_sql("DELETE FROM outbound_message WHERE state = 'queued'")
    assert remainders()["matches"] == 1
    assert [row.why for row in queries.lost_pairs(window())] == ["its digest has no message"]


@pytest.mark.committed
def test_a_sent_message_of_which_the_log_knows_nothing_is_found(day):
    run_sql("DELETE FROM message_event")
    assert remainders()["messages"] == 1
    assert [row.why for row in queries.lost_messages(window())] == ["its log does not say so"]


@pytest.mark.committed
def test_a_message_stuck_in_sending_is_found(day):
    run_sql(
        "UPDATE outbound_message SET state = 'sending', lease_token = gen_random_uuid(),"
        " lease_until = now() - interval '10 minutes' WHERE state = 'queued'"
    )
    assert remainders()["messages"] == 1
    assert [row.why for row in queries.lost_messages(window())] == ["its sender fell silent"]


@pytest.mark.committed
def test_a_message_that_nobody_sends_or_expires_is_found(day):
    run_sql("UPDATE outbound_message SET expires_at = now() - interval '1 hour' WHERE state = 'queued'")
    assert remainders()["messages"] == 1


def due_times(until: datetime) -> tuple[int, dict[str, int]]:
    line = next(line for line in sums.balance(until - timedelta(hours=1), until) if line.key == "due_times")
    return line.remainder, {part.key: part.count for part in line.shown}


def test_a_due_time_without_a_run_is_found_by_the_clocks_arithmetic(db):
    """SY-07: a scheduler that stands still makes no error; the sum does not come out."""
    now = datetime(2026, 11, 20, 10, 50, tzinfo=UTC)
    due.write_schedule([Line("alerts", "alerts", "*/15 * * * *", "UTC", 600)], now=now - timedelta(minutes=50))
    assert due_times(now) == (3, {"succeeded": 0})
    assert [f"{moment:%H:%M}" for _, moment in sums.missing_times(Window(now - timedelta(hours=1), now))] == [
        "10:15",
        "10:30",
        "10:45",
    ]
    due.materialise("alerts", WORK, now)
    assert due_times(now) == (0, {"succeeded": 0, "missed": 2, "going": 1})
    db.session.execute(text("DELETE FROM job_run WHERE due_at = (SELECT min(due_at) FROM job_run)"))
    assert due_times(now)[0] == 1


def test_a_due_time_that_is_seconds_old_is_not_missing_yet(db):
    now = datetime(2026, 11, 20, 10, 45, 10, tzinfo=UTC)
    due.write_schedule([Line("alerts", "alerts", "*/15 * * * *", "UTC", 600)], now=now - timedelta(minutes=5))
    assert due_times(now)[0] == 0
    assert due_times(now + timedelta(seconds=30))[0] == 1


@pytest.mark.committed
def test_every_page_knows_within_a_minute_what_the_sweep_found(day):
    run_sql("DELETE FROM outbound_message WHERE state = 'queued'")
    now = datetime.now(UTC) + timedelta(seconds=1)
    assert sums.unaccounted(now) == 1
    run = ledger.add("sweep", WORK, trigger=Trigger.MANUAL, now=now)
    token = ledger.claim(run.id, "w", 60, now=now).lease_token
    ledger.finish(run.id, token, {"unaccounted": 1}, now=now)
    database.session.commit()
    verdict = health.verdict(now)
    assert verdict.tone == "bad"
    assert "1 row is not accounted for" in [reason.sentence for reason in verdict.reasons]
    late = now + health.SWEEP_PATIENCE + timedelta(seconds=1)
    assert "1 row is not accounted for" not in [reason.sentence for reason in health.verdict(late).reasons]


def test_midnight_is_the_offices_own(db):
    # 00:30 in New York on the night the clocks went back, 04:30 UTC.
    moment = datetime(2026, 11, 1, 4, 30, tzinfo=UTC)
    assert sums.midnight(moment, "America/New_York") == datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
    assert sums.midnight(moment, "UTC") == datetime(2026, 11, 1, tzinfo=UTC)
    assert db.session.query(Contact).count() == 0
