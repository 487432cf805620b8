"""Everything that grows has a ceiling (PA-29), and nothing young, open or still counted leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.alerts.match import ensure_partitions
from app.domain.models import (
    AlertMatch,
    BuyerListing,
    Digest,
    DigestItem,
    ImportBatch,
    ImportRow,
    JobRun,
    ListingEvent,
    MatchBatch,
    MessageEvent,
    OutboundMessage,
    ProcessHeartbeat,
    RunState,
    Trigger,
)
from app.domain.ops import due, ledger, retention
from app.domain.ops.clock import Line
from app.domain.ops.heartbeat import Heart
from app.domain.ops.ledger import Work
from app.extensions import db as database

NOW = datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
WORK = Work("alerts", 1, skips_overlap=False)
BEFORE_ALL = NOW - timedelta(days=2000)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def apply_all() -> dict[str, int]:
    gone: dict[str, int] = {}
    for rule in retention.RULES:
        while count := rule.apply(NOW):
            gone[rule.counted_as] = gone.get(rule.counted_as, 0) + count
    return gone


def run_of(state: RunState, days: float) -> JobRun:
    run = ledger.add("alerts", WORK, trigger=Trigger.MANUAL, now=days_ago(days))
    if state is RunState.PENDING:
        return run
    token = ledger.claim(run.id, "w", 60, now=days_ago(days)).lease_token
    if state is RunState.SUCCEEDED:
        ledger.finish(run.id, token, {}, now=days_ago(days))
    elif state is RunState.FAILED:
        ledger.fail(run.id, token, "ValueError", "no", now=days_ago(days))
    return run


def test_runs_leave_after_30_days_failed_ones_after_180_and_open_ones_never(db):
    kept = [
        run_of(RunState.SUCCEEDED, 29).id,
        run_of(RunState.FAILED, 179).id,
        run_of(RunState.PENDING, 400).id,
        run_of(RunState.RUNNING, 400).id,
    ]
    run_of(RunState.SUCCEEDED, 31)
    run_of(RunState.FAILED, 181)
    assert apply_all() == {"job_run": 2}
    assert [run_id for (run_id,) in db.session.query(JobRun.id).order_by(JobRun.id)] == kept


def test_due_times_that_were_missed_stay_for_180_days(db):
    """Who asks in spring what the clock left out in winter is answered."""
    due.write_schedule([Line("yearly", "alerts", "0 0 1 1 *", "UTC", 60)], now=days_ago(900))

    def due_time(state: RunState, days: float) -> JobRun:
        moment = days_ago(days)
        return JobRun(
            kind="alerts", queue="alerts", trigger=Trigger.SCHEDULE.value, state=state.value, schedule_name="yearly",
            due_at=moment, created_at=moment, finished_at=moment,
        )  # fmt: skip

    missed = [due_time(RunState.MISSED, days) for days in (181, 179, 31)]
    db.session.add_all(missed)
    db.session.add_all(due_time(RunState.SUCCEEDED, 20 - n / 100) for n in range(retention.LAST_RUNS))
    db.session.flush()
    first = missed[0].id
    assert apply_all() == {"job_run": 1}
    assert db.session.query(JobRun.id).filter_by(id=first).count() == 0
    assert db.session.query(JobRun).filter_by(state="missed").count() == 2


def test_the_last_twenty_runs_of_a_schedule_stay_whatever_their_age(db):
    due.write_schedule([Line("yearly", "alerts", "0 0 1 1 *", "UTC", 60)], now=days_ago(900))
    db.session.execute(
        text(
            "INSERT INTO job_run (kind, queue, trigger, state, schedule_name, due_at, created_at, finished_at)"
            " SELECT 'alerts', 'alerts', 'schedule', CASE WHEN n < 12 THEN 'failed' ELSE 'succeeded' END, 'yearly',"
            " CAST(:old AS timestamptz) + n * interval '1 minute', :old, :old FROM generate_series(1, 25) n"
        ),
        {"old": days_ago(900)},
    )
    assert apply_all() == {"job_run": 5}
    assert apply_all() == {}
    assert db.session.query(JobRun).count() == 20


def test_rows_reach_a_plateau_and_stay_there(db):
    """300 days in steps of 10: what comes in each step is the same, so by the longest of these keeps (180 days) as much
    leaves as comes."""
    comes = text(
        """
        WITH run AS (
            INSERT INTO job_run (kind, queue, trigger, state, created_at, finished_at)
            SELECT 'alerts', 'alerts', 'event', CASE WHEN n = 1 THEN 'failed' ELSE 'succeeded' END, :day, :day
            FROM generate_series(1, 8) n RETURNING id),
        attempt AS (
            INSERT INTO job_attempt (run_id, attempt, worker, started_at) SELECT id, 1, 'w', :day FROM run),
        line AS (
            INSERT INTO job_log_line (run_id, attempt, line, at, level, event) SELECT id, 1, 1, :day, 'info', 'x' FROM run),
        asked AS (
            INSERT INTO integration_check (name, at, is_up) VALUES ('Redis', :day, true)),
        hour AS (
            INSERT INTO job_hour (hour, kind, queue) VALUES (:day, 'alerts', 'alerts'))
        INSERT INTO match_batch (found_on, event_seqs, taken_at, done_at, matched_events, unmatched_events, pairs)
        VALUES (CAST(:day AS date), ARRAY[1], :day, :day, 0, 1, 0)
        """
    )
    held = text(
        "SELECT (SELECT count(*) FROM job_run), (SELECT count(*) FROM job_attempt), (SELECT count(*) FROM job_log_line),"
        " (SELECT count(*) FROM integration_check), (SELECT count(*) FROM job_hour), (SELECT count(*) FROM match_batch)"
    )
    rules = [
        rule for rule in retention.RULES if rule.table in {"job_run", "integration_check", "job_hour", "match_batch"}
    ]
    heights = []
    for step in range(30):
        day = NOW - timedelta(days=300 - 10 * step)
        db.session.execute(comes, {"day": day})
        for rule in rules:
            rule.apply(day)
        heights.append(tuple(db.session.execute(held).one()))
    assert heights[0] == (8, 8, 8, 1, 1, 1)
    assert len(set(heights[19:])) == 1, "level from the 190th day on"
    runs, attempts, lines, *others = heights[-1]
    assert runs == attempts == lines == 4 * 7 + 19, "30 days of those that went well, 180 of those that failed"
    assert others == [2, 4, 9]


def test_a_batch_is_a_thousand_rows(db):
    db.session.execute(
        text(
            "INSERT INTO job_run (kind, queue, trigger, state, created_at, finished_at)"
            " SELECT 'alerts', 'alerts', 'event', 'succeeded', :old, :old FROM generate_series(1, 1500)"
        ),
        {"old": days_ago(40)},
    )
    rule = retention.RULES[0]
    assert [rule.apply(NOW) for _ in range(3)] == [1000, 500, 0]


def test_heartbeats_leave_after_a_day(db):
    Heart("worker", queue="bulk").beat(now=days_ago(0.9))
    Heart("worker", queue="bulk").beat(now=days_ago(1.1))
    assert apply_all() == {"process_heartbeat": 1}
    assert db.session.query(ProcessHeartbeat).count() == 1


@pytest.fixture
def mail(make, db):
    """mail(days): a digest of that age with an item, its sent message and the message's event."""
    office = make.office()

    def of(days: float, state: str = "sent") -> OutboundMessage:
        contact, home = make.contact(office), make.listing(office)
        digest = Digest(
            office_id=office.id,
            contact_id=contact.id,
            recipient=contact.email,
            window_end=days_ago(days),
            state="built",
            token=f"digest-{contact.id}",
            created_at=days_ago(days),
        )
        db.session.add(digest)
        db.session.flush()
        db.session.add(
            DigestItem(
                digest_id=digest.id,
                alert_subscription_id=1,
                event_seq=1,
                office_id=office.id,
                recipient=contact.email,
                listing_id=home.id,
                saved_search_id=1,
                search_version=1,
                kind="New",
                fingerprint="1",
                outcome="shown",
            )
        )
        message = make.message(
            contact,
            digest_id=digest.id,
            state=state,
            body_text="words",
            body_html="<p>words</p>",
            created_at=days_ago(days),
            not_before=days_ago(days),
            **({"sent_at": days_ago(days)} if state == "sent" else {}),
        )
        make.message_event(message, "sent", recorded_at=days_ago(days), occurred_at=days_ago(days))
        return message

    return of


