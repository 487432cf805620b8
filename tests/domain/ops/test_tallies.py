"""The tallies say what the runs said, for ever: counted once or twice, on time or after an outage."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from app.domain.models import JobAttempt, JobDay, JobHour, JobRun, JobSchedule
from app.domain.ops import retention, tallies
from app.domain.ops.queries import tallies as queries

NOW = datetime(2026, 11, 20, 10, 3, tzinfo=UTC)
KINDS = {"alerts": "alerts", "digests": "alerts", "messages": "messages", "sweep": "messages"}
STATES = ("succeeded",) * 6 + ("failed", "missed", "skipped", "cancelled", "pending", "running")
NAMES = ("succeeded", "failed", "missed", "skipped", "cancelled", "lost")


@pytest.fixture
def lines(db):
    for name in ("alerts", "sweep"):
        db.session.add(
            JobSchedule(name=name, kind=name, cron="* * * * *", time_zone="UTC", grace_seconds=60, due_from=NOW)
        )
    db.session.flush()


def write_runs(db, random: Random, count: int, since: datetime, until: datetime) -> None:
    """Runs of every kind and end, some with lost attempts before their last one."""
    span = (until - since).total_seconds()
    for _ in range(count):
        kind, state = random.choice(list(KINDS)), random.choice(STATES)
        ended = since + timedelta(seconds=random.uniform(0, span))
        has_begun = state in {"succeeded", "failed", "running"}
        began = ended - timedelta(seconds=random.choice([0.004, 0.3, 7, 95, 5000]) * random.uniform(0.5, 1.5))
        is_over = state not in {"pending", "running"}
        due = began - timedelta(seconds=random.expovariate(1 / 20))
        comes_from_clock = kind in {"alerts", "sweep"} and random.random() < 0.7
        run_id = db.session.execute(
            insert(JobRun)
            .values(
                kind=kind,
                queue=KINDS[kind],
                trigger="schedule" if comes_from_clock else "event",
                schedule_name=kind if comes_from_clock else None,
                due_at=due if comes_from_clock else None,
                state=state,
                run_after=due,
                created_at=due,
                started_at=began if has_begun else None,
                finished_at=ended if is_over else None,
                lease_token=uuid4() if state == "running" else None,
            )
            .returning(JobRun.id)
        ).scalar_one()
        for attempt in range(1, random.choice([1, 1, 1, 3])):
            lost_at = since + timedelta(seconds=random.uniform(0, span))
            db.session.add(
                JobAttempt(
                    run_id=run_id, attempt=attempt, worker="w", started_at=lost_at, finished_at=lost_at, outcome="lost"
                )
            )
    db.session.flush()


@dataclass
class Expected:
    """One row as it must come out."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    durations: list[int] = field(default_factory=lambda: [0] * tallies.BUCKETS)
    waits: list[int] = field(default_factory=lambda: [0] * tallies.BUCKETS)


def by_hand(db, key, since: datetime) -> dict[tuple[object, str, str], Expected]:
    """The same, counted one by one. `key`: a moment's hour or day."""
    rows: dict[tuple[object, str, str], Expected] = {}
    runs = {run.id: run for run in db.session.scalars(select(JobRun))}
    for run in runs.values():
        if run.finished_at is None or run.finished_at < since:
            continue
        row = rows.setdefault((key(run.finished_at), run.kind, run.schedule_name or ""), Expected())
        row.counts[run.state] += 1
        if run.state in {"succeeded", "failed"}:
            took = (run.finished_at - run.started_at).total_seconds()
            row.seconds += took
            row.durations[bisect_right(tallies.BOUNDS, took)] += 1
            row.waits[bisect_right(tallies.BOUNDS, (run.started_at - run.run_after).total_seconds())] += 1
    for attempt in db.session.scalars(select(JobAttempt).where(JobAttempt.outcome == "lost")):
        if attempt.finished_at >= since:
            run = runs[attempt.run_id]
            rows.setdefault((key(attempt.finished_at), run.kind, run.schedule_name or ""), Expected()).counts[
                "lost"
            ] += 1
    return rows


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def kept(db, model, key: str) -> dict[tuple[object, str, str], object]:
    db.session.expire_all()
    return {(getattr(row, key), row.kind, row.schedule_name): row for row in db.session.scalars(select(model))}


def agree(rows, expected) -> None:
    assert rows.keys() == expected.keys()
    for name, row in rows.items():
        want = expected[name]
        assert {count: getattr(row, count) for count in NAMES} == {count: want.counts[count] for count in NAMES}, name
        assert row.seconds == pytest.approx(want.seconds)
        assert (list(row.durations), list(row.waits)) == (want.durations, want.waits), name
        assert row.queue == KINDS[row.kind]


