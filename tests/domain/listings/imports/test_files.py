"""What is in a file: encodings, delimiters, torn and strange ones. Every file is read or refused with a sentence."""

from __future__ import annotations

import gzip
import io
import json
import random
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import Invalid
from app.domain.listings.imports import files
from app.domain.listings.imports.records import LONGEST_NUMBER, _ShortNumbers

SHARED = Path(__file__).parents[5] / "shared" / "data"
TABLE = "id,city,price\n1,Zürich,500\n2,Cañon City,600\n"


@pytest.fixture
def put(tmp_path):
    def write(content: bytes | str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "file"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def read(path: Path) -> tuple[files.Shape, list[files.Row]]:
    shape = files.look(path)
    return shape, list(files.rows(path, shape))


def refusal(path: Path) -> str:
    with pytest.raises(Invalid) as refused:
        read(path)
    assert refused.value.field == "file"
    return refused.value.sentence


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
        ("latin-1", "cp1252"),
    ],
)
def test_a_table_in_any_usual_encoding_says_the_same(put, written, found):
    shape, rows = read(put(TABLE, written))
    assert shape.encoding == found
    assert [row.cells["city"] for row in rows] == ["Zürich", "Cañon City"]
    assert [row.line_no for row in rows] == [2, 3]


def test_an_old_mac_is_recognised_by_its_letters(put):
    shape, rows = read(put("id,note\n1,Café Muñoz – “corner” flat\n2,naïve résumé\n", "mac_roman"))
    assert (shape.encoding, rows[0].cells["note"]) == ("mac_roman", "Café Muñoz – “corner” flat")


def test_utf_16_big_endian_by_its_mark(put):
    _, rows = read(put(b"\xfe\xff" + TABLE.encode("utf-16-be")))
    assert rows[1].cells["city"] == "Cañon City"


def test_the_first_foreign_letter_may_come_late(put):
    many = "id,city\n" + "".join(f"{n},Boston\n" for n in range(60_000))
    assert files.look(put(many + "x,Zürich\n")).encoding == "utf-8"
    shape, rows = read(put(many + "x,Zürich\n", "cp1252"))
    assert (shape.encoding, rows[-1].cells["city"]) == ("cp1252", "Zürich")


def test_a_file_that_lies_about_its_encoding_is_refused(put):
    assert "says it is UTF-8" in refusal(put(b"\xef\xbb\xbf" + TABLE.encode("cp1252")))


