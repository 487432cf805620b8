"""A feed that must come by itself and does not (PA-28)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.domain.models import ImportBatch
from app.domain.ops import health
from app.domain.ops.feeds import late_since
from app.extensions import db as database

HOURS = (time(8), time(18))
DAY = datetime(2026, 11, 20, tzinfo=ZoneInfo("America/New_York"))


def at(hour: int, minute: int = 0, days: int = 0) -> datetime:
    return (DAY + timedelta(days=days)).replace(hour=hour, minute=minute).astimezone(UTC)


@pytest.mark.parametrize(
    ("read", "now", "since"),
    [
        (at(11), at(12), None),
        (at(11), at(12, 1), at(11)),
        (at(17, days=-1), at(8, 59), None),
        (at(17, days=-1), at(9, 1), at(8)),
        (at(12), at(19), None),
        (at(3, days=-1), at(4), None),
        (None, at(8, 30), None),
        (None, at(10), at(8)),
    ],
)
def test_pa_28_an_hour_of_the_business_day_without_it_is_too_long(read, now, since):
    assert late_since(read, now, "America/New_York", HOURS) == since


@pytest.fixture
def feed(app, db, office):
    """The settings name one source; `read` says when it was read to its end last."""
    kept = app.extensions["porchlight"]
    app.extensions["porchlight"] = replace(kept, feeds=("Coastline MLS",))

    def read(moment: datetime, state: str = "finished") -> None:
        database.session.add(
            ImportBatch(
                office_id=office.id, source="Coastline MLS", file_name="f", file_path="f", file_sha256="", file_bytes=1,
                state=state, finished_at=moment, created_at=moment,
            )
        )  # fmt: skip
        database.session.commit()

    yield read
    app.extensions["porchlight"] = kept


def silent(now: datetime) -> list[health.Reason]:
    return [reason for reason in health.verdict(now).reasons if reason.key.startswith("feed:")]


def test_pa_28_a_silent_feed_is_red_and_says_no_data(feed):
    feed(at(10))
    feed(at(11, 30), state="failed")
    assert silent(at(11)) == []
    [reason] = silent(at(11, 45))
    assert (reason.tone, reason.since) == (health.Tone.BAD, at(10))
    assert reason.sentence == "No data: “Coastline MLS” was not read for an hour"
    feed(at(11, 50))
    assert silent(at(12)) == []


def test_pa_28_where_no_feed_is_named_nothing_is_late(db, office):
    assert silent(at(12)) == []
