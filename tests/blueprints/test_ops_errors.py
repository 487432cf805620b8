"""Errors: failed runs, grouped by what went wrong, retried or dismissed together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from app.blueprints.ops.errors import finding
from app.domain.models import JobRun, Trigger
from app.domain.ops.queries import errors as grouped
from tests.blueprints.test_ops import count_queries
from tests.blueprints.test_ops_runs import audited, changed, ended_run, listed, waiting_run

TRACE = 'Traceback (most recent call last):\n  File "app/jobs/x.py", line 7, in x\n    boom()\nValueError: the roof fell in\n'


def failure(fingerprint: str | None = "f1", kind: str = "imports", days_ago: float = 0, **values) -> JobRun:
    """A failed run. Imports have arguments of their own: no other run does their work."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    run = ended_run(kind, args=values.pop("args", {"import_batch_id": 1}), error=TRACE)
    return changed(run, **({"error_fingerprint": fingerprint, "created_at": at, "finished_at": at} | values))


def group(fingerprint: str):
    [found] = grouped.groups(datetime.now(UTC), ["imports"], only=fingerprint)
    return found


def test_nothing_failed_is_said_in_words(as_viewer):
    assert "Nothing has failed in 180 days" in as_viewer.get("/ops/errors").text


def test_failures_are_grouped_with_their_first_and_last(as_viewer, db):
    failure(days_ago=20)
    failure(days_ago=1)
    newest = failure()
    failure("f2", kind="messages", error_class="TimeoutError")
    found = group("f1")
    assert (found.n, found.open, found.newest_id, found.kinds) == (3, 3, newest.id, ["imports"])
    assert (found.last_seen - found.first_seen).days >= 19
    page = as_viewer.get("/ops/errors").text
    assert "4 failures want a look" in page
    assert "the roof fell in" in page
    assert "2 times in 14 days, today 1" in page
    assert "TimeoutError" in page


def test_the_list_says_what_went_wrong_and_no_piece_of_the_statement(as_viewer, db):
    statement = "[SQL: SELECT\n" + "".join(f"column_{n},\n" for n in range(900)) + "1]\n"
    failure(error=TRACE.replace("ValueError: the roof", "ValueError: (x) the roof") + statement)
    page = as_viewer.get("/ops/errors").text
    assert "the roof fell in" in page
    assert "column_899" not in page


def test_failures_older_than_fingerprints_are_grouped_by_kind_and_class(as_viewer, db):
    old, other = failure(None), failure(None, error_class="KeyError")
    assert group("imports:ValueError").n == 1
    assert listed(as_viewer, "error=imports:ValueError") == [old.id]
    page = as_viewer.get("/ops/errors/imports:KeyError")
    assert page.status_code == 200
    assert f"/ops/runs/{other.id}" in page.text


def test_a_kind_of_trouble_shows_what_it_said_and_its_runs(as_viewer, db):
    run = failure()
    page = as_viewer.get("/ops/errors/f1").text
    assert "boom()" in page
    assert f'href="/ops/runs/{run.id}"' in page
    assert "It came 1 time in 30 days, and never before, only on" in page
    assert 'href="/ops/errors/f1"' in as_viewer.get(f"/ops/runs/{run.id}").text
    assert as_viewer.get("/ops/errors/unheard-of").status_code == 404


def test_what_was_made_up_for_dismissed_or_done_again_wants_no_look(as_viewer, db):
    made_up_for = failure("alerts", kind="alerts", args={}, days_ago=0.1)
    assert group("alerts").open == 1
    ended_run("alerts")
    assert group("alerts").open == 0
    own_work = failure("own", days_ago=0.1)
    ended_run("imports", args={"import_batch_id": 2})
    assert group("own").open == 1, "the import of another file does not do for this one"
    waiting_run("imports", args={"import_batch_id": 1, "retry_of": own_work.id}, trigger=Trigger.RETRY)
    assert group("own").open == 0
    failure("seen", dismissed_at=datetime.now(UTC))
    assert group("seen").open == 0
    failure("old", days_ago=40)
    assert group("old").open == 0
    page = as_viewer.get("/ops/errors").text
    assert "No failure wants a look" in page
    assert made_up_for.state == "failed"