def check(db, since: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
    agree(kept(db, JobHour, "hour"), by_hand(db, hour_of, since))
    agree(kept(db, JobDay, "day"), by_hand(db, lambda moment: moment.date(), since))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hours_and_days_say_what_was_counted_one_by_one(db, lines, seed):
    write_runs(db, Random(seed), 300, NOW - timedelta(days=3), NOW)
    tallies.fold(NOW)
    check(db)


def test_folding_twice_changes_nothing(db, lines):
    write_runs(db, Random(4), 100, NOW - timedelta(hours=30), NOW)
    assert tallies.fold(NOW) > 0
    assert tallies.fold(NOW) == 0
    assert tallies.fold(NOW + timedelta(minutes=1)) == 0
    check(db)


def test_folded_every_few_minutes_it_comes_to_the_same(db, lines):
    random = Random(5)
    since = NOW - timedelta(hours=5)
    moment = since
    while moment < NOW:
        # What was dated before the last fold and committed after it is among them.
        write_runs(db, random, 6, max(moment - timedelta(minutes=9), since), moment + timedelta(minutes=7))
        moment += timedelta(minutes=7)
        tallies.fold(moment)
    check(db)


def test_an_outage_is_caught_up_with_however_little_time_a_fold_has(db, lines):
    """Thirty-three days without a fold, most of them without a run."""
    then = NOW - timedelta(days=33)
    write_runs(db, Random(6), 20, then - timedelta(minutes=40), then)
    tallies.fold(then)
    write_runs(db, Random(7), 20, then, then + timedelta(hours=2))
    write_runs(db, Random(8), 60, NOW - timedelta(days=4), NOW)
    folds = 0
    while tallies.fold(NOW, seconds=0):
        folds += 1
    assert 1 < folds < 10
    check(db)


def test_the_first_fold_counts_only_days_that_the_retention_has_not_thinned(db, lines):
    write_runs(db, Random(9), 200, NOW - timedelta(days=34), NOW)
    tallies.fold(NOW, seconds=60)
    check(db, since=datetime(2026, 10, 23, tzinfo=UTC))


def test_days_outlive_the_runs_and_the_hours(db, lines):
    write_runs(db, Random(10), 120, NOW - timedelta(days=2), NOW)
    tallies.fold(NOW)
    before = {name: row.succeeded for name, row in kept(db, JobDay, "day").items()}
    later = NOW + timedelta(days=40)
    for rule in retention.RULES:
        if rule.table in {"job_run", "job_hour"}:
            rule.apply(later)
    assert kept(db, JobHour, "hour") == {}
    write_runs(db, Random(11), 20, later - timedelta(hours=2), later)
    tallies.fold(later)
    after = {name: row.succeeded for name, row in kept(db, JobDay, "day").items()}
    assert after.items() >= before.items()
    assert max(day for day, _, _ in after) == date(2026, 12, 30)


def test_a_clock_that_is_ahead_does_not_stop_the_count(db, lines):
    write_runs(db, Random(12), 5, NOW + timedelta(days=2), NOW + timedelta(days=2, hours=1))
    write_runs(db, Random(13), 30, NOW - timedelta(hours=2), NOW)
    assert tallies.fold(NOW) > 0
    assert max(hour for hour, _, _ in kept(db, JobHour, "hour")) <= NOW
    write_runs(db, Random(14), 30, NOW, NOW + timedelta(minutes=20))
    tallies.fold(NOW + timedelta(minutes=20))
    tallies.fold(NOW + timedelta(days=3))
    check(db)


def test_runs_written_down_afterwards_are_counted_when_asked_for(db, lines):
    write_runs(db, Random(15), 10, NOW - timedelta(hours=1), NOW)
    tallies.fold(NOW)
    write_runs(db, Random(16), 40, NOW - timedelta(days=5), NOW)
    tallies.fold(NOW, since=NOW - timedelta(days=5))
    check(db)


def test_the_tallies_add_up_by_line_by_kind_and_by_queue(db, lines):
    write_runs(db, Random(17), 300, NOW - timedelta(hours=20), NOW)
    tallies.fold(NOW)
    since = NOW - timedelta(hours=10)
    expected = by_hand(db, hour_of, hour_of(since))
    for found, place in ((queries.by_kind(since, NOW), 1), (queries.by_schedule(since, NOW), 2)):
        wanted = {name[place] for name in expected} - {""}
        assert found.keys() == wanted
        for name in wanted:
            parts = [row for key, row in expected.items() if key[place] == name]
            assert found[name].ran == sum(row.counts["succeeded"] + row.counts["failed"] for row in parts)
            assert found[name].durations == tuple(map(sum, zip(*(row.durations for row in parts), strict=True)))
    hourly = queries.by_queue(since, NOW)
    assert {name: sum(hour.lost for hour in hours.values()) for name, hours in hourly.items()} == {
        queue: sum(row.counts["lost"] for key, row in expected.items() if KINDS[key[1]] == queue)
        for queue in ("alerts", "messages")
    }
    # A day of New York begins at 05:00 UTC.
    assert list(queries.by_queue(since, NOW, "day", "America/New_York")["alerts"]) == [
        datetime(2026, 11, 19, 5, tzinfo=UTC),
        datetime(2026, 11, 20, 5, tzinfo=UTC),
    ]


def test_an_estimate_lies_in_the_bucket_of_the_true_value():
    random = Random(18)
    for _ in range(200):
        values = sorted(
            random.choice([0.02, 0.4, 3, 45, 900]) * random.uniform(0.1, 3) for _ in range(random.randint(1, 80))
        )
        durations = [0] * tallies.BUCKETS
        for value in values:
            durations[bisect_right(tallies.BOUNDS, value)] += 1
        for part in (0.5, 0.95, 1.0):
            true = values[max(round(part * len(values) + 0.4999) - 1, 0)]
            place = bisect_right(tallies.BOUNDS, true)
            low, high = (0.0, *tallies.BOUNDS)[place], (*tallies.BOUNDS, 3600.0)[place]
            assert low <= tallies.quantile(durations, part) <= high


def test_an_estimate_of_nothing_is_none_and_above_the_last_bound_it_is_an_hour():
    assert tallies.quantile([], 0.5) is None
    assert tallies.quantile([0] * tallies.BUCKETS, 0.5) is None
    assert tallies.quantile([0] * (tallies.BUCKETS - 1) + [3], 0.5) == 3600.0
