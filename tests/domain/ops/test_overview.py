"""The first page of the works: what its sentences say, and that nobody waits twice for what is dear."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.listings import record
from app.domain.models import ImportBatch, Incident, IntegrationCheck, RunState, Trigger
from app.domain.ops import due, ledger
from app.domain.ops.health import Reason, Tone, Verdict
from app.domain.ops.heartbeat import Heart
from app.domain.ops.kept import Kept
from app.domain.ops.ledger import Work
from app.domain.ops.overview import CANARY, Mail, headline, overview
from app.domain.ops.schedules import schedules
from app.extensions import db as database
from app.jobs.schedule import SCHEDULE
from tests import make as makers

NOW = datetime(2026, 11, 20, 15, 42, tzinfo=UTC)


def judged(*tones: Tone) -> Verdict:
    return Verdict(Tone.WAIT, "", "", [Reason("something", tone, "Something") for tone in tones], NOW)


@pytest.mark.parametrize(
    ("needs", "on_time", "sentence"),
    [
        (0, 9, "All 9 schedules on time, and every row is accounted for."),
        (1, 9, "All 9 schedules on time; 1 thing needs attention."),
        (2, 9, "All 9 schedules on time; 2 things need attention."),
        (3, 8, "8 of 9 schedules on time; 3 things need attention."),
    ],
)
def test_one_sentence_says_how_everything_is(needs, on_time, sentence):
    assert headline(judged(*[Tone.WAIT] * needs), on_time, 9) == sentence


def test_missed_due_times_are_said_beside_the_rest_and_a_balance_that_is_off_is_not_called_whole():
    well = judged()
    assert headline(well, 3, 3, missed=2) == (
        "All 3 schedules on time; 2 due times were missed today, and every row is accounted for."
    )
    assert headline(well, 3, 3, missed=1, is_balanced=False) == (
        "All 3 schedules on time; 1 due time was missed today; the balance does not come out at zero."
    )


@pytest.mark.parametrize(
    ("mail", "words", "is_deaf"),
    [
        (Mail(), "No mail was sent in 7 days", False),
        (Mail(sent=1), "1 mail in 7 days, none came back", False),
        (Mail(sent=1284, refused=2, bounced=1), "1,284 mails in 7 days, 3 came back (0.2 %)", False),
        (Mail(sent=CANARY - 1), "4,999 mails in 7 days, none came back", False),
        (Mail(sent=CANARY), "5,000 mails in 7 days, and not one came back: bounces are not heard of", True),
        (Mail(sent=CANARY, complained=1), "5,000 mails in 7 days, 1 came back (0.0 %)", False),
    ],
)
def test_five_thousand_mails_of_which_none_came_back_are_no_luck_pa_25(mail, words, is_deaf):
    assert (mail.words, mail.is_deaf) == (words, is_deaf)


def look(now: datetime | None = None, keeper=None):
    database.session.expire_all()
    return overview("America/New_York", now, keeper)


def matches(seen):
    return next(stage for stage in seen.stages if stage.key == "alerts")


def test_what_comes_in_is_said_source_by_source_and_silence_is_no_lack_of_matches_pa_28(db, office):
    now = datetime.now(UTC)
    record.create(office.id, {"list_price": 480_000, "standard_status": "Active", "property_type": "Residential"})
    for source, days_ago, created in (("Harbor MLS", 1, 18), ("Harbor MLS", 3, 5), ("Coast MLS", 2, 0)):
        db.session.add(
            ImportBatch(
                office_id=office.id,
                source=source,
                file_name="a.csv",
                file_path="a.csv",
                file_sha256="0" * 64,
                file_bytes=1,
                state="finished",
                rows_read=214,
                rows_created=created,
                rows_updated=2,
                finished_at=now - timedelta(days=days_ago),
            )
        )
    db.session.commit()
    seen = look()
    assert [(source.name, source.words) for source in seen.dear.sources] == [
        ("Harbor MLS", "20 of 214 rows were news"),
        ("Coast MLS", "2 of 214 rows were news"),
        ("By hand", "1 change in 24 hours"),
    ]
    assert seen.no_data_since is None
    assert matches(seen).no_data_since is None
    later = look(now + timedelta(hours=25))
    assert later.no_data_since is not None
    assert matches(later).no_data_since == later.no_data_since


def test_a_paused_line_is_not_on_time_and_is_not_among_what_is_due_next(db):
    now = datetime.now(UTC)
    due.write_schedule(SCHEDULE, now=now)
    Heart("scheduler").beat()
    db.session.commit()
    seen = look()
    assert (seen.on_time, seen.lines) == (len(SCHEDULE), len(SCHEDULE))
    assert len(seen.next_due) == 10
    assert [moment for moment, _ in seen.next_due] == sorted(moment for moment, _ in seen.next_due)
    due.pause("alerts", "the relay is being moved", None)
    db.session.commit()
    seen = look()
    assert seen.on_time == len(SCHEDULE) - 1
    assert "alerts" not in {line.name for _, line in seen.next_due}
    assert (matches(seen).word, matches(seen).next_at) == ("No worker", "paused")
    assert [line.name for line in seen.verdict.pauses] == ["alerts"]


def test_nothing_is_on_time_while_nobody_keeps_the_clock(db):
    now = datetime.now(UTC)
    due.write_schedule(SCHEDULE, now=now)
    for queue in ("alerts", "messages", "bulk"):
        Heart("worker", queue).beat()
    clock = Heart("scheduler")
    clock.beat(now=now - timedelta(minutes=2))
    db.session.commit()
    seen = look()
    assert (seen.on_time, seen.is_clock_silent, matches(seen).word) == (0, True, "No clock")
    assert {each.word for each in schedules()} == {"No clock"}
    clock.beat()
    db.session.commit()
    seen = look()
    assert (seen.on_time, seen.is_clock_silent) == (len(SCHEDULE), False)
    assert {each.word for each in schedules()} == {"Not yet run"}


def test_a_next_due_time_that_is_past_is_late_before_the_grace_is_over(db):
    now = NOW.replace(minute=31)
    due.write_schedule(SCHEDULE, now=now - timedelta(minutes=2))
    Heart("scheduler").beat(now=now)
    db.session.commit()
    line = next(each for each in schedules(now) if each.line.name == "alerts")
    assert (line.word, line.line.overdue_since, line.late_since) == ("Has never run", None, now.replace(minute=30))


def test_while_redis_is_away_stages_are_amber_and_say_how_it_goes_on(db):
    now = datetime.now(UTC)
    due.write_schedule(SCHEDULE, now=now)
    Heart("scheduler").beat(note="does the runs itself: Redis is away")
    for seconds in (90, 30, 1):
        db.session.add(
            IntegrationCheck(name="Redis", at=now - timedelta(seconds=seconds), is_up=False, ms=None, words="is away")
        )
    db.session.commit()
    seen = look()
    assert seen.stands_in
    assert {(stage.word, stage.tone) for stage in seen.stages if stage.kind} == {("One at a time", Tone.WAIT)}
    assert seen.tone_outside("Redis") == "wait"


def test_failures_are_shown_once_for_each_kind_and_error(db):
    work = Work("alerts", 1, skips_overlap=False)
    for error in ("ValueError", "ValueError", "KeyError"):
        run = ledger.add("alerts", work, trigger=Trigger.MANUAL)
        token = ledger.claim(run.id, "w", 60).lease_token
        ledger.fail(run.id, token, error, "no", again=False)
        assert run.state in {RunState.FAILED, RunState.RUNNING}
    db.session.commit()
    seen = look()
    assert sorted(failure.error_class or "" for failure in seen.failures) == ["KeyError", "ValueError"]
    assert seen.failed_today == 3


def test_what_is_wrong_stands_before_what_is_over(db):
    def incident(key: str, minutes: int, closed: int | None = None, tone: str = "bad") -> None:
        now = datetime.now(UTC)
        db.session.add(
            Incident(
                key=key,
                tone=tone,
                sentence=key,
                opened_by="web",
                opened_at=now - timedelta(minutes=minutes),
                seen_at=now,
                closed_at=None if closed is None else now - timedelta(minutes=closed),
            )
        )

    incident("amber", 90, tone="wait")
    incident("young", 5)
    incident("old", 60)
    for number in range(5):
        incident(f"over {number}", 200, closed=10 + number)
    db.session.commit()
    seen = look()
    assert [one.key for one in seen.incidents] == ["old", "young", "amber", "over 0", "over 1", "over 2"]
    assert seen.open_incidents == 3


@pytest.mark.committed
def test_a_dear_balance_is_kept_and_counted_anew_behind_the_readers_back(db):
    """With everything called dear, the thread that counts again is the real one, on a connection of its own."""
    office, keeper = makers.office(), Kept(dear=0.0, factor=0)
    first = look(keeper=keeper)
    assert first.counted.is_kept
    record.create(office.id, {"list_price": 480_000, "standard_status": "Active", "property_type": "Residential"})
    db.session.commit()
    second = look(keeper=keeper)
    assert second.counted.at == first.counted.at, "the old one, at once"
    assert events(second) == 0
    for _ in range(600):
        if events(look(keeper=keeper)):
            break
        time.sleep(0.05)
    assert events(look(keeper=keeper)) == 1, "and the new one as soon as it is there"
    for thread in threading.enumerate():
        if thread.name == "count-again":  # before the tables are emptied
            thread.join(60)


def events(seen) -> int:
    return next(line.total for line in seen.dear.sums if line.key == "events")