@pytest.mark.parametrize(("delimiter"), [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_makes_equal_rows(put, delimiter):
    shape, rows = read(
        put('id,name,note\n1,"a; b | c","x, y"\n2,d,e\n'.replace(",", delimiter).replace(f"x{delimiter}", "x,"))
    )
    assert shape.delimiter == delimiter
    assert rows[0].cells["name"] == "a; b | c".replace(",", delimiter)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_of_any_system(put, ending):
    _, rows = read(put("id,a\n1,x\n\n2,y\n".replace("\n", ending)))
    assert [(row.line_no, row.cells["a"]) for row in rows] == [(2, "x"), (4, "y")]


def test_a_row_is_named_by_the_line_it_begins_on(put):
    _, rows = read(put('id,note\n1,"two\nlines"\n2,x\n'))
    assert [row.line_no for row in rows] == [2, 4]
    assert rows[0].cells["note"] == "two\nlines"


def test_a_gzipped_table_is_read_as_it_is(put):
    shape, rows = read(put(gzip.compress(TABLE.encode())))
    assert (shape.compressed, len(rows)) == (True, 2)


def test_a_ragged_row_is_a_problem_and_never_shifted(put):
    _, rows = read(put("id,city,price\n1,Boston\n2,Port, Ellery,500\n3,Saltford,1,\n4,Boston,7\n"))
    assert [row.problem for row in rows] == [
        "The row has 2 cells, the header has 3",
        "The row has 4 cells, the header has 3",
        "The row has 4 cells, the header has 3",
        "",
    ]
    assert [row.cells for row in rows[:3]] == [{}, {}, {}]


def test_an_open_quotation_mark_costs_its_lines_and_not_the_file(put):
    body = "".join(f"{n},b\n" for n in range(100_000))
    _, rows = read(put(f'id,a\n1,b\n2,"never closed\n{body}'))
    bad = [row for row in rows if row.problem]
    assert len(bad) == 1
    assert bad[0].line_no == 3
    assert "quotation mark is never closed" in bad[0].problem
    assert "Lines 3 to" in bad[0].problem
    assert len(rows) > 50_000


def test_text_behind_a_closing_quotation_mark_is_a_problem(put):
    _, rows = read(put('id,a\n1,"x"y\n2,z\n'))
    assert rows[0].problem == "There is text after a closing quotation mark"
    assert rows[1].cells == {"id": "2", "a": "z"}


def test_a_cell_beyond_the_limit_is_a_problem_of_its_row(put):
    _, rows = read(put(f"id,a\n1,{'x' * 200_000}\n2,y\n"))
    assert "longer than 131,072 characters" in rows[0].problem
    assert rows[1].cells["a"] == "y"


def test_a_line_without_end_is_passed_over_without_being_held(put):
    path = put(b"id,a\n1," + b"x," * 12_000_000 + b"\n2,y\n")
    tracemalloc.start()
    _, rows = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.problem for row in rows] == ["The line is longer than four million characters", ""]
    assert peak < 60_000_000


def test_a_hundred_thousand_columns_are_refused(put):
    assert "100,000 columns" in refusal(put(",".join("a" * 100_000) + "\n" + "," * 99_999 + "\n"))


def test_a_row_of_a_hundred_thousand_cells_is_a_problem_of_that_row(put):
    _, rows = read(put("id,a\n" + "," * 99_999 + "1\n2,y\n"))
    assert [row.problem for row in rows] == ["The row has 100,000 cells, the header has 2", ""]


def test_zero_bytes_in_cells_are_left_to_the_cells(put):
    _, rows = read(put("id,city\n1,Bos\x00ton\n2,Saltford\n" + "3,Boston\n" * 20))
    assert rows[0].cells["city"] == "Bos\x00ton"


def test_columns_without_a_name_or_with_the_same_one_are_told_apart(put):
    shape, rows = read(put("id,,price, price ,\n1,2,3,4,5\n"))
    assert shape.header == ("id", "column 2", "price", "price (2)", "column 5")
    assert shape.repeated == ("price",)
    assert rows[0].cells["price (2)"] == "4"


def test_memory_does_not_grow_with_the_rows(put):
    def peak(rows: int) -> int:
        path = put("id,city,price\n" + "".join(f"{n},Boston,500000\n" for n in range(rows)))
        shape = files.look(path)
        tracemalloc.start()
        for _ in files.rows(path, shape):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(30_000) < peak(3_000) + 300_000


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf", "The file is empty."),
        (b"\n\n  \n", "The file is empty."),
        (gzip.compress(b""), "The file is empty."),
        (b"id,price\n", "The file has a header but no rows."),
        (b"id,price", "The file has a header but no rows."),
        (gzip.compress(TABLE.encode() * 100)[:-20], "The compressed file is torn: it ends too early or is damaged."),
        (b"\x1f\x8bnot gzip at all", "The compressed file is torn: it ends too early or is damaged."),
        (b"%PDF-1.7 ...", "This is a PDF, not a table. Bring a CSV or JSON file."),
        (b"\x89PNG\r\n\x1a\n", "This is a picture, not a table. Bring a CSV or JSON file."),
        (random.Random(7).randbytes(20_000), "This is not a text file. Bring a CSV or JSON file."),
        (b"<!DOCTYPE html><table>", "This is a web page or XML, not a table. Save it as CSV and bring that."),
        (
            b'\xef\xbb\xbf<?xml version="1.0"?><a/>',
            "This is a web page or XML, not a table. Save it as CSV and bring that.",
        ),
        (b"{", "The JSON is broken at its beginning: it ends too early or is not well formed."),
        (b'{"value": []}', "The file has no records."),
        (b'{"value": [{"a": 1}, {"a": ', "The JSON is broken after record 1: it ends too early or is not well formed."),
        (b'{"value": {"a": 1}}', 'The JSON holds no list of records: expected {"value": [ … ]} or [ … ].'),
        (b'{"error": {"code": 401}}', "This is an error answer of a RESO Web API, not listings."),
        (b"[" * 1_000_000, "The JSON is nested too deeply to be listings."),
        (b'{"a":' * 1_000_000, "The JSON is nested too deeply to be listings."),
        (b'"a"', "The file has a header but no rows."),
    ],
    ids=range(21),
)
def test_what_cannot_be_read_is_refused_with_a_sentence(put, content, sentence):
    assert refusal(put(content)) == sentence


def test_a_compressed_file_that_unfolds_for_ever_is_refused(put, monkeypatch):
    monkeypatch.setattr(files, "MOST_PLAIN_BYTES", 1_000_000)  # 4 GB takes too long here
    assert "unfolds to more than" in refusal(put(gzip.compress(b"id,a\n" + b"1,2\n" * 400_000)))


def test_spreadsheets_and_archives_are_named(put):
    def archive(*names: str) -> bytes:
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as packed:
            for name in names:
                packed.writestr(name, "x")
        return held.getvalue()

    assert "spreadsheet" in refusal(put(archive("[Content_Types].xml", "xl/workbook.xml")))
    assert "ZIP archive" in refusal(put(archive("homes.csv")))
    assert "old Excel" in refusal(put(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)))


