"""flask listings …: the same verbs from a terminal, and answers in sentences."""

from __future__ import annotations

import pytest

from app.domain.models import ImportBatch, Listing, ListingEvent


def homes(count: int, price: int = 500_000) -> str:
    return "Listing Key,Status,List Price\n" + "".join(f"K{n},Active,{price + n}\n" for n in range(count))


@pytest.fixture
def flask(app, db):
    del db
    runner = app.test_cli_runner()

    def run(*arguments: str, code: int = 0) -> str:
        result = runner.invoke(args=["listings", *arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return run


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "homes.csv"
    path.write_text(homes(30))
    return path


def test_the_mappings_are_listed_with_what_they_read(flask):
    said = flask("mappings")
    assert "king_county " in said
    assert "RESO Web API (JSON)" in said


def test_a_file_is_read_and_summed_up(flask, file, office, db):
    said = flask("import", str(file), "--source", "Coast MLS", "--office", office.office_key)
    assert "30 rows in" in said
    assert "30 created, 0 updated, 0 unchanged, 0 rejected" in said
    assert "nobody is alerted" in said
    assert db.session.query(Listing).filter_by(office_id=office.id).count() == 30


def test_again_changes_nothing(flask, file, office, db):
    for _ in range(2):
        said = flask("import", str(file), "--source", "Coast MLS", "--office", office.office_key)
    assert "0 created, 0 updated, 30 unchanged" in said
    assert db.session.query(ListingEvent).count() == 30


def test_reasons_are_told_with_a_line_to_look_at(flask, tmp_path, office):
    path = tmp_path / "x.csv"
    path.write_text("id,status,price\n1,Active,call us\n2,Sold,5\n")
    said = flask("import", str(path), "--source", "Coast MLS", "--office", office.office_key)
    assert "1 rejected, 2 with remarks" in said
    assert "line 2: “call us” is not a price" in said
    assert "line 3: “Sold” is not one of RESO’s eleven statuses" in said


def test_a_correction_alerts_nobody_pa_02(flask, file, office, db):
    flask("import", str(file), "--source", "Coast MLS", "--office", office.office_key)
    file.write_text(homes(30, price=1_000))
    flask("import", str(file), "--source", "Coast MLS", "--office", office.office_key, "--correction")
    assert {event.origin for event in db.session.query(ListingEvent)} == {"backfill", "correction"}


def test_the_office_need_not_be_named_where_there_is_one(flask, file, office, db):
    flask("import", str(file), "--source", "Coast MLS")
    assert db.session.query(ImportBatch).one().office_id == office.id


def test_among_several_offices_one_must_be_named(flask, file, office, make):
    other = make.office()
    said = flask("import", str(file), "--source", "Coast MLS", code=1)
    assert office.office_key in said
    assert other.office_key in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--source", "x", "--office", "nowhere"], "There is no office with the key “nowhere”."),
        (["--source", " "], "Name the source"),
        (["--source", "x", "--mapping", "zillow"], "There is no mapping called “zillow”"),
        (["--source", "x", "--mapping", "king_county"], "The file does not fit “King County sales”"),
    ],
)
@pytest.mark.usefixtures("office")
def test_a_refusal_is_a_sentence_and_exit_code_1(flask, file, db, arguments, sentence):
    said = flask("import", str(file), *arguments, code=1)
    assert sentence in said
    assert "Traceback" not in said
    assert db.session.query(ImportBatch).count() == 0


def test_a_file_that_is_not_there_is_a_sentence(flask, office):
    assert "cannot be read: No such file or directory" in flask("import", "/no/such.csv", "--source", "x", code=1)


def test_an_empty_file_is_a_sentence(flask, tmp_path, office):
    path = tmp_path / "empty.csv"
    path.touch()
    assert "The file is empty." in flask("import", str(path), "--source", "x", code=1)
