"""Quiet hours are the buyer's to choose, or the office's (PA-21)."""

from __future__ import annotations

from datetime import UTC, time

import pytest

from app.domain.contacts.quiet import set_hours, set_office_hours
from app.domain.errors import Invalid, NotFound
from app.domain.searches.saved import quiet_of
from app.domain.searches.schedule import Quiet

EARLY, LATE = (time(20), time(7)), (time(23), time(6))


def test_pa_21_the_buyer_s_own_hours_go_before_the_office_s_and_can_be_given_up_again(make, office):
    contact = make.contact(office)
    assert quiet_of(contact) is None  # as the settings of this suite say
    set_office_hours(office.id, EARLY)
    assert quiet_of(contact) == Quiet(*EARLY)
    set_hours(contact.id, LATE, office_id=office.id)
    assert quiet_of(contact) == Quiet(*LATE)
    set_hours(contact.id, None, office_id=office.id)
    assert quiet_of(contact) == Quiet(*EARLY)
    set_office_hours(office.id, None)
    assert quiet_of(contact) is None


def test_pa_21_hours_are_a_wall_clock_s_and_nobody_elses_to_set(make, office):
    contact = make.contact(office)
    with pytest.raises(Invalid):
        set_hours(contact.id, (time(21, tzinfo=UTC), time(8)), office_id=office.id)
    with pytest.raises(NotFound):
        set_hours(contact.id, EARLY, office_id=make.office().id)
