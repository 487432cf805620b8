"""The clock: every line of it, one line closely, and its pause."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Response, flash, request
from flask_login import current_user

from app.blueprints.ops import READERS, bp, by_hand, changed
from app.display import duration
from app.domain.errors import Invalid
from app.domain.ops import audit, due
from app.domain.ops.clock import MOST_COUNTED
from app.domain.ops.schedules import closeup
from app.domain.ops.schedules import schedules as all_schedules
from app.extensions import db
from app.jobs.kinds import KINDS
from app.jobs.schedule import SCHEDULE
from app.web import ADMINS, access, clean, go, page


@bp.get("/schedules")
@access(*READERS)
def schedules() -> Response:
    return page("ops/schedules.html", "live", schedules=all_schedules(), by_hand=by_hand(), longest=due.LONGEST_REASON)


@bp.get("/schedules/<name>")
@access(*READERS)
def schedule(name: str) -> Response:
    return _show(name)


@bp.post("/schedules/<name>/pause")
@access(*ADMINS)
def pause_schedule(name: str) -> Response:
    """Stop this line's clock, and say so on every page."""
    reason = clean(request.form.get("reason", ""))
    line = next((line for line in SCHEDULE if line.name == name), None)
    try:
        due.pause(name, reason, current_user.id, work=KINDS[line.kind].work if line else None)
    except Invalid as refusal:
        return _show(name, reason=reason, refusal=refusal.sentence, status=422)
    audit.record(current_user, "schedule.paused", "schedule", name, f"Paused “{name}”: {reason}", reason=reason)
    db.session.commit()
    changed()
    flash(f"“{name}” is paused. A run that was due before still ends.", "good")
    return go("ops.schedule", name=name)


@bp.post("/schedules/<name>/resume")
@access(*ADMINS)
def resume_schedule(name: str) -> Response:
    over = due.resume(name)
    lasted = duration((over.until - over.since).total_seconds())
    many = f"{over.not_owed:,}" if over.not_owed < MOST_COUNTED else f"{MOST_COUNTED:,} or more"
    skipped = f"{many} due {'time was' if over.not_owed == 1 else 'times were'} not owed"
    audit.record(
        current_user,
        "schedule.resumed",
        "schedule",
        name,
        f"Resumed “{name}”, paused {lasted}; {skipped}",
        since=over.since.isoformat(),
        until=over.until.isoformat(),
        not_owed=over.not_owed,
        reason=over.reason,
    )
    db.session.commit()
    changed()
    flash(f"“{name}” runs again. It was paused {lasted}; {skipped}.", "good")
    return go("ops.schedule", name=name)


def _show(name: str, *, reason: str = "", refusal: str = "", status: int = 200) -> Response:
    now = datetime.now(UTC)
    seen = closeup(name, current_user.office.time_zone, now)
    kind: Any = KINDS.get(seen.schedule.line.kind)
    return page(
        "ops/schedule.html",
        "live",
        status=status,
        seen=seen,
        schedule=seen.schedule,
        kind=kind,
        catch_up=due.CATCH_UP,
        by_hand=by_hand(),
        reason=reason,
        refusal=refusal,
        longest=due.LONGEST_REASON,
    )
