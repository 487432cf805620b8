"""The import screens: bring a file, choose its columns, watch it, read what became of it."""

from __future__ import annotations

import csv
import io
import re

import pytest

from app.domain.listings import imports as verbs
from app.domain.models import ImportBatch, JobRun, Listing, ListingEvent
from app.extensions import db as database
from tests.counting import queries_of

SALES = (
    "id,date,price,bedrooms,bathrooms,sqft_living,sqft_lot,floors,waterfront,yr_built,zipcode,lat,long\n"
    "71,20141013T000000,221900.0,3,1.0,1180,5650,1.0,0,1955,98178,47.5112,-122.257\n"
    "64,20141209T000000,call us,3,2.25,2570,7242,2.0,0,1951,98125,47.721,-122.319\n"
    ",20141209T000000,1,3,2.25,2570,7242,2.0,0,1951,98125,47.721,-122.319\n"
)
TABLE = (
    "MLS Number,Asking Price,Beds,City,Colour\nA-1,500000,3,Port Ellery,=HYPERLINK(1)\nA-2,call us,2,Port Ellery,blue\n"
)


def text(answer, status=200):
    assert answer.status_code == status, answer.get_data(as_text=True)[:3000]
    return answer.get_data(as_text=True)


def bring(client, content=SALES, name="sales.csv", **form):
    if isinstance(content, str):
        content = content.encode()
    form = {"source": "County", "mapping": "", "file": (io.BytesIO(content), name)} | form
    return client.post("/listings/imports", data=form, content_type="multipart/form-data")


def brought(client, *args, **form):
    answer = bring(client, *args, **form)
    text(answer, 303)
    return int(re.search(r"/listings/imports/(\d+)$", answer.location)[1])


def read(batch_id):
    database.session.get(ImportBatch, batch_id)
    return verbs.run_import(batch_id)


def start(client, batch_id, **form):
    return client.post(f"/listings/imports/{batch_id}", data=form | {"do": "start"})


def form_of(page):
    """What a browser would send for the columns form as it stands."""
    found = {}
    for name, body in re.findall(
        r'<select class="form-select"[^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL
    ):
        chosen = re.search(r'<option value="([^"]*)" selected', body)
        found[name] = chosen[1] if chosen else ""
    for name in re.findall(r'<input class="form-check-input" type="checkbox" name="(key-\d+)" value="1" checked', page):
        found[name] = "1"
    return found


# Bringing a file


def test_an_office_without_imports_is_told_what_goes_here(as_staff):
    assert "No file was brought yet" in text(as_staff.get("/listings/imports"))


def test_agents_and_viewers_may_not_import(as_agent, as_viewer):
    for client in (as_agent, as_viewer):
        assert client.get("/listings/imports").status_code == 403
        assert bring(client).status_code == 403


def test_the_form_says_the_limit_and_measures_before_it_sends(as_staff):
    page = text(as_staff.get("/listings/imports/new"))
    assert 'data-max-bytes="67108864"' in page
    assert "up to 64 MB" in page


def test_a_known_kind_of_file_is_recognised_by_its_columns(as_staff):
    page = text(as_staff.get(f"/listings/imports/{brought(as_staff)}"))
    assert '<option value="king_county" selected' in page
    assert "Close price" in page
    assert "and List price" in page, "one column that fills two fields says so"
    assert "nobody is alerted" in page


@pytest.mark.parametrize(
    ("content", "form", "field", "sentence"),
    [
        (b"", {}, "file", "The file is empty."),
        (b"id,price\n", {}, "file", "no rows"),
        (b"PK\x03\x04[Content_Types].xml", {}, "file", "spreadsheet"),
        (SALES.encode(), {"source": "  "}, "source", "Name the source"),
        (SALES.encode(), {"source": "porchlight"}, "source", "made by hand"),
        (SALES.encode(), {"mapping": "nyc_rolling_sales"}, "mapping", "does not fit"),
        (SALES.encode(), {"mapping": "toString"}, "mapping", "There is no mapping called"),
    ],
)
def test_a_refused_file_keeps_what_was_typed_and_says_why_beside_the_field(as_staff, content, form, field, sentence):
    page = text(bring(as_staff, content, **form), 422)
    assert sentence in page
    assert f'aria-describedby="field-{field}-error' in page
    assert f'value="{form.get("source", "County").strip()}"' in page or field == "source"
    assert database.session.query(ImportBatch).count() == 0


