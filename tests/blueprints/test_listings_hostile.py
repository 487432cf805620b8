"""Values nobody types by accident, in every field and every part of an address: answered quickly, never a failure."""

from __future__ import annotations

import time
from urllib.parse import quote_plus

import pytest

from app.blueprints.listings.forms import ListingForm, TermsForm
from app.domain.listings.fields import FIELDS, Kind
from app.domain.listings.queries import NARROWINGS

PARAMETERS = (*NARROWINGS, "view", "sort", "page", "size", "at")
HIDDEN = ("lock_version", "seq", "clash", "keep-city", "is_correction")
WORDS = tuple(name for name in ListingForm.names if FIELDS[name].kind is Kind.TEXT)

HOSTILE = {
    "NUL": b"a\x00b",
    "a NUL alone": b"\x00",
    "superscript": "²".encode(),
    "Arabic digits": "٣".encode(),
    "huge": b"1e999",
    "huger": b"1e999999",
    "past every exponent": b"1E400000000000000000000",
    "tiny": b"1e-20000",
    "no number": b"NaN",
    "infinite": b"-inf",
    "thirty digits": b"9" * 30,
    "five thousand digits": b"9" * 5_000,
    "five thousand letters": b"x" * 5_000,
    "five thousand spaces": b"1" + b" " * 5_000 + b"x",
    "lone surrogate": b"\xed\xa0\x80",
    "broken UTF-8": b"\xff\xfe\x80",
    "emoji": "🏚️👩‍👩‍👧".encode(),
    "right to left": "\u202eבית\u202c".encode(),
    "minus": b"-1",
    "percent": b"%00%",
    "like": b"%_\\'\";--",
}


def body(names, value, **others):
    """A form or an address that says it in each of these, twice."""
    pairs = [f"{name}={quote_plus(text)}" for name, text in others.items() if name not in names]
    return "&".join([*pairs, *(f"{name}={quote_plus(value)}&{name}={quote_plus(value)}" for name in names)])


def quick(ask, *args, **options):
    """The answer: no failure of ours, made with less than 2 s of work, no larger than a page with a long address is."""
    began = time.process_time()
    answer = ask(*args, **options)
    assert time.process_time() - began < 2
    assert answer.status_code < 500, answer.request.url
    assert len(answer.get_data()) < 400_000
    return answer


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_no_address_of_the_list_or_a_listing_fails(as_viewer, office, make, value):
    home = make.listing(office)
    for url in ("/listings", f"/listings/{home.id}"):
        quick(as_viewer.get, f"{url}?{body(PARAMETERS, value)}")
        quick(as_viewer.get, f"{url}?{body(NARROWINGS, value, at='1', view='all', sort='price')}")


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_no_field_of_a_form_fails(as_staff, office, make, value):
    home = make.listing(office)
    usual = {"standard_status": "Active", "unparsed_address": "1 Quay", "lock_version": "1", "seq": "1"}
    sent = {"content_type": "application/x-www-form-urlencoded"}
    for names in (ListingForm.names, WORDS, [name for name in ListingForm.names if name not in WORDS], HIDDEN):
        quick(as_staff.post, "/listings/new", data=body(names, value, **usual), **sent)
        quick(as_staff.post, f"/listings/{home.id}/edit", data=body(names, value, **usual), **sent)
    for name in (*TermsForm.names, *HIDDEN):
        quick(as_staff.post, f"/listings/{home.id}/terms", data=body([name], value, **usual), **sent)


def test_a_number_with_an_exponent_is_refused_beside_each_field(as_staff):
    typed = [name for name in ListingForm.names if FIELDS[name].kind in (Kind.COUNT, Kind.NUMBER, Kind.DEGREES)]
    answer = quick(
        as_staff.post,
        "/listings/new",
        data={"standard_status": "Active", "unparsed_address": "1 Quay"} | dict.fromkeys(typed, "1e999999"),
    )
    assert answer.status_code == 422
    assert answer.get_data(as_text=True).count("“1e999999” is not") == len(typed) == 10


def test_what_a_page_was_made_from_is_plain_digits_or_a_conflict(as_staff, office, make):
    home = make.listing(office)
    sent = {"standard_status": "Active", "unparsed_address": "1 Quay", "lock_version": "²", "seq": "²"}
    assert quick(as_staff.post, f"/listings/{home.id}/edit", data=sent).status_code == 409


def test_baths_are_asked_for_in_quarters(as_viewer, office, make):
    make.listing(office)
    assert "Baths 1.5+" in quick(as_viewer.get, "/listings?baths=1.55").get_data(as_text=True)
    assert "is not a count of baths" in quick(as_viewer.get, "/listings?baths=1e-20000").get_data(as_text=True)
