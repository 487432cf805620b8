"""One form for each address and phone: what equality, suppression and "one mail per address" are decided on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.contacts.address import normal_email, normal_phone
from app.domain.errors import Invalid


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("  Amelia.Carter@Example.COM ", "amelia.carter@example.com"),
        ("amelia+homes@example.com", "amelia+homes@example.com"),
        ("kontakt@MÜNCHEN.example", "kontakt@xn--mnchen-3ya.example"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("", ""),
        ("   ", ""),
    ],
)
def test_an_address_is_trimmed_lowered_and_its_domain_is_idna(typed, stored):
    assert normal_email(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "amelia",
        "amelia@",
        "@example.com",
        "amelia@example",
        "amelia carter@example.com",
        "a@example.com, b@example.com",
        "Amelia <amelia@example.com>",
        "amelia@example.com\nBcc: all@example.com",
        "amelia@-example.com",
        "a" * 65 + "@example.com",
        "ünï@example.com",
    ],
)
def test_what_is_not_one_address_is_refused_at_the_field(typed):
    with pytest.raises(Invalid) as refusal:
        normal_email(typed)
    assert refusal.value.field == "email"
    assert "one email address" in refusal.value.sentence


@given(st.text(max_size=60))
def test_an_accepted_address_is_its_own_normal_form(typed):
    try:
        stored = normal_email(typed)
    except Invalid:
        return
    assert stored == stored.strip().lower()
    assert stored.isascii()
    assert normal_email(stored) == stored


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("555.555.0148", "(555) 555-0148"),
        ("1 555 555 0148", "(555) 555-0148"),
        ("+1 (555) 555-0148", "(555) 555-0148"),
        ("(555) 555-0148", "(555) 555-0148"),
        ("555-555-0148 x12", "555-555-0148 x12"),
        ("+44 20 7946 0018", "+44 20 7946 0018"),
        ("", ""),
    ],
)
def test_a_phone_is_written_one_way(typed, stored):
    assert normal_phone(typed) == stored


@pytest.mark.parametrize("typed", ["call me", "555", "5" * 40, "555-555-0148<script>"])
def test_what_is_no_phone_is_refused_at_the_field(typed):
    with pytest.raises(Invalid) as refusal:
        normal_phone(typed)
    assert refusal.value.field == "mobile_phone"
