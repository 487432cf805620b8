"""Why a buyer was, or was not, told: every step of the chain, and the same answer later (T17)."""

from __future__ import annotations

import dataclasses
from datetime import time, timedelta

import pytest
from sqlalchemy import text

from app.domain.errors import NotFound
from app.domain.models import OutboundMessage, SavedSearch
from app.domain.proof.why import STEPS, why
from app.domain.searches import saved
from app.extensions import db

pytestmark = pytest.mark.committed


def ask(life, buyer, home, **more):
    return why(buyer.id, home.id, office_id=life.office.id, **{"as_of": life.now, "now": life.now} | more)


def step(answer, key):
    return next(one for one in answer.steps if one.key == key)


def ended(answer):
    """The step at which it ended."""
    return next((one.key for one in answer.steps if one.tone in {"wait", "bad"}), "")


def test_a_home_that_was_told_shows_every_step_with_its_row(life):
    amelia = life.buyer("Amelia")
    life.search(amelia, {"list_price": {"le": 500_000}})
    life.wait(minutes=20)
    home = life.home()
    life.wait(minutes=5)
    assert life.alerts()["sent"] == 1
    answer = ask(life, amelia, home)
    assert answer.is_told
    assert answer.verdict.startswith("They were told as New Tue 1 Sep 2026")
    assert [one.key for one in answer.steps] == list(STEPS)
    reached = [one.key for one in answer.steps if one.tone == "good"]
    assert reached == list(STEPS)[: STEPS.index("delivered")]
    assert {row.noun for one in answer.steps for row in one.rows} >= {"event", "batch", "search", "digest", "message"}
    assert step(answer, "accepted").at == life.now


def test_both_values_of_each_criterion_are_told_when_it_does_not_fit(life):
    amelia = life.buyer("Amelia")
    life.search(amelia, {"list_price": {"le": 450_000}, "bedrooms_total": {"ge": 3}})
    life.wait(minutes=20)
    home = life.home()
    life.alerts()
    answer = ask(life, amelia, home)
    assert ended(answer) == "fits"
    assert answer.verdict == "It did not fit. Price: the search asks up to $450,000, the home had $489,000."
    lines = {line.called: (line.asked, line.found, line.holds) for line in step(answer, "fits").criteria}
    assert lines["Price"] == ("up to $450,000", "$489,000", False)
    assert lines["Beds"] == ("3 or more", "4", True)
    assert lines["Place"][2] is True


def test_pa_06_what_nobody_said_is_called_unknown_and_not_a_no(life):
    amelia = life.buyer("Amelia")
    life.search(amelia, {"living_area": {"ge": 1500}})
    life.wait(minutes=20)
    home = life.home(living_area=None)
    life.alerts()
    answer = ask(life, amelia, home)
    assert step(answer, "fits").answer == "Not known"
    assert (
        answer.verdict == "It did not fit. Living area: the search asks 1,500 sq ft or more, nobody said for this home."
    )


def test_the_version_of_then_is_asked_not_the_one_of_now(life):
    amelia = life.buyer("Amelia")
    one = life.search(amelia, {"list_price": {"le": 450_000}})
    life.wait(minutes=20)
    home = life.home()
    life.alerts()
    life.wait(hours=1)
    wider = {"city": ["Port Ellery"], "list_price": {"le": 600_000}}
    saved.edit(one.saved_search_id, office_id=life.office.id, version=1, criteria=wider, now=life.now)
    db.session.commit()
    answer = ask(life, amelia, home)
    assert answer.chain.version == 1
    assert ended(answer) == "fits"


def test_a_search_that_was_off_says_since_when_and_why_even_after_it_is_on_again(life):
    amelia = life.buyer("Amelia")
    one = life.search(amelia)
    saved.stop(one.id, "Client Disabled", life.wait(minutes=10))
    db.session.commit()
    life.wait(minutes=10)
    home = life.home()
    life.alerts()
    life.wait(days=2)
    saved.resume(one.id, life.now)
    db.session.commit()
    answer = ask(life, amelia, home)
    assert ended(answer) == "on"
    assert answer.verdict == "The search was off since Tue 1 Sep 2026, 10:10 EDT: the buyer had stopped it."


