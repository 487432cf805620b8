"""The pages of queues and workers: what a person reads there, in health and in trouble."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert

from app.domain.models import JobAttempt, JobRun, ProcessHeartbeat
from app.domain.ops import queues, tallies
from app.domain.ops.heartbeat import Heart, name_of
from app.domain.ops.queues import SPANS
from tests.blueprints.test_health import app_with
from tests.blueprints.test_ops import reader_of
from tests.counting import queries_of

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOW = datetime(2026, 11, 20, 15, 42, 30, tzinfo=UTC)  # 10:42 in New York


def write_run(db, kind="alerts", queue="alerts", *, ended=NOW, took=1.0, waited=0.5, **named) -> int:
    """A run that succeeded, unless named otherwise."""
    values = {
        "kind": kind,
        "queue": queue,
        "trigger": "event",
        "state": "succeeded",
        "run_after": ended - timedelta(seconds=took + waited),
        "started_at": ended - timedelta(seconds=took),
        "finished_at": ended,
    } | named
    return db.session.execute(insert(JobRun).values(**values).returning(JobRun.id)).scalar_one()


def write_waiting(db, queue: str, due: datetime, count: int = 1) -> None:
    for _ in range(count):
        write_run(db, queue, queue, state="pending", run_after=due, started_at=None, finished_at=None)


def heart(db, queue, *, role="worker", seen=NOW, **named) -> ProcessHeartbeat:
    values = {
        "instance": uuid4(),
        "role": role,
        "queue": queue,
        "host": "porch-1",
        "pid": 4711,
        "version": "1.0",
        "started_at": seen - 50 * HOUR,
        "seen_at": seen,
        "rss_kb": 90_000,
        "rss_first_kb": 80_000,
    } | named
    row = ProcessHeartbeat(**values)
    db.session.add(row)
    db.session.flush()
    return row


def one(name: str, span: str = "1h", zone: str = "America/New_York", now: datetime = NOW) -> queues.Queue:
    return next(queue for queue in queues.look(SPANS[span], zone, now) if queue.name == name)


def test_a_queue_says_what_waits_and_since_when(db):
    write_waiting(db, "alerts", NOW - 3 * MINUTE, 2)
    write_waiting(db, "alerts", NOW + 5 * MINUTE)
    write_waiting(db, "bulk", NOW - 9 * MINUTE)
    queue = one("alerts")
    assert (queue.due, queue.oldest, queue.later, queue.soonest) == (2, NOW - 3 * MINUTE, 1, NOW + 5 * MINUTE)
    assert queue.done_finding == "Nothing ran in the last hour; 2 wait, the oldest 3 min 0 s"


def test_a_long_queue_is_busy_and_only_one_that_nobody_works_is_red(db):
    write_waiting(db, "alerts", NOW - 3 * MINUTE, 50)
    assert (one("alerts").tone, one("alerts").word) == ("bad", "Nobody works it")
    heart(db, "alerts")
    assert (one("alerts").tone, one("alerts").word) == ("wait", "Busy")
    db.session.query(JobRun).delete()
    assert (one("alerts").tone, one("alerts").word) == ("good", "Nothing waits")


def test_while_redis_is_away_a_queue_is_the_schedulers_or_waits(as_viewer, db):
    now = datetime.now(UTC)
    scheduler = heart(db, None, role="scheduler", seen=now, note="does the runs itself: Redis is away")
    found = {
        each.name: (each.tone, each.word)
        for each in queues.look(SPANS["1h"], "UTC", now, without_redis=("alerts", "messages"))
    }
    assert found == {
        "alerts": ("wait", "The scheduler does it"),
        "messages": ("wait", "The scheduler does it"),
        "bulk": ("wait", "Waits for Redis"),
    }
    said = "The scheduler does itself what cannot wait (alerts, digests, messages, sweep)"
    assert said in as_viewer.get("/ops/queues").text
    scheduler.note = ""
    db.session.flush()
    page = as_viewer.get("/ops/queues").text
    assert said not in page
    assert "Nobody works it" in page


def test_the_hour_is_read_from_the_ledger_minute_by_minute(db):
    for minutes in range(40):
        write_run(db, ended=NOW - minutes * MINUTE, took=2.0 if minutes == 39 else 0.4)
    write_run(db, "digests", ended=NOW - 3 * MINUTE, state="failed")
    write_run(db, ended=NOW - 61 * MINUTE)
    queue = one("alerts")
    assert (queue.ran.well, queue.ran.failed) == (40, 1)
    assert queue.done_finding == "41 runs in the last hour, 1 failed; nothing waits"
    assert queue.took_finding == "Half took under 400 ms, the slowest 5 % over 400 ms"
    assert {kind: ran.runs for kind, ran in queue.by_kind.items()} == {"alerts": 40, "canary": 0, "digests": 1}
    assert len(queue.steps) == 60
    assert [(step.label, step.ran.well, step.ran.failed) for step in queue.steps[-4:]] == [
        ("10:39", 1, 1),
        ("10:40", 1, 0),
        ("10:41", 1, 0),
        ("10:42", 1, 0),
    ]


@pytest.mark.parametrize(("span", "label", "finding"), [
    ("24h", "06:00", "30 runs in the last 24 hours, 2 failed; nothing waits"),
    ("14d", "Nov 20", "30 runs in the last 14 days, 2 failed; nothing waits"),
])  # fmt: skip
def test_longer_spans_come_from_the_tallies(db, span, label, finding):
    for number in range(28):
        write_run(db, ended=datetime(2026, 11, 20, 11, number, tzinfo=UTC), took=0.3)
    for _ in range(2):
        write_run(db, ended=datetime(2026, 11, 20, 11, 59, tzinfo=UTC), took=7, state="failed")
    tallies.fold(NOW)
    db.session.query(JobRun).delete()
    queue = one("alerts", span)
    assert queue.done_finding == finding
    full = [(step.label, step.ran.well, step.ran.failed) for step in queue.steps if step.ran.runs]
    assert full == [(label, 28, 2)]
    assert 0.25 <= queue.ran.half <= 0.5
    assert 5 <= queue.ran.most <= 10
    assert queue.took_finding.startswith("Half took under about ")


def test_a_rate_is_told_of_what_runs_steadily(db):
    for hours in range(24):
        for _ in range(3):
            write_run(db, ended=NOW - timedelta(hours=hours), took=0.3)
    write_run(db, ended=NOW, took=0.3, state="failed")
    tallies.fold(NOW)
    assert one("alerts", "24h").done_finding == "3 runs an hour, 1 of 73 failed; nothing waits"
    assert one("alerts", "14d").done_finding == "73 runs in the last 14 days, 1 failed; nothing waits"


def test_days_are_the_readers_own_also_when_clocks_change():
    """Nov 1 2026 has 25 hours in New York."""
    from zoneinfo import ZoneInfo

    now = datetime(2026, 11, 2, 12, tzinfo=UTC)
    begins = queues.moments(SPANS["14d"], now, ZoneInfo("America/New_York"))
    assert len(begins) == 14
    assert begins[-2:] == [datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC)]


def test_the_page_of_queues_shows_each_span_and_its_numbers(as_viewer, db):
    now = datetime.now(UTC)
    for number in range(6):
        write_run(db, ended=now - 5 * number * MINUTE, took=0.2)
    write_run(db, ended=now - 2 * MINUTE, took=3, state="failed")
    tallies.fold(now)
    heart(db, "alerts", seen=now)
    db.session.commit()
    for span, of in (("1h", "Minute"), ("24h", "Hour"), ("14d", "Day")):
        page = as_viewer.get(f"/ops/queues?span={span}").text
        assert f'<th scope="col">{of}</th>' in page
        assert re.search(r"runs? (in the last|an|a) ", page)
        assert "Show the numbers" in page
    assert as_viewer.get("/ops/queues?span=nonsense").status_code == 200
    assert as_viewer.get("/ops/queues").text.count("Nobody works it") == 2


def test_a_bar_opens_its_runs(as_viewer, db):
    now = datetime.now(UTC)
    mine = write_run(db, ended=now - 10 * MINUTE, took=0.2, created_at=now - 10 * MINUTE)
    other = write_run(db, ended=now - 30 * MINUTE, took=0.2, created_at=now - 30 * MINUTE)
    elsewhere = write_run(db, "imports", "bulk", ended=now - 10 * MINUTE, took=0.2, created_at=now - 10 * MINUTE)
    db.session.commit()
    page = as_viewer.get("/ops/queues").text
    address = re.findall(r'<a href="(/ops/runs[^"]+queue=alerts[^"]*)" tabindex="-1">', page)[-1].replace("&amp;", "&")
    assert f'<th scope="row"><a href="{address.replace("&", "&amp;")}">' in page, "and so does its row"
    runs = as_viewer.get(address).text
    assert f"/ops/runs/{mine}" in runs
    assert f"/ops/runs/{other}" not in runs
    assert f"/ops/runs/{elsewhere}" not in runs


# --- Workers ---


def test_a_worker_shows_what_it_does_has_done_and_has_lost(as_viewer, db):
    now = datetime.now(UTC)
    row = heart(db, "alerts", seen=now, rss_kb=240_000, note="does the runs itself: Redis is away")
    name = name_of("worker", "alerts", row.instance)
    for minutes in (5, 20, 200):
        write_run(db, ended=now - minutes * MINUTE, worker=name)
    run_id = write_run(
        db,
        state="running",
        finished_at=None,
        worker=name,
        lease_token=uuid4(),
        started_at=now - 2 * MINUTE,
        progress={"step": "matching", "done": 3, "total": 9},
    )
    lost = write_run(db, ended=now - 3 * HOUR, state="failed", worker=name)
    db.session.add(
        JobAttempt(
            run_id=lost, attempt=1, worker=name, started_at=now - 4 * HOUR, finished_at=now - 3 * HOUR, outcome="lost"
        )
    )
    db.session.commit()
    page = as_viewer.get("/ops/workers").text
    assert "1 process lives; none is silent" in page
    assert f"run {run_id}</a> of alerts, for 2 min" in page
    assert "matching" in page
    assert "+164 MB since it began" in page
    assert "does the runs itself: Redis is away" in page
    cells = re.findall(r'<td class="num(?: tone)?"[^>]*>(\d+)</td>', page)
    assert cells[:3] == ["2", "4", "1"]
    assert f"/ops/runs?worker={name}" in page


def test_a_silent_worker_is_red_and_what_it_held_is_named(as_viewer, db):
    now = datetime.now(UTC)
    row = heart(db, "bulk", seen=now - 10 * MINUTE, pid=4001)
    name = name_of("worker", "bulk", row.instance)
    held = write_run(db, "imports", "bulk", state="running", finished_at=None, worker=name, lease_token=uuid4())
    db.session.commit()
    page = as_viewer.get("/ops/workers").text
    assert "0 processes live; 1 is silent" in page
    assert "One process is silent." in page
    assert re.search(rf"It still holds <a[^>]+>run {held}</a> of imports until its lease runs out", page)
    run = db.session.get(JobRun, held)
    run.state, run.lease_token = "pending", None
    db.session.add(
        JobAttempt(
            run_id=held,
            attempt=1,
            worker=name,
            started_at=now - 11 * MINUTE,
            finished_at=now - 9 * MINUTE,
            outcome="lost",
        )
    )
    db.session.commit()
    assert re.search(
        rf"It held <a[^>]+>run {held}</a> of imports, taken back \S+, now pending", as_viewer.get("/ops/workers").text
    )


def test_one_that_was_restarted_is_not_mourned(as_viewer, db):
    now = datetime.now(UTC)
    heart(db, "bulk", seen=now - 10 * MINUTE)
    heart(db, "bulk", seen=now, started_at=now - 9 * MINUTE)
    heart(db, "attic", seen=now - 13 * HOUR)
    db.session.commit()
    page = as_viewer.get("/ops/workers").text
    assert "1 process lives; none is silent" in page
    assert "Replaced" in page
    assert "attic" not in page


def test_two_versions_at_work_are_said_loudly(as_viewer, db):
    now = datetime.now(UTC)
    heart(db, "alerts", seen=now, version="2.0", started_at=now - 2 * HOUR)
    heart(db, "bulk", seen=now, version="1.9", started_at=now - 30 * HOUR)
    heart(db, "messages", seen=now - HOUR, version="1.8", started_at=now - 30 * HOUR)
    db.session.commit()
    page = as_viewer.get("/ops/workers").text
    assert "Two versions of the code are at work." in page
    assert "Restart those that were started first" in page
    assert "<b>1.8</b>" not in page, "the silent do not work"
    heart(db, "messages", seen=now, version="2.0", started_at=now - MINUTE)
    db.session.commit()
    assert "A deploy seems to be going on." in as_viewer.get("/ops/workers").text


def test_nobody_at_all_is_said_too(as_viewer):
    assert "Nobody works" in as_viewer.get("/ops/workers").text


@pytest.mark.parametrize("path", ["/ops/queues", "/ops/queues?span=24h", "/ops/queues?span=14d", "/ops/workers"])
def test_a_page_needs_few_statements_however_much_there_is(as_staff, db, path):
    now = datetime.now(UTC)
    as_staff.get(path)
    for number in range(30):
        write_run(db, ended=now - number * MINUTE)
        heart(db, "alerts", seen=now - number * MINUTE)
        write_waiting(db, "bulk", now)
    tallies.fold(now)
    db.session.commit()
    db.session.expire_all()
    with queries_of() as seen:
        assert as_staff.get(path).status_code == 200
    assert len(seen) <= 12


@pytest.mark.parametrize("path", ["/ops/queues", "/ops/queues?span=14d", "/ops/workers"])
def test_they_render_with_everything_outside_down(app, make, office, tmp_path, path):
    dead = {
        "redis_url": "redis://127.0.0.1:9/0",
        "smtp_url": "smtp://127.0.0.1:9",
        "legacy_mongo_url": "mongodb://127.0.0.1:9",
        "slack_api_url": "http://127.0.0.1:9",
    }
    reader = reader_of(app_with(app, tmp_path, **dead), make.user(office=office))
    assert reader.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/ops/queues", "/ops/workers"])
def test_agents_do_not_enter_and_htmx_gets_the_live_part_alone(as_agent, as_staff, path):
    assert as_agent.get(path).status_code == 403
    answer = as_staff.get(path, headers={"HX-Request": "true"}).text
    assert "<html" not in answer
    assert answer.strip().startswith("<div id=")


def test_a_heart_that_beats_is_on_the_page(as_viewer, db):
    Heart("scheduler", version="3.1").beat()
    db.session.commit()
    page = as_viewer.get("/ops/workers").text
    assert "1 process lives" in page
    assert "3.1" in page
