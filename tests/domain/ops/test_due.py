"""Due times become runs: each exactly once, the missed ones written down (PA-23, SY-07)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.models import JobRun, JobSchedule
from app.domain.ops import balance, due, health, ledger
from app.domain.ops.clock import MOST_COUNTED, Line
from app.domain.ops.ledger import Work
from app.domain.ops.queries import Window

ALERTS = Line("alerts", "alerts", "*/15 * * * *", "UTC", 600)
NIGHTLY = Line("retention", "retention", "30 1 * * *", "America/New_York", 3600)
WORK = Work("alerts", 3, skips_overlap=True)
NOW = datetime(2026, 11, 20, 10, 3, tzinfo=UTC)


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return NOW.replace(hour=hour, minute=minute, second=second)


def rows(db, name: str = "alerts") -> list[tuple[str, str]]:
    db.session.expire_all()
    runs = db.session.query(JobRun).filter_by(schedule_name=name).order_by(JobRun.due_at).all()
    return [(f"{run.due_at:%H:%M}", run.state) for run in runs]


@pytest.fixture
def alerts(db):
    due.write_schedule([ALERTS], now=NOW)


def test_a_due_time_makes_exactly_one_run_however_often_it_is_looked_at(db, alerts):
    assert due.materialise("alerts", WORK, at(10, 14, 59)) is None
    assert due.materialise("alerts", WORK, at(10, 15)) is not None
    assert due.materialise("alerts", WORK, at(10, 15, 5)) is None
    assert rows(db) == [("10:15", "pending")]


def test_a_due_time_that_already_has_its_run_is_not_made_again(db, alerts):
    first = due.materialise("alerts", WORK, at(10, 15))
    # As if another scheduler's look at the same due time had been lost before it moved the line on.
    schedule = db.session.get(JobSchedule, "alerts")
    schedule.last_due_at, schedule.next_due_at = at(10, 0), at(10, 15)
    db.session.flush()
    assert due.materialise("alerts", WORK, at(10, 15, 9)) is None
    assert first is not None
    assert rows(db) == [("10:15", "pending")]


def test_after_an_outage_the_newest_due_time_runs_and_the_older_ones_are_recorded_as_missed(db, alerts):
    due.materialise("alerts", WORK, at(11, 2))
    assert rows(db) == [("10:15", "missed"), ("10:30", "missed"), ("10:45", "missed"), ("11:00", "pending")]


def test_a_run_that_nobody_began_is_missed_when_its_successor_comes_due(db, alerts):
    due.materialise("alerts", WORK, at(10, 15))
    due.materialise("alerts", WORK, at(10, 30))
    assert rows(db) == [("10:15", "missed"), ("10:30", "pending")]


def test_a_run_that_was_begun_is_not_missed(db, alerts):
    run_id = due.materialise("alerts", WORK, at(10, 15))
    token = ledger.claim(run_id, "w", 60, now=at(10, 15, 2)).lease_token
    due.materialise("alerts", WORK, at(10, 30))
    assert rows(db) == [("10:15", "running"), ("10:30", "pending")]
    ledger.fail(run_id, token, "ValueError", "no", now=at(10, 30, 1))
    due.materialise("alerts", WORK, at(10, 45))
    assert rows(db) == [("10:15", "pending"), ("10:30", "missed"), ("10:45", "pending")]


def test_no_more_than_a_week_of_missed_due_times_is_written_down(db, alerts):
    due.materialise("alerts", WORK, NOW + timedelta(days=30))
    states = [state for _, state in rows(db)]
    assert states.count("missed") == 7 * 96 - 1
    assert states.count("pending") == 1


def test_a_nightly_line_makes_one_run_on_the_night_with_two_half_past_ones(db):
    due.write_schedule([NIGHTLY], now=datetime(2026, 10, 31, 12, tzinfo=UTC))
    for quarter in range(4 * 24):
        due.materialise("retention", WORK, datetime(2026, 11, 1, 0, tzinfo=UTC) + timedelta(minutes=15 * quarter))
    assert rows(db, "retention") == [("05:30", "pending")]


def test_writing_the_schedule_again_loses_no_due_time(db, alerts):
    due.write_schedule([ALERTS], now=at(10, 20))
    due.materialise("alerts", WORK, at(10, 20, 5))
    assert rows(db) == [("10:15", "pending")]


def test_a_line_with_a_new_clock_owes_its_due_times_from_then_on(db, alerts):
    due.write_schedule([Line("alerts", "alerts", "0 * * * *", "UTC", 600)], now=at(10, 20))
    due.materialise("alerts", WORK, at(11, 1))
    assert rows(db) == [("11:00", "pending")]
    assert db.session.get(JobSchedule, "alerts").due_from == at(10, 20)


def test_a_line_that_left_the_code_stops_and_owes_nothing_when_it_returns(db, alerts):
    due.write_schedule([], now=at(10, 10))
    assert due.materialise("alerts", WORK, at(10, 16)) is None
    due.write_schedule([ALERTS], now=at(12, 1))
    due.materialise("alerts", WORK, at(12, 16))
    assert rows(db) == [("12:15", "pending")]


def test_a_paused_line_stays_paused_when_the_code_is_deployed_again(db, alerts):
    db.session.get(JobSchedule, "alerts").enabled = False
    db.session.flush()
    due.write_schedule([ALERTS], now=at(10, 10))
    assert due.materialise("alerts", WORK, at(10, 16)) is None


# --- A pause ---


def test_a_paused_line_makes_no_due_times_and_owes_none_of_them_afterwards(db, alerts):
    due.pause("alerts", "the relay is being moved", None, at(10, 20), work=WORK)
    assert due.materialise("alerts", WORK, at(10, 31)) is None
    assert balance_of_due_times(at(10, 46)) == (1, 0), "while it is paused"
    over = due.resume("alerts", at(13, 20))
    due.materialise("alerts", WORK, at(13, 31))
    assert rows(db) == [("10:15", "missed"), ("13:30", "pending")]
    assert (over.since, over.until, over.not_owed) == (at(10, 20), at(13, 20), 12)
    assert over.reason == "the relay is being moved"
    assert balance_of_due_times(at(13, 31)) == (2, 0), "after it"


def test_a_pause_takes_no_due_time_before_it_out_of_the_books_the_missed_ones_neither(db, alerts):
    """Three are missed in an outage and one runs; one of them without a run stays missing, too."""
    due.materialise("alerts", WORK, at(11, 1))
    db.session.execute(text("DELETE FROM job_run WHERE due_at = :due"), {"due": at(10, 30)})
    books = parts_of_due_times(at(11, 2))
    assert books == {"total": 4, "left over": 1, "missed": 2, "going": 1, "succeeded": 0}
    due.pause("alerts", "the relay is being moved", None, at(11, 5), work=WORK)
    assert parts_of_due_times(at(11, 50)) == books, "while it is paused"
    due.resume("alerts", at(12, 5))
    assert parts_of_due_times(at(12, 10)) == books, "after it"
    due.pause("alerts", "and once more", None, at(12, 20), work=WORK)
    due.resume("alerts", at(12, 40))
    assert parts_of_due_times(at(12, 44)) == books | {"total": 5, "missed": 3}
    window = Window(NOW, at(12, 44))
    assert balance.missing_times(window) == [("alerts", at(10, 30))]


def parts_of_due_times(now: datetime) -> dict[str, int]:
    line = next(line for line in balance.balance(NOW, now) if line.key == "due_times")
    return {"total": line.total, "left over": line.remainder} | {part.key: part.count for part in line.shown}


def test_a_line_is_not_overdue_for_what_fell_into_a_pause_and_still_for_what_came_before(db, alerts):
    due.pause("alerts", "the relay is being moved", None, at(10, 10), work=WORK)
    due.resume("alerts", at(13, 5))
    assert overdue_since(at(13, 10)) is None
    assert overdue_since(at(13, 26)) == at(13, 15)
    due.pause("alerts", "once more", None, at(13, 27), work=WORK)
    assert overdue_since(at(14, 0)) is None, "while it is paused nobody waits for it"
    due.resume("alerts", at(14, 1))
    assert overdue_since(at(14, 2)) == at(13, 15)


def overdue_since(now: datetime) -> datetime | None:
    return next(line.overdue_since for line in health.vitals(now).schedules if line.name == "alerts")


def test_a_pause_begins_after_the_last_due_time_that_became_a_run(db, alerts):
    """Two processes, two clocks: the run was made by the one that is ahead."""
    due.materialise("alerts", WORK, at(10, 15, 1))
    due.pause("alerts", "the relay is being moved", None, at(10, 14, 59))
    assert parts_of_due_times(at(10, 40)) == {"total": 1, "left over": 0, "going": 1, "succeeded": 0}
    due.resume("alerts", at(10, 14, 59))
    assert parts_of_due_times(at(10, 29)) == {"total": 1, "left over": 0, "going": 1, "succeeded": 0}


def balance_of_due_times(now: datetime) -> tuple[int, int]:
    line = next(line for line in balance.balance(NOW, now) if line.key == "due_times")
    return line.total, line.remainder


def test_what_was_due_before_the_pause_is_not_forgotten(db, alerts):
    due.pause("alerts", "too many mails", None, at(10, 31), work=WORK)
    assert rows(db) == [("10:15", "missed"), ("10:30", "pending")]
    due.resume("alerts", at(10, 40))
    due.materialise("alerts", WORK, at(10, 46))
    assert rows(db) == [("10:15", "missed"), ("10:30", "missed"), ("10:45", "pending")]


@pytest.mark.committed
def test_a_pause_waits_for_a_look_that_is_under_way_and_loses_nothing_when_that_is_undone(app, db):
    """A scheduler that is killed in the middle of its look has made no run; the pause makes it then."""
    due.write_schedule([ALERTS], now=NOW)
    db.session.commit()

    def pause() -> None:
        with app.app_context():
            due.pause("alerts", "too many mails", None, at(10, 31), work=WORK)
            db.session.commit()
            db.session.remove()

    with ThreadPoolExecutor(1) as beside:
        due.materialise("alerts", WORK, at(10, 31))
        paused = beside.submit(pause)
        with pytest.raises(TimeoutError):
            paused.result(timeout=0.5)
        db.session.rollback()
        paused.result(timeout=30)
    assert rows(db) == [("10:15", "missed"), ("10:30", "pending")]


@pytest.mark.parametrize("reason", ["", "  no ", "x" * 201])
def test_a_pause_says_why(db, alerts, reason):
    with pytest.raises(Invalid) as refusal:
        due.pause("alerts", reason, None, at(10, 20))
    assert refusal.value.field == "reason"
    assert db.session.get(JobSchedule, "alerts").enabled


def test_a_pause_keeps_who_when_and_why_and_the_code_does_not_end_it(db, alerts, make, office):
    person = make.user(office=office)
    due.pause("alerts", " the relay is being moved ", person.id, at(10, 20))
    due.write_schedule([ALERTS], now=at(10, 25))
    row = db.session.get(JobSchedule, "alerts", populate_existing=True)
    assert (row.enabled, row.paused_reason) == (False, "the relay is being moved")
    assert (row.paused_at, row.paused_by_id) == (at(10, 20), person.id)
    due.resume("alerts", at(10, 30))
    assert (row.enabled, row.paused_reason, row.paused_at, row.paused_by_id) == (True, None, None, None)


def test_a_line_is_paused_once_and_resumed_once(db, alerts):
    with pytest.raises(Conflict):
        due.resume("alerts", at(10, 20))
    due.pause("alerts", "for a while", None, at(10, 20))
    with pytest.raises(Conflict, match="for a while"):
        due.pause("alerts", "for ever", None, at(10, 21))
    due.resume("alerts", at(10, 30))


def test_what_is_not_on_the_clock_is_neither_paused_nor_resumed(db, alerts):
    due.write_schedule([], now=at(10, 10))
    for name in ("alerts", "nobody"):
        with pytest.raises(NotFound):
            due.pause(name, "for a while", None, at(10, 20))
        with pytest.raises(NotFound):
            due.resume(name, at(10, 20))


def test_a_pause_may_give_any_reason_and_still_only_a_person_ends_it(db, alerts):
    due.pause("alerts", "no longer in the code", None, at(10, 20))
    due.write_schedule([ALERTS], now=at(10, 25))
    assert due.materialise("alerts", WORK, at(10, 31)) is None
    assert due.resume("alerts", at(10, 40)).reason == "no longer in the code"


def test_a_paused_line_that_leaves_the_code_and_returns_is_still_paused(db, alerts):
    due.pause("alerts", "the relay is being moved", None, at(10, 20))
    due.write_schedule([], now=at(10, 25))
    with pytest.raises(NotFound):
        due.resume("alerts", at(10, 26))
    due.write_schedule([ALERTS], now=at(10, 30))
    assert due.materialise("alerts", WORK, at(10, 46)) is None
    assert due.resume("alerts", at(10, 50)).reason == "the relay is being moved"


def test_due_times_of_a_long_pause_are_counted_up_to_a_limit(db):
    due.write_schedule([Line("sweep", "sweep", "* * * * *", "UTC", 240)], now=NOW)
    due.pause("sweep", "for a very long while", None, NOW)
    assert due.resume("sweep", NOW + timedelta(days=400)).not_owed == MOST_COUNTED


def times(*spans: tuple[str, str, int]) -> list[datetime]:
    """("10-31T13:00", "11-01T04:45", 15): every 15 minutes from the first to the last, both included, in UTC of 2026."""
    found = []
    for first, last, minutes in spans:
        moment = datetime.fromisoformat(f"2026-{first}:00+00:00")
        while moment <= datetime.fromisoformat(f"2026-{last}:00+00:00"):
            found.append(moment)
            moment += timedelta(minutes=minutes)
    return found


def once(moment: str) -> list[datetime]:
    return times((moment, moment, 1))


NIGHTS = {
    # A day of 23 hours: 02:00–03:00 does not exist.
    "New York, spring": (
        "America/New_York",
        ("03-08T05:00", "03-09T04:00"),
        {
            "*/15 * * * *": times(("03-08T05:00", "03-09T03:45", 15)),
            "0 * * * *": times(("03-08T05:00", "03-09T03:00", 60)),
            "30 1 * * *": once("03-08T06:30"),
            "30 2 * * *": once("03-08T07:00"),  # at 03:00, the first minute there is
            "15 3 * * *": once("03-08T07:15"),
        },
    ),
    # A day of 25 hours: 01:00–02:00 exists twice.
    "New York, autumn": (
        "America/New_York",
        ("11-01T04:00", "11-02T05:00"),
        {
            "*/15 * * * *": times(("11-01T04:00", "11-02T04:45", 15)),
            "0 * * * *": times(("11-01T04:00", "11-02T04:00", 60)),
            "30 1 * * *": once("11-01T05:30"),  # the first of the two
            "30 2 * * *": once("11-01T07:30"),
            "15 3 * * *": once("11-01T08:15"),
        },
    ),
    # South of the equator, and by half an hour: 02:00–02:30 does not exist.
    "Lord Howe, spring": (
        "Australia/Lord_Howe",
        ("10-03T13:30", "10-04T13:00"),
        {
            "*/15 * * * *": times(("10-03T13:30", "10-04T12:45", 15)),
            # 02:00 is left out: 02:30 is no whole hour.
            "0 * * * *": times(("10-03T13:30", "10-03T14:30", 60), ("10-03T16:00", "10-04T12:00", 60)),
            "30 1 * * *": once("10-03T15:00"),
            "30 2 * * *": once("10-03T15:30"),
            "15 3 * * *": once("10-03T16:15"),
        },
    ),
    # 01:30–02:00 exists twice.
    "Lord Howe, autumn": (
        "Australia/Lord_Howe",
        ("04-04T13:00", "04-05T13:30"),
        {
            "*/15 * * * *": times(("04-04T13:00", "04-05T13:15", 15)),
            "0 * * * *": times(("04-04T13:00", "04-04T14:00", 60), ("04-04T15:30", "04-05T12:30", 60)),
            "30 1 * * *": once("04-04T14:30"),
            "30 2 * * *": once("04-04T16:00"),
            "15 3 * * *": once("04-04T16:45"),
        },
    ),
}


@pytest.mark.parametrize("is_awake", [True, False], ids=["looked at all night", "looked at the day after"])
@pytest.mark.parametrize("night", NIGHTS)
def test_on_the_days_that_clocks_change_each_line_has_the_runs_of_a_list_written_by_hand(db, night, is_awake):
    zone, (first, last), expected = NIGHTS[night]
    start, end = once(first)[0], once(last)[0]
    lines = [Line(cron, "alerts", cron, zone, 600) for cron in expected]
    due.write_schedule(lines, now=start - timedelta(seconds=1))
    looks = [start + timedelta(minutes=29 * n, seconds=3) for n in range(55)] if is_awake else []
    for now in [*(look for look in looks if look < end), end - timedelta(seconds=1)]:
        for line in lines:
            due.materialise(line.name, WORK, now)
    for cron, moments in expected.items():
        rows = db.session.query(JobRun.due_at).filter_by(schedule_name=cron).order_by(JobRun.due_at)
        assert [moment for (moment,) in rows] == moments, cron