def test_retry_all_starts_each_once(as_admin, db):
    first = failure(args={"import_batch_id": 1})
    second = failure(args={"import_batch_id": 2})
    failure(args={"import_batch_id": 3}, dismissed_at=datetime.now(UTC))
    failure("f2", args={"import_batch_id": 4})
    answer = as_admin.post("/ops/errors/f1/retry")
    assert "2 runs start again." in as_admin.get(answer.location).text
    as_admin.post("/ops/errors/f1/retry")
    retried = list(db.session.scalars(select(JobRun.args).where(JobRun.trigger == "retry").order_by(JobRun.id)))
    assert sorted(args["retry_of"] for args in retried) == [first.id, second.id]
    [entry] = audited()
    assert (entry.subject_type, entry.subject_id, entry.fields["count"]) == ("error", "f1", 2)
    assert entry.sentence == "Retried 2 failed runs: all of ValueError in imports"


def test_dismiss_all_takes_a_reason(as_admin, db):
    failure()
    failure()
    as_admin.post("/ops/errors/f1/dismiss", data={"reason": "bad file, told the agent"})
    assert group("f1").left == 0
    as_admin.post("/ops/errors/f1/dismiss")
    [entry] = audited()
    assert entry.sentence == "Dismissed 2 failures: all of ValueError in imports: bad file, told the agent"
    assert "dismissed" in as_admin.get("/ops/errors").text


@pytest.mark.parametrize("role", ["as_staff", "as_viewer", "as_agent"])
@pytest.mark.parametrize("deed", ["retry", "dismiss"])
def test_nobody_else_changes_anything(request, db, role, deed):
    failure()
    client = request.getfixturevalue(role)
    assert client.post(f"/ops/errors/f1/{deed}").status_code == 403
    assert audited() == []
    assert db.session.scalar(select(func.count()).select_from(JobRun)) == 1
    if role == "as_agent":
        assert client.get("/ops/errors").status_code == 403
    else:
        assert "Retry all" not in client.get("/ops/errors/f1").text


def test_trouble_that_is_gone_can_be_neither_retried_nor_dismissed(as_admin):
    assert as_admin.post("/ops/errors/gone/retry").status_code == 404
    assert as_admin.post("/ops/errors/gone/dismiss").status_code == 404


@pytest.mark.parametrize("path", ["/ops/errors", "/ops/errors/f1"])
def test_a_page_needs_few_statements_however_many_failed(as_admin, db, path):
    failure()
    as_admin.get(path)
    few = count_queries(as_admin, path)
    for number in range(20):
        failure("f1" if number % 2 else f"f{number}")
    assert count_queries(as_admin, path) <= few + 1, "the lamp may have been due again"
    assert few < 12


@pytest.mark.parametrize("path", ["/ops/errors", "/ops/errors/f1"])
def test_htmx_gets_the_live_part_alone(as_staff, db, path):
    failure()
    answer = as_staff.get(path, headers={"HX-Request": "true"})
    assert answer.text.strip().startswith("<div")
    assert "<html" not in answer.text


class Day:
    def __init__(self, day: int, n: int) -> None:
        self.day, self.n = datetime(2026, 11, day, tzinfo=UTC).date(), n


def test_the_finding_names_the_worst_day():
    begins = datetime(2026, 10, 21, tzinfo=UTC)
    days = [Day(17, 0), Day(18, 3), Day(19, 3), Day(20, 1)]
    assert finding(days, begins, begins - timedelta(days=9)) == "It came 7 times in 4 days, most on Nov 19 (3)."
    assert "and never before, only on Nov 18" in finding(days[:2], begins, begins + timedelta(days=9))
    assert finding(days[:1], begins, begins) == "It did not come in the last 1 days."
