"""The page of integrations: each with its past, and with everything down."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.models import Alarm, Incident, IntegrationCheck
from app.domain.ops import integrations, probing
from app.domain.ops.integrations import Rate
from app.gateways.probes import Answer
from tests.blueprints.test_health import app_with
from tests.blueprints.test_ops import reader_of
from tests.counting import queries_of
from tests.domain.ops.test_probing import DEAD, reporting_to

NOW = datetime(2026, 11, 20, 15, 42, 30, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
UP = {name: Answer(is_up=True, words="answers", ms=1.0) for name in probing.INTEGRATIONS}


def check(db, name: str, at: datetime, *, is_up: bool = True, ms: float = 2.0, words: str = "answers") -> None:
    db.session.add(IntegrationCheck(name=name, at=at, is_up=is_up, ms=ms if is_up else None, words=words))


def one(name: str, answers=UP) -> integrations.Integration:
    return next(each for each in integrations.look("America/New_York", NOW, answers) if each.name == name)


def test_it_says_when_each_last_answered_and_what_its_last_failure_said(db):
    for minutes in range(10):
        check(db, "Redis", NOW - minutes * MINUTE)
    check(db, "Redis", NOW - 2 * DAY, is_up=False, words="does not answer (OlderError)")
    check(db, "Redis", NOW - 30 * MINUTE, is_up=False, words="does not answer (TimeoutError)")
    found = one("Redis")
    assert (found.last_success, found.last_failure) == (NOW, NOW - 30 * MINUTE)
    assert found.last_words == "does not answer (TimeoutError)"
    assert (found.day, found.fortnight) == (Rate(11, 1), Rate(12, 2))
    assert (found.day.words, found.fortnight.words) == ("9.1 %", "17 %")
    assert one("PostgreSQL").day.words == "–"


def test_latency_is_of_answers_alone(db):
    for minutes in range(20):
        check(db, "Mail relay", NOW - minutes * MINUTE, ms=10 if minutes < 19 else 400)
    check(db, "Mail relay", NOW - 25 * MINUTE, is_up=False)
    found = one("Mail relay")
    assert found.half_ms == 10
    assert 10 < found.most_ms <= 400
    assert found.finding.startswith("Last 24 hours: half answered within 10 ms, the slowest 5 % after ")
    assert found.finding.endswith("1 of 21 questions failed")
    assert [hour for hour in found.hours if hour[1] is not None] == [("10:00", 10, found.most_ms)]
    assert len(found.hours) == 24


def test_the_strip_shows_each_day_of_the_reader(db):
    for minutes in range(20):
        check(db, "Redis", NOW - minutes * MINUTE)
        check(db, "Redis", NOW - DAY - minutes * MINUTE, is_up=minutes > 0)
        check(db, "Redis", NOW - 2 * DAY - minutes * MINUTE, is_up=minutes > 5)
    # 23:30 on Nov 16 in New York, Nov 17 in UTC.
    check(db, "Redis", datetime(2026, 11, 17, 4, 30, tzinfo=UTC))
    found = one("Redis")
    assert [(day.label, day.state) for day in found.days[-6:]] == [
        ("Nov 15", "due"),
        ("Nov 16", "succeeded"),
        ("Nov 17", "due"),
        ("Nov 18", "failed"),
        ("Nov 19", "late"),
        ("Nov 20", "succeeded"),
    ]
    assert "Nov 18 30 % failed, Nov 19 5.0 % failed" in found.strip_words


def test_the_readers_own_question_counts_as_the_newest_answer(db):
    check(db, "Redis", NOW - MINUTE)
    check(db, "Mail relay", NOW - MINUTE, is_up=False, words="does not take mail")
    own = NOW - timedelta(seconds=2)
    away = one("Redis", UP | {"Redis": Answer(is_up=False, words="does not answer", ms=900, checked_at=own)})
    assert (away.tone, away.last_success, away.last_failure) == ("bad", NOW - MINUTE, own)
    assert (away.day, away.fortnight, away.last_words) == (Rate(2, 1), Rate(2, 1), "does not answer")
    back = one("Mail relay", UP | {"Mail relay": Answer(is_up=True, words="takes mail", ms=8, checked_at=own)})
    assert (back.tone, back.last_success, back.last_failure, back.day) == ("good", own, NOW - MINUTE, Rate(2, 1))


def test_a_newer_answer_of_somebody_else_goes_before_the_readers_own(db):
    own = NOW - timedelta(seconds=9)
    check(db, "Redis", NOW - timedelta(seconds=3))
    check(db, "Mail relay", NOW - timedelta(seconds=3), is_up=False, words="does not take mail")
    answers = UP | {"Redis": Answer(is_up=False, words="does not answer", checked_at=own)}
    answers |= {"Mail relay": Answer(is_up=True, words="takes mail", ms=8, checked_at=own)}
    found, relay = one("Redis", answers), one("Mail relay", answers)
    assert (found.answer.is_up, found.answer.words, found.day) == (True, "answers", Rate(1, 0))
    assert (relay.answer.is_up, relay.answer.words, relay.day) == (False, "does not take mail", Rate(1, 1))


def test_what_is_older_than_a_day_is_kept_by_the_hour_and_counts_the_same(db):
    for days in (0, 3, 13):
        for minutes in range(50):
            is_up = (minutes, days) not in {(20, 3), (21, 3)}
            check(db, "Redis", NOW - days * DAY - minutes * MINUTE, is_up=is_up, words=f"{minutes}")
    before = one("Redis")
    for _ in range(2):
        probing.fold(NOW)
        assert one("Redis") == before
    # 15:42 back to 14:53: two hours each, and one more row for the answers in vain
    assert db.session.query(IntegrationCheck).count() == 50 + 3 + 2


def test_the_relay_is_judged_by_real_mail_too(db, make, office):
    contact = make.contact(office=office)
    for days, word in ((0, "sent"), (0, "sent"), (0, "deferred"), (3, "sent"), (4, "unknown"), (9, "failed")):
        message = make.message(contact)
        moment = NOW - days * DAY - MINUTE
        make.message_event(message, word, occurred_at=moment, recorded_at=moment)
    make.message_event(message, "unsubscribed", source="link", recorded_at=NOW - MINUTE)
    sends = one("Mail relay").sends
    assert (sends.day, sends.span) == (Rate(3, 1), Rate(5, 2))
    assert sends.last_success == NOW - MINUTE
    assert not sends.is_part


def test_slack_is_judged_by_the_alarms_it_took(db):
    incident = Incident(key="k", tone="bad", sentence="s", opened_by="web", opened_at=NOW, seen_at=NOW)
    db.session.add(incident)
    db.session.flush()
    for hours, outcome, channel in ((1, "sent", "slack"), (2, "failed", "slack"), (1, "failed", "email")):
        moment = NOW - timedelta(hours=hours)
        db.session.add(
            Alarm(incident_id=incident.id, occasion="opened", channel=channel, outcome=outcome, created_at=moment)
        )
    db.session.flush()
    sends = one("Slack").sends
    assert (sends.span, sends.last_success) == (Rate(2, 1), NOW - timedelta(hours=1))


def test_what_is_not_set_up_says_which_setting_is_empty(as_viewer):
    page = as_viewer.get("/ops/integrations").text
    for setting in ("LEGACY_MONGO_URL", "SLACK_BOT_TOKEN", "SENTRY_DSN"):
        assert f"{setting} is empty" in page


def test_the_page_renders_and_says_so_with_everything_down(app, make, office, db, tmp_path):
    now = datetime.now(UTC)
    for name in probing.INTEGRATIONS:
        for minutes in range(5):
            check(db, name, now - minutes * MINUTE, is_up=name == "PostgreSQL", words="was away")
    db.session.commit()
    probing.forget()
    dead = app_with(app, tmp_path, redis_url="redis://127.0.0.1:9/0", **DEAD)
    reader = reader_of(reporting_to(dead, "http://key@127.0.0.1:9/1"), make.user(office=office))
    began = time.monotonic()
    answer = reader.get("/ops/integrations")
    assert answer.status_code == 200
    assert time.monotonic() - began < 24
    text = re.sub(r"\s+", " ", answer.text)
    assert "Redis, Mail relay, Legacy MongoDB, Slack, Sentry do not answer now." in text
    assert text.count("Away</span>") == 5
    assert "No answer in the last 24 hours; 6 of 6 questions failed" in text
    assert "is empty" not in text


def test_the_page_costs_few_statements(as_staff, db):
    now = datetime.now(UTC)
    as_staff.get("/ops/integrations")
    for name in probing.INTEGRATIONS:
        for minutes in range(50):
            check(db, name, now - minutes * MINUTE, is_up=minutes % 7 > 0)
    db.session.commit()
    db.session.expire_all()
    with queries_of() as seen:
        page = as_staff.get("/ops/integrations")
    assert page.status_code == 200
    assert len(seen) <= 12
    assert len(page.data) < 100_000


def test_agents_do_not_enter_and_htmx_gets_the_live_part_alone(as_agent, as_viewer):
    assert as_agent.get("/ops/integrations").status_code == 403
    answer = as_viewer.get("/ops/integrations", headers={"HX-Request": "true"}).text
    assert "<html" not in answer
    assert answer.strip().startswith("<div id=")


@pytest.mark.parametrize(
    ("rate", "words"),
    [((0, 0), "–"), ((10, 0), "none"), ((20_000, 1), "0.1 %"), ((200, 3), "1.5 %"), ((9, 9), "100 %")],
)
def test_a_rate_is_never_rounded_to_none(rate, words):
    assert Rate(*rate).words == words