def test_pa_13_a_search_that_began_after_it_says_so(life):
    amelia = life.buyer("Amelia")
    home = life.home()
    life.alerts()
    life.wait(hours=1)
    life.search(amelia)
    assert "began later" in ask(life, amelia, home).verdict


def test_pa_02_an_event_that_alerts_nobody_gives_its_reason(life):
    amelia = life.buyer("Amelia")
    life.search(amelia)
    home = life.home()
    life.alerts()
    life.wait(hours=1)
    risen = life.change(home, list_price=499_000)
    life.alerts()
    answer = ask(life, amelia, home, event_seq=risen.seq)
    assert ended(answer) == "alertable"
    assert answer.verdict == "Nobody was to be told. A price that rises alerts nobody."
    told = ask(life, amelia, home)
    assert told.event_seq != risen.seq
    assert told.is_told
    assert next(seen.verdict for seen in told.events) == answer.verdict


def test_a_drop_that_is_too_small_names_both_amounts(life):
    amelia = life.buyer("Amelia")
    life.search(amelia)
    life.wait(minutes=20)
    home = life.home(list_price=402_000)
    life.alerts()
    life.wait(days=2)
    life.change(home, list_price=399_000)
    life.alerts()
    answer = ask(life, amelia, home)
    assert ended(answer) == "large"
    assert dict(step(answer, "large").pairs) == {"found": "$3,000, 0.7 %", "needed": "$5,000 or 1 %"}


def test_before_the_run_it_waits_and_before_the_daily_hour_too(life):
    amelia = life.buyer("Amelia")
    life.search(amelia, schedule_type="Daily", send_time=time(18))
    life.wait(minutes=20)
    home = life.home()
    assert ended(ask(life, amelia, home)) == "read"
    life.alerts()
    answer = ask(life, amelia, home)
    assert ended(answer) == "schedule"
    assert "Tue 1 Sep 2026, 18:00 EDT" in answer.verdict


def test_pa_21_what_waits_for_the_morning_says_so(life):
    amelia = life.buyer("Amelia", quiet_from=time(21), quiet_until=time(8))
    life.search(amelia)
    life.wait(hours=13)
    home = life.home()
    life.alerts()
    answer = ask(life, amelia, home)
    assert ended(answer) == "schedule"
    assert answer.verdict == "Quiet hours: it waits until Wed 2 Sep 2026, 08:00 EDT."


def test_pa_24_a_stopped_address_shows_the_stop_and_its_time(life, make):
    amelia = life.buyer("Amelia")
    life.search(amelia)
    make.suppression(life.office, amelia.email, scope="address", reason="bounced", created_at=life.now)
    life.wait(minutes=20)
    home = life.home()
    life.alerts()
    answer = ask(life, amelia, home)
    assert ended(answer) == "address"
    assert "bounced Tue 1 Sep 2026, 10:00 EDT" in answer.verdict


def test_a_match_that_was_lost_is_called_a_fault(life):
    amelia = life.buyer("Amelia")
    life.search(amelia)
    life.wait(minutes=20)
    home = life.home()
    life.alerts()
    for table in ("outbound_message", "digest_item", "alert_match", "digest"):
        db.session.execute(text(f"DELETE FROM {table}"))
    db.session.commit()
    answer = ask(life, amelia, home)
    assert answer.tone == "bad"
    assert "that is a fault" in answer.verdict


def test_of_two_searches_the_one_that_came_furthest_is_told_and_the_other_beside_it(life):
    amelia = life.buyer("Amelia")
    life.search(amelia, {"list_price": {"le": 300_000}})
    wide = life.search(amelia)
    life.wait(minutes=20)
    home = life.home()
    life.alerts()
    answer = ask(life, amelia, home)
    assert answer.chain.alert_subscription_id == wide.id
    assert "asks up to $300,000" in answer.others[0].verdict


