"""PA-29: steady traffic for more than two years, retention each few nights, and no table grows any more once it is as old
as what it keeps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.alerts.match import ensure_partitions
from app.domain.models import Listing
from app.domain.ops import retention
from app.extensions import db

pytestmark = [pytest.mark.committed, pytest.mark.timeout(400)]

HOMES, BUYERS = 24, 3
LONGEST = timedelta(days=730)
"""The longest keep but for the audit's seven years."""
YOUNG, OLD = (380, 400), (760, 780)
"""Days: a year and a bit, when all that is kept for a year or less is level; and beyond two, when everything is."""
STRIDE = 5
"""Days between two days on which something happens, and retention works: the shape is the same, and the test shorter."""


def beside(life) -> None:
    """A day of what the alerts path does not write itself."""
    for statement in (
        "INSERT INTO integration_check (name, at, is_up, words) SELECT 'c' || n, :now, true, '' FROM generate_series(1, 3) n",
        (
            "INSERT INTO job_run (kind, queue, trigger, state, created_at, finished_at, run_after)"
            " VALUES ('alerts', 'alerts', 'event', 'succeeded', :now, :now, :now)"
        ),
        (
            "INSERT INTO incident (key, tone, sentence, opened_by, opened_at, seen_at, closed_at)"
            " VALUES ('busy:bulk', 'wait', 'Busy', 'sweep', :now, :now, :now)"
        ),
        (
            "INSERT INTO canary_trip (due_at, contact_id, listing_id, event_seq, planted_at, arrived_at)"
            " VALUES (:now, 1, 1, 1, :now, :now)"
        ),
        (
            "UPDATE alert_subscription SET reason_active_or_disabled = 'Revised', kinds = kinds # 4,"
            " modification_timestamp = :now WHERE id = 1"
        ),
    ):
        db.session.execute(text(statement), {"now": life.now})
    db.session.commit()


def live_a_day(life, homes: list[Listing], day: int) -> None:
    ensure_partitions(life.now.date(), life.now.date())
    home, other = homes[day % HOMES], homes[(day + HOMES // 2) % HOMES]
    if home.standard_status == "Closed":
        life.change(home, standard_status="Active", list_price=489_000 - day)
    else:
        life.change(home, list_price=home.list_price * 97 // 100)
    if other.standard_status == "Active" and day >= HOMES:
        life.change(other, standard_status="Closed")
    life.wait(minutes=5)
    assert life.alerts()["failed"] == 0
    beside(life)


def sizes() -> dict[str, int]:
    names = {rule.table for rule in retention.RULES if rule.age <= LONGEST}
    return {name: db.session.scalar(text(f"SELECT count(*) FROM {name}")) for name in sorted(names)}


def kept(table: str) -> timedelta:
    return max(rule.age for rule in retention.RULES if rule.table == table)


def test_pa_29_no_table_grows_once_it_is_as_old_as_what_it_keeps(life):
    for number in range(BUYERS):
        life.search(life.buyer(f"Buyer{number}"))
    homes = [life.home(unparsed_address=f"{number} Alder Court") for number in range(HOMES)]
    seen: dict[int, dict[str, int]] = {}
    for day in range(STRIDE, OLD[1] + 1, STRIDE):
        life.wait(days=STRIDE, minutes=-5)
        live_a_day(life, homes, day // STRIDE)
        life.retention()
        if day in (*YOUNG, *OLD):
            seen[day] = sizes()

    def grown(span: tuple[int, int], tables: Any) -> dict[str, tuple[int, int]]:
        first, last = seen[span[0]], seen[span[1]]
        return {name: (first[name], last[name]) for name in tables if last[name] > first[name] * 1.05 + 1}

    within_a_year = [name for name in sizes() if kept(name) < timedelta(days=YOUNG[0])]
    assert {"digest_item", "alert_match", "match_batch", "job_run"} <= set(within_a_year) | {"job_run"}
    assert grown(YOUNG, within_a_year) == {}
    assert grown(OLD, sizes()) == {}
    filled = {name for name, rows in seen[OLD[1]].items() if rows}
    assert filled >= {"listing_event", "outbound_message", "digest", "digest_item", "message_event", "alert_match"}
    days = db.session.scalar(text("SELECT count(*) FROM pg_inherits WHERE inhparent = CAST('alert_match' AS regclass)"))
    assert 90 // STRIDE <= days <= 90 // STRIDE + 3
