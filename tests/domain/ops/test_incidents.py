"""One incident for each check that fails, whoever looks; it closes itself; what follows from it is told with it."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from app.domain.errors import Conflict
from app.domain.models import AuditEntry, Incident, IntegrationCheck, JobRun, JobSchedule, Role, Trigger
from app.domain.ops import alarms, due, health, incidents, ledger, probing
from app.domain.ops.heartbeat import Heart
from app.domain.ops.ledger import Work
from app.domain.ops.queries import incidents as queries
from app.extensions import db as database
from app.jobs.kinds import KINDS
from app.jobs.schedule import SCHEDULE
from devstack.mailbox import Catcher
from tests.blueprints.test_health import app_with

BOOT = datetime(2026, 11, 20, 9, 2, tzinfo=UTC)
QUEUES = ("alerts", "messages", "bulk")


@pytest.fixture(autouse=True)
def unprobed():
    probing.forget()
    yield
    probing.forget()


@pytest.fixture
def house(db):
    due.write_schedule(SCHEDULE, now=BOOT)


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return BOOT.replace(hour=hour, minute=minute, second=second)


def alive(now: datetime, *, but: str = "") -> None:
    """Everybody says so now, but this one."""
    database.session.query(health.queries.ProcessHeartbeat).delete()
    for role, queue in (("scheduler", None), *(("worker", queue) for queue in QUEUES)):
        if but not in {role, queue}:
            Heart(role, queue=queue).beat(now=now)


def run_all(now: datetime) -> None:
    """What is due is written down and done."""
    for line in SCHEDULE:
        due.materialise(line.name, KINDS[line.kind].work, now)
    for run in database.session.query(JobRun).filter_by(state="pending").order_by(JobRun.id):
        token = ledger.claim(run.id, "w", 60, now=now).lease_token
        ledger.finish(run.id, token, {}, now=now)


def reasons(now: datetime) -> list[str]:
    """What is wrong, but for the lines of the schedule, which these tests do not run."""
    found = [reason.key for reason in health.verdict(now).reasons]
    return [key for key in found if not key.startswith(("overdue:", "unwritten:", "paused:"))]


def look(now: datetime, by: str = "web") -> incidents.Looked:
    return incidents.look(now, by=by)


def open_keys() -> list[str]:
    return [each.key for each in queries.open_now()]


def test_nothing_is_opened_in_a_house_that_is_well(house):
    alive(at(9, 3))
    assert look(at(9, 3)) == incidents.Looked([], [])


def test_a_check_that_fails_opens_one_incident_however_often_it_is_seen(house):
    alive(at(9, 3), but="alerts")
    assert look(at(9, 3), "scheduler").opened == ["silent:worker:alerts"]
    alive(at(9, 3, 30), but="alerts")
    assert look(at(9, 3, 30), "worker").opened == []
    found = queries.open_now()
    assert [(each.key, each.tone, each.opened_by) for each in found] == [("silent:worker:alerts", "bad", "scheduler")]
    assert found[0].sentence == "No worker takes jobs from “alerts”"
    assert (found[0].opened_at, found[0].seen_at) == (at(9, 3), at(9, 3, 30))


def test_looking_uses_up_no_numbers(house, db):
    alive(at(9, 3), but="alerts")
    look(at(9, 3))
    for second in range(10, 60, 10):
        alive(at(9, 3, second), but="alerts")
        look(at(9, 3, second))
    first = queries.open_now()[0].id
    alive(at(9, 4), but="alerts")
    database.session.query(health.queries.ProcessHeartbeat).filter_by(queue="bulk").delete()
    look(at(9, 4))
    assert {each.id for each in queries.open_now()} == {first, first + 1}


def test_it_closes_after_half_a_minute_without_a_sighting_and_not_before(house, db):
    alive(at(9, 3), but="bulk")
    look(at(9, 3))
    alive(at(9, 3, 15))
    assert look(at(9, 3, 15)).closed == []
    alive(at(9, 3, 29))
    assert look(at(9, 3, 29)).closed == []
    assert look(at(9, 3, 30)).closed == ["silent:worker:bulk"]
    assert queries.open_now() == []
    assert [each.closed_at for each in db.session.scalars(queries.closed())] == [at(9, 3, 30)]


def test_what_flickers_stays_one_incident(house, db):
    for second in range(0, 60, 10):
        alive(at(9, 3, second), but="bulk" if second % 20 == 0 else "")
        look(at(9, 3, second))
    assert db.session.query(Incident).count() == 1


def test_a_second_time_is_a_second_incident(house, db):
    for minute, but in ((3, "bulk"), (4, ""), (5, "bulk")):
        alive(at(9, minute), but=but)
        look(at(9, minute))
    assert [each.closed_at is None for each in db.session.query(Incident).order_by(Incident.id)] == [False, True]


def test_a_looker_that_finds_less_takes_nothing_away_while_another_finds_it(house):
    """One process has asked the relay, the other has not."""
    alive(at(9, 3))
    incident = Incident(
        key="unreachable:Mail relay",
        tone="bad",
        sentence="Mail relay does not take mail",
        opened_by="web",
        opened_at=at(9, 0),
        seen_at=at(9, 3),
    )
    database.session.add(incident)
    database.session.flush()
    assert look(at(9, 3, 20)).closed == []


def test_a_bad_one_is_due_to_be_told_after_a_minute_and_a_mild_one_never(house, make):
    alive(at(9, 3), but="bulk")
    make.message(make.contact(make.office()), state="unknown", created_at=at(8, 52))
    look(at(9, 3))
    notices = {each.key: each.next_notice_at for each in queries.open_now()}
    assert notices == {"silent:worker:bulk": at(9, 4), "mail:unknown": None}


def test_the_worst_comes_first(house, make):
    make.message(make.contact(make.office()), state="unknown", created_at=at(8, 52))
    alive(at(9, 3))
    look(at(9, 3))
    alive(at(9, 4), but="bulk")
    look(at(9, 4))
    assert open_keys() == ["silent:worker:bulk", "mail:unknown"]


def test_a_line_that_a_person_paused_is_shown_and_is_no_incident(house, db):
    alive(at(9, 3))
    db.session.get(JobSchedule, "alerts").enabled = False
    db.session.flush()
    assert [reason.key for reason in health.verdict(at(9, 3)).reasons] == ["paused:alerts"]
    assert look(at(9, 3)).opened == []


def test_two_hours_without_a_scheduler_are_one_incident_and_the_rest_follows_from_it(house, db):
    run_all(at(9, 16))
    alive(at(9, 16))
    assert look(at(9, 16)).opened == []
    for minutes in range(0, 120, 5):
        now = at(9, 20) + timedelta(minutes=minutes)
        alive(now, but="scheduler")
        look(now)
    assert open_keys() == ["silent:scheduler"]
    found = queries.open_now()[0]
    assert found.detail["follows"] == ["“alerts” has stopped", "“sweep” has stopped"]
    # It comes back; what is late is made up for after a moment.
    for seconds in (0, 20, 40):
        now = at(11, 20) + timedelta(seconds=seconds)
        alive(now)
        if seconds == 20:
            run_all(now)
        look(now)
    assert queries.open_now() == []
    assert db.session.query(Incident).count() == 1
    missed = [run.due_at for run in db.session.query(JobRun).filter_by(schedule_name="alerts", state="missed")]
    assert sorted(missed) == [at(9, 30) + timedelta(minutes=15 * number) for number in range(7)]


def test_a_consequence_that_outlives_its_cause_opens_its_own(house):
    run_all(at(9, 16))
    for minute in (31, 45):
        alive(at(9, minute), but="scheduler")
        look(at(9, minute))
    for second in range(0, 60, 15):
        alive(at(9, 46, second))
        look(at(9, 46, second))
    assert open_keys() == ["overdue:alerts", "overdue:sweep"]


def test_a_mild_cause_never_hides_a_bad_consequence(house, make):
    """Redis away is worth a look; mail that is not sent because of it calls somebody."""
    for minutes in (0, 2):
        check = IntegrationCheck(name="Redis", at=at(9, 3 + minutes), is_up=False, words="does not answer")
        database.session.add(check)
    make.message(make.contact(make.office()), not_before=at(8, 52), created_at=at(8, 52), expires_at=at(18, 0))
    Heart("scheduler").beat(now=at(9, 5))
    look(at(9, 5))
    found = {each.key: each.tone for each in queries.open_now()}
    assert found == {"unreachable:Redis": "wait", "mail:waiting": "bad"}
    mild = [reason for reason in health.verdict(at(9, 5)).reasons if reason.key.startswith("silent:worker")]
    assert {reason.tone for reason in mild} == {"wait"}, "no worker can take a job, and the scheduler does what must be"


def test_without_redis_and_without_a_scheduler_silent_workers_are_bad(house):
    database.session.add(IntegrationCheck(name="Redis", at=at(9, 3), is_up=False, words="does not answer"))
    database.session.flush()
    assert {reason.tone for reason in health.verdict(at(9, 4)).reasons if reason.key.startswith("silent")} == {"bad"}


def test_an_answer_that_is_old_says_nothing(house):
    for minute in (2, 3):
        down = IntegrationCheck(name="Mail relay", at=at(9, minute), is_up=False, words="does not take mail")
        database.session.add(down)
    alive(at(9, 5))
    assert [reason.key for reason in health.verdict(at(9, 5)).reasons] == ["unreachable:Mail relay"]
    database.session.add(IntegrationCheck(name="Mail relay", at=at(9, 4), is_up=True, words="takes mail"))
    alive(at(9, 5))
    assert health.verdict(at(9, 5)).reasons == []


def test_what_turns_bad_is_told_and_what_turns_mild_before_is_not(house, make):
    alive(at(9, 3), but="bulk")
    for moment in (at(9, 2, 45), at(9, 3)):
        database.session.add(IntegrationCheck(name="Redis", at=moment, is_up=False, words="does not answer"))
    look(at(9, 3))
    assert open_keys() == ["unreachable:Redis"], "the worker's silence follows from it"
    for second in (15, 30, 45):
        now = at(9, 6, second)
        alive(now, but="bulk")
        look(now)
    assert [(each.key, each.next_notice_at) for each in queries.open_now()] == [("silent:worker:bulk", at(9, 7, 15))]
    database.session.add(IntegrationCheck(name="Redis", at=at(9, 6, 50), is_up=False, words="does not answer"))
    alive(at(9, 7), but="bulk")
    look(at(9, 7))
    assert {each.key: each.next_notice_at for each in queries.open_now()}["silent:worker:bulk"] is None


def pending(queue: str, run_after: datetime, now: datetime) -> JobRun:
    run = ledger.add("alerts", Work(queue, 1, skips_overlap=False), trigger=Trigger.MANUAL, now=now)
    run.run_after = run_after
    database.session.flush()
    return run


def test_runs_that_wait_behind_others_are_busy_and_runs_that_nobody_begins_are_stuck(house):
    pending("bulk", at(9, 3), at(9, 3))
    alive(at(9, 12))
    assert reasons(at(9, 12)) == []
    alive(at(9, 14))
    stuck = next(reason for reason in health.verdict(at(9, 14)).reasons if reason.key == "stuck:bulk")
    assert (stuck.tone, stuck.since) == ("bad", at(9, 3))
    other = pending("bulk", at(9, 10), at(9, 10))
    ledger.claim(other.id, "w", 60, now=at(9, 13, 30))
    busy = next(reason for reason in health.verdict(at(9, 14)).reasons if reason.key == "busy:bulk")
    assert busy.tone == "wait"
    assert reasons(at(9, 14)) == ["busy:bulk"]


def test_depth_alone_alarms_nobody(house):
    for _ in range(200):
        pending("bulk", at(9, 3), at(9, 3))
    alive(at(9, 5))
    assert reasons(at(9, 5)) == []


def test_a_lease_that_nobody_takes_back_is_bad(house):
    run = pending("bulk", at(9, 3), at(9, 3))
    ledger.claim(run.id, "w", 60, now=at(9, 3))
    alive(at(9, 5, 59))
    assert reasons(at(9, 5, 59)) == []
    alive(at(9, 6, 1))
    assert reasons(at(9, 6, 1)) == ["held"]


def test_pa_25_many_mails_and_no_bounce_at_all_is_an_alarm(house, make):
    contact = make.contact(make.office())
    messages = [make.message(contact, state="sent", created_at=at(8, 0), sent_at=at(8, 0)) for _ in range(2)]
    alive(at(9, 3))
    signs = health.vitals(at(9, 3))
    assert signs.sent_unbounced == 2
    assert health.verdict(at(9, 3), signs=replace(signs, sent_unbounced=4_999)).reasons == []
    found = health.verdict(at(9, 3), signs=replace(signs, sent_unbounced=5_000)).reasons
    assert [(reason.key, reason.tone) for reason in found] == [("canary:bounces", "bad")]
    make.message_event(messages[0], event_type="bounced", recorded_at=at(8, 1))
    assert health.vitals(at(9, 3)).sent_unbounced == 0


def test_sy_07_an_overdue_line_says_whether_its_run_was_ever_written_down(house):
    run_all(at(9, 16))
    alive(at(9, 41))
    why = {reason.key: reason.why for reason in health.verdict(at(9, 41)).reasons}
    assert why["overdue:alerts"].startswith("No run was written down")
    due.materialise("alerts", KINDS["alerts"].work, at(9, 41))
    assert {reason.key: reason.why for reason in health.verdict(at(9, 41)).reasons}["overdue:alerts"] == (
        "Its runs are written down and do not succeed."
    )


def test_somebody_is_on_it_and_that_is_written_down(house, make, db):
    alive(at(9, 3), but="bulk")
    look(at(9, 3))
    ruth = make.user(office=make.office(), role=Role.ADMIN)
    found = incidents.acknowledge(queries.open_now()[0].id, ruth, at(9, 3, 20))
    assert (found.acknowledged_at, found.next_notice_at) == (at(9, 3, 20), None)
    assert queries.holders_of([found]) == {found.id: ruth.full_name}
    entry = db.session.query(AuditEntry).one()
    assert (entry.action, entry.subject_id) == ("incident.acknowledged", str(found.id))
    alive(at(9, 4), but="bulk")
    look(at(9, 4))
    assert queries.open_now()[0].next_notice_at is None, "nobody is told of what somebody knows"
    alive(at(9, 6))
    look(at(9, 6))
    with pytest.raises(Conflict, match="over already"):
        incidents.acknowledge(found.id, ruth, at(9, 7))


@pytest.mark.committed
def test_many_lookers_at_once_open_one_incident(app, db):
    now = datetime.now(UTC)
    due.write_schedule(SCHEDULE, now=now)
    database.session.commit()
    gate, opened = threading.Barrier(4), []

    def look_once() -> None:
        with app.app_context():
            gate.wait()
            opened.extend(incidents.look(now, by="web").opened)
            database.session.remove()

    threads = [threading.Thread(target=look_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == sorted(["silent:scheduler", *(f"silent:worker:{queue}" for queue in QUEUES)])
    assert sorted(open_keys()) == sorted(opened)


def rested(app) -> None:
    """This process may look again."""
    incidents._looked[app.extensions["porchlight"].database_url] = -incidents.LOOK_SECONDS


def test_a_process_that_has_just_begun_gives_the_others_time_to_begin(app, house):
    incidents._looked.clear()
    incidents.watch("web")
    assert queries.open_now() == []


def test_a_process_looks_at_most_every_quarter_minute(app, house):
    rested(app)
    incidents.watch("web")
    first = [each.seen_at for each in queries.open_now()]
    assert first, "nobody beats in a test"
    incidents.watch("web")
    assert [each.seen_at for each in queries.open_now()] == first


def test_what_is_asked_once_a_minute_is_told_when_it_was_found_three_times(house):
    for minute in (3, 4):
        down = IntegrationCheck(name="Mail relay", at=at(9, minute), is_up=False, words="does not take mail")
        database.session.add(down)
        alive(at(9, minute))
        look(at(9, minute))
        assert len(queries.open_now()) == minute - 3, "one answer may have come late"
    found = queries.open_now()[0]
    assert (found.since, found.opened_at, found.next_notice_at) == (at(9, 3), at(9, 4), at(9, 5, 30))


def test_a_look_without_the_database_says_so_and_no_more(app, tmp_path):
    away = app_with(app, tmp_path, database_url="postgresql://nobody@127.0.0.1:9/none")
    with away.app_context(), capture_logs() as said:
        rested(away)
        incidents.watch("worker")
    assert [line["event"] for line in said] == ["watch.failed"]


def test_the_scheduler_asks_redis_and_writes_its_silence_down_for_the_others(app, db, tmp_path):
    nowhere = app_with(app, tmp_path, redis_url="redis://127.0.0.1:9/0")
    with nowhere.app_context():
        incidents._ask_again()
    assert database.session.query(IntegrationCheck.name, IntegrationCheck.is_up).all() == [("Redis", False)]
    incidents._ask_again()
    incidents._ask_again()
    answers = database.session.query(IntegrationCheck).order_by(IntegrationCheck.at)
    assert [each.is_up for each in answers] == [False, True], "its return too, once"


def test_the_scheduler_asks_what_is_away_so_that_no_incident_outlives_its_trouble(app, db, house, tmp_path):
    now = datetime.now(UTC)
    for seconds in (80, 20):
        moment = now - timedelta(seconds=seconds)
        database.session.add(IntegrationCheck(name="Mail relay", at=moment, is_up=False, words="does not take mail"))
    alive(now)
    look(now)
    assert "unreachable:Mail relay" in open_keys()
    with Catcher(tmp_path / "mail") as catcher:
        back = app_with(app, tmp_path, smtp_url=catcher.url)
        with back.app_context():
            incidents._ask_again()
    newest = database.session.query(IntegrationCheck).order_by(IntegrationCheck.at.desc()).first()
    assert (newest.name, newest.is_up) == ("Mail relay", True)
    assert "unreachable:Mail relay" not in [reason.key for reason in health.verdict().reasons]


def test_only_the_web_that_was_told_so_looks_beside_its_pages(app, db):
    rested(app)
    incidents.watch_beside()
    assert not any(thread.is_alive() for thread in incidents._beside)
    assert queries.open_now() == []


def test_what_gets_worse_is_nobodys_any_more_and_is_told(house, make):
    """Silent workers are worth a look while Redis is away, and somebody is on it; then Redis is back and they are not."""
    alive(at(9, 3), but="bulk")
    database.session.add(
        Incident(
            key="silent:worker:bulk",
            tone="wait",
            sentence="No worker takes jobs from “bulk”",
            opened_by="web",
            opened_at=at(9, 2),
            seen_at=at(9, 3),
        )
    )
    database.session.flush()
    incidents.acknowledge(queries.open_now()[0].id, make.user(office=make.office(), role=Role.ADMIN), at(9, 3))
    look(at(9, 3, 15))
    found = queries.open_now()[0]
    database.session.refresh(found)
    assert (found.tone, found.acknowledged_at, found.acknowledged_by_id) == ("bad", None, None)
    assert found.next_notice_at == at(9, 4, 15)
    assert found.detail["worse_at"] == at(9, 3, 15).isoformat()
    notice = alarms._claim(at(9, 4, 15))
    assert any(line.startswith("It got worse") for line in notice.lines)


def test_what_was_bad_and_told_is_not_told_anew_for_having_been_milder_meanwhile(house):
    alive(at(9, 3), but="bulk")
    look(at(9, 3))
    found = queries.open_now()[0]
    found.tone, found.notified_at, found.next_notice_at = "wait", at(9, 4), at(9, 4) + timedelta(days=1)
    database.session.flush()
    alive(at(9, 5), but="bulk")
    look(at(9, 5))
    database.session.refresh(found)
    assert (found.tone, found.next_notice_at) == ("bad", at(9, 4) + timedelta(days=1))


def pauses(now: datetime) -> list[Incident]:
    alive(now)
    look(now)
    database.session.expire_all()
    return [each for each in queries.open_now() if each.key.startswith("paused:")]


def test_a_pause_is_nobodys_trouble_for_a_day_and_then_a_mild_one_that_is_told_once_a_day(house, make):
    ruth = make.user(office=make.office(), role=Role.ADMIN)
    due.pause("alerts", "the relay moves", ruth.id, at(9, 3))
    assert pauses(at(9, 3) + timedelta(hours=23, minutes=59)) == []
    began = at(9, 3) + timedelta(days=1)
    (found,) = pauses(began)
    words = f"“alerts” has been paused for 1 day by {ruth.full_name}: the relay moves"
    assert (found.tone, found.sentence, found.next_notice_at) == ("wait", words, began)
    assert due_notices(began) == [f"Porchlight: {words}"]
    pauses(began + timedelta(hours=23))
    assert due_notices(began + timedelta(hours=23)) == []
    (found,) = pauses(began + timedelta(days=1))
    assert due_notices(began + timedelta(days=1)) == [f"Porchlight: Still: {words.replace('1 day', '2 days')}"]
    incidents.acknowledge(found.id, ruth, began + timedelta(days=1))
    pauses(began + timedelta(days=3))
    assert due_notices(began + timedelta(days=3)) == []
    due.resume("alerts", began + timedelta(days=3))
    assert pauses(began + timedelta(days=3, minutes=1)) == []


def due_notices(now: datetime) -> list[str]:
    """What would be told of pauses."""
    found = []
    while (notice := alarms._claim(now)) is not None:
        alarms._record(notice, {"slack": alarms.Told(is_sent=True, words="posted")}, now)
        found.append(notice)
    return [notice.subject for notice in found if notice.key.startswith("paused:")]


def test_a_forgotten_pause_waits_for_a_channel_to_be_told(house, make):
    due.pause("alerts", "the relay moves", make.user(office=make.office(), role=Role.ADMIN).id, at(9, 3))
    began = at(9, 3) + timedelta(days=1)
    pauses(began)
    (found,) = pauses(began + timedelta(days=1))
    assert "2 days" in found.sentence
    assert found.next_notice_at == began
