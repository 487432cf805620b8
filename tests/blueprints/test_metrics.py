"""/metrics: who may read it, and that its numbers are the rows'."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.models import Incident, JobDay, JobRun, ProcessHeartbeat, Trigger
from app.domain.ops import due
from app.domain.ops.ledger import add, claim
from app.domain.ops.tallies import BOUNDS
from app.jobs.kinds import KINDS
from app.jobs.schedule import SCHEDULE
from tests.counting import queries_of

TOKEN = "a token of some length"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def open_app(another_app):
    return another_app(metrics_token=TOKEN, metrics_allow=())


@pytest.fixture
def read(open_app, db):
    """The samples by name and labels: read()["porchlight_runs_total", ("kind", "alerts"), ("state", "failed")]."""
    del db

    def reading():
        with open_app.app_context():
            answer = open_app.test_client().get("/metrics", headers=BEARER)
        assert answer.status_code == 200, answer.text
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    return reading


def test_without_a_setting_it_is_not_there(another_app, db):
    client = another_app(metrics_allow=()).test_client()
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", headers=BEARER).status_code == 404


def test_a_token_opens_it_and_nothing_else_does(open_app, db):
    client = open_app.test_client()
    assert client.get("/metrics", headers=BEARER).status_code == 200
    for wrong in (
        None,
        "Bearer",
        "Bearer ",
        "Bearer nope",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        "Bearer ✓".encode().decode("latin-1"),
    ):
        answer = client.get("/metrics", headers={"Authorization": wrong} if wrong else {})
        assert (answer.status_code, "porchlight_" in answer.text) == (401, False)


def test_an_allowed_network_may_read_it_unless_a_proxy_nobody_counts_asks_for_somebody(another_app, db):
    near = another_app(metrics_allow=(ip_network("10.0.0.0/8"), ip_network("::1"))).test_client()
    for address, status in (("10.1.2.3", 200), ("::1", 200), ("192.0.2.1", 401), ("", 401)):
        assert near.get("/metrics", environ_base={"REMOTE_ADDR": address}).status_code == status
    inside = {"REMOTE_ADDR": "10.1.2.3"}
    assert near.get("/metrics", environ_base=inside, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
    behind = another_app(metrics_allow=(ip_network("10.0.0.0/8"),), proxies=1).test_client()
    for asked_by, status in (("192.0.2.1", 401), ("10.9.9.9", 200)):
        answer = behind.get("/metrics", environ_base=inside, headers={"X-Forwarded-For": asked_by})
        assert answer.status_code == status


def test_who_came_past_the_proxies_is_not_let_in_by_an_address(another_app, db):
    inside = {"REMOTE_ADDR": "10.1.2.3"}
    behind = another_app(metrics_allow=(ip_network("10.0.0.0/8"),), proxies=2).test_client()
    for chain, status in ((None, 401), ("", 401), ("10.9.9.9", 401), ("10.9.9.9, 10.8.8.8", 200)):
        headers = {} if chain is None else {"X-Forwarded-For": chain}
        assert behind.get("/metrics", environ_base=inside, headers=headers).status_code == status, chain


def test_runs_that_wait_and_are_worked(read, db):
    now = datetime.now(UTC)
    work = KINDS["imports"].work
    add("imports", work, trigger=Trigger.MANUAL, run_after=now - timedelta(seconds=90))
    add("imports", work, trigger=Trigger.MANUAL, run_after=now + timedelta(hours=1))
    worked = add("imports", work, trigger=Trigger.MANUAL, run_after=now - timedelta(seconds=5))
    claim(worked.id, "w", 60)
    db.session.commit()
    found = read()
    assert found["porchlight_queue_due_runs", ("queue", "bulk")] == 1
    assert found["porchlight_queue_later_runs", ("queue", "bulk")] == 1
    assert 90 <= found["porchlight_queue_oldest_due_seconds", ("queue", "bulk")] < 120
    assert found["porchlight_queue_due_runs", ("queue", "messages")] == 0
    assert found["porchlight_running_runs", ("kind", "imports")] == 1
    assert found["porchlight_running_runs", ("kind", "alerts")] == 0


def test_what_ended_is_told_as_sums_that_only_grow(read, db):
    durations = [0] * (len(BOUNDS) + 1)
    durations[2], durations[-1] = 5, 1
    for day, schedule in ((1, "alerts"), (2, "")):
        db.session.add(
            JobDay(
                day=datetime(2026, 5, day, tzinfo=UTC).date(),
                kind="alerts",
                schedule_name=schedule,
                queue="alerts",
                succeeded=5,
                failed=1,
                missed=2,
                lost=3,
                seconds=4000.5,
                durations=durations,
                waits=durations,
            )
        )
    db.session.commit()
    found = read()
    kind = ("kind", "alerts")
    assert found["porchlight_runs_total", kind, ("state", "succeeded")] == 10
    assert found["porchlight_runs_total", kind, ("state", "missed")] == 4
    assert found["porchlight_runs_total", kind, ("state", "cancelled")] == 0
    assert found["porchlight_lost_attempts_total", kind] == 6
    assert found["porchlight_run_duration_seconds_count", kind] == 12
    assert found["porchlight_run_duration_seconds_sum", kind] == 8001
    for bound, sum_below in (("0.025", 0), ("0.05", 10), ("3600.0", 10), ("+Inf", 12)):
        assert found["porchlight_run_duration_seconds_bucket", kind, ("le", bound)] == sum_below
    assert found["porchlight_run_wait_seconds_bucket", kind, ("le", "+Inf")] == 12
    assert found["porchlight_run_duration_seconds_count", ("kind", "retention")] == 0


def test_the_clock_and_who_keeps_it(read, db):
    now = datetime.now(UTC)
    due.write_schedule(SCHEDULE, now - timedelta(hours=2))
    work = KINDS["retention"].work
    good = add("retention", work, trigger=Trigger.MANUAL)
    db.session.flush()
    db.session.query(JobRun).filter_by(id=good.id).update(
        {"state": "succeeded", "started_at": now, "finished_at": now - timedelta(seconds=50)}
    )
    beat = ProcessHeartbeat(
        instance="6f1f3c1e-6f4a-4a8b-9d5e-000000000001",
        role="worker",
        host="h",
        pid=1,
        queue="bulk",
        started_at=now,
        seen_at=now,
    )
    db.session.add(beat)
    db.session.commit()
    found = read()
    assert 50 <= found["porchlight_schedule_last_success_seconds", ("schedule", "retention")] < 80
    assert found["porchlight_schedule_overdue", ("schedule", "sweep")] == 1
    assert found["porchlight_schedule_paused", ("schedule", "sweep")] == 0
    assert ("porchlight_schedule_last_success_seconds", ("schedule", "sweep")) not in found
    assert found["porchlight_processes", ("queue", "bulk"), ("role", "worker")] == 1
    assert found["porchlight_processes", ("queue", "alerts"), ("role", "worker")] == 0
    assert found["porchlight_processes", ("queue", ""), ("role", "scheduler")] == 0


def test_mail_incidents_and_the_database(read, db, make):
    office = make.office()
    make.message(make.contact(office), state="queued", not_before=datetime.now(UTC) - timedelta(minutes=5))
    make.message(make.contact(office), state="unknown")
    now = datetime.now(UTC)
    db.session.add(Incident(key="a:b", tone="bad", sentence="x", opened_by="web", opened_at=now, seen_at=now))
    db.session.add(
        Incident(key="a:c", tone="bad", sentence="x", opened_by="web", opened_at=now, seen_at=now, closed_at=now)
    )
    db.session.commit()
    found = read()
    assert found["porchlight_open_messages", ("state", "queued")] == 1
    assert found["porchlight_open_messages", ("state", "unknown")] == 1
    assert found["porchlight_open_messages", ("state", "sending")] == 0
    assert found["porchlight_last_hour_messages", ("state", "queued")] == 1
    assert 300 <= found["porchlight_oldest_due_message_seconds",] < 330
    assert found["porchlight_open_incidents", ("tone", "bad")] == 1
    assert found["porchlight_open_incidents", ("tone", "wait")] == 0
    assert found["porchlight_table_bytes", ("table", "job_run")] > 8192
    assert found["porchlight_table_bytes", ("table", "alert_match")] > 0
    assert sum(number for name, number in found.items() if name[0] == "porchlight_database_connections") >= 1
    assert found["porchlight_database_max_connections",] >= 10


def test_answers_are_timed_by_route_and_never_by_address(read, open_app, db):
    client = open_app.test_client()
    for path in ("/healthz", "/healthz", "/u/a-secret-token", "/nowhere/at/all"):
        client.get(path)
    client.open("/healthz", method="BREW")
    found = read()
    name = "porchlight_http_request_duration_seconds_count"
    assert found[name, ("method", "GET"), ("route", "/healthz"), ("status", "2xx")] >= 2
    assert found[name, ("method", "GET"), ("route", "/u/<token>"), ("status", "4xx")] >= 1
    assert found[name, ("method", "GET"), ("route", "none"), ("status", "4xx")] >= 1
    assert found[name, ("method", "other"), ("route", "none"), ("status", "4xx")] >= 1
    assert not [key for key in found if "secret" in str(key) or "nowhere" in str(key)]


def test_three_statements_are_enough(open_app, db):
    with queries_of() as statements:
        assert open_app.test_client().get("/metrics", headers=BEARER).status_code == 200
    assert len(statements) == 3


def test_it_needs_no_redis(another_app, db):
    away = another_app(metrics_token=TOKEN, redis_url="redis://127.0.0.1:9/0")
    assert away.test_client().get("/metrics", headers=BEARER).status_code == 200


def test_without_postgresql_it_says_so_soon(another_app):
    away = another_app(metrics_token=TOKEN, database_url="postgresql+psycopg://nobody@127.0.0.1:9/none")
    began = time.monotonic()
    answer = away.test_client().get("/metrics", headers=BEARER)
    assert (answer.status_code, answer.text) == (
        503,
        "PostgreSQL cannot be read just now, and all of this comes from there.\n",
    )
    assert time.monotonic() - began < 10
