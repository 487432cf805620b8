"""Is it well? Judged by arithmetic: what never ran turns red, and what recovered turns green again (SY-07)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from app.domain.models import IntegrationCheck, JobRun, JobSchedule, Trigger
from app.domain.ops import due, health, ledger, probing
from app.domain.ops.heartbeat import Heart
from app.domain.ops.ledger import Work
from app.extensions import db as database
from app.jobs.schedule import SCHEDULE

BOOT = datetime(2026, 11, 20, 9, 2, tzinfo=UTC)
WORK = Work("alerts", 1, skips_overlap=False)


@pytest.fixture(autouse=True)
def unprobed():
    probing.forget()
    yield
    probing.forget()


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return BOOT.replace(hour=hour, minute=minute, second=second)


def alive(now: datetime, *, but: str = "") -> None:
    for role, queue in (("scheduler", None), ("worker", "alerts"), ("worker", "messages"), ("worker", "bulk")):
        if but not in {role, queue}:
            Heart(role, queue=queue).beat(now=now)


def kept(name: str, now: datetime, *, error: str = "") -> None:
    """This line's newest due time is run, well or not."""
    run_id = due.materialise(name, WORK, now)
    token = ledger.claim(run_id, "w", 60, now=now).lease_token
    if error:
        ledger.fail(run_id, token, error, error, now=now)
    else:
        ledger.finish(run_id, token, {}, now=now)


def reasons(now: datetime) -> list[str]:
    return [reason.sentence for reason in health.verdict(now).reasons]


@pytest.fixture
def house(db):
    due.write_schedule(SCHEDULE, now=BOOT)


def test_a_house_that_just_started_is_well(house):
    alive(at(9, 3))
    verdict = health.verdict(at(9, 3))
    assert (verdict.tone, verdict.line) == ("good", "Everything works, and every row is accounted for.")


def test_a_scheduler_that_never_ran_is_red(db):
    found = reasons(at(9, 3))
    assert "The scheduler has never run" in found
    assert "“alerts” was never put on the clock" in found


def test_a_due_time_not_kept_within_its_grace_is_red_since_it_was_due(house):
    alive(at(9, 24))
    kept("sweep", at(9, 23))
    assert "“alerts” has never run" not in reasons(at(9, 24, 59))
    alive(at(9, 26))
    late = health.verdict(at(9, 26))
    assert late.sentence == "“alerts” has never run"
    assert late.reasons[0].since == at(9, 15)


def test_it_stays_red_since_the_first_due_time_that_was_not_kept(house):
    kept("alerts", at(9, 15))
    kept("sweep", at(10, 19))
    alive(at(10, 20))
    verdict = health.verdict(at(10, 20))
    assert verdict.reasons[0].sentence == "“alerts” has stopped"
    assert verdict.reasons[0].since == at(9, 30)


def test_it_is_green_again_once_a_run_has_succeeded(house):
    kept("alerts", at(10, 16))
    kept("sweep", at(10, 16))
    alive(at(10, 17))
    assert reasons(at(10, 17)) == []


def test_a_failed_run_is_red_until_one_succeeds(house):
    kept("alerts", at(9, 15), error="OperationalError")
    kept("sweep", at(9, 15))
    alive(at(9, 16))
    assert reasons(at(9, 16)) == ["“alerts” failed (OperationalError)"]
    kept("alerts", at(9, 30))
    kept("sweep", at(9, 30))
    alive(at(9, 31))
    assert reasons(at(9, 31)) == []


def test_a_persons_retry_makes_up_for_a_failed_run(house):
    kept("alerts", at(9, 15), error="OperationalError")
    run = ledger.add("alerts", WORK, trigger=Trigger.RETRY, now=at(9, 16))
    ledger.finish(run.id, ledger.claim(run.id, "w", 60, now=at(9, 16)).lease_token, {}, now=at(9, 16))
    kept("sweep", at(9, 27))
    alive(at(9, 28))
    assert reasons(at(9, 28)) == []


@pytest.mark.parametrize("queue", ["alerts", "messages", "bulk"])
def test_a_queue_that_nobody_works_is_red(house, queue):
    alive(at(9, 3), but=queue)
    assert reasons(at(9, 3))[0].startswith(f"No worker takes jobs from “{queue}”")


def test_a_process_that_fell_silent_is_not_alive(house):
    alive(at(9, 2))
    assert health.verdict(at(9, 2, 29)).tone == "good"
    assert reasons(at(9, 2, 44)) == ["The scheduler is silent"]
    assert len(reasons(at(9, 2, 46))) == 4, "and no worker either"


def test_mail_that_is_due_and_not_sent_is_red(house, make):
    alive(at(9, 3))
    contact = make.contact(make.office())
    make.message(contact, not_before=at(8, 52), created_at=at(8, 52), expires_at=at(18, 0))
    assert "Mail is due and is not sent" in reasons(at(9, 3))


def test_a_message_that_may_or_may_not_have_arrived_is_said_without_alarm(house, make):
    alive(at(9, 3))
    make.message(make.contact(make.office()), state="unknown", created_at=at(8, 52))
    verdict = health.verdict(at(9, 3))
    assert verdict.tone == "wait"
    assert verdict.sentence == "1 message may or may not have arrived"