def test_the_words_of_a_mail_leave_after_30_days_and_the_mail_stays(db, mail):
    young, old, waiting = mail(29), mail(31), mail(31, state="queued")
    assert apply_all() == {"bodies": 1}
    for message in (young, old, waiting):
        db.session.refresh(message)
    assert (young.body_text, young.body_html) == ("words", "<p>words</p>")
    assert (old.body_text, old.body_html, old.subject is None) == (None, None, False)
    assert waiting.body_text == "words"


def test_the_items_of_a_digest_leave_after_90_days_and_the_digest_stays(db, mail):
    mail(89)
    mail(91)
    assert apply_all()["digest_item"] == 1
    assert db.session.query(DigestItem).count() == 1
    assert db.session.query(Digest).count() == 2


def test_mails_with_their_log_and_their_digest_leave_after_24_months(db, mail):
    mail(700)
    mail(740)
    mail(740, state="queued")
    gone = apply_all()
    assert (gone["outbound_message"], gone["digest"]) == (1, 1)
    assert db.session.query(OutboundMessage).count() == 2
    assert db.session.query(MessageEvent).count() == 1
    assert db.session.query(Digest).count() == 2, "one is young, one still has its message"


def test_listing_events_leave_after_18_months(db, make):
    home = make.listing(make.office())
    make.event(home, recorded_at=days_ago(540))
    make.event(home, recorded_at=days_ago(555))
    assert apply_all() == {"listing_event": 1}
    assert db.session.query(ListingEvent).count() == 1


