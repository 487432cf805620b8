"""The registry refuses to contradict itself, at boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import create_app
from app.domain.ops.clock import Line
from app.jobs import kinds
from app.jobs.kinds import KINDS, Kind, RegistryError, check
from app.jobs.schedule import SCHEDULE

PROCFILE = Path(__file__).parent.parent.parent / "Procfile"


def nothing(_: object) -> dict[str, int]:
    return {}


def test_the_code_as_it_is_agrees_with_itself_and_with_the_procfile():
    assert PROCFILE.exists()
    check(KINDS, SCHEDULE, PROCFILE)


def test_a_schedule_of_a_job_that_does_not_exist_is_refused():
    with pytest.raises(RegistryError, match="“weekly” runs “weekly-letter”, which is no kind"):
        check(KINDS, [Line("weekly", "weekly-letter", "0 9 * * 1", "UTC", 60)], PROCFILE)


def test_a_queue_that_no_process_works_is_refused():
    lonely = KINDS | {"lonely": Kind(nothing, "attic", timeout=60, max_attempts=1, overlap=True)}
    with pytest.raises(RegistryError, match="“lonely” is queued on “attic”"):
        check(lonely, SCHEDULE, PROCFILE)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (Line("odd", "sweep", "61 * * * *", "UTC", 60), "“odd” has the clock “61 . . . .”, which cannot be read"),
        (Line("odd", "sweep", "at dawn", "UTC", 60), "“odd” has the clock “at dawn”, which cannot be read"),
        (Line("odd", "sweep", "", "UTC", 60), "“odd” has the clock “”, which cannot be read"),
        (Line("odd", "sweep", "0 0 30 2 *", "UTC", 60), "“odd” has the clock “0 0 30 2 .”, which"),
        (Line("odd", "sweep", "* * * * *", "Port/Ellery", 60), "“odd” is in “Port/Ellery”, which is no time zone"),
        (Line("odd", "sweep", "* * * * *", "../etc/passwd", 60), "which is no time zone"),
        (Line("odd", "sweep", "* * * * *", "", 60), "which is no time zone"),
    ],
)
def test_a_clock_that_cannot_be_kept_is_refused(line, words):
    with pytest.raises(RegistryError, match=words):
        check(KINDS, [line], PROCFILE)


def test_a_kind_without_a_function_is_refused():
    idle = KINDS | {"idle": Kind("app.jobs.sweep.sweep", "bulk", timeout=60, max_attempts=1, overlap=True)}
    with pytest.raises(RegistryError, match="“idle” has no function to call"):
        check(idle, SCHEDULE, PROCFILE)


def test_what_rq_is_told_to_call_must_be_there():
    kept = kinds.BY_NAME
    kinds.BY_NAME = (*kept, "app.jobs.queue.wrok", "app.job.queue.work", "app.jobs.queue.FAILURE_TTL")
    try:
        with pytest.raises(RegistryError) as refusal:
            check(KINDS, SCHEDULE, PROCFILE)
    finally:
        kinds.BY_NAME = kept
    assert str(refusal.value) == (
        "RQ would not find “app.jobs.queue.wrok”; RQ would not find “app.job.queue.work”; "
        "RQ would not find “app.jobs.queue.FAILURE_TTL”"
    )


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(RegistryError, match=r"weekly-letter.*no time zone"):
        check(KINDS, [Line("weekly", "weekly-letter", "0 9 * * 1", "Mars", 60)], PROCFILE)


def test_the_app_does_not_start_on_such_a_registry(app):
    kinds.KINDS["lonely"] = Kind(nothing, "attic", timeout=60, max_attempts=1, overlap=True)
    try:
        with pytest.raises(RegistryError):
            create_app(app.extensions["porchlight"])
    finally:
        del kinds.KINDS["lonely"]


def test_every_line_of_the_procfile_works_one_queue_only():
    lines = [line for line in PROCFILE.read_text().splitlines() if "flask worker" in line]
    assert all(len(line.split("flask worker")[1].split()) == 1 for line in lines)
    assert {line.split()[-1] for line in lines} == {kind.queue for kind in KINDS.values()}


def test_only_jobs_without_arguments_can_be_started_by_hand():
    assert [name for name, kind in KINDS.items() if not kind.by_hand] == ["imports"]
