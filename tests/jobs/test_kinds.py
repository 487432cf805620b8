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
