"""A restored database: old transaction ids in a cluster that counts from the beginning."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.domain.alerts import match, restore
from app.domain.listings import record
from app.domain.searches import saved

pytestmark = pytest.mark.committed


def a_home(office, **values) -> None:
    record.create(office.id, {"standard_status": "Active", "list_price": 400_000, "city": "Port Ellery"} | values)


def a_search(make, office):
    return saved.create(office.id, make.contact(office).id, "Home", {"city": ["Port Ellery"]}, schedule_type="ASAP")


def pretend_restored(db) -> None:
    """What a dump brings: ids and snapshots from far ahead of this cluster's count."""
    db.session.execute(text("UPDATE listing_event SET xid = (xid::text::bigint + 1000000)::text::xid8"))
    ahead = "(pg_snapshot_xmax({0})::text::bigint + 1000000)::text"
    for table, column in (("alert_subscription", "since_snapshot"), ("match_cursor", "snapshot")):
        moved = ahead.format(column)
        db.session.execute(text(f"UPDATE {table} SET {column} = ({moved} || ':' || {moved} || ':')::pg_snapshot"))
    db.session.commit()


def seqs(db, table: str) -> list[int]:
    return sorted(db.session.scalars(text(f"SELECT unnest(event_seqs) FROM {table}")))


def test_what_waited_is_matched_once_and_new_homes_are_news_again(db, make):
    office = make.office()
    a_home(office)
    a_search(make, office)
    db.session.commit()
    a_home(office)
    db.session.commit()
    match.take_batches()
    match.match_one_batch()
    db.session.commit()
    a_home(office)
    db.session.commit()
    pretend_restored(db)
    a_home(office)
    db.session.commit()
    assert match.take_batches() == 0, "without the reset, the watermark hides what is new"
    db.session.rollback()

    before = seqs(db, "alert_match")
    counts = restore.reset_cursor()
    db.session.commit()
    assert counts == {"requeued": 2, "batches": 1, "pairs": 1}
    assert len(seqs(db, "alert_match")) == len(before) + 1, (
        "the one that waited; the one of the new cluster is not told"
    )
    assert restore.reset_cursor() == {"requeued": 0, "batches": 0, "pairs": 0}
    db.session.commit()

    a_home(office)
    db.session.commit()
    assert match.take_batches() == 1
    assert match.match_one_batch()["pairs"] == 1
    db.session.commit()
    assert len(seqs(db, "match_batch")) == len(set(seqs(db, "match_batch"))) == 5