def test_a_file_that_could_not_be_read_is_its_bringers_to_look_at(house):
    alive(at(9, 3))
    run = ledger.add("imports", WORK, {"batch_id": 1}, trigger=Trigger.EVENT, now=at(9, 2))
    token = ledger.claim(run.id, "w", 60, now=at(9, 2)).lease_token
    ledger.fail(run.id, token, "Invalid", "no", again=False, now=at(9, 2))
    assert health.verdict(at(9, 3)).tone == "wait"
    now = at(9, 3) + timedelta(days=1)
    due.write_schedule([], now=now)
    assert "“imports” failed (Invalid)" not in reasons(now)


def test_a_failure_of_what_nobody_schedules_wants_a_look_for_a_day_or_until_somebody_has_looked(house, db):
    run = ledger.add("digests", WORK, trigger=Trigger.EVENT, now=at(9, 2))
    ledger.fail(run.id, ledger.claim(run.id, "w", 60, now=at(9, 2)).lease_token, "KeyError", "no", now=at(9, 2))
    failure = "“digests” failed (KeyError)"
    assert failure in reasons(at(9, 1) + timedelta(days=1))
    assert failure not in reasons(at(9, 3) + timedelta(days=1))
    db.session.get(JobRun, run.id).dismissed_at = at(9, 4)
    db.session.flush()
    assert failure not in reasons(at(9, 5))


def test_a_paused_line_is_said_and_is_not_overdue(house, db):
    line = db.session.get(JobSchedule, "alerts")
    line.enabled, line.paused_reason = False, "the relay moves tonight"
    kept("sweep", at(9, 58))
    alive(at(10, 0))
    verdict = health.verdict(at(10, 0))
    assert verdict.tone == "wait"
    assert verdict.sentence == "“alerts” is paused: the relay moves tonight"


def test_the_verdict_costs_one_statement(house, db):
    seen = []

    def listen(*given) -> None:
        seen.append(given[2])

    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        health.verdict(at(9, 3))
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
    assert len(seen) == 1


def test_a_message_of_unknown_fate_stays_until_somebody_decides(house, make):
    alive(at(9, 3))
    make.message(make.contact(make.office()), state="unknown", created_at=at(8, 52) - timedelta(days=90))
    assert reasons(at(9, 3)) == ["1 message may or may not have arrived"]


# --- What is outside ---


def answered(name: str, *moments: datetime, is_up: bool = False) -> None:
    for moment in moments:
        words = "answers" if is_up else "does not answer"
        database.session.add(IntegrationCheck(name=name, at=moment, is_up=is_up, words=words))
    database.session.flush()


def keys(now: datetime) -> list[str]:
    return [reason.key for reason in health.verdict(now).reasons]


def test_one_answer_that_came_late_is_no_trouble_and_two_are(house):
    alive(at(9, 3))
    answered("Mail relay", at(9, 2), at(9, 2, 5))
    assert keys(at(9, 3)) == [], "two that asked at the same time are one look"
    answered("Mail relay", at(9, 2, 30))
    found = health.verdict(at(9, 3)).reasons
    assert [(reason.key, reason.since) for reason in found] == [("unreachable:Mail relay", at(9, 2))]


def test_the_newest_answer_wins_whoever_asked(house):
    alive(at(9, 3))
    answered("Mail relay", at(9, 2), at(9, 2, 50))
    assert keys(at(9, 3)) == ["unreachable:Mail relay"]
    answered("Mail relay", at(9, 2, 55), is_up=True)
    assert keys(at(9, 3)) == []
    answered("Mail relay", at(9, 2, 58))
    assert keys(at(9, 3)) == [], "it is asked in vain for an instant, not since the first of them"


def test_it_is_away_since_it_first_did_not_answer_however_long_ago(house):
    alive(at(10, 30))
    answered("Legacy MongoDB", at(9, 2), is_up=True)
    answered("Legacy MongoDB", *(at(9, 3) + timedelta(minutes=minutes) for minutes in range(87)))
    assert {reason.key: reason.since for reason in health.verdict(at(10, 30)).reasons}[
        "unreachable:Legacy MongoDB"
    ] == at(9, 3)


def test_what_was_read_from_postgresql_does_not_say_that_it_is_away(house):
    alive(at(9, 3))
    answered("PostgreSQL", at(9, 1), at(9, 2))
    assert keys(at(9, 3)) == []


def test_workers_are_given_a_minute_after_redis_is_back(house):
    alive(at(9, 10), but="worker")
    answered("Redis", at(9, 9), at(9, 9, 30))
    answered("Redis", at(9, 9, 45), is_up=True)
    silent = [f"silent:worker:{queue}" for queue in ("alerts", "bulk", "messages")]

    def tones(now: datetime) -> dict[str, str]:
        Heart("scheduler").beat(now=now)
        return {each.key: each.tone.value for each in health.verdict(now).reasons if each.key in silent}

    assert tones(at(9, 10, 29)) == dict.fromkeys(silent, "wait")
    assert tones(at(9, 10, 31)) == dict.fromkeys(silent, "bad")
