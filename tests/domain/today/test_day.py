"""The first page's day: what is counted, for whom, and what is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from app.domain.models import AlertKind, ImportBatch, JobRun, JobSchedule, Listing, ListingEvent
from app.domain.today.day import day, fate_of, kind_of
from app.domain.today.days import USUAL, windows
from app.extensions import db as database
from tests.browser import world as worlds

NOW = datetime(2026, 11, 20, 15, 42, tzinfo=UTC)
"""A Friday, 10:42 in New York."""


@pytest.fixture
def home(db, office) -> Listing:
    row = Listing(
        office_id=office.id,
        listing_key="k1",
        originating_system_name="manual",
        originating_system_key="1",
        standard_status="Active",
        unparsed_address="418 Alder Court",
        city="Port Ellery",
    )
    database.session.add(row)
    database.session.flush()
    return row


def happened(home, moment, *, kinds=1, origin="manual", office_id=None) -> ListingEvent:
    row = ListingEvent(
        office_id=office_id or home.office_id,
        listing_id=home.id,
        change_type="New Listing",
        kinds=kinds,
        changes={},
        origin=origin,
        alertable=origin == "manual",
        not_alertable_reason=None if origin == "manual" else "origin",
        occurred_at=moment,
        recorded_at=moment,
        standard_status="Active",
    )
    database.session.add(row)
    database.session.flush()
    return row


def today(office, **more):
    return day(office, sees_the_works=more.pop("sees_the_works", True), now=NOW)


def test_a_new_home_and_a_price_drop_are_counted_apart(home, office):
    happened(home, NOW - timedelta(hours=1))
    happened(home, NOW - timedelta(hours=2), kinds=2)
    happened(home, NOW - timedelta(hours=3), kinds=2)
    numbers = today(office).numbers
    assert (numbers.new_listings.today, numbers.price_drops.today) == (1, 2)


def test_what_a_file_brought_from_the_past_is_no_news(home, office):
    happened(home, NOW - timedelta(hours=1), origin="backfill")
    assert today(office).numbers.new_listings.today == 0


def test_yesterday_ends_at_the_offices_midnight(home, office):
    happened(home, datetime(2026, 11, 20, 4, 59, tzinfo=UTC))
    happened(home, datetime(2026, 11, 20, 5, 0, tzinfo=UTC))
    days = today(office).numbers.new_listings.days
    assert days[-2:] == (1, 1)


def test_last_friday_counts_only_up_to_this_time_of_day(home, office):
    for friday in windows(NOW, office.time_zone):
        if friday.days_ago in USUAL:
            happened(home, friday.until - timedelta(minutes=5))
            happened(home, friday.until + timedelta(minutes=5))
    found = today(office).numbers.new_listings
    assert found.usual == 1
    assert found.days[-8] == 2


def test_another_offices_day_is_not_ours(home, office, make):
    other = make.office()
    happened(home, NOW - timedelta(hours=1), office_id=other.id)
    assert today(office).numbers.new_listings.today == 0
    assert today(other).numbers.new_listings.today == 1


class TestWhatNeedsAPerson:
    def run(self, **values) -> JobRun:
        row = JobRun(
            **{"kind": "imports", "queue": "bulk", "trigger": "event", "created_at": NOW - timedelta(hours=2)} | values
        )
        database.session.add(row)
        database.session.flush()
        return row

    def test_is_a_run_that_failed_and_that_nothing_made_up_for(self, office):
        failed = self.run(state="failed", finished_at=NOW - timedelta(hours=2))
        assert [run.id for run in today(office).needs.runs] == [failed.id]
        self.run(state="succeeded", finished_at=NOW - timedelta(hours=1))
        assert len(today(office).needs) == 0

    def test_is_not_a_run_of_last_week(self, office):
        self.run(state="failed", created_at=NOW - timedelta(days=8), finished_at=NOW - timedelta(days=8))
        assert len(today(office).needs) == 0

    def test_is_a_mail_that_may_or_may_not_have_arrived(self, office, make):
        message = make.message(make.contact(office), state="unknown", created_at=NOW - timedelta(hours=1))
        needs = today(office).needs
        assert (needs.unknown_mails, needs.newest_unknown, len(needs)) == (1, message.id, 1)
        assert needs.unknown_reasons == [""]
        for reason in ("its sender was lost", "its sender was lost"):
            make.message(make.contact(office), state="unknown", state_reason=reason)
        assert sorted(today(office).needs.unknown_reasons) == ["", "its sender was lost"]

    @pytest.mark.parametrize(("is_removed", "count"), [(False, 1), (True, 0)])
    def test_is_a_paused_schedule_but_not_one_that_left_the_code(self, office, is_removed, count):
        database.session.add(
            JobSchedule(
                name="alerts", kind="alerts", cron="* * * * *", time_zone="UTC", grace_seconds=60,
                enabled=False, paused_reason="no longer in the code", is_removed=is_removed,
            )
        )  # fmt: skip
        database.session.flush()
        assert len(today(office).needs) == count

    @pytest.mark.parametrize(
        ("state", "rejected", "count"), [("finished", 4, 1), ("finished", 0, 0), ("mapping", 0, 1), ("failed", 0, 1)]
    )
    def test_is_a_file_with_something_wrong(self, office, state, rejected, count):
        database.session.add(
            ImportBatch(
                office_id=office.id, source="x", file_name="x.csv", file_path="x", file_sha256="0", file_bytes=1,
                state=state, rows_rejected=rejected, created_at=NOW - timedelta(days=1),
            )
        )  # fmt: skip
        database.session.flush()
        assert len(today(office).needs) == count

    def test_is_not_shown_to_who_cannot_mend_it(self, office):
        self.run(state="failed", finished_at=NOW - timedelta(hours=2))
        assert len(today(office, sees_the_works=False).needs) == 0


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [(0, None), (1, AlertKind.NEW), (2, AlertKind.PRICE_DROP), (3, AlertKind.NEW), (7, AlertKind.BACK_ON_MARKET)],
)
def test_the_strongest_kind_is_the_one_that_is_told(kinds, kind):
    """PA-08."""
    assert kind_of(kinds) == kind


SOON = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("row", "fate"),
    [
        ({"outcome": "dropped", "digest_id": 1, "message_state": "sent"}, ("dropped", None)),
        ({"digest_id": 1, "message_state": "sent", "sent_at": SOON}, ("sent", SOON)),
        ({"digest_id": 1, "message_state": "queued"}, ("queued", None)),
        ({"digest_id": 1, "digest_state": "empty"}, ("dropped", None)),
        ({"digest_id": 1, "digest_state": "held"}, ("held", None)),
        ({"schedule_type": "Daily", "next_send_timestamp": SOON}, ("later", SOON)),
        ({"schedule_type": "ASAP"}, ("next", None)),
    ],
)
def test_each_match_says_what_became_of_it(row, fate):
    empty = dict.fromkeys(
        ("outcome", "digest_id", "digest_state", "message_state", "sent_at", "schedule_type", "next_send_timestamp"),
        None,
    )
    assert fate_of(SimpleNamespace(**empty | row)) == fate


def test_a_whole_office_is_told_in_few_words(db):
    """The page's own figures agree with each other: the newest match is among those counted."""
    world = worlds.build()
    found = day(world.office, sees_the_works=True)
    assert found.numbers.matches.today >= 1
    assert len(found.matches) == 8
    assert found.matches[0].fate in ("next", "later")
    assert {step.name for step in found.steps} <= {"alerts", "mails", "retention"}
    assert [step.due_at for step in found.steps] == sorted(step.due_at for step in found.steps)
    assert found.needs.imports[0].rows_rejected == 4
