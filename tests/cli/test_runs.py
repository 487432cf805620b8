"""flask runs …: the ledger from a terminal."""

from __future__ import annotations

from sqlalchemy import select

from app.domain.models import AuditEntry, JobRun
from tests.blueprints.test_ops_runs import ended_run, waiting_run
from tests.cli.test_people import flask  # noqa: F401  a fixture


def test_runs_are_listed_by_filter(flask, db):  # noqa: F811
    broken = ended_run("imports", args={"import_batch_id": 42}, error="no")
    fine = ended_run("alerts", counts={"events": 71, "pairs": 23})
    said = flask("runs", "list")
    assert f"{fine.id}" in said.splitlines()[0]
    assert "71 events, 23 matches" in said
    assert flask("runs", "list", "import_batch_id:42").split()[0] == str(broken.id)
    assert "ValueError" in flask("runs", "list", "--state", "failed", "--kind", "imports", "--period", "1h")
    assert "is not understood" in flask("runs", "list", "what", code=1)


def test_deeds_are_done_and_written_down(flask, db):  # noqa: F811
    broken, waiting = ended_run(error="no"), waiting_run("digests")
    assert f"does the work of run {broken.id} again" in flask("runs", "retry", str(broken.id))
    assert "1 dismissed" in flask("runs", "dismiss", str(broken.id), "--reason", "seen")
    assert "will not be done" in flask("runs", "cancel", str(waiting.id))
    entries = list(db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))
    assert [entry.action for entry in entries] == ["run.retried", "run.dismissed", "run.cancelled"]
    assert {entry.actor for entry in entries} == {"command line"}


def test_a_refusal_is_a_sentence_and_changes_nothing(flask, db):  # noqa: F811
    fine, broken = ended_run(), ended_run(error="no")
    assert "only a failure can be dismissed" in flask("runs", "dismiss", str(broken.id), str(fine.id), code=1)
    assert "There is no such run" in flask("runs", "retry", "999999999", code=1)
    assert db.session.get(JobRun, broken.id, populate_existing=True).dismissed_at is None
