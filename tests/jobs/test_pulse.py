"""A web process says that it lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.models import ProcessHeartbeat
from app.jobs.pulse import Pulse
from tests.blueprints.test_health import app_with


def until(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


def hearts(db) -> list[ProcessHeartbeat]:
    db.session.rollback()
    return db.session.query(ProcessHeartbeat).filter_by(role="web").all()


@pytest.mark.committed
def test_it_begins_with_the_first_request_goes_on_and_says_goodbye(app, db, tmp_path):
    web = app_with(app, tmp_path, release="7.1")
    pulse, began = Pulse(web, every=0.05), datetime.now(UTC)
    pulse.start()
    assert hearts(db) == [], "nobody has asked it anything"
    for _ in range(3):
        web.test_client().get("/healthz")
    assert until(lambda: len(hearts(db)) == 1)
    row = hearts(db)[0]
    assert (row.version, row.queue) == ("7.1", None)
    assert began - timedelta(hours=3) < row.started_at < began, "started before anybody asked it"
    first = row.seen_at
    assert until(lambda: hearts(db)[0].seen_at > first)
    pulse.stop()
    assert hearts(db) == []


@pytest.mark.committed
def test_it_neither_stops_nor_raises_while_postgresql_is_away(app, db, tmp_path):
    web = app_with(app, tmp_path, database_url="postgresql://nobody@127.0.0.1:9/none")
    pulse = Pulse(web, every=0.05)
    pulse.start()
    assert web.test_client().get("/healthz").status_code == 200
    pulse.stop()
    assert hearts(db) == []
