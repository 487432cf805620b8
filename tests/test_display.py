"""How values are written for people."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from app import display
from app.domain.models import ImportOutcome, ImportState, ItemOutcome, MessageState, RunState
from app.domain.models.lookups import StandardStatus

NOW = datetime(2026, 11, 20, 15, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (489000, "$489,000"),
        (Decimal("1284.50"), "$1,284.50"),
        (Decimal("400000.00"), "$400,000"),
        (None, "–"),
        (0, "$0"),
    ],
)
def test_money(amount, words):
    assert display.money(amount) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(1284, "1,284"), (2.5, "2.5"), (Decimal("2.50"), "2.5"), (Decimal("1E+3"), "1,000"), (None, "–")],
)
def test_numbers_have_no_trailing_zeros(value, words):
    assert display.number(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.42, "0.4 s"),
        (12, "12 s"),
        (192, "3 min 12 s"),
        (2400, "40 min"),
        (7500, "2 h 5 min"),
        (273600, "3 d 4 h"),
        (None, "–"),
    ],
)
def test_durations(seconds, words):
    assert display.duration(seconds) == words


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (timedelta(seconds=-12), "12 s ago"),
        (timedelta(minutes=-3, seconds=-59), "3 min ago"),
        (timedelta(hours=-2), "2 h ago"),
        (timedelta(days=-3), "3 d ago"),
        (timedelta(minutes=3), "in 3 min"),
        (timedelta(0), "now"),
        (timedelta(days=-30), "Oct 21"),
        (timedelta(days=-400), "Oct 16, 2025"),
    ],
)
def test_times_are_told_from_now(away, words):
    assert display.ago_words(NOW + away, NOW) == words


def test_a_time_carries_its_exact_moment_with_the_zone_named():
    html = display.ago(NOW)
    assert 'datetime="2026-11-20T15:42:00+00:00"' in html
    assert 'title="Fri 20 Nov 2026, 15:42:00 UTC"' in html
    assert "data-ago" in html


def test_a_time_that_is_not_is_a_dash():
    assert display.ago(None) == display.clock(None) == display.day(None) == display.exact_time(None) == "–"


def test_a_day_names_its_year_when_it_is_not_this_one():
    this_year = datetime.now(UTC).year
    assert display.day(date(this_year, 3, 1)) == "Mar 1"
    assert display.day(date(2019, 3, 1)) == "Mar 1, 2019"


@pytest.mark.parametrize(("count", "words"), [(0, "0 homes"), (1, "1 home"), (1284, "1,284 homes")])
def test_plurals(count, words):
    assert display.plural(count, "home") == words
    assert display.plural(2, "match", "matches") == "2 matches"


@pytest.mark.parametrize(
    ("name", "letters"), [("Ruth Calloway", "RC"), ("Amelia & Noah Carter", "AC"), ("Cher", "C"), ("", "")]
)
def test_initials(name, letters):
    assert display.initials(name) == letters


@pytest.mark.parametrize(("count", "words"), [(0, "no"), (3, "three"), (12, "twelve"), (13, "13"), (1284, "1,284")])
def test_small_counts_are_words(count, words):
    assert display.count_words(count) == words


@pytest.mark.parametrize("words", [StandardStatus, MessageState, RunState, ImportState, ImportOutcome, ItemOutcome])
def test_every_state_the_house_knows_has_its_own_look(words):
    """Status is text and a dot: each value has a tone and a word, none falls back by accident."""
    assert not [word for word in words if word.value not in display.TONES]


def test_an_unknown_word_speaks_for_itself_quietly():
    assert display.tone_of("Contingent") == display.Tone("idle", False, "Contingent")
