"""A failure somebody has seen to: dismissed, it no longer asks for a look and keeps no lamp red; the run stays. Nothing
in this file commits."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import update

from app.domain.errors import Conflict, NotFound
from app.domain.models import JobRun, RunState
from app.extensions import db


def dismiss(run_ids: Collection[int], user_id: int | None, now: datetime | None = None) -> list[int]:
    """Those of these runs that failed and were not dismissed before: now they are. Returns their numbers."""
    statement = (
        update(JobRun)
        .where(JobRun.id.in_(list(run_ids)), JobRun.state == RunState.FAILED.value, JobRun.dismissed_at.is_(None))
        .values(dismissed_at=now or datetime.now(UTC), dismissed_by_id=user_id)
        .returning(JobRun.id)
        .execution_options(synchronize_session=False)
    )
    return sorted(db.session.scalars(statement))


def dismiss_one(run_id: int, user_id: int | None, now: datetime | None = None) -> JobRun:
    """Raises NotFound, and Conflict when it has not failed or was dismissed by somebody."""
    done = dismiss([run_id], user_id, now)
    run = _fresh(run_id)
    if not done:
        seen = "was dismissed already" if run.dismissed_at else f"is {run.state}: only a failure can be dismissed"
        raise Conflict(f"Run {run_id} {seen}.")
    return run


def restore(run_id: int) -> JobRun:
    """Take a dismissal back. Raises NotFound, and Conflict when there is none."""
    statement = (
        update(JobRun)
        .where(JobRun.id == run_id, JobRun.dismissed_at.is_not(None))
        .values(dismissed_at=None, dismissed_by_id=None)
        .returning(JobRun.id)
        .execution_options(synchronize_session=False)
    )
    done = db.session.scalar(statement)
    run = _fresh(run_id)
    if done is None:
        raise Conflict(f"Run {run_id} is not dismissed.")
    return run


def _fresh(run_id: int) -> JobRun:
    run = db.session.get(JobRun, run_id, populate_existing=True)
    if run is None:
        raise NotFound("There is no such run.")
    return run


def error_line(error: str | None, error_class: str | None = None) -> str:
    """What a traceback came to, in one line: “ValueError: no such column”. The first line of any other text."""
    lines = [line.rstrip() for line in (error or "").splitlines() if line.strip()]
    last_frame = max((place for place, line in enumerate(lines) if line.startswith('  File "')), default=-1)
    after = [line for line in lines[last_frame + 1 :] if not line.startswith((" ", "Traceback "))]
    return after[0] if after else (error_class or "Nothing was said")


def error_words(error: str | None, error_class: str | None = None) -> str:
    """The same without its class, for where that is said already."""
    line = error_line(error, error_class)
    name, colon, words = line.partition(": ")
    return words if colon and error_class and name.rpartition(".")[2] == error_class else line