@pytest.mark.parametrize(
    "content",
    [
        '{"@odata.context": "x", "value": [{"ListingKey": "1", "ListPrice": 5.5}]}',
        '[{"ListingKey": "1", "ListPrice": 5.5}]',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_streamed_from_either_form(put, content, encoding):
    shape, rows = read(put(content, encoding))
    assert (shape.file_format, shape.header) == ("json", ("ListingKey", "ListPrice"))
    assert rows[0].cells["ListingKey"] == "1"
    assert str(rows[0].cells["ListPrice"]) == "5.5"


def test_an_entry_that_is_no_record_is_a_problem_of_its_own(put):
    _, rows = read(put('[1, {"a": 2}, "x", null, [3]]'))
    assert [bool(row.problem) for row in rows] == [True, False, True, True, True]


@given(content=st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_no_bytes_whatever_bring_it_down(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(content)
    try:
        read(path)
    except Invalid as refused:
        assert refused.field == "file"  # noqa: PT017  either outcome will do


@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n"), max_size=8), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=60, deadline=None)
def test_a_well_formed_table_is_read_back_as_it_was(tmp_path_factory, rows):
    import csv

    path = tmp_path_factory.mktemp("table") / "file"
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([["a", "b", "c"], *rows])
    shape = files.Shape("csv", "utf-8", ",", ("a", "b", "c"), (), compressed=False)
    found = [list(row.cells.values()) for row in files.rows(path, shape)]
    assert found == [row for row in rows if any(cell.strip() for cell in row)]


LOOKS = """
import sys
from pathlib import Path
from app.domain.errors import Invalid
from app.domain.listings.imports import files
for name in sys.argv[1:]:
    try:
        files.look(Path(name))
    except Invalid as refused:
        print(refused.sentence)
"""


def test_a_whole_number_of_thousands_of_digits_is_refused_and_the_worker_lives(tmp_path):
    paths = []
    for before, after in (('[{"a":', "}]"), ('{"value":[{"b":"\\\\","a":-', "}]}"), ("[", "]")):
        for encoding in ("utf-8", "utf-16"):
            paths.append(tmp_path / str(len(paths)))
            paths[-1].write_bytes((before + "1" * 5_000 + after).encode(encoding))
    command = [sys.executable, "-c", LOOKS, *map(str, paths)]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout == "The JSON holds a number of more than 100 digits. No listing has one.\n" * 6


@given(st.lists(st.text(st.sampled_from('1\\"e'), max_size=300)), st.integers(1, 50), st.integers(95, 110))
def test_only_numbers_are_measured_wherever_the_pieces_of_a_file_end(said, piece, digits):
    source = io.BytesIO(json.dumps([{name: name for name in said}, 10 ** (digits - 1)]).encode())
    pieces = iter(partial(_ShortNumbers(source).read, piece), b"")
    if digits > LONGEST_NUMBER:
        with pytest.raises(Invalid):
            list(pieces)
    else:
        assert b"".join(pieces) == source.getvalue()


@pytest.mark.parametrize("number", ["1E400000000000000000000", "-1e-400000000000000000000"])
def test_a_number_beyond_every_exponent_is_refused_with_a_sentence(put, number):
    path = put('[{"a":1},{"a":' + number + "}]")
    assert refusal(path) == "The JSON holds a number too large to be read, after record 1."


def test_names_in_json_that_cannot_be_kept_are_cleaned_and_told_apart(put):
    shape, rows = read(put(r'[{"x\u0000y":1,"xy":2,"x\u0000\u0000y":3,"":4},{"xy":5}]'))
    assert shape.header == ("xy", "xy (2)", "xy (3)", "column")
    assert [row.cells for row in rows] == [{"xy": 2, "xy (2)": 1, "xy (3)": 3, "column": 4}, {"xy": 5}]


def test_half_a_character_in_json_leaves_a_name_that_can_be_kept_or_a_sentence(put):
    shape, rows = read(put(r'[{"x\ud800y":"a\ud800b"}]'))
    assert [list(row.cells) for row in rows] == [list(shape.header)] == [["x?y"]]
    assert "is not well formed" in refusal(put(r'[{"\udc00z":1}]'))


def test_repeated_columns_keep_clear_of_names_that_are_taken(put):
    shape, _ = read(put("price,price,price (2),price\n1,2,3,4\n"))
    assert shape.header == ("price", "price (2)", "price (2) (2)", "price (3)")
    assert shape.repeated == ("price", "price (2)")


@pytest.mark.skipif(not SHARED.exists(), reason="the shared files are not here")
def test_each_file_of_the_horror_archive_is_read_or_refused(tmp_path):
    with tarfile.open(SHARED / "csv_horror" / "messytables_horror.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    outcomes = {}
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file():
            try:
                shape, rows = read(path)
                outcomes[path.name] = (shape.encoding, shape.delimiter, len(rows))
            except Invalid as refused:
                outcomes[path.name] = refused.sentence
    assert len(outcomes) == 39
    assert outcomes["utf-16le_encoded.csv"] == ("utf-16", ",", 327)
    assert outcomes["simple.ssv"] == ("utf-8", ";", 6)
    assert outcomes["spanish_chars.csv"][0] == "cp1252"
    assert outcomes["mixedGLB.csv"][2] == 135
    assert "old Excel file, or an encrypted one" in outcomes["encrypted_no_password.xls"]
    assert "ZIP archive" in outcomes["simple.zip"]
    refused = {name for name, outcome in outcomes.items() if isinstance(outcome, str)}
    assert {Path(name).suffix for name in refused} == {".xls", ".xlsx", ".xlsm", ".ods", ".html", ".zip", ".csv"}
    assert {name for name in refused if name.endswith(".csv")} == {"small.csv", "utf8bom.csv"}
