"""Amounts, price drawings and sentences of the listings' screens: pure, by table."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from app.blueprints.listings import amounts, words
from app.blueprints.listings.prices import LABEL_ROOM, LEFT, RIGHT, history, labelled, scale
from app.domain.listings.queries import Told

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("450000", 450_000),
        ("450,000", 450_000),
        ("$450,000", 450_000),
        ("$ 450 000", 450_000),
        ("450k", 450_000),
        ("$1.25M", 1_250_000),
        ("1.25 m", 1_250_000),
        ("450,000.50", Decimal("450000.50")),
        ("US$450,000", 450_000),
        ("450,000 USD", 450_000),
        ("  450000  ", 450_000),
        ("0.01", Decimal("0.01")),
        ("1,999,999,999", 1_999_999_999),
    ],
)
def test_a_price_is_read_as_people_write_it(text, price):
    assert amounts.price(text) == price


@pytest.mark.parametrize(
    "text",
    [
        *("", "call us", "0", "-1", "$", "1e6", "NaN", "Infinity", "450.000", "1.234.567", "2,000,000,000", "450kk"),
        *("4 5 0 dollars each", "$1-2", "0x10", "0.001", "1" * 400, "k", "1" + " " * 5_000 + "x"),
    ],
)
def test_what_is_no_price_is_refused(text):
    with pytest.raises(ValueError):
        amounts.price(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2140", 2140),
        ("2,140 sq ft", 2140),
        ("2,140 sqft", 2140),
        ("0.5 acres", 21_780),
        ("1 acre", 43_560),
        ("2 ac", 87_120),
    ],
)
def test_a_size_is_read_in_square_feet_or_acres(text, size):
    assert amounts.square_feet(text) == size


@pytest.mark.parametrize(
    ("amount", "said"),
    [(280_000, "$280k"), (1_250_000, "$1.25m"), (1_000_000, "$1m"), (489_900, "$489,900"), (Decimal("0.5"), "$0.50")],
)
def test_a_chip_says_a_price_shortly(amount, said):
    assert amounts.short(Decimal(amount)) == said


def drawn(*prices, days=23, told=None):
    """Prices evenly over so many days until now."""
    step = timedelta(days=days) / max(len(prices), 1)
    rows = [
        SimpleNamespace(seq=n, occurred_at=NOW - timedelta(days=days) + step * n, list_price=Decimal(price))
        for n, price in enumerate(prices)
    ]
    return history(rows, told or {}, NOW)


@pytest.mark.parametrize(
    ("prices", "finding"),
    [
        ((529_000, 509_000, 489_000), "Price fell twice in 23 days, 7.6 % in all"),
        ((500_000, 490_000), "Price fell once in 23 days, 2.0 % in all"),
        ((500_000, 510_000), "Price rose once in 23 days, 2.0 % in all"),
        ((500_000, 490_000, 500_000), "Price fell once and rose once in 23 days, back at the first price"),
        ((500_000, 480_000, 490_000), "Price fell once and rose once in 23 days, 2.0 % down in all"),
        ((500_000, 480_000, 460_000, 440_000, 420_000), "Price fell 4 times in 23 days, 16.0 % in all"),
        ((500_000,), "$500,000 since Oct 28, never changed"),
        ((500_000, 500_000), "$500,000 since Oct 28, never changed"),
    ],
)
def test_the_drawing_is_titled_by_what_it_shows(prices, finding):
    assert drawn(*prices).finding == finding


def test_without_a_price_nothing_is_drawn():
    assert history([], {}, NOW) is None


@pytest.mark.parametrize("prices", [(1,), (500_000,), (0.01, 1_999_999_999), (500_000, 500_001), tuple(range(1, 61))])
def test_every_step_lies_inside_the_drawing_in_order(prices):
    drawing = drawn(*prices)
    xs = [step.x for step in drawing.steps]
    assert xs == sorted(xs)
    assert all(LEFT <= x <= RIGHT for x in xs)
    assert all(20 <= step.y <= 160 for step in drawing.steps)
    assert 1 <= len(drawing.grid) <= 7


def test_labels_never_run_into_each_other_and_the_newest_is_among_them():
    xs = [LEFT + n * 11.0 for n in range(60)]
    chosen = sorted(labelled(xs))
    assert chosen[0] == 0
    assert chosen[-1] == 59
    assert all(xs[b] - xs[a] >= LABEL_ROOM for a, b in itertools.pairwise(chosen))


def test_the_scale_is_round_and_holds_the_prices():
    low, high, lines = scale([Decimal(489_000), Decimal(529_000)])
    assert low <= 489_000
    assert high >= 529_000
    assert all(line % 10_000 == 0 for line in lines)


def test_a_step_knows_how_many_buyers_heard_of_it():
    assert [step.told for step in drawn(529_000, 509_000, told={1: Told(sent=9)}).steps] == [0, 9]


def row(**values):
    usual = {
        "standard_status": "Active",
        "on_market_timestamp": NOW - timedelta(days=3),
        "off_market_timestamp": None,
        "market_spell_no": 1,
        "list_price": Decimal(489_000),
        "previous_list_price": Decimal(509_000),
        "price_change_timestamp": NOW - timedelta(days=1),
    }
    return SimpleNamespace(**usual | values)


@pytest.mark.parametrize(
    ("values", "days"),
    [
        ({}, 3),
        ({"standard_status": "Coming Soon"}, None),
        ({"on_market_timestamp": None}, None),
        ({"standard_status": "Closed", "off_market_timestamp": NOW - timedelta(days=1)}, 2),
        ({"on_market_timestamp": NOW + timedelta(hours=1)}, 0),
    ],
)
def test_days_on_market_stand_still_off_it(values, days):
    assert words.days_on_market(row(**values), NOW) == days


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        ({}, "New"),
        ({"market_spell_no": 2}, "Back"),
        ({"on_market_timestamp": NOW - timedelta(days=8)}, ""),
        ({"standard_status": "Pending"}, ""),
        ({"on_market_timestamp": None}, ""),
    ],
)
def test_what_entered_the_market_this_week_is_marked(values, mark):
    assert words.mark_of(row(**values), NOW) == mark


@pytest.mark.parametrize(
    "values",
    [
        {"previous_list_price": None},
        {"list_price": None},
        {"previous_list_price": Decimal(489_000)},
        {"price_change_timestamp": NOW - timedelta(days=31)},
    ],
)
def test_an_old_or_absent_price_change_is_no_news(values):
    assert words.price_change(row(**values), NOW) is None


def test_every_status_and_every_silence_has_words():
    assert set(words.STATUS_MEANINGS) == set(type(next(iter(words.STATUS_MEANINGS))))
    assert set(words.SILENCE) == set(type(next(iter(words.SILENCE))))
    assert words.silence("a_new_reason") == "a new reason"


@pytest.mark.parametrize(
    ("name", "short"), [("Dana Whitlock", "Dana W."), ("Cher", "Cher"), ("", ""), ("Ana Maria de Souza", "Ana S.")]
)
def test_an_agent_is_named_shortly_in_a_row(name, short):
    assert words.short_name(name) == short


def test_a_percentage_without_meaning_is_told_in_words():
    assert words.percent(Decimal(489_000), Decimal(475_000)) == "2.9 %"
    assert words.percent(Decimal(100), Decimal(1_099)) == "999.0 %"
    assert words.percent(Decimal(1), Decimal(295_000)) == "more than tenfold"