def test_the_rows_of_a_file_leave_after_90_days_and_what_became_of_the_file_stays(db, make):
    office = make.office()
    for days, state in ((89, "finished"), (91, "finished"), (91, "running")):
        batch = ImportBatch(
            office_id=office.id,
            source="MLS",
            file_name="homes.csv",
            file_path="homes.csv",
            file_sha256="0",
            file_bytes=1,
            state=state,
            created_at=days_ago(days),
        )
        db.session.add(batch)
        db.session.flush()
        db.session.add(ImportRow(import_batch_id=batch.id, line_no=2, outcome="created"))
    db.session.commit()
    assert apply_all() == {"import_row": 1}
    assert db.session.query(ImportRow).count() == 2
    assert db.session.query(ImportBatch).count() == 3


def test_matches_leave_by_whole_days_and_what_has_no_day_of_its_own_row_by_row(db):
    old, young = days_ago(100).date(), days_ago(10).date()
    for day in (old, young):
        ensure_partitions(day, day)
        database.session.add(AlertMatch(found_on=day, batch_id=1, alert_subscription_id=1, event_seqs=[1]))
    database.session.add(AlertMatch(found_on=days_ago(120).date(), batch_id=2, alert_subscription_id=1, event_seqs=[1]))
    for day in (old, young):
        database.session.add(
            MatchBatch(found_on=day, event_seqs=[1], done_at=NOW, matched_events=1, unmatched_events=0, pairs=1)
        )
    database.session.commit()
    assert apply_all() == {"alert_match": 1, "match_batch": 1}
    assert retention.drop_partitions(NOW) == [1]
    assert [day for (day,) in database.session.query(AlertMatch.found_on)] == [young]
    assert retention.drop_partitions(NOW) == []