def test_no_file_at_all_is_a_sentence(as_staff):
    page = text(as_staff.post("/listings/imports", data={"source": "County"}), 422)
    assert "Choose a file." in page
    assert 'value="County"' in page


def test_a_name_from_the_browser_is_only_shown_never_used(as_staff):
    batch_id = brought(as_staff, name="../../etc/<script>alert(1)</script>.csv")
    batch = database.session.get(ImportBatch, batch_id)
    assert re.fullmatch(rf"imports/{batch.office_id}/[0-9a-f]{{32}}", batch.file_path)
    page = text(as_staff.get(f"/listings/imports/{batch_id}"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page or "script&gt;.csv" in page


# Choosing the columns


def test_the_preview_marks_each_doubtful_cell_with_its_reason(as_staff):
    page = text(as_staff.get(f"/listings/imports/{brought(as_staff)}"))
    assert "“call us” is not a price" in page
    assert "the row has no key" in page
    assert "3 rows, 2 with remarks" in page


def test_a_table_nobody_knows_is_guessed_by_names_and_completed_by_hand(as_staff, office):
    batch_id = brought(as_staff, TABLE, "homes.csv", source="By phone")
    page = text(as_staff.get(f"/listings/imports/{batch_id}"))
    assert "No column gives the status" in page
    form = form_of(page)
    assert form["field-0"] == "listing_id"
    assert form["key-0"] == "1"
    assert (form["field-1"], form["field-2"], form["field-3"], form["field-4"]) == (
        "list_price",
        "bedrooms_total",
        "city",
        "",
    )
    assert start(as_staff, batch_id, **form).status_code == 422
    text(start(as_staff, batch_id, **form | {"all-standard_status": "Active"}), 303)
    read(batch_id)
    homes = database.session.query(Listing).order_by(Listing.originating_system_key).all()
    assert [(home.listing_id, home.city, home.standard_status) for home in homes] == [
        ("A-1", "Port Ellery", "Active"),
        ("A-2", "Port Ellery", "Active"),
    ]
    assert homes[1].list_price is None


def test_a_choice_refreshes_only_the_rows(as_staff):
    batch_id = brought(as_staff, TABLE, "homes.csv")
    form = form_of(text(as_staff.get(f"/listings/imports/{batch_id}"))) | {"all-standard_status": "Active"}
    answer = as_staff.post(f"/listings/imports/{batch_id}", data=form, headers={"HX-Request": "true"})
    part = text(answer)
    assert part.strip().startswith('<section class="panel" id="preview"')
    assert "Port Ellery" in part
    assert "disabled" not in part, "it may start now"


def test_without_script_the_same_choice_reloads_the_page(as_staff):
    batch_id = brought(as_staff, TABLE, "homes.csv")
    answer = as_staff.post(f"/listings/imports/{batch_id}", data={"field-0": "listing_id", "key-0": "1", "do": "show"})
    assert (answer.status_code, answer.location) == (303, f"/listings/imports/{batch_id}")
    page = text(as_staff.get(answer.location))
    assert form_of(page)["field-1"] == ""


def test_two_columns_for_one_field_are_refused_and_shown_again(as_staff):
    batch_id = brought(as_staff, TABLE, "homes.csv")
    form = {"field-0": "city", "field-1": "city", "key-0": "1", "all-standard_status": "Active"}
    page = text(start(as_staff, batch_id, **form), 422)
    assert "Two columns fill City" in page
    assert form_of(page)["field-0"] == form_of(page)["field-1"] == "city"


def test_another_known_mapping_can_be_begun_from(as_staff):
    batch_id = brought(as_staff)
    text(as_staff.post(f"/listings/imports/{batch_id}", data={"do": "rebase", "mapping": "king_county_for_sale"}), 303)
    page = text(as_staff.get(f"/listings/imports/{batch_id}"))
    assert '<option value="king_county_for_sale" selected' in page
    assert form_of(page)["all-standard_status"] == "Active"


def test_a_column_with_two_meanings_keeps_both_when_the_form_comes_back(as_staff):
    batch_id = brought(as_staff)
    form = form_of(text(as_staff.get(f"/listings/imports/{batch_id}")))
    text(start(as_staff, batch_id, **form), 303)
    read(batch_id)
    home = database.session.query(Listing).filter_by(parcel_number="71").one()
    assert home.close_price == home.list_price == 221900


def test_columns_of_a_started_import_cannot_change(as_staff):
    batch_id = brought(as_staff)
    text(start(as_staff, batch_id, **form_of(text(as_staff.get(f"/listings/imports/{batch_id}")))), 303)
    assert start(as_staff, batch_id).status_code == 409


def test_a_file_of_two_thousand_columns_is_still_a_light_page(as_staff):
    header = ",".join(["id", *(f"c{n}" for n in range(1_999))])
    batch_id = brought(as_staff, header + "\n" + ",".join(["1"] * 2_000) + "\n")
    page = text(as_staff.get(f"/listings/imports/{batch_id}"))
    assert page.count("<option") < 200
    assert 'list="targets"' in page


def test_another_offices_import_is_not_there(as_staff, make, sign_in):
    batch_id = brought(as_staff)
    stranger = sign_in(make.user(make.office()))
    for path in (f"/listings/imports/{batch_id}", f"/listings/imports/{batch_id}/rows.csv"):
        assert stranger.get(path).status_code == 404
    assert start(stranger, batch_id).status_code == 404
    assert stranger.post(f"/listings/imports/{batch_id}/runs").status_code == 404


# Watching it


def test_starting_writes_down_one_run_however_often_it_is_pressed(as_staff):
    batch_id = brought(as_staff)
    form = form_of(text(as_staff.get(f"/listings/imports/{batch_id}")))
    text(start(as_staff, batch_id, **form), 303)
    runs = database.session.query(JobRun).filter_by(kind="imports").all()
    assert [run.args for run in runs] == [{"import_batch_id": batch_id}]
    page = text(as_staff.get(f"/listings/imports/{batch_id}"))
    assert "Waiting for a worker" in page
    assert 'data-poll="2"' in page


def test_the_progress_part_alone_is_sent_while_it_reads_and_the_page_is_turned_when_it_ends(as_staff):
    batch_id = brought(as_staff)
    text(start(as_staff, batch_id, **form_of(text(as_staff.get(f"/listings/imports/{batch_id}")))), 303)
    part = text(as_staff.get(f"/listings/imports/{batch_id}", headers={"HX-Request": "true"}))
    assert part.strip().startswith('<section class="panel" id="progress"')
    read(batch_id)
    answer = as_staff.get(f"/listings/imports/{batch_id}", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, f"/listings/imports/{batch_id}")


def test_a_reading_whose_run_failed_says_so_and_can_go_on(as_staff):
    batch_id = brought(as_staff)
    text(start(as_staff, batch_id, **form_of(text(as_staff.get(f"/listings/imports/{batch_id}")))), 303)
    run = database.session.query(JobRun).filter_by(kind="imports").one()
    run.state, run.error = "failed", "The disk is full."
    database.session.commit()
    page = text(as_staff.get(f"/listings/imports/{batch_id}"))
    assert "The disk is full." in page
    text(as_staff.post(f"/listings/imports/{batch_id}/runs"), 303)
    assert database.session.query(JobRun).filter_by(kind="imports", state="pending").count() == 1
    read(batch_id)
    assert "Rows read" in text(as_staff.get(f"/listings/imports/{batch_id}"))


# The result


@pytest.fixture
def done(as_staff):
    batch_id = brought(as_staff)
    text(start(as_staff, batch_id, **form_of(text(as_staff.get(f"/listings/imports/{batch_id}")))), 303)
    read(batch_id)
    return batch_id


def test_the_result_accounts_for_every_row_and_groups_what_was_wrong(as_staff, done):
    page = text(as_staff.get(f"/listings/imports/{done}"))
    figures = dict(re.findall(r'stat-label">([^<]+)</span><span class="stat-value">([^<]+)<', page))
    assert figures == {
        "Rows read": "3",
        "Created": "2",
        "Updated": "0",
        "Unchanged": "0",
        "Rejected": "1",
        "With remarks": "2",
    }
    assert "… is not a price" in page
    assert "“call us” is not a price" in page
    assert "The first file of its source: nobody is alerted." in page
    assert database.session.query(ListingEvent).filter_by(alertable=True).count() == 0


def test_rows_can_be_narrowed_by_outcome(as_staff, done):
    rejected = text(as_staff.get(f"/listings/imports/{done}?outcome=rejected"))
    assert "the row has no key" in rejected
    assert ">71|20141013T000000<" not in rejected
    assert ">71|20141013T000000<" in text(as_staff.get(f"/listings/imports/{done}?outcome=created"))
    assert "call us" in text(as_staff.get(f"/listings/imports/{done}?issues=1"))
    assert "No row fits" in text(as_staff.get(f"/listings/imports/{done}?outcome=updated"))


def test_the_list_shows_the_counts_of_each_import(as_staff, done):
    page = text(as_staff.get("/listings/imports"))
    assert "sales.csv" in page
    assert "County" in page


def test_the_list_does_not_ask_once_a_row(as_staff):
    for _ in range(3):
        brought(as_staff)
    with queries_of() as few:
        as_staff.get("/listings/imports")
    for _ in range(5):
        brought(as_staff)
    with queries_of() as many:
        as_staff.get("/listings/imports")
    assert len(many) == len(few) <= 12


def test_the_result_does_not_ask_once_a_row(as_staff):
    rows = "".join(f"{n},20141013T000000,1,3,1.0,1180,5650,1.0,0,1955,98178,47.5,-122.2\n" for n in range(60))
    batch_id = brought(as_staff, SALES.splitlines()[0] + "\n" + rows)
    text(start(as_staff, batch_id, **form_of(text(as_staff.get(f"/listings/imports/{batch_id}")))), 303)
    read(batch_id)
    with queries_of() as seen:
        page = text(as_staff.get(f"/listings/imports/{batch_id}"))
    assert len(seen) <= 12, seen
    assert "1–50 of 60" in page


def test_the_download_has_every_row_and_no_formula(as_staff):
    table = 'id,price,status\n"=1+2",100,Active\n-2,call us,Active\n@x,5,Nonsense\n'
    batch_id = brought(as_staff, table)
    form = {"field-1": "list_price", "field-2": "standard_status", "key-0": "1"}
    text(start(as_staff, batch_id, **form), 303)
    read(batch_id)
    answer = as_staff.get(f"/listings/imports/{batch_id}/rows.csv")
    lines = list(csv.reader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert [line[:3] for line in lines] == [
        ["line", "key", "outcome"],
        ["2", "'=1+2", "created"],
        ["3", "'-2", "created"],
        ["4", "'@x", "rejected"],
    ]
    assert "warning: price: “call us” is not a price" in lines[2][4]


def test_a_formula_in_a_cell_is_shown_as_what_it_says(as_staff):
    batch_id = brought(as_staff, "id,city,status\n1,\"=cmd|' /C calc'!A0\",Active\n")
    form = {"field-1": "city", "field-2": "standard_status", "key-0": "1"}
    text(start(as_staff, batch_id, **form), 303)
    read(batch_id)
    assert database.session.query(Listing).one().city == "=cmd|' /C calc'!A0"
