"""What a cell becomes: a value, or a flaw with a sentence. Never a guess."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.listings.fields import FIELDS, normalise
from app.domain.listings.imports import coerce
from app.domain.listings.imports.coerce import Flaw
from app.domain.listings.imports.mapping import TARGETS
from app.domain.models.lookups import PropertySubType, PropertyType, StandardStatus

SHARED = Path(__file__).parents[5] / "shared" / "data"


def read(name, cell):
    return coerce.usual(FIELDS[name])(FIELDS[name], cell)


@pytest.mark.parametrize(
    ("name", "cell", "value"),
    [
        ("list_price", "500000", Decimal(500_000)),
        ("list_price", " 1,800 ", Decimal(1_800)),
        ("list_price", "$1,234,567.50", Decimal("1234567.50")),
        ("list_price", "1.225e+06", Decimal(1_225_000)),
        ("list_price", 500_000, Decimal(500_000)),
        ("list_price", Decimal("5.5"), Decimal("5.50")),
        ("list_price", 499_999.99, Decimal("499999.99")),
        ("bedrooms_total", "3", 3),
        ("bedrooms_total", "3.0", 3),
        ("bedrooms_total", 0, 0),
        ("baths_equivalent", "2.25", Decimal("2.25")),
        ("living_area", "1,655", Decimal(1_655)),
        ("year_built", "1987", 1987),
        ("latitude", "-43.65912345678", Decimal("-43.65912346")),
        ("close_date", "2026-11-20", date(2026, 11, 20)),
        ("close_date", "20141013T000000", date(2014, 10, 13)),
        ("close_date", "2026-11-20T00:00:00Z", date(2026, 11, 20)),
        ("close_date", "9/29/2022", date(2022, 9, 29)),
        ("on_market_timestamp", "2026-11-20T05:42:00-05:00", datetime(2026, 11, 20, 10, 42, tzinfo=UTC)),
        ("on_market_timestamp", "2026-11-20T10:42:00.123Z", datetime(2026, 11, 20, 10, 42, 0, 123_000, tzinfo=UTC)),
        ("waterfront_yn", "0", False),
        ("waterfront_yn", "Yes", True),
        ("waterfront_yn", True, True),
        ("internet_entire_listing_display_yn", "N", False),
        ("city", "  Port \n Ellery ", "Port Ellery"),
        ("public_remarks", " Two\nlines ", "Two\nlines"),
        ("postal_code", "04101", "04101"),
        ("postal_code", "04101-2233", "04101-2233"),
        ("postal_code", "K1A 0B1", "K1A 0B1"),
        ("standard_status", "ActiveUnderContract", "Active Under Contract"),
        ("standard_status", "active under CONTRACT", "Active Under Contract"),
        ("standard_status", "Cancelled", "Canceled"),
        ("property_type", "ResidentialLease", "Residential Lease"),
        ("property_sub_type", "SingleFamilyResidence", "Single Family Residence"),
        ("property_sub_type", "Hotel/Motel", "Hotel/Motel"),
        ("association_fee", "$1,250", Decimal(1_250)),
        ("association_fee", "0", Decimal(0)),
        ("association_fee_frequency", "SemiAnnually", "Semi-Annually"),
        ("special_listing_conditions", ["ShortSale", "Standard", "ShortSale"], ["Short Sale", "Standard"]),
        ("special_listing_conditions", "Standard, HUD owned,", ["HUD Owned", "Standard"]),
        ("special_listing_conditions", [], None),
        ("pool_private_yn", "true", True),
        ("mls_area_major", " North  Shore", "North Shore"),
    ],
)
def test_a_readable_cell_is_its_value(name, cell, value):
    assert read(name, cell) == value


@pytest.mark.parametrize(
    ("name", "cell", "reason"),
    [
        ("list_price", "call us", "“call us” is not a price"),
        ("list_price", "300k", "“300k” is not a price"),
        ("list_price", "1.800,50", "“1.800,50” is not a price"),
        ("list_price", "1,80", "“1,80” is not a price"),
        ("list_price", "€500000", "“€500000” is not a price"),
        ("list_price", "٥٠٠", "“٥٠٠” is not a price"),
        ("list_price", "0", "0 is not a price: left unknown"),
        ("list_price", "-5", "list price must be above zero and below 2,000,000,000"),
        ("list_price", "99999999999", "list price must be above zero and below 2,000,000,000"),
        ("list_price", True, "“True” is not a price"),
        ("list_price", float("nan"), "“nan” is not a price"),
        ("list_price", [1], "a list or a record stands where one value belongs"),
        ("bedrooms_total", "2.5", "bedrooms must be a whole number"),
        ("bedrooms_total", "three", "“three” is not a whole number"),
        ("bedrooms_total", "1e30", "bedrooms must be between 0 and 999"),
        ("living_area", "0", "0 is not an area: left unknown"),
        ("living_area", "about 1200", "“about 1200” is not an area in square feet"),
        ("year_built", "0", "0 is not a year: left unknown"),
        ("year_built", "87", "year built must be between 1600 and 2200"),
        ("latitude", "91", "latitude must be between -90 and 90"),
        ("latitude", "0", "0 is how files write an unknown latitude: left unknown"),
        ("close_date", "13/29/2022", "“13/29/2022” is not a day of the calendar"),
        ("close_date", "29.9.2022", "“29.9.2022” is not a date (write 2026-11-20 or 11/20/2026)"),
        ("close_date", "2022-02-30", "“2022-02-30” is not a day of the calendar"),
        ("on_market_timestamp", "2026-11-20T10:42:00", "“2026-11-20T10:42:00” does not say its time zone"),
        ("on_market_timestamp", "yesterday", "“yesterday” is not a time (write 2026-11-20T10:42:00Z)"),
        (
            "on_market_timestamp",
            "0001-01-01T00:00:00+23:00",
            "“0001-01-01T00:00:00+23:00” is not a time that can be kept",
        ),
        ("waterfront_yn", "maybe", "“maybe” is neither yes nor no"),
        ("standard_status", "Sold", "“Sold” is not one of RESO’s eleven statuses"),
        ("postal_code", "10009.0", "“10009.0” is a number, not a postal code"),
        ("association_fee", "on request", "“on request” is not a fee"),
        ("association_fee", "-1", "association fee must be between 0 and 9999999.99"),
        ("special_listing_conditions", {"a": 1}, "a list or a record stands where one value belongs"),
        (
            "special_listing_conditions",
            [f"Word {n}" for n in range(51)],
            "conditions of the sale: 50 values is the limit",
        ),
        ("city", "x" * 101, "city is longer than 100 characters"),
        ("city", {"a": 1}, "a list or a record stands where one value belongs"),
    ],
)
def test_an_unreadable_cell_is_a_flaw_and_leaves_nothing(name, cell, reason):
    assert read(name, cell) == Flaw(reason)


@pytest.mark.parametrize(
    ("name", "cell", "kept"),
    [
        ("property_type", "Castle", "Castle"),
        ("property_sub_type", "Tree House", "Tree House"),
        ("special_listing_conditions", "Standard,Raffle", ["Raffle", "Standard"]),
        ("association_fee_frequency", "Whenever", "Whenever"),
        ("postal_code", "4101", "4101"),
        ("city", "Bos\x00ton", "Boston"),
        ("city", "Bos\ufffdton", "Bos\ufffdton"),
    ],
)
def test_a_doubtful_cell_is_kept_and_reported(name, cell, kept):
    flaw = read(name, cell)
    assert isinstance(flaw, Flaw)
    assert flaw.kept == kept


def test_a_long_cell_is_quoted_short():
    flaw = read("list_price", "x" * 5_000)
    assert len(flaw.reason) < 100


@pytest.mark.parametrize("words", [StandardStatus, PropertyType, PropertySubType])
def test_every_lookup_value_is_read_in_both_spellings(words):
    name = {StandardStatus: "standard_status", PropertyType: "property_type", PropertySubType: "property_sub_type"}[
        words
    ]
    for word in words:
        assert read(name, word.value) == word.value
        assert read(name, word.value.replace(" ", "")) == word.value


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=40),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.from_regex(r"[$+-]?[0-9,.]{1,14}(e[+]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{0,12}(Z|[+-][0-9]{2}:[0-9]{2})?)?", fullmatch=True),
)


@given(cell=CELLS)
@example(cell="00000000000\x00")
@settings(max_examples=400, deadline=None)
def test_whatever_a_cell_says_the_table_can_keep_what_is_made_of_it(cell):
    for field in TARGETS:
        if coerce.blank(cell):
            continue
        value = coerce.usual(field)(field, cell)
        value = value.kept if isinstance(value, Flaw) else value
        if value is not None:
            assert normalise({field.name: value}) == {field.name: value}


@pytest.mark.skipif(not SHARED.exists(), reason="the shared files are not here")
def test_naughty_strings_are_read_or_flawed():
    for cell in json.loads((SHARED / "fuzz" / "blns.json").read_text()):
        for field in TARGETS:
            if not coerce.blank(cell):
                value = coerce.usual(field)(field, cell)
                value = value.kept if isinstance(value, Flaw) else value
                assert value is None or normalise({field.name: value}) == {field.name: value}


def test_a_code_list_knows_its_codes_and_no_others():
    borough = coerce.from_table({"1": "New York"})
    assert borough(FIELDS["county_or_parish"], " 1 ") == "New York"
    assert borough(FIELDS["county_or_parish"], "9") == Flaw("“9” is not a code we know")


PHOTO = FIELDS["preferred_photo_url"]


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("https://photos.example/1.jpg", "https://photos.example/1.jpg"),
        ("", None),
        (
            [
                {"MediaURL": "https://p.example/2.jpg", "Order": 0, "MediaCategory": "Photo"},
                {"MediaURL": "https://p.example/1.jpg", "Order": 3, "PreferredPhotoYN": True},
                {"MediaURL": "https://p.example/plan.pdf", "Order": 0, "MediaCategory": "Floor Plan"},
            ],
            "https://p.example/1.jpg",
        ),
        (
            [{"MediaURL": "https://p.example/b.jpg", "Order": 1}, {"MediaURL": "https://p.example/a.jpg", "Order": 0}],
            "https://p.example/a.jpg",
        ),
        ([], None),
    ],
)
def test_the_photograph_is_an_address_or_the_preferred_one_of_resos_media(cell, kept):
    assert coerce.photo(PHOTO, cell) == kept


@pytest.mark.parametrize(
    "cell", ["javascript:alert(1)", "data:image/png;base64,AA", "photos/1.jpg", "https://a b", 'https://a/"onload=']
)
def test_what_a_mail_program_would_not_load_is_no_photograph(cell):
    assert isinstance(coerce.photo(PHOTO, cell), coerce.Flaw)
