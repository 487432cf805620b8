"""The run ledger: what it costs beside stock RQ, and the operations pages with a million runs behind them.

    make bench-jobs                       about four minutes
    make bench-jobs args="--runs 100000"  a smaller ledger behind the pages

claims   claim and finish of runs that do nothing, each with its own commit, by four processes
simple   the same number of jobs that do nothing by four of RQ's SimpleWorker: no fork, no ledger
ours     runs that do nothing, from the bell to the ledger's last word, by one PorchWorker (a fork for each)
stock    jobs that do nothing by one of RQ's own Worker (a fork for each), with the app loaded as ours has it
pages    every page of the works, as an admin reads it: whole HTML through the app, without the network
All on a PostgreSQL with fsync on; the ways take turns within one run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import redis
from flask import Flask, url_for
from rq import Queue, SimpleWorker, Worker
from rq.serializers import JSONSerializer
from sqlalchemy import event, text

from app.domain.models import Role, Trigger, User
from app.domain.ops import due, ledger, probing, tallies
from app.extensions import db, settings
from app.jobs.kinds import KINDS, Kind
from app.jobs.queue import ring
from app.jobs.run import Run
from app.jobs.schedule import SCHEDULE
from app.jobs.worker import PorchWorker
from benchmarks._ground import scratch_app
from benchmarks._report import median, report, say, seconds

ROUNDS = 5
CLIENTS = 4
CLAIMS = 400
"""Runs that are claimed and finished in a round."""
JOBS = 60
"""Runs that workers fork for in a round."""
RUNS = 1_000_000
VIEWS = 30
"""How often each page is opened."""
DAYS = 30
STOCK = "bench-stock"
NO_JOB = "time.monotonic"
"""A job of stock RQ that does nothing. By its name: RQ refuses what lies in a module that was started as a program."""


def nothing(run: Run) -> dict[str, int]:
    """A run that does nothing."""
    del run
    return {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS, help="runs in the ledger behind the pages")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    figures: dict[str, float] = {}
    samples: dict[str, list[float]] = {}
    with scratch_app("jobs") as app:
        KINDS["nothing"] = Kind(nothing, "bulk", timeout=60, max_attempts=1, overlap=True)
        bench_ledger(app, asked.rounds, figures, samples)
        bench_pages(app, asked.runs, figures, samples)
    report(
        "jobs",
        data={
            "runs": asked.runs,
            "days": DAYS,
            "clients": CLIENTS,
            "claims_a_round": CLAIMS,
            "jobs_a_round": JOBS,
            "views_a_page": VIEWS,
        },
        figures=figures,
        samples=samples,
    )


# --- The ledger beside stock RQ ---


def bench_ledger(app: Flask, rounds: int, figures: dict[str, float], samples: dict[str, list[float]]) -> None:
    """Four ways in turns; ratios are medians of the rounds' own ratios."""
    ways: dict[str, tuple[Callable[[Flask], float], int]] = {
        "claims_per_s": (_claims, CLAIMS),
        "simple_worker_per_s": (_simple, CLAIMS),
        "runs_per_s": (_ours, JOBS),
        "stock_rq_per_s": (_stock, JOBS),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        say(f"ledger: round {number} of {rounds}{' (to warm up)' if number == 0 else ''}")
        for name, (way, amount) in ways.items():
            rate = amount / way(app)
            if number:
                found[name].append(rate)
    samples.update(found)
    figures.update({name: median(rates) for name, rates in found.items()})
    samples["vs_stock_rq"] = [
        ours / stock for ours, stock in zip(found["runs_per_s"], found["stock_rq_per_s"], strict=True)
    ]
    samples["claims_vs_simple_worker"] = [
        ours / stock for ours, stock in zip(found["claims_per_s"], found["simple_worker_per_s"], strict=True)
    ]
    for name in ("vs_stock_rq", "claims_vs_simple_worker"):
        figures[name] = median(samples[name])


def _claims(app: Flask) -> float:
    run_ids = _write_down(CLAIMS)

    def client(number: int) -> None:
        with app.app_context():
            for run_id in run_ids[number::CLIENTS]:
                run = ledger.claim(run_id, f"bench-{number}", 60)
                db.session.commit()
                assert run is not None
                assert run.lease_token is not None
                ledger.finish(run_id, run.lease_token, {})
                db.session.commit()
                db.session.remove()

    took = _together(client)
    states = db.session.execute(text("SELECT DISTINCT state FROM job_run WHERE kind = 'nothing'")).scalars().all()
    assert states == ["succeeded"], states
    _forget()
    return took


def _simple(_: Flask) -> float:
    url = settings().redis_url
    queue = Queue(STOCK, connection=redis.Redis.from_url(url), serializer=JSONSerializer)
    for _job in range(CLAIMS):
        queue.enqueue(NO_JOB, result_ttl=0)

    def client(_number: int) -> None:
        SimpleWorker([STOCK], connection=redis.Redis.from_url(url), serializer=JSONSerializer).work(
            burst=True, logging_level="ERROR"
        )

    took = _together(client)
    assert queue.count == 0
    return took


def _ours(_: Flask) -> float:
    run_ids = _write_down(JOBS)

    def do() -> None:
        ring(run_ids)
        PorchWorker("bulk", settings().redis_url).work(burst=True, logging_level=None)

    took = seconds(do)
    done = db.session.execute(
        text("SELECT count(*) FROM job_run WHERE kind = 'nothing' AND state = 'succeeded'")
    ).scalar()
    assert done == JOBS, done
    _forget()
    return took


def _stock(_: Flask) -> float:
    connection = redis.Redis.from_url(settings().redis_url)
    queue = Queue(STOCK, connection=connection, serializer=JSONSerializer)

    def do() -> None:
        for _job in range(JOBS):
            queue.enqueue(NO_JOB, result_ttl=0)
        Worker([STOCK], connection=connection, serializer=JSONSerializer).work(burst=True, logging_level="ERROR")

    took = seconds(do)
    assert queue.count == 0
    return took


def _write_down(amount: int) -> list[int]:
    """Runs that do nothing, due now."""
    work = KINDS["nothing"].work
    run_ids = [ledger.add("nothing", work, trigger=Trigger.MANUAL).id for _ in range(amount)]
    db.session.commit()
    db.session.remove()
    return run_ids


def _forget() -> None:
    db.session.execute(text("DELETE FROM job_run WHERE kind = 'nothing'"))
    db.session.commit()
    db.session.remove()


def _together(client: Callable[[int], None]) -> float:
    """Seconds from the start signal until the last of CLIENTS forked processes is done."""
    fork = multiprocessing.get_context("fork")
    ready, go = fork.Semaphore(0), fork.Event()
    db.session.remove()

    def begin(number: int) -> None:
        db.engine.dispose(close=False)
        ready.release()
        go.wait()
        try:
            client(number)
        finally:
            db.engine.dispose()

    processes = [fork.Process(target=begin, args=(number,)) for number in range(CLIENTS)]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()

    def whole() -> None:
        go.set()
        for process in processes:
            process.join()

    took = seconds(whole)
    assert all(process.exitcode == 0 for process in processes), [process.exitcode for process in processes]
    return took


# --- The pages, with a month of runs behind them ---

FILL = (
    # (name, kind, queue, seconds between two, the part of all runs it is)
    ("alerts", "alerts", "alerts", 900, None),
    ("sweep", "sweep", "messages", 60, None),
    ("retention", "retention", "bulk", 86_400, None),
    (None, "digests", "alerts", None, 0.01),
    (None, "imports", "bulk", None, 0.01),
    (None, "messages", "messages", None, 0.98),
)


def bench_pages(app: Flask, runs: int, figures: dict[str, float], samples: dict[str, list[float]]) -> None:
    """Time, CPU, statements and size of each page; the largest p95 and the most statements are the figures."""
    now = datetime.now(UTC)
    say(f"pages: {runs:,} runs are written")
    fill(runs, now)
    admin = _admin()
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = admin.get_id(), True
    db.session.remove()
    worst, most = 0.0, 0
    for name, path in _pages(app):
        times, cpu, statements, size = [], [], 0, 0
        for number in range(VIEWS + 2):
            probing.forget()
            with _statements() as sent:
                began, used = time.perf_counter(), time.process_time()
                answer = client.get(path)
                took, used = time.perf_counter() - began, time.process_time() - used
            assert answer.status_code == 200, (path, answer.status_code)
            if number >= 2:
                times.append(took * 1000)
                cpu.append(used * 1000)
            statements, size = max(statements, len(sent)), len(answer.data)
        times.sort()
        p95 = times[int(len(times) * 0.95)]
        figures |= {
            f"{name}_p50_ms": median(times),
            f"{name}_p95_ms": p95,
            f"{name}_cpu_ms": median(cpu),
            f"{name}_sql": statements,
            f"{name}_kb": size / 1000,
        }
        samples[f"{name}_ms"] = times
        say(
            f"  {path:44} p50 {median(times):6.1f} ms  p95 {p95:6.1f} ms  {statements:2} statements  {size / 1000:.0f} kB"
        )
        worst, most = max(worst, p95), max(most, statements)
    figures["ops_p95_ms_1m_runs" if runs == RUNS else "ops_p95_ms"] = worst
    figures["ops_max_sql"] = most


def _pages(app: Flask) -> Iterator[tuple[str, str]]:
    """Each page of the works, and the filters that a person at three in the morning uses."""
    with app.test_request_context():
        failed = db.session.execute(
            text("SELECT id, error_fingerprint FROM job_run WHERE state = 'failed' ORDER BY id DESC LIMIT 1")
        ).one()
        middle = db.session.execute(text("SELECT max(id) / 2 FROM job_run")).scalar()
        plain = (
            "overview", "schedules", "runs", "errors", "incidents", "queues", "workers", "messages", "sizes",
            "integrations", "audit",
        )  # fmt: skip
        for name in plain:
            yield name, url_for(f"ops.{name}")
        yield "runs_all", url_for("ops.runs", all=1)
        yield "runs_deep", url_for("ops.runs", all=1, before=middle)
        yield "runs_kind", url_for("ops.runs", kind="imports")
        yield "runs_failed", url_for("ops.runs", state="failed")
        yield "runs_rare", url_for("ops.runs", kind="retention", state="missed")
        yield "runs_schedule", url_for("ops.runs", schedule="retention")
        yield "runs_argument", url_for("ops.runs", argument="import_batch_id:77")
        yield "runs_argument_none", url_for("ops.runs", argument="import_batch_id:999999999", kind="messages")
        yield "runs_day", url_for("ops.runs", period="24h", state="failed")
        yield "run", url_for("ops.run", run_id=failed.id)
        yield "schedule", url_for("ops.schedule", name="alerts")
        yield "error", url_for("ops.error", fingerprint=failed.error_fingerprint)
        for span in ("1h", "24h", "14d"):
            yield f"queues_{span}", url_for("ops.queues", span=span)
    db.session.remove()


@contextmanager
def _statements() -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def _admin() -> User:
    office_id = db.session.execute(
        text(
            "INSERT INTO office (office_key, office_name, time_zone) VALUES ('bench', 'Bench', 'America/New_York')"
            " RETURNING id"
        )
    ).scalar_one()
    admin = User(
        office_id=office_id, email="admin@bench.example", full_name="Ada Bench", role=Role.ADMIN, password_hash="none"
    )
    db.session.add(admin)
    db.session.commit()
    return admin


def fill(runs: int, now: datetime) -> None:
    """`runs` ended runs over DAYS days with their attempts: 98.5 % succeeded, some failed in forty ways, missed,
    skipped, cancelled; log lines of the newest; the hours and days they add up to."""
    due.write_schedule(SCHEDULE, now)
    db.session.commit()
    clocked = {line.name for line in SCHEDULE}
    rest = runs
    for name, kind, queue, every, part in FILL:
        if name and name in clocked and every:
            amount = min(DAYS * 86_400 // every, runs // 10)
            spacing = float(every)
        else:
            amount = int(rest * (part or 0))
            spacing = DAYS * 86_400 / max(amount, 1)
        if every:
            rest -= amount
        _without_limit()
        db.session.execute(
            _RUNS,
            {
                "kind": kind,
                "queue": queue,
                "schedule": name if name in clocked else None,
                "amount": amount,
                "spacing": spacing,
                "now": now.replace(second=0, microsecond=0),
            },
        )
        db.session.commit()
    _without_limit()
    db.session.execute(_ATTEMPTS)
    db.session.execute(_LINES)
    for statement in _BESIDE:
        db.session.execute(statement, {"now": now})
    db.session.commit()
    _tally(now)
    _analyse()


_RUNS = text(
    """
    INSERT INTO job_run (kind, args, queue, schedule_name, due_at, trigger, state, attempt, max_attempts, run_after,
        worker, created_at, started_at, finished_at, counts, error_class, error, error_fingerprint)
    SELECT :kind, CASE WHEN :kind = 'imports' THEN jsonb_build_object('import_batch_id', n) ELSE '{}' END, :queue,
        CAST(:schedule AS text), CASE WHEN CAST(:schedule AS text) IS NOT NULL THEN at END,
        CASE WHEN CAST(:schedule AS text) IS NOT NULL THEN 'schedule' ELSE 'event' END, state,
        CASE WHEN state IN ('succeeded', 'failed') THEN 1 ELSE 0 END, 3, at,
        CASE WHEN state IN ('succeeded', 'failed') THEN :queue || '-' || n % 4 END, at,
        CASE WHEN state IN ('succeeded', 'failed') THEN at + interval '1 second' END,
        at + interval '1 second' * (1.2 + n % 17 * 0.1), jsonb_build_object('sent', n % 5),
        CASE WHEN state = 'failed' THEN 'Error' || n % 40 END,
        CASE WHEN state = 'failed' THEN repeat('  File "app/jobs/somewhere.py", line 7, in something' || E'\\n', 20) END,
        CASE WHEN state = 'failed' THEN md5(:kind || n % 40) END
    FROM (
        SELECT n, CAST(:now AS timestamptz) - interval '1 second' * CAST(:spacing AS float) * (:amount - n + 1) AS at,
            CASE WHEN n % 200 = 1 THEN 'failed' WHEN n % 250 = 2 THEN 'missed' WHEN n % 250 = 3 THEN 'skipped'
                 WHEN n % 500 = 4 THEN 'cancelled' ELSE 'succeeded' END AS state
        FROM generate_series(1, :amount) AS n) AS made
    """
)
_ATTEMPTS = text(
    """
    INSERT INTO job_attempt (run_id, attempt, worker, started_at, finished_at, outcome)
    SELECT id, 1, worker, started_at, finished_at, CASE state WHEN 'failed' THEN 'error' ELSE 'ok' END
    FROM job_run WHERE state IN ('succeeded', 'failed')
    """
)
_LINES = text(
    """
    INSERT INTO job_log_line (run_id, attempt, line, at, level, event)
    SELECT id, 1, n, started_at, 'info', 'something.done' FROM job_run CROSS JOIN generate_series(1, 3) AS n
    WHERE started_at > (SELECT max(started_at) - interval '1 day' FROM job_run)
    """
)


# What else a month leaves: six integrations asked each minute for two weeks, incidents, sizes, who did what.
_BESIDE = (
    text(
        """
        INSERT INTO integration_check (name, at, is_up, ms)
        SELECT name, CAST(:now AS timestamptz) - interval '1 minute' * n, n % 700 <> 3, 2 + n % 13
        FROM generate_series(1, 14 * 1440) AS n
            CROSS JOIN unnest(ARRAY['PostgreSQL', 'Redis', 'Mail relay', 'Legacy MongoDB', 'Slack', 'Sentry']) AS name
        """
    ),
    text(
        """
        INSERT INTO incident (key, tone, sentence, opened_by, opened_at, seen_at, closed_at)
        SELECT 'failing:' || n % 7, CASE WHEN n % 3 = 0 THEN 'bad' ELSE 'wait' END, 'Something failed', 'worker', at, at,
            at + interval '5 minutes'
        FROM (SELECT n, CAST(:now AS timestamptz) - interval '3 hours' * n AS at FROM generate_series(1, 2000) AS n) AS made
        """
    ),
    text(
        """
        INSERT INTO audit_entry (actor, action, subject_type, subject_id, sentence, created_at)
        SELECT 'command line', 'run.started', 'run', n, 'Started run ' || n, CAST(:now AS timestamptz) - interval '1 hour' * n
        FROM generate_series(1, 20000) AS n
        """
    ),
    text(
        """
        INSERT INTO table_size (day, table_name, bytes, rows)
        SELECT CAST(:now AS date) - n, relname, 1000000 + (90 - n) * 1000, 10000 + (90 - n) * 10
        FROM generate_series(0, 90) AS n CROSS JOIN pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alert_match_%'
        """
    ),
)


def _without_limit() -> None:
    db.session.execute(text("SET LOCAL statement_timeout = 0"))


def _tally(now: datetime) -> None:
    took = seconds(lambda: tallies.fold(now))
    db.session.commit()
    say(f"pages: the tallies of a month were counted in {took:.1f} s")


def _analyse() -> None:
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    main()
