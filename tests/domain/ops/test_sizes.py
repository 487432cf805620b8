"""How large the tables are, what that comes to, and that it is written down once a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from app.domain.models import JobRun, RunState, TableSize
from app.domain.ops import sizes
from app.domain.ops.queries.tables import DATABASE, Unreadable, ask, briefly
from app.domain.ops.sizes import Point, Table, forecast, horizon

NOW = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
TODAY = NOW.date()
MB = 1_000_000


def table(past: list[tuple[int, int, int]] = (), **values) -> Table:
    """A table whose past is given as (days ago, bytes, rows), oldest first."""
    named = {
        "name": "listing_event",
        "kept": "18 months",
        "bytes": 100 * MB,
        "index_bytes": 25 * MB,
        "rows": 100_000,
        "past": [Point(TODAY - timedelta(days=ago), size, rows) for ago, size, rows in past],
        "out_a_day": None,
        "left_last": None,
        "held_days": None,
    }
    return Table(**named | values)


@pytest.mark.parametrize(
    ("size", "a_day", "ceiling", "expected"),
    [
        (100 * MB, None, None, "known after two days"),
        (100 * MB, 0.0, None, "level"),
        (100 * MB, 40_000.0, None, "level"),
        (100 * MB, -1.0 * MB, None, "shrinks"),
        (100 * MB, 1.0 * MB, None, "201 MB on 1 March"),
        (100 * MB, 1.0 * MB, 548 * MB, "201 MB on 1 March; held at about 548 MB"),
        (100 * MB, 1.0 * MB, 150 * MB, "held at about 150 MB, before 1 March"),
        (100 * MB, 1.0 * MB, 90 * MB, "201 MB on 1 March"),
    ],
)
def test_a_forecast_says_where_a_pace_leads_and_where_retention_holds_it(size, a_day, ceiling, expected):
    assert forecast(size, a_day, ceiling, TODAY) == expected


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 11, 20), date(2027, 3, 1)),
        (date(2026, 9, 2), date(2026, 12, 1)),
        (date(2026, 9, 3), date(2027, 1, 1)),
        (date(2027, 1, 31), date(2027, 5, 1)),
    ],
)
def test_a_forecast_looks_at_the_first_of_a_month_at_least_ninety_days_ahead(today, expected):
    assert horizon(today) == expected


def test_the_pace_is_that_of_the_last_thirty_days():
    grown = table([(90, 10, 10), (30, 40 * MB, 40_000), (10, 80 * MB, 70_000), (0, 100 * MB, 100_000)])
    assert (grown.bytes_a_day, grown.rows_a_day) == (2 * MB, 2_000)
    assert table([(0, 1, 1)]).bytes_a_day is None
    assert table().rows_a_day is None


def test_what_comes_in_a_day_is_what_it_grew_by_and_what_left():
    full = table([(30, 100 * MB, 100_000), (0, 100 * MB, 100_000)], out_a_day=182.0, held_days=548)
    assert full.in_a_day == 182
    assert full.ceiling == pytest.approx(182 * 548 * 1_000)
    assert table([(30, 100 * MB, 100_000), (0, 100 * MB, 100_000)], out_a_day=182.0).ceiling is None, "no rule by age"


def test_a_line_of_ninety_days_is_thinned_out_and_ends_now():
    shown = table([(ago, ago, 1) for ago in range(90, 0, -1)]).spark
    assert 20 <= len(shown) <= 24
    assert shown[-1] == 1


def test_each_day_is_written_down_once_and_a_later_look_replaces_it(db):
    assert sizes.record_once(NOW)
    assert not sizes.record_once(NOW + timedelta(hours=3))
    names = set(db.session.scalars(db.select(TableSize.table_name)))
    assert names == sizes.names() | {DATABASE}
    whole = db.session.get(TableSize, (TODAY, DATABASE))
    assert whole.bytes > MB
    db.session.execute(text("UPDATE table_size SET bytes = 1"))
    sizes.record(NOW + timedelta(hours=3))
    db.session.expire_all()
    assert db.session.get(TableSize, (TODAY, DATABASE)).bytes > MB
    assert sizes.record_once(NOW + timedelta(days=1))


def test_a_partition_counts_as_its_table_and_what_was_never_analysed_by_what_was_written(db):
    found = {one.name: one for one in sizes.look(NOW).tables}
    assert not [name for name in found if name.startswith("alert_match_")]
    assert set(found) == sizes.names()
    assert found["alert_match"].bytes > 0


def test_what_left_is_counted_from_the_nights_that_took_it(db):
    for days_ago, counts in (
        (0.1, {"job_run": 300, "bodies": 9, "import_batch": 1, "import_never_started": 2}),
        (1.1, {"job_run": 100}),
    ):
        db.session.add(
            JobRun(
                kind="retention",
                queue="bulk",
                trigger="schedule",
                state=RunState.SUCCEEDED.value,
                counts=counts,
                created_at=NOW,
                finished_at=NOW - timedelta(days=days_ago),
            )
        )
    db.session.flush()
    seen = sizes.look(NOW)
    found = {one.name: one for one in seen.tables}
    assert (found["job_run"].out_a_day, found["job_run"].left_last) == (200, 300)
    assert found["import_batch"].left_last == 3
    assert found["outbound_message"].left_last == 0, "its bodies were emptied, no row left"
    assert found["listing"].left_last is None
    assert seen.nightly_rows == 303


def test_only_rules_that_go_by_age_say_how_much_there_will_be():
    held = {one: sizes.held_days(one, [rule for rule in sizes.RULES if rule.table == one]) for one in sizes.names()}
    assert (held["job_run"], held["listing_event"], held["outbound_message"]) == (30, 548, 730)
    assert held["buyer_listing"] is held["listing"] is held["process_heartbeat"] is None


def test_a_question_that_is_refused_says_why_and_leaves_the_rest_alone(db):
    usual = db.session.scalar(text("SHOW statement_timeout"))
    with briefly("300ms"):
        slow = ask(lambda: list(db.session.execute(text("SELECT pg_sleep(20)"))))
        missing = ask(lambda: list(db.session.execute(text("SELECT 1 FROM nowhere"))))
        fine = ask(lambda: list(db.session.execute(text("SELECT 1"))))
    assert isinstance(slow, Unreadable)
    assert slow.why == "PostgreSQL took too long to say"
    assert isinstance(missing, Unreadable)
    assert missing.code == "42P01"
    assert fine == [(1,)]
    assert db.session.scalar(text("SHOW statement_timeout")) == usual, "its patience is its own"


def test_a_large_table_that_is_read_from_end_to_end_is_named_and_a_small_one_is_not():
    row = SimpleNamespace(name="listing", bytes=1, index_bytes=0, rows=20_000, scans=500, index_scans=20)
    assert sizes._table(row, [], {}, TODAY).is_scanned
    for change in ({"rows": 500}, {"scans": 50}, {"index_scans": 900}):
        other = SimpleNamespace(**vars(row) | change)
        assert not sizes._table(other, [], {}, TODAY).is_scanned
