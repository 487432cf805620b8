"""What a job says is kept for its page, whatever becomes of its work."""

from __future__ import annotations

import time

import pytest
import structlog

from app.domain.models import JobLogLine, JobRun, RunState, Trigger
from app.extensions import db as database
from app.jobs.kinds import KINDS, Kind
from app.jobs.queue import start, work
from app.jobs.run import MOST_LINES, Run

pytestmark = pytest.mark.committed

log = structlog.get_logger(__name__)


@pytest.fixture
def said(db):
    """Does a run of this function once; what was kept of it."""

    def do(function, because: str = "") -> list[JobLogLine]:
        KINDS["errand"] = Kind(function, "bulk", timeout=60, max_attempts=2, overlap=True)
        try:
            run_id = start("errand", trigger=Trigger.MANUAL).id
            database.session.commit()
            work(run_id, because)
        finally:
            del KINDS["errand"]
        return lines_of(run_id)

    return do


def lines_of(run_id: int) -> list[JobLogLine]:
    return database.session.query(JobLogLine).filter_by(run_id=run_id).order_by(JobLogLine.line).all()


def test_why_a_run_is_done_elsewhere_is_its_first_line(said):
    def talk(run: Run) -> dict[str, int]:
        log.info("at.work")
        return {}

    lines = said(talk, "Redis is away: done by the scheduler itself")
    assert [(each.event, each.fields) for each in lines] == [
        ("run.elsewhere", {"because": "Redis is away: done by the scheduler itself"}),
        ("at.work", {}),
    ]


def test_what_a_job_says_is_kept_with_its_fields_and_without_those_of_every_line(said):
    def talk(run: Run) -> dict[str, int]:
        log.info("batch.matched", pairs=12, areas=["Dock Street", "Harbor"])
        log.debug("too.much")
        log.warning("relay.slow", ms=812.5)
        return {}

    lines = said(talk)
    assert [(each.line, each.attempt, each.level, each.event, each.fields) for each in lines] == [
        (1, 1, "info", "batch.matched", {"pairs": 12, "areas": ["Dock Street", "Harbor"]}),
        (2, 1, "warning", "relay.slow", {"ms": 812.5}),
    ]


def test_it_is_there_also_when_the_work_is_rolled_back(said):
    def stumble(run: Run) -> dict[str, int]:
        log.info("row.read", row=7)
        try:
            raise KeyError("list_price")
        except KeyError:
            log.exception("row.unreadable")
        raise ValueError("no")

    first, second = said(stumble)
    assert (first.event, first.fields) == ("row.read", {"row": 7})
    assert "KeyError: 'list_price'" in second.fields["traceback"]
    assert database.session.get(JobRun, first.run_id).state == RunState.PENDING


def test_nobodys_address_is_kept_and_nothing_that_postgresql_would_refuse(said):
    def talk(run: Run) -> dict[str, int]:
        log.info(
            "to amelia.c@example.co.uk", who={"to": ["amelia.c@example.co.uk"]}, odd="a\0b\ud800", none=float("nan")
        )
        log.info("long", words="x" * 9000)
        log.info("odd", run=run)
        return {}

    first, second, third = said(talk)
    assert (first.event, first.fields) == ("to …@…", {"who": {"to": ["…@…"]}, "odd": "ab?", "none": "nan"})
    assert len(second.fields["words"]) == 4000
    assert third.fields["run"].startswith("Run(")


def test_of_a_talkative_attempt_the_first_lines_are_kept_and_how_many_were_left_out(said):
    def talk(run: Run) -> dict[str, int]:
        for number in range(1, MOST_LINES + 101):
            log.info("row.read", row=number)
            if number == MOST_LINES + 50:
                time.sleep(1.5)  # in which they are written, and the number left out with them
        return {}

    lines = said(talk)
    assert len(lines) == MOST_LINES
    assert lines[-2].fields == {"row": MOST_LINES - 1}
    assert (lines[-1].event, lines[-1].fields) == ("lines.left_out", {"lines": 101})


def test_lines_are_there_while_the_job_still_works(said):
    seen = []

    def talk(run: Run) -> dict[str, int]:
        log.info("begun")
        until = time.monotonic() + 30
        while not seen and time.monotonic() < until:
            time.sleep(0.1)
            seen.extend(line.event for line in lines_of(run.id))
            database.session.rollback()
        return {}

    said(talk)
    assert seen == ["begun"]


def test_what_is_said_outside_of_a_job_is_nobodys(said):
    assert said(lambda run: {}) == []
    log.info("outside")
    assert database.session.query(JobLogLine).count() == 0