def test_a_buyer_or_home_of_another_office_is_not_found(life, make):
    stranger = make.contact(make.office())
    home = life.home()
    with pytest.raises(NotFound):
        why(stranger.id, home.id, office_id=life.office.id)
    with pytest.raises(NotFound):
        why(stranger.id, home.id, office_id=None)


def test_t17_after_60_days_each_answer_is_the_one_of_the_day(life, make):
    """Home, search, buyer, address and subscription change; retention works each night."""
    told, narrow, blank, off, small, stopped, daily = (
        life.buyer(name) for name in ("Ann", "Ben", "Cleo", "Dora", "Emil", "Finn", "Gus")
    )
    searches = {
        told: life.search(told),
        narrow: life.search(narrow, {"list_price": {"le": 450_000}}),
        blank: life.search(blank, {"lot_size_square_feet": {"ge": 4000}}),
        off: life.search(off),
        small: life.search(small),
        stopped: life.search(stopped),
        daily: life.search(daily, {"bedrooms_total": {"ge": 4}}),
    }
    saved.stop(searches[off].id, "Agent Disabled", life.wait(minutes=1))
    make.suppression(life.office, stopped.email, created_at=life.now)
    db.session.commit()
    life.wait(minutes=20)
    home = life.home()
    life.alerts()
    life.wait(days=1)
    life.change(home, list_price=486_500)
    life.alerts()
    answered_at = life.now
    people = list(searches)
    day = {
        (who.id, seen.seq): ask(life, who, home, event_seq=seen.seq)
        for who in people
        for seen in ask(life, who, home).events
    }
    assert {ended(one) for one in day.values()} >= {"fits", "on", "large", "address"}
    assert sum(one.is_told for one in day.values()) >= 3

    for night in range(60):
        life.wait(days=1)
        if night == 3:
            life.change(home, list_price=455_000, unparsed_address="418 Alder Court, Rear", bedrooms_total=3)
        if night == 9:
            found = db.session.get(SavedSearch, searches[narrow].saved_search_id)
            saved.edit(
                found.id,
                office_id=life.office.id,
                version=found.version,
                name="Wider",
                criteria={"city": ["Port Ellery"]},
                now=life.now,
            )
            saved.stop(searches[told].id, "Client Disabled", life.now)
            saved.resume(searches[off].id, life.now)
            db.session.execute(text("UPDATE suppression SET lifted_at = :now, lifted_by = 'x'"), {"now": life.now})
            db.session.execute(
                text(
                    "UPDATE contact SET email = 'new-' || email, time_zone = 'Europe/Paris', full_name = 'Another Name'"
                )
            )
            db.session.commit()
        if night == 20:
            life.change(home, standard_status="Closed")
        life.alerts()
        if night % 5 == 0 or night == 59:
            life.retention()
    assert db.session.query(OutboundMessage).filter(OutboundMessage.body_html.isnot(None)).count() == 0
    db.session.expire_all()
    for (who, seq), answer in day.items():
        later = why(who, home.id, office_id=life.office.id, event_seq=seq, as_of=answered_at, now=life.now)
        for field in dataclasses.fields(answer):
            if field.compare:
                assert getattr(later, field.name) == getattr(answer, field.name), (field.name, who, seq)
        assert later == answer


def test_t17_what_is_kept_no_longer_is_said_with_its_day_and_not_guessed(life):
    amelia = life.buyer("Amelia")
    life.search(amelia)
    life.wait(minutes=20)
    home = life.home()
    life.alerts()
    first = life.now
    life.wait(days=95)
    life.retention()
    answer = ask(life, amelia, home)
    assert answer.verdict.startswith("It fitted, and they were last sent this home Tue 1 Sep 2026")
    assert "kept for 90 days, until Mon 30 Nov 2026" in answer.verdict
    assert life.now - first > timedelta(days=90)
