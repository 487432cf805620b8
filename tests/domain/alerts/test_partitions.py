"""Days of alert_match: a partition each, made ahead or afterwards."""

from __future__ import annotations

from datetime import date

from sqlalchemy import text

from app.domain.alerts import match
from app.domain.models import AlertMatch

DAY = date(2031, 5, 6)


def a_match(db, day: date, batch: int = 1) -> None:
    db.session.add(AlertMatch(found_on=day, batch_id=batch, alert_subscription_id=5, event_seqs=[1, 2]))
    db.session.flush()


def where(db) -> dict[date, str]:
    rows = db.session.execute(text("SELECT found_on, tableoid::regclass::text FROM alert_match"))
    return dict(tuple(row) for row in rows)


def test_each_day_gets_its_partition_once(db):
    assert match.ensure_partitions(DAY, date(2031, 5, 8)) == 3
    assert match.ensure_partitions(date(2031, 5, 5), date(2031, 5, 9)) == 2
    for day in range(5, 10):
        a_match(db, date(2031, 5, day))
    assert where(db) == {date(2031, 5, day): f"alert_match_203105{day:02}" for day in range(5, 10)}


def test_a_day_without_a_partition_is_kept_and_moves_when_it_gets_one(db):
    a_match(db, DAY)
    a_match(db, date(2031, 5, 7))
    assert set(where(db).values()) == {"alert_match_default"}
    assert match.ensure_partitions(DAY, DAY) == 1
    assert where(db) == {DAY: "alert_match_20310506", date(2031, 5, 7): "alert_match_default"}
    a_match(db, DAY, batch=2)
    indexes = db.session.scalar(text("SELECT count(*) FROM pg_indexes WHERE tablename = 'alert_match_20310506'"))
    assert indexes == 2, "the key and the waiting ones"
