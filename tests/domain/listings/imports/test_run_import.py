"""A file read into listings: every row accounted for, nothing doubled, whatever happens in between."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from app.domain.errors import Conflict, Invalid
from app.domain.listings import imports
from app.domain.listings.imports import queries
from app.domain.models import ImportBatch, ImportRow, ImportState, Listing, ListingEvent
from app.extensions import db as database

ROOT = Path(__file__).parents[4]
SHARED = ROOT.parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared files are not here")

NIGHT = datetime(2025, 6, 1, 8, 15, tzinfo=UTC)  # long ago: the files of other tests are young then
HEADER = "Listing Key,Status,List Price,Bedrooms,City,Postal Code"


def table(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def homes(count: int, price: int = 500_000) -> str:
    return table(*(f"K{n},Active,{price + n},3,City {n % 30},{4100 + n % 9:05}" for n in range(count)))


def queued(office_id: int, content: str | bytes | Path, source="Coast MLS", mapping=None, **more) -> ImportBatch:
    if isinstance(content, Path):
        content = content.read_bytes()
    stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
    batch = imports.receive(office_id, source, stream, "homes.csv", mapping=mapping, **more)
    imports.queue(batch)
    database.session.commit()
    return batch


def run(office_id: int, content: str | bytes | Path, **more) -> ImportBatch:
    batch = queued(office_id, content, **more)
    imports.run_import(batch.id)
    return batch


def rows_of(batch: ImportBatch) -> list[ImportRow]:
    return list(
        database.session.scalars(
            select(ImportRow).where(ImportRow.import_batch_id == batch.id).order_by(ImportRow.line_no)
        )
    )


def count(model) -> int:
    return database.session.scalar(select(func.count()).select_from(model)) or 0


def balances(batch: ImportBatch) -> bool:
    """Every row that was read has one row that says what became of it."""
    told = Counter(row.outcome for row in rows_of(batch))
    counts = imports.counts(batch)
    return counts["rows_read"] == sum(told.values()) and all(
        counts[name] == told[name] for name in ("created", "updated", "unchanged", "rejected")
    )


# One file


def test_a_table_becomes_listings_and_every_row_is_told_about(db, office):
    batch = run(
        office.id, table("A,Active,500000,3,Port Ellery,04101", "B,Pending,call us,x,Saltford,04102", "C,Sold,1,1,X,1")
    )
    assert batch.state == "finished"
    assert imports.counts(batch) == {
        "rows_read": 3,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "rejected": 1,
        "with_warnings": 1,
    }
    good, doubtful, bad = rows_of(batch)
    assert (good.line_no, good.outcome, good.originating_system_key, good.issues) == (2, "created", "A", [])
    assert [
        (issue["field"], issue["column"], issue["value"], issue["severity"], issue["reason"])
        for issue in doubtful.issues
    ] == [
        ("list_price", "List Price", "call us", "warning", "“call us” is not a price"),
        ("bedrooms_total", "Bedrooms", "x", "warning", "“x” is not a whole number"),
    ]
    assert (bad.outcome, bad.listing_id) == ("rejected", None)
    assert {(issue["field"], issue["severity"]) for issue in bad.issues} >= {("standard_status", "error")}
    listing = db.session.get(Listing, doubtful.listing_id)
    assert (listing.list_price, listing.bedrooms_total, listing.standard_status) == (None, None, "Pending")
    assert balances(batch)


def test_ragged_rows_are_rejected_and_their_neighbours_are_not(office):
    batch = run(office.id, table("A,Active,1,3,X,1", "B,Active,1,3,Port, Ellery,1", "C,Active,1,3,X,1"))
    assert [row.outcome for row in rows_of(batch)] == ["created", "rejected", "created"]
    assert rows_of(batch)[1].issues[0]["reason"] == "The row has 7 cells, the header has 6"


def test_a_row_without_a_key_is_rejected(office):
    batch = run(office.id, table(" ,Active,1,3,X,1", f"{'k' * 256},Active,1,3,X,1", "A,Active,1,3,X,1"))
    assert [row.outcome for row in rows_of(batch)] == ["rejected", "rejected", "created"]
    assert rows_of(batch)[0].issues[-1]["reason"] == "the row has no key"


def test_of_one_key_in_many_rows_the_last_wins_across_chunks(db, office):
    lines = [f"K{n},Active,{n + 1},3,X,1" for n in range(1_500)]
    batch = run(office.id, table("K7,Active,77,3,X,1", *lines, "K7,Active,777,3,X,1", "K7,Active,7777,3,X,1"))
    twice = [row for row in rows_of(batch) if row.originating_system_key == "K7"]
    assert [row.outcome for row in twice] == ["rejected"] * 3 + ["created"]
    assert twice[0].issues[-1]["reason"] == f"line {twice[-1].line_no} has the same key: the later row is used"
    (listing,) = db.session.query(Listing).filter_by(originating_system_key="K7").all()
    assert listing.list_price == 7_777
    assert db.session.query(ListingEvent).filter_by(listing_id=listing.id).count() == 1
    assert balances(batch)


def test_unknown_lookup_values_are_kept_and_reported(db, office):
    batch = run(office.id, "id,status,type,sub type\n1,Active,Castle,Tree House\n")
    listing = db.session.query(Listing).one()
    assert (listing.property_type, listing.property_sub_type) == ("Castle", "Tree House")
    assert batch.rows_with_warnings == 1


def test_half_a_position_is_left_out_with_a_warning(db, office):
    batch = run(office.id, "id,status,lat,long\n1,Active,43.6,\n2,Active,43.6,east\n3,Active,43.6,-70.2\n")
    assert [(home.latitude, home.longitude) for home in db.session.query(Listing).order_by(Listing.id)] == [
        (None, None),
        (None, None),
        (Decimal("43.6"), Decimal("-70.2")),
    ]
    assert batch.rows_with_warnings == 2


def test_a_column_that_the_file_lacks_keeps_what_is_known(db, office):
    run(office.id, table("A,Active,500000,3,Port Ellery,04101"))
    run(office.id, "Listing Key,Status\nA,Pending\n")
    listing = db.session.query(Listing).one()
    assert (listing.standard_status, listing.city, listing.list_price) == ("Pending", "Port Ellery", 500_000)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_a_file_in_any_encoding_makes_the_same_listing(db, office, encoding):
    run(office.id, table("A,Active,500000,3,Cañon City,81212").encode(encoding))
    assert db.session.query(Listing).one().city == "Cañon City"


def test_hostile_cells_stay_words(db, office):
    cells = [
        "=HYPERLINK(1)",
        "'; DROP TABLE listing; --",
        "<script>alert(1)</script>",
        "Bos\x00ton",
        "{{7*7}}",
        "a\\'b",
    ]
    lines = [f'K{n},Active,1,3,"{cell}",04101' for n, cell in enumerate(cells)]
    lines += [f"Z{n},Active,1,3,Boston,04101" for n in range(10)]
    run(office.id, table(*lines))
    found = db.session.scalars(select(Listing.city).order_by(Listing.id).limit(6)).all()
    assert found == [cell.replace("\x00", "") for cell in cells]


@pytest.mark.parametrize(
    ("content", "mapping", "field", "sentence"),
    [
        (homes(1), "king_county", "mapping", "columns missing"),
        (homes(1), "reso_web_api", "mapping", "this file is something else"),
        (
            "id,date,price,price,bedrooms,bathrooms,sqft_living,sqft_lot,floors,waterfront,yr_built,zipcode,lat,long\n"
            "1" + ",1" * 13 + "\n",
            "king_county",
            "mapping",
            "two columns called “price”",
        ),
        ("colour,smell\nred,rose\n", "by_name", "key", "No column tells one listing from another"),
        ("id,colour\n1,red\n", "by_name", "standard_status", "No column gives the status"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_with_a_sentence(office, content, mapping, field, sentence):
    with pytest.raises(Invalid) as refusal:
        imports.receive(office.id, "Coast MLS", io.BytesIO(content.encode()), "x.csv", mapping=mapping)
    assert refusal.value.field == field
    assert sentence in refusal.value.sentence
    assert list((imports.settings().files_dir / "imports").rglob(f"{office.id}/*")) == [], "nothing of it is kept"


# Origin: who is alerted


def test_the_first_file_of_a_source_alerts_nobody_and_the_next_does_pa_02_t9(db, office):
    first = run(office.id, homes(1_200))
    assert first.origin == "backfill"
    assert count(ListingEvent) == 1_200
    assert db.session.query(ListingEvent).filter_by(alertable=True).count() == 0
    second = run(office.id, homes(1_201, price=490_000))
    assert second.origin == "live_sync"
    kinds = Counter(db.session.scalars(select(ListingEvent.kinds).where(ListingEvent.import_batch_id == second.id)))
    assert kinds == {1: 1, 10: 1_200}
    assert db.session.query(ListingEvent).filter_by(alertable=True).count() == 1_201


def test_another_source_and_another_office_begin_anew_pa_02(make, office):
    run(office.id, homes(2))
    assert run(office.id, homes(2), source="Inland MLS").origin == "backfill"
    assert run(make.office().id, homes(2)).origin == "backfill"


def test_a_first_file_that_was_never_finished_does_not_make_the_next_one_news_pa_02(db, office):
    torn = queued(office.id, homes(10))
    (imports.settings().files_dir / torn.file_path).unlink()
    imports.run_import(torn.id)
    assert torn.state == "failed"
    assert run(office.id, homes(10)).origin == "backfill"


def test_a_correction_alerts_nobody_pa_02(db, office):
    run(office.id, homes(3))
    batch = run(office.id, homes(3, price=400_000), is_correction=True)
    events = db.session.query(ListingEvent).filter_by(import_batch_id=batch.id).all()
    assert [(event.origin, event.alertable, event.kinds) for event in events] == [("correction", False, 10)] * 3


# Again


def test_the_same_file_again_changes_nothing_and_makes_no_event(office):
    run(office.id, homes(50))
    again = run(office.id, homes(50))
    assert imports.counts(again)["unchanged"] == 50
    assert count(ListingEvent) == 50
    assert balances(again)


CELL = st.sampled_from(["", "1", "500000", "call us", "Active", "Pending", "Sold", "x,y", 'a"b', "=1", "0", "é", "  "])


@given(lines=st.lists(st.tuples(st.sampled_from("ABCDE"), *[CELL] * 5), max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_table_read_twice_is_written_once(make, lines):
    office_id = make.office().id
    held = io.StringIO()
    csv.writer(held).writerows([HEADER.split(","), ["Z", "Active", "1", "1", "X", "1"], *lines])
    first = run(office_id, held.getvalue())
    events = count(ListingEvent)
    again = run(office_id, held.getvalue())
    assert balances(first)
    assert balances(again)
    assert count(ListingEvent) == events
    assert again.rows_created == again.rows_updated == 0
    assert again.rows_rejected == first.rows_rejected


def test_an_older_file_is_not_read_after_a_newer_one_of_its_source(db, office, make):
    older, elsewhere = queued(office.id, homes(3, price=400_000)), queued(office.id, homes(1), source="Inland MLS")
    foreign = queued(make.office().id, homes(1))
    run(office.id, homes(3, price=600_000))
    with pytest.raises(Invalid, match=r"A newer file of “Coast MLS” was read on .* Bring this file again"):
        imports.run_import(older.id)
    assert (older.state, older.rows_read) == ("failed", 0)
    assert "newer file" in older.error
    assert {price for (price,) in db.session.execute(select(Listing.list_price))} == {600_000, 600_001, 600_002}
    for verb in (imports.resume, imports.queue):
        older.state = "queued"
        with pytest.raises(Conflict, match="A newer file"):
            verb(older)
    for other in (elsewhere, foreign):  # another source, another office
        assert imports.run_import(other.id)["created"] == 1


def test_a_finished_import_is_left_alone(office):
    batch = run(office.id, homes(5))
    assert imports.run_import(batch.id) == imports.counts(batch)
    assert len(rows_of(batch)) == 5


def test_files_leave_when_nobody_will_read_them_again_pa_29(db, office):
    def kept(days: float, state: ImportState) -> Path:
        """A file and its import, both of that age."""
        then = NIGHT - timedelta(days=days)
        batch = imports.receive(office.id, "Coast MLS", io.BytesIO(homes(1).encode()), "x.csv", now=then)
        batch.state = state
        path = imports.settings().files_dir / batch.file_path
        os.utime(path, (then.timestamp(), then.timestamp()))
        db.session.flush()
        return path

    stay = [
        kept(6, ImportState.MAPPING),
        kept(400, ImportState.QUEUED),
        kept(400, ImportState.RUNNING),
        kept(89, ImportState.FINISHED),
        kept(89, ImportState.FAILED),
    ]
    go = [kept(8, ImportState.MAPPING), kept(91, ImportState.FINISHED), kept(91, ImportState.FAILED)]
    for days, paths in ((6, stay), (8, go)):
        nobodys = stay[0].with_name(f"upload-{days}")
        nobodys.touch()
        then = (NIGHT - timedelta(days=days)).timestamp()
        os.utime(nobodys, (then, then))
        paths.append(nobodys)
    imports.forget_files(NIGHT)
    assert [path for path in [*stay, *go] if path.exists()] == stay
    assert imports.forget_files(NIGHT) == 0


def test_an_import_whose_columns_are_not_chosen_yet_is_not_read(office):
    batch = imports.receive(office.id, "Coast MLS", io.BytesIO(homes(2).encode()), "x.csv")
    with pytest.raises(Conflict):
        imports.run_import(batch.id)


def test_a_torn_file_is_found_before_its_first_row_is_used(office):
    packed = gzip.compress(homes(3_000).encode())
    batch = queued(office.id, packed)
    path = imports.settings().files_dir / batch.file_path
    path.write_bytes(packed[: len(packed) // 2])
    imports.run_import(batch.id)
    assert (batch.state, batch.rows_read) == ("failed", 0)
    assert "torn" in batch.error
    path.write_bytes(packed)
    imports.resume(batch)
    imports.run_import(batch.id)
    assert (batch.state, batch.error, batch.rows_created) == ("finished", None, 3_000)


def test_progress_is_told_and_ends_with_the_file(office):
    told = []
    batch = queued(office.id, homes(2_500))
    imports.run_import(batch.id, lambda *step: told.append(step))
    assert [step[0] for step in told] == ["Reading rows"] * 3
    assert [step[2] for step in told] == [batch.file_bytes] * 3
    assert batch.bytes_read == batch.file_bytes


# At once, and killed


@pytest.mark.committed
def test_two_files_of_one_source_at_once_make_one_truth(app, db, make):
    office_id = make.office().id
    files = [homes(3_000, price=500_000), homes(3_000, price=600_000)]
    ids = [queued(office_id, content).id for content in files]
    failures: list[BaseException] = []

    def read(batch_id: int) -> None:
        try:
            with app.app_context():
                imports.run_import(batch_id)
                database.session.remove()
        except BaseException as failure:
            failures.append(failure)

    readers = [threading.Thread(target=read, args=(batch_id,)) for batch_id in ids]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert failures == []
    db.session.expire_all()
    batches = [db.session.get(ImportBatch, batch_id) for batch_id in ids]
    assert [batch.state for batch in batches] == ["finished", "finished"]
    assert all(balances(batch) for batch in batches)
    assert count(Listing) == 3_000
    assert sum(batch.rows_created for batch in batches) == 3_000
    first_sights = db.session.scalar(
        select(func.count()).select_from(ListingEvent).where(ListingEvent.change_type == "New Listing")
    )
    assert first_sights == 3_000


@pytest.mark.committed
def test_one_file_read_by_two_workers_at_once_is_read_once(app, db, make):
    batch_id = queued(make.office().id, homes(4_000)).id
    outcomes: list[object] = []

    def read() -> None:
        with app.app_context():
            try:
                imports.run_import(batch_id)
                outcomes.append("done")
            except Conflict as refused:
                outcomes.append(refused.sentence)
            database.session.remove()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert "done" in outcomes
    assert set(outcomes) <= {"done", "Another worker is reading this file."}
    batch = db.session.get(ImportBatch, batch_id)
    assert (batch.state, batch.rows_read, batch.rows_created) == ("finished", 4_000, 4_000)
    assert balances(batch)
    assert count(ListingEvent) == 4_000


KILLED = """
import os, signal, sys
from app import create_app
from app.domain.listings import imports
from app.extensions import db

