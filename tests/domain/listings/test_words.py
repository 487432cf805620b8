"""The words of a text, as keywords are looked for."""

from __future__ import annotations

import pytest

from app.domain.listings.words import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ""),
        ("", ""),
        (" -- !", ""),
        ("Sea-view", " sea view "),
        ("  Owner\u2019s\n3-car garage. ", " owner s 3 car garage "),
        ("fixer_upper", " fixer upper "),
        ("STRASSE Stra\u00dfe", " strasse strasse "),
        ("\ufb01xer", " fixer "),
        ("Cafe\u0301 CAF\u00c9", " caf\u00e9 caf\u00e9 "),
    ],
)
def test_words_are_runs_of_letters_and_digits_case_folded(text, words):
    assert words_of(text) == words
    assert words_of(words) == words


def test_a_phrase_is_found_at_the_borders_of_words_only():
    remarks = words_of("The sea view is wide; docks nearby.")
    assert words_of("Sea View") in remarks
    assert words_of("docks") in remarks
    assert words_of("dock") not in remarks
    assert words_of("view sea") not in remarks
