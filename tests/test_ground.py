"""The test ground itself: what a test writes is gone after it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.domain.models import Office


def test_a_commit_is_seen_inside_the_test(db, make):
    make.office(office_key="rolled-back")
    assert db.session.query(Office).filter_by(office_key="rolled-back").count() == 1


@pytest.mark.parametrize("again", [1, 2])
def test_and_is_gone_in_the_next(db, again):
    assert db.session.query(Office).filter_by(office_key="rolled-back").count() == 0


@pytest.mark.committed
def test_a_committed_test_reaches_other_connections(db, make):
    make.office(office_key="committed")
    with db.engine.connect() as other:
        assert other.execute(text("SELECT count(*) FROM office WHERE office_key = 'committed'")).scalar() == 1
