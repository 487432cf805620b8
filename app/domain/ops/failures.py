"""A failure somebody has seen to: dismissed, it no longer asks for a look and keeps no lamp red; the run stays. Nothing
in this file commits."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import update

from app.domain.errors import Conflict, NotFound
from app.domain.models import JobRun, RunState
from app.extensions import db

STATEMENT_FOLLOWS = ("[SQL", "(Background on this error")


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
    """What a traceback came to, in one line: “ValueError: no such column”. The first line of any other text. Of one that
    was cut in the middle of a statement only a line that is the exception's own, else its class: a piece of SQL is no
    error."""
    lines = [line.rstrip() for line in (error or "").splitlines() if line.strip()]
    last_frame = max((place for place, line in enumerate(lines) if line.startswith('  File "')), default=-1)
    after = [line for line in lines[last_frame + 1 :] if not line.startswith((" ", "Traceback "))]
    own = next((line for line in after if error_class and _is_of(line, error_class)), None)
    if own is not None or last_frame >= 0 or not any(line.startswith(STATEMENT_FOLLOWS) for line in lines):
        return own or (after[0] if after else error_class or "Nothing was said")
    return error_class or "Nothing was said"


def _is_of(line: str, error_class: str) -> bool:
    """“ValueError: …”, and of what a driver said “sqlalchemy.exc.IntegrityError: (psycopg.errors.UniqueViolation) …”."""
    name, _, words = line.partition(": ")
    said_by = words[1:].partition(")")[0] if words.startswith("(") else name
    return error_class in {name.rpartition(".")[2], said_by.rpartition(".")[2]}


def error_words(error: str | None, error_class: str | None = None) -> str:
    """The same without its class, for where that is said already."""
    line = error_line(error, error_class)
    name, colon, words = line.partition(": ")
    return words if colon and error_class and name.rpartition(".")[2] == error_class else line