@pytest.fixture
def file_of(make, db):
    """file_of(days, state): an import of that age, of one office and source."""
    office = make.office()

    def of(days: float, state: str, **values: object) -> ImportBatch:
        batch = ImportBatch(
            **{
                "office_id": office.id,
                "source": "MLS",
                "file_name": "homes.csv",
                "file_path": "homes.csv",
                "file_sha256": "0",
                "file_bytes": 1,
                "state": state,
                "created_at": days_ago(days),
            }
            | values
        )
        db.session.add(batch)
        db.session.flush()
        return batch

    return of


def imports_left() -> list[int]:
    return list(database.session.scalars(database.select(ImportBatch.id).order_by(ImportBatch.id)))


def test_imports_leave_after_24_months_and_uploads_never_started_after_7_days(file_of):
    for days, state in ((731, "finished"), (731, "failed"), (8, "mapping")):
        file_of(days, state)
    kept = [
        file_of(days, state).id for days, state in ((731, "queued"), (729, "failed"), (8, "finished"), (6, "mapping"))
    ]
    assert apply_all() == {"import_batch": 2, "import_never_started": 1}
    assert imports_left() == kept


def test_the_last_import_of_a_source_stays_so_that_the_next_is_not_taken_for_the_first_pa_02(file_of):
    file_of(900, "finished")
    last = file_of(800, "finished")
    other = file_of(800, "finished", source="Another MLS")
    assert apply_all() == {"import_batch": 1}
    assert imports_left() == [last.id, other.id]


def test_an_import_that_an_event_names_leaves_after_the_event(make, file_of):
    named = file_of(800, "failed")
    make.event(make.listing(make.office()), recorded_at=days_ago(500), import_batch_id=named.id)
    assert apply_all() == {}
    assert imports_left() == [named.id]


def test_what_a_buyer_was_shown_leaves_a_year_after_the_home_left_the_market_or_with_the_buyer_pa_29(db, make):
    office = make.office()

    def shown(home: dict[str, object], buyer: dict[str, object], days: float = 500) -> tuple[int, int]:
        row = BuyerListing(
            contact_id=make.contact(office, **buyer).id,
            listing_id=make.listing(office, **home).id,
            listing_sent_timestamp=days_ago(days),
        )
        db.session.add(row)
        db.session.flush()
        return row.contact_id, row.listing_id

    def closed(days: float, status: str = "Closed") -> dict[str, object]:
        return {"standard_status": status, "status_change_timestamp": days_ago(days)}

    def gone(days: float, status: str = "Inactive") -> dict[str, object]:
        return {"contact_status": status, "modification_timestamp": days_ago(days)}

    kept = [
        shown({}, {}),
        shown(closed(364), {}),
        shown(closed(366, "Pending"), {}),
        shown(closed(366), {}, days=364),
        shown({}, gone(29)),
        shown({}, gone(366, "On Vacation")),
    ]
    shown(closed(366), {})
    shown(closed(366, "Withdrawn"), {})
    shown({}, gone(31))
    shown({}, gone(31, "Deleted"))
    assert apply_all() == {"buyer_listing": 4}
    assert [(row.contact_id, row.listing_id) for row in db.session.query(BuyerListing)] == kept


def test_every_rule_is_older_than_the_longest_balance(db):
    """What a sum still counts must not leave. (A heartbeat is in no sum, nor is a file not begun, nor a change of a search.)"""
    in_no_sum = {"process_heartbeat", "import_never_started", "integration_check", "search_change"}
    assert all(rule.age >= timedelta(days=30) for rule in retention.RULES if rule.counted_as not in in_no_sum)


def test_every_table_has_a_rule_or_a_reason_not_to_have_one():
    tables = {table.name for table in database.metadata.sorted_tables}
    ruled = {rule.table for rule in retention.RULES}
    assert tables == ruled | retention.KEPT.keys(), "give a new table a rule, or say in KEPT why it does not grow"
    assert not ruled & retention.KEPT.keys()
