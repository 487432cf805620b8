"""What a search would do if it were saved now; saving is refused with the same words (PA-14)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from app.domain.errors import Invalid
from app.domain.models import AlertKind
from app.domain.searches import saved
from app.domain.searches.criteria import Criteria
from app.domain.searches.desk.preview import DAYS, look

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
IN_PORT = Criteria.parse({"city": ["Port Ellery"]})


@pytest.fixture
def port(office, make):
    """A place, and a maker of homes in it with one event each."""
    place = make.area(office, "Port Ellery")

    def home(kinds=1, days_ago=1, **values):
        listing = make.listing(office, city_area_id=place.id, **values)
        return make.event(
            listing,
            kinds=kinds,
            city_area_id=place.id,
            recorded_at=NOW - timedelta(days=days_ago),
            **{field: getattr(listing, field) for field in ("bedrooms_total", "living_area", "property_type")},
        )

    return home


def test_the_days_are_thirty_with_zeros_and_the_kinds_are_summed(office, port):
    port(kinds=1, days_ago=1)
    port(kinds=1, days_ago=1)
    port(kinds=2, days_ago=3)
    port(kinds=4, days_ago=40)
    seen = look(office.id, IN_PORT, 7, today=TODAY, now=NOW)
    assert seen.matches == 4
    assert len(seen.days) == DAYS
    assert [(day, homes) for day, homes in seen.days if homes] == [(date(2026, 11, 17), 1), (date(2026, 11, 19), 2)]
    assert [(kind, homes) for kind, homes in seen.kinds if homes] == [(AlertKind.NEW, 2), (AlertKind.PRICE_DROP, 1)]
    assert len(seen.kinds) == len(AlertKind)
    assert (seen.sent, seen.busy_days, seen.fullest) == (3, 2, (date(2026, 11, 19), 2))
    assert seen.refusal is None
    assert sum(homes for _, homes in seen.kinds) == seen.sent


def test_kinds_that_are_not_ticked_are_not_counted(office, port):
    port(kinds=1)
    port(kinds=2)
    assert look(office.id, IN_PORT, 2, today=TODAY, now=NOW).sent == 1
    assert look(office.id, IN_PORT, 0, today=TODAY, now=NOW).sent == 0


def test_an_event_at_the_far_edge_of_the_window_is_not_lost(office, port):
    port(days_ago=29.99)
    seen = look(office.id, IN_PORT, 7, today=TODAY, now=NOW)
    assert seen.sent == 1


def test_pa_14_without_a_place_it_is_counted_and_refused(office, port):
    port()
    seen = look(office.id, Criteria.parse({"list_price": {"le": 500000}}), 7, today=TODAY, now=NOW)
    assert seen.matches == 1
    assert seen.refusal.sentence == "Say where: a search needs a place before it can be switched on."


@pytest.mark.parametrize("weekly", [False, True])
def test_pa_14_too_broad_is_refused_in_the_words_of_saving(office, make, port, monkeypatch, weekly):
    for _ in range(3):
        port()
    monkeypatch.setattr(saved, "MOST_A_WEEK" if weekly else "MOST_MATCHES", 0.5 if weekly else 2)
    seen = look(office.id, IN_PORT, 7, today=TODAY, now=NOW)
    with pytest.raises(Invalid) as refusal:
        saved.refuse_too_broad(office.id, IN_PORT, 7, now=NOW)
    assert seen.refusal.sentence == refusal.value.sentence
    assert "give a highest price" in seen.refusal.sentence
    assert seen.refusal.field == "list_price"


def test_looking_writes_nothing(office, port, db):
    port()
    db.session.flush()
    look(office.id, IN_PORT, 7, today=TODAY, now=NOW)
    assert not db.session.new
    assert not db.session.dirty
