"""The dictionary of places: one number for a name however it is spelled, also when several add it at once."""

from __future__ import annotations

import threading

import pytest

from app.domain.listings.areas import area_ids, micro_degrees, normalise
from app.domain.models import AreaKind, AreaName


@pytest.mark.parametrize(
    ("kind", "name", "normal"),
    [
        (AreaKind.CITY, "  Port \t Ellery ", "port ellery"),
        (AreaKind.CITY, "STRASSE", "strasse"),
        (AreaKind.CITY, "Straße", "strasse"),
        (AreaKind.CITY, " ", ""),
        (AreaKind.POSTAL_CODE, "04101-2233", "04101"),
        (AreaKind.POSTAL_CODE, "041012233", "04101"),
        (AreaKind.POSTAL_CODE, "04101", "04101"),
        (AreaKind.POSTAL_CODE, "4101", "4101"),
        (AreaKind.POSTAL_CODE, "K1A 0B1", "k1a 0b1"),
        (AreaKind.SUBDIVISION, "04101-2233", "04101-2233"),
    ],
)
def test_a_name_is_compared_without_case_and_spacing(kind, name, normal):
    assert normalise(kind, name) == normal


def test_names_that_mean_one_place_have_one_number(db, office):
    asked = {(AreaKind.CITY, "Port Ellery"), (AreaKind.CITY, " PORT  ELLERY"), (AreaKind.COUNTY, "Port Ellery")}
    found = area_ids(office.id, asked)
    assert set(found) == asked
    assert len(set(found.values())) == 2
    assert area_ids(office.id, asked) == found
    assert db.session.query(AreaName).filter_by(office_id=office.id).count() == 2


def test_a_blank_has_no_number_and_an_unknown_name_none_unless_it_may_be_added(db, office):
    asked = {(AreaKind.CITY, " "), (AreaKind.CITY, "Saltford")}
    assert area_ids(office.id, asked, create=False) == {}
    assert list(area_ids(office.id, asked)) == [(AreaKind.CITY, "Saltford")]


def test_offices_number_their_own_places(make, office):
    asked = [(AreaKind.CITY, "Saltford")]
    assert area_ids(office.id, asked) != area_ids(make.office().id, asked)


def test_people_read_a_zip_as_five_digits_and_a_city_as_it_was_first_written(db, office):
    area_ids(office.id, [(AreaKind.POSTAL_CODE, "04101-2233"), (AreaKind.CITY, "Port  Ellery")])
    area_ids(office.id, [(AreaKind.CITY, "PORT ELLERY")])
    assert {area.name for area in db.session.query(AreaName).filter_by(office_id=office.id)} == {"04101", "Port Ellery"}


@pytest.mark.committed
def test_several_who_add_the_same_names_at_once_get_the_same_numbers(app, db, make):
    office_id = make.office().id
    asked = [(AreaKind.CITY, f"City {n}") for n in range(300)]
    found: list[object] = []

    def add() -> None:
        try:
            with app.app_context():
                for start in range(0, 300, 50):
                    area_ids(office_id, reversed(asked[start : start + 100]))
                    db.session.commit()
                found.append(area_ids(office_id, asked))
                db.session.remove()
        except BaseException as failure:
            found.append(failure)

    writers = [threading.Thread(target=add) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert found == [found[0]] * 4
    assert len(found[0]) == 300
    assert db.session.query(AreaName).count() == 300


@pytest.mark.parametrize(
    ("degrees", "millionths"), [(None, None), ("43.6591235", 43_659_124), ("-70.2568005", -70_256_801), ("0", 0)]
)
def test_a_degree_is_a_million_parts_rounded(degrees, millionths):
    from decimal import Decimal

    assert micro_degrees(None if degrees is None else Decimal(degrees)) == millionths
