"""A file travels from the button to its rows: the screen writes down a run, the worker does it."""

from __future__ import annotations

import io

import pytest

from app.domain.listings import imports
from app.domain.models import ImportBatch, JobRun, Listing, RunState, Trigger
from app.extensions import db as database
from app.jobs.queue import start, work

TABLE = b"Listing Key,Status,List Price\n" + b"".join(b"K%d,Active,%d\n" % (n, n + 1) for n in range(2_500))

pytestmark = pytest.mark.committed


def test_the_run_that_the_button_starts_reads_the_file(sign_in, db, make):
    office = make.office()
    staff = sign_in(make.user(office))
    form = {"source": "Coast MLS", "mapping": "", "file": (io.BytesIO(TABLE), "homes.csv")}
    where = staff.post("/listings/imports", data=form, content_type="multipart/form-data").location
    form = {"field-1": "standard_status", "field-2": "list_price", "key-0": "1", "do": "start"}
    assert staff.post(where, data=form).status_code == 303
    run = db.session.query(JobRun).filter_by(kind="imports").one()
    assert run.office_id == office.id, "what it says is its office's"
    work(run.id)
    db.session.expire_all()
    assert (run.state, run.error) == (RunState.SUCCEEDED, None)
    assert run.counts["created"] == 2_500
    assert db.session.query(ImportBatch).one().state == "finished"
    assert db.session.query(Listing).count() == 2_500


def test_a_chunk_whose_commit_failed_is_read_again_by_the_next_run(db, make):
    office_id = make.office().id
    batch = imports.receive(office_id, "Coast MLS", io.BytesIO(TABLE), "homes.csv")
    imports.queue(batch)
    run = start("imports", {"import_batch_id": batch.id}, trigger=Trigger.MANUAL)
    db.session.commit()
    commits = 0

    def commit() -> None:
        nonlocal commits
        commits += 1
        if commits == 3:
            raise ConnectionError
        database.session.commit()

    with pytest.raises(ConnectionError):
        imports.run_import(batch.id, commit=commit)
    db.session.rollback()
    assert db.session.query(Listing).count() == 1_000
    work(run.id)
    db.session.expire_all()
    assert (batch.state, batch.rows_created) == ("finished", 2_500)
    assert db.session.query(Listing).count() == 2_500
