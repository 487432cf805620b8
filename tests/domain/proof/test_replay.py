"""A past window once more: the same as then on whatever was stored rightly, and different where a fault was put in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.errors import Invalid
from app.domain.models import AlertMatch, DigestItem
from app.domain.proof.replay import Side, replay
from app.domain.searches import saved
from app.extensions import db
from tests.domain.proof.life import DAWN

pytestmark = pytest.mark.committed

TABLES = ("alert_match", "digest", "digest_item", "outbound_message", "search_key", "match_batch", "saved_search")


def again(life, **more):
    return replay(DAWN, life.now + timedelta(hours=1), now=life.now + timedelta(hours=1), **more)


def rows():
    return {table: db.session.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).all() for table in TABLES}


@pytest.fixture
def lived(life, make):
    """Three days: news, drops, a sale before the mail, an edit, a pause, a stop, another office."""
    ann, ben, cleo, dora = (life.buyer(name) for name in ("Ann", "Ben", "Cleo", "Dora"))
    life.search(ann)
    narrow = life.search(ben, {"list_price": {"le": 450_000}})
    drawn = {"radius": {"latitude": 43.66, "longitude": -70.25, "miles": 2}}
    off = life.search(cleo, drawn)
    life.search(dora, {"bedrooms_total": {"ge": 4}})
    make.suppression(life.office, dora.email, created_at=life.now)
    life.wait(minutes=20)
    homes = [life.home(list_price=430_000 + 20_000 * n, latitude="43.661", longitude="-70.251") for n in range(4)]
    life.alerts()
    life.wait(days=1)
    life.change(homes[3], list_price=440_000)
    life.alerts(send=False)
    life.change(homes[3], standard_status="Closed")
    life.wait(minutes=5)
    life.alerts()
    saved.edit(
        narrow.saved_search_id,
        office_id=life.office.id,
        version=1,
        criteria={"city": ["Port Ellery"], "list_price": {"le": 480_000}},
        now=life.wait(hours=1),
    )
    saved.stop(off.id, "Client Disabled", life.now)
    db.session.commit()
    life.wait(hours=1)
    life.home(list_price=470_000, latitude="43.661", longitude="-70.251")
    life.change(homes[0], list_price=400_000)
    life.alerts()
    life.wait(days=1)
    return life


def test_t17_a_window_gives_the_same_once_more_and_nothing_is_written(lived):
    before = rows()
    found = again(lived)
    assert found.is_same, found.differences
    assert found.batches == 4
    assert found.counts["matched"] == lived.count("digest_item")
    assert found.counts["told"] >= 8
    assert found.counts["dropped"] >= 5
    db.session.rollback()
    assert rows() == before
    assert db.session.scalar(text("SELECT to_regclass('pg_temp.search_key')")) is None


def test_what_became_of_searches_later_changes_nothing(lived):
    db.session.execute(text("UPDATE alert_subscription SET kinds = 1, modification_timestamp = :at"), {"at": lived.now})
    for one in db.session.execute(text("SELECT id, saved_search_id FROM alert_subscription WHERE active_yn")).all():
        saved.stop(one.id, "Agent Disabled", lived.wait(minutes=1))
    db.session.commit()
    assert lived.count("search_key") == 0
    found = again(lived)
    assert found.is_same, found.differences


def test_a_match_that_was_lost_is_only_now_and_says_so(lived):
    row = db.session.query(AlertMatch).order_by(AlertMatch.alert_subscription_id).first()
    lost = len(row.event_seqs)
    db.session.delete(row)
    db.session.commit()
    found = again(lived)
    assert not found.is_same
    assert found.counts[Side.ONLY_NOW] == lost
    assert {one.side for one in found.differences} == {Side.ONLY_NOW}
    assert found.differences[0].reason == "By the versions of then it matches, and no match is stored."
    assert found.differences[0].contact_id is not None


def test_a_match_that_should_not_be_is_only_then_with_the_criterion(lived):
    bens = "SELECT s.id FROM alert_subscription s JOIN contact c ON c.id = s.contact_id WHERE c.first_name = 'Ben'"
    first = db.session.query(AlertMatch).filter_by(alert_subscription_id=db.session.scalar(text(bens))).first()
    dear = db.session.scalar(text("SELECT seq FROM listing_event WHERE list_price = 490000 ORDER BY seq LIMIT 1"))
    db.session.execute(
        text(
            "UPDATE alert_match SET event_seqs = event_seqs || CAST(:seq AS bigint) WHERE alert_subscription_id = :id AND batch_id = :batch"
        ),
        {"seq": dear, "id": first.alert_subscription_id, "batch": first.batch_id},
    )
    db.session.commit()
    found = again(lived)
    assert found.counts[Side.ONLY_THEN] == 1
    assert found.differences[0].reason == "Price: the search asks up to $450,000, the home had $490,000."


def test_a_batch_that_never_was_is_found(lived):
    batch = db.session.execute(text("SELECT id, found_on FROM match_batch ORDER BY id DESC LIMIT 1")).one()
    db.session.execute(text("DELETE FROM match_batch WHERE id = :id"), {"id": batch.id})
    db.session.execute(text("DELETE FROM alert_match WHERE batch_id = :id"), {"id": batch.id})
    db.session.commit()
    found = again(lived)
    assert found.counts[Side.ONLY_NOW] >= 2
    assert "never matched" in found.differences[0].reason


def test_a_mail_to_somebody_who_had_stopped_it_is_only_then(lived, make):
    told = db.session.query(DigestItem).filter_by(outcome="shown").order_by(DigestItem.digest_id).first()
    make.suppression(lived.office, told.recipient, scope="address", reason="complained", created_at=DAWN)
    found = again(lived)
    assert {one.side for one in found.differences} == {Side.ONLY_THEN}
    assert {one.what for one in found.differences} == {"told"}
    assert "suppression list" in found.differences[0].reason


def test_one_office_alone(lived, make):
    assert again(lived, office_id=make.office().id).events == 0
    assert again(lived, office_id=lived.office.id).events == again(lived).events


def test_a_window_that_reaches_behind_what_is_kept_is_refused_with_the_day(lived):
    with pytest.raises(Invalid, match="kept for 90 days"):
        replay(DAWN - timedelta(days=100), DAWN, now=lived.now)
    with pytest.raises(Invalid, match="ends before"):
        replay(lived.now, DAWN, now=lived.now)
    with pytest.raises(Invalid, match="too many for a page"):
        again(lived, most_batches=1)


def test_the_terminal_says_what_differs_and_ends_with_1(app, lived):
    def run():
        until = lived.now + timedelta(hours=1)
        window = [f"--from={DAWN:%Y-%m-%dT%H:%M}", f"--to={until:%Y-%m-%dT%H:%M}", f"--now={until:%Y-%m-%dT%H:%M}"]
        return app.test_cli_runner().invoke(args=["alerts", "replay", *window])

    same = run()
    assert same.exit_code == 0, same.output
    assert "The same once more" in same.output
    db.session.execute(text("DELETE FROM alert_match"))
    db.session.commit()
    other = run()
    assert other.exit_code == 1, other.output
    assert "only now" in other.output
