"""The works are everybody's; what an office's own run said and was given is that office's, and so are the deeds on it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from app.domain.models import ImportBatch, JobLogLine, JobRun, Role
from app.domain.ops import audit
from app.domain.ops.queries import errors as grouped
from app.extensions import db as database
from tests.blueprints.test_ops_runs import audited, changed, ended_run, listed, waiting_run

WORDS = "Rosalind’s sheet"
TRACE = f'Traceback (most recent call last):\n  File "app/x.py", line 7, in x\n    boom()\nValueError: {WORDS}\n'
MASKED = "9f1c8e02a7b41"


def batch_of(office, source: str = "Harbor MLS", **values) -> ImportBatch:
    batch = ImportBatch(
        **{
            "office_id": office.id,
            "source": source,
            "file_name": "f.csv",
            "file_path": "x",
            "file_sha256": "0",
            "file_bytes": 1,
            "state": "failed",
        }
        | values
    )
    database.session.add(batch)
    database.session.commit()
    return batch


def broken(office, batch: ImportBatch | None = None, fingerprint: str = "f1") -> JobRun:
    """A failed import of this office, with words of its own."""
    args = {"import_batch_id": batch.id if batch else 4711, "key": MASKED}
    run = ended_run("imports", args=args, error=TRACE, office_id=office.id)
    database.session.add(
        JobLogLine(
            run_id=run.id, attempt=1, line=1, at=datetime.now(UTC), level="info", event="row", fields={"name": WORDS}
        )
    )
    return changed(run, error_fingerprint=fingerprint)


@pytest.fixture
def stranger(sign_in, make):
    """An admin of another office."""
    return sign_in(make.user(make.office(), role=Role.ADMIN))


def retries() -> list[JobRun]:
    return list(database.session.scalars(select(JobRun).where(JobRun.trigger == "retry").order_by(JobRun.id)))


def test_others_see_that_it_failed_and_not_what_it_said_or_was_given(as_viewer, stranger, office, db):
    run = broken(office)
    audit.record(None, "run.noted", "run", run.id, f"Somebody wrote {WORDS}", office_id=office.id)
    db.session.commit()
    mine, theirs = (client.get(f"/ops/runs/{run.id}").text for client in (as_viewer, stranger))
    for words in (WORDS, MASKED, "boom()"):
        assert words in mine
        assert words not in theirs
    assert "its office’s to read" in theirs
    assert "ValueError" in theirs
    assert listed(stranger, "state=failed") == [run.id], "the works are common"
    assert f"/ops/runs/{run.id}/retry" not in theirs
    assert WORDS not in stranger.get("/").text
    assert WORDS not in stranger.get("/ops").text


def test_nor_is_it_found_by_what_it_was_given(as_viewer, stranger, office, db):
    run = broken(office)
    assert listed(as_viewer, "argument=import_batch_id:4711") == [run.id]
    assert f'href="/ops/runs/{run.id}"' not in stranger.get("/ops/runs?argument=import_batch_id:4711").text
    assert listed(stranger, f"argument={run.id}") == [run.id], "its number is no secret"


def test_the_works_are_read_by_all_and_viewers_read_no_more_than_staff(as_viewer, as_staff, stranger, office, db):
    run = ended_run("alerts", error=TRACE)
    assert WORDS in stranger.get(f"/ops/runs/{run.id}").text
    own = broken(office)
    for path in (f"/ops/runs/{own.id}", f"/ops/runs/{run.id}", "/ops/errors", "/ops/errors/f1"):
        staff = as_staff.get(path).text.splitlines()
        more = [line for line in as_viewer.get(path).text.splitlines() if "Traceback" in line or WORDS in line]
        assert more
        assert set(more) <= set(staff)


def test_of_a_kind_of_trouble_the_newest_words_that_one_may_read_are_shown(as_viewer, stranger, make, office, db):
    broken(office)
    for page in ("/ops/errors", "/ops/errors/f1"):
        assert WORDS in as_viewer.get(page).text
        theirs = stranger.get(page).text
        assert WORDS not in theirs
        assert "ValueError" in theirs
        assert "ts words are its office’s" in theirs
    old = changed(ended_run("alerts", error=TRACE.replace(WORDS, "of the works")), error_fingerprint="f1")
    broken(office)
    [group] = grouped.groups(datetime.now(UTC), ["imports"], office_id=make.office().id)
    assert (group.told_id, group.n) == (old.id, 3)
    assert "of the works" in stranger.get("/ops/errors/f1").text


@pytest.mark.parametrize("deed", ["retry", "cancel", "dismiss", "restore"])
def test_only_its_own_admins_do_anything_about_it(as_admin, stranger, office, db, deed):
    run = waiting_run("imports", office_id=office.id) if deed == "cancel" else broken(office)
    if deed == "restore":
        changed(run, dismissed_at=datetime.now(UTC))
    before = database.session.get(JobRun, run.id, populate_existing=True).state
    assert stranger.post(f"/ops/runs/{run.id}/{deed}").status_code == 404
    assert audited() == []
    assert database.session.get(JobRun, run.id, populate_existing=True).state == before
    assert as_admin.post(f"/ops/runs/{run.id}/{deed}").status_code == 303
    [entry] = audited()
    assert entry.office_id == office.id
    assert entry.sentence not in stranger.get("/ops/audit").text
    assert entry.sentence in as_admin.get("/ops/audit").text


def test_a_retry_stays_its_offices(as_admin, office, db):
    run = broken(office)
    as_admin.post(f"/ops/runs/{run.id}/retry")
    assert [again.office_id for again in retries()] == [office.id]


def test_deeds_on_many_leave_other_offices_runs_out_and_say_so(as_admin, stranger, office, db):
    theirs, works = broken(office), changed(ended_run("alerts", error=TRACE), error_fingerprint="f1")
    answer = stranger.post("/ops/errors/f1/retry")
    assert (
        "1 run starts again. 1 run is left out: another office’s own people see to it."
        in stranger.get(answer.location).text
    )
    assert [again.args["retry_of"] for again in retries()] == [works.id]
    for data in ({"do": "retry-all"}, {"do": "dismiss", "run": [theirs.id]}, {"do": "dismiss-all"}):
        stranger.post("/ops/runs/chosen?kind=imports", data=data)
    assert database.session.get(JobRun, theirs.id, populate_existing=True).dismissed_at is None
    assert len(retries()) == 1
    assert 'name="run"' not in stranger.get("/ops/runs?kind=imports").text
    answer = as_admin.post("/ops/errors/f1/dismiss", data={"reason": WORDS})
    assert "2 failures dismissed." in as_admin.get(answer.location).text
    said = [(entry.office_id, entry.fields["runs"]) for entry in audited() if entry.action == "runs.dismissed"]
    assert said == [(None, [works.id]), (office.id, [theirs.id])], "what all may know, and what its office may"


def test_the_oldest_import_is_done_again_first(as_admin, office, db):
    runs = [broken(office, batch_of(office)) for _ in range(3)]
    as_admin.post("/ops/errors/f1/retry")
    assert [again.args["retry_of"] for again in retries()] == [run.id for run in runs]


def test_an_import_that_a_newer_file_has_overtaken_is_left_out_and_refused(as_admin, make, office, db):
    old, other = broken(office, batch_of(office)), broken(office, batch_of(office, "Inland MLS"))
    batch_of(make.office(), state="finished", rows_read=2)
    read = datetime(2026, 11, 19, 15, tzinfo=UTC)
    batch_of(office, state="finished", rows_read=2, finished_at=read)
    answer = as_admin.post("/ops/errors/f1/retry")
    page = as_admin.get(answer.location).text
    assert "1 run starts again. 1 import is left out: a newer file of the same source was read since." in page
    assert [again.args["retry_of"] for again in retries()] == [other.id]
    answer = as_admin.post(f"/ops/runs/{old.id}/retry")
    assert answer.status_code == 409
    assert "A newer file of “Harbor MLS” was read on November 19. Bring this file again if you want it." in answer.text
    as_admin.post("/ops/runs/chosen", data={"do": "retry", "run": [old.id]})
    assert len(retries()) == 1


def test_of_many_the_oldest_imports_come_first_however_many_are_overtaken(office, db):
    overtaken = [broken(office, batch_of(office)) for _ in range(3)]
    fresh = broken(office, batch_of(office, "Inland MLS"))
    batch_of(office, state="finished", rows_read=2)
    again = grouped.to_retry(
        ["imports"],
        ["imports"],
        datetime.now(UTC),
        office_id=office.id,
        run_ids=[r.id for r in [*overtaken, fresh]],
        limit=2,
    )
    assert ([run.id for run in again.runs], again.overtaken, again.is_more) == ([fresh.id], 2, False)