def commit():
    commit.left -= 1
    if commit.left == 0 and sys.argv[3] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    db.session.commit()
    if commit.left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

commit.left = int(sys.argv[2])
with create_app().app_context():
    imports.run_import(int(sys.argv[1]), commit=commit)
"""


@pytest.mark.committed
@pytest.mark.parametrize(("commits", "when"), [(1, "after"), (3, "before"), (3, "after"), (6, "before")])
def test_a_reading_that_was_killed_goes_on_without_doubling(app, db, make, commits, when):
    batch_id = queued(make.office().id, homes(4_000)).id
    config = app.extensions["porchlight"]
    environ = os.environ | {
        "DATABASE_URL": config.database_url.replace("postgresql+psycopg", "postgresql"),
        "REDIS_URL": config.redis_url,
        "SECRET_KEY": config.secret_key,
        "PUBLIC_URL": config.public_url,
        "SMTP_URL": config.smtp_url,
        "MAIL_FROM": config.mail_from,
        "FILES_DIR": str(config.files_dir),
        "LOG_LEVEL": "error",
    }
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(batch_id), str(commits), when], cwd=ROOT, env=environ, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    batch = db.session.get(ImportBatch, batch_id)
    done = max(commits - 1 - (when == "before"), 0) * imports.CHUNK  # the first commit only says that it began
    assert batch.state == ("running" if commits > 1 or when == "after" else "queued")
    assert batch.rows_read == len(rows_of(batch)) == count(Listing) == count(ListingEvent) == done
    imports.run_import(batch_id)
    db.session.expire_all()
    assert (batch.state, batch.rows_read, batch.rows_created) == ("finished", 4_000, 4_000)
    assert batch.origin == "backfill"
    assert count(Listing) == count(ListingEvent) == len(rows_of(batch)) == 4_000
    assert balances(batch)


# Real files


@needs_shared
@pytest.mark.committed
def test_king_county_sales_are_read_whole_quickly_and_once(db, make):
    office_id = make.office().id
    file = SHARED / "listings" / "kc_house_data.csv.gz"
    began = time.process_time()  # of ours alone: what else the machine does is not under test
    batch = run(office_id, file, mapping="king_county", source="King County")
    took = time.process_time() - began
    assert imports.counts(batch) == {
        "rows_read": 21_612,
        "created": 21_612,
        "updated": 0,
        "unchanged": 0,
        "rejected": 0,
        "with_warnings": 0,
    }
    assert took < 15, f"21,612 rows took {took:.1f} s of our time"
    assert db.session.scalar(text("SELECT count(*) FROM listing_event WHERE alertable")) == 0
    resold = db.session.scalar(
        text("SELECT count(*) FROM (SELECT 1 FROM listing GROUP BY parcel_number HAVING count(*) > 1) twice")
    )
    assert resold == 176  # one of them three times: 177 rows repeat an id
    home = db.session.query(Listing).filter_by(parcel_number="6414100192").one()
    assert (home.standard_status, home.close_price, home.list_price) == ("Closed", 538_000, 538_000)
    assert (home.close_date.isoformat(), home.baths_equivalent, home.stories_total) == (
        "2014-12-09",
        Decimal("2.25"),
        2,
    )
    assert (home.living_area, home.lot_size_square_feet, home.year_built) == (2_570, 7_242, 1951)
    assert (home.postal_code, home.county_or_parish, home.waterfront_yn) == ("98125", "King", False)
    assert (home.latitude, home.longitude) == (Decimal("47.721"), Decimal("-122.319"))
    again = run(office_id, file, mapping="king_county", source="King County")
    assert again.rows_unchanged == 21_612
    assert count(ListingEvent) == 21_612


@needs_shared
def test_new_york_sales_leave_unknown_what_the_file_does_not_know(db, office):
    with gzip.open(SHARED / "listings" / "nyc_rolling_sales_2021_2022.csv.gz", "rb") as whole:
        sample = b"".join(itertools.islice(whole, 5_001))
    batch = run(office.id, sample, source="New York City")
    assert imports.mapping_of(batch).name == "nyc_rolling_sales", "recognised by its columns"
    assert batch.rows_read == 5_000
    assert balances(batch)
    lines = list(csv.DictReader(io.StringIO(sample.decode("utf-8-sig"))))
    priced = sum(line["SALE PRICE"] not in ("", "0") for line in lines)
    rejected = {row.originating_system_key for row in rows_of(batch) if row.outcome == "rejected"}
    with_price = db.session.query(Listing).filter(Listing.list_price.is_not(None)).count()
    assert priced - len(rejected) <= with_price <= priced
    reasons = {group.reason: group.rows for group in queries.issue_groups(batch.id)}
    assert reasons["0 is not a price: left unknown"] == sum(line["SALE PRICE"] == "0" for line in lines)
    assert {home.county_or_parish for home in db.session.query(Listing)} == {"New York"}
    home = db.session.query(Listing).filter_by(unparsed_address="347 EAST 4TH STREET").one()
    assert (home.close_price, home.lot_size_square_feet, home.living_area) == (399_000, 2_116, 4_400)
    assert (home.close_date.isoformat(), home.year_built, home.postal_code) == ("2022-09-29", 1900, "10009")
    assert (home.property_type, home.property_sub_type) == ("Residential", "Single Family Residence")
    assert home.subdivision_name == "ALPHABET CITY"


RESO = {
    "@odata.context": "https://mls.example/odata/$metadata#Property",
    "value": [
        {
            "ListingKey": "PE-1",
            "ListingId": "2610331",
            "StandardStatus": "ActiveUnderContract",
            "ListPrice": 489000.0,
            "PropertyType": "Residential",
            "PropertySubType": "SingleFamilyResidence",
            "BedroomsTotal": 3,
            "BathroomsFull": 2,
            "BathroomsHalf": 1,
            "LivingArea": 150,
            "LivingAreaUnits": "Square Meters",
            "LotSizeAcres": 0.25,
            "City": "Port Ellery",
            "PostalCode": "04101",
            "Latitude": 43.66,
            "Longitude": -70.25,
            "OnMarketTimestamp": "2026-11-01T12:00:00Z",
            "ModificationTimestamp": "2026-11-19T12:00:00Z",
            "InternetEntireListingDisplayYN": True,
            "AssociationFee": 100,
            "Media": [{"MediaURL": "x"}],
        },
        {
            "ListingKey": "PE-2",
            "StandardStatus": "Active Under Contract",
            "ListPrice": "512,000",
            "PropertySubType": "Yurt",
        },
        {"ListingKey": "PE-3", "StandardStatus": "Sold", "ListPrice": 1},
        {"ListingKey": 4, "StandardStatus": "Active", "ListPrice": None, "LotSizeArea": 2, "LotSizeUnits": "Hectares"},
        {"StandardStatus": "Active"},
    ],
}


def test_a_reso_answer_is_read_in_its_own_names(db, office):
    batch = run(office.id, json.dumps(RESO))
    assert [row.outcome for row in rows_of(batch)] == ["created", "created", "rejected", "created", "rejected"]
    first, second, fourth = db.session.query(Listing).order_by(Listing.id).all()
    assert (first.originating_system_key, first.listing_id, first.standard_status) == (
        "PE-1",
        "2610331",
        "Active Under Contract",
    )
    assert (first.property_sub_type, first.baths_equivalent) == ("Single Family Residence", Decimal("2.50"))
    assert (first.living_area, first.lot_size_square_feet) == (Decimal("1614.59"), Decimal(10_890))
    assert first.on_market_timestamp.isoformat() == "2026-11-01T12:00:00+00:00"
    assert (second.list_price, second.property_sub_type) == (512_000, "Yurt")
    assert (fourth.originating_system_key, fourth.list_price, fourth.lot_size_square_feet) == ("4", None, None)
    reasons = [issue["reason"] for row in rows_of(batch) for issue in row.issues]
    assert reasons == [
        "“Yurt” is not a RESO value: kept as it came",
        "“Sold” is not one of RESO’s eleven statuses",
        "the units are “Hectares”: left unknown",
        "the row has no key",
    ]
