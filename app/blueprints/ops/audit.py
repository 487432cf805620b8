"""Who did what: every act of a person, newest first."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, request
from flask_login import current_user

from app.blueprints.ops import PAGE, READERS, bp
from app.domain.errors import Invalid
from app.domain.models import AuditEntry
from app.domain.ops.queries import audit as rows
from app.domain.ops.run_filter import NO_DATE
from app.extensions import db
from app.web import access, clean, link_to, page, row_id, wants_fragment, with_args

PLACES = {
    "run": ("ops.run", "run_id"),
    "schedule": ("ops.schedule", "name"),
    "message": ("ops.message", "message_id"),
    "incident": ("ops.incident", "incident_id"),
}
"""Where a subject is shown: its screen, and what its address asks for."""
BY_COMMAND = "command-line"


@bp.get("/audit", endpoint="audit")
@access(*READERS)
def index() -> Response:
    chosen = {name: clean(request.args.get(name, ""))[:200] for name in ("person", "action", "subject", "id", "since")}
    before = request.args.get("before", type=row_id)
    found = list(
        db.session.scalars(
            rows.entries(
                current_user.office_id,
                person=_row_of(chosen["person"]),
                by_command=chosen["person"] == BY_COMMAND,
                action=chosen["action"],
                subject_type=chosen["subject"],
                subject_id=chosen["id"],
                since=_morning_of(chosen["since"]),
                before=before,
            ).limit(PAGE + 1)
        )
    )
    known = rows.choices(current_user.office_id)
    response = page(
        "ops/audit.html",
        "results",
        entries=found[:PAGE],
        more=found[PAGE - 1].id if len(found) > PAGE else None,
        is_first=before is None,
        chosen=chosen,
        people=sorted({(_person(row), row.actor) for row in known}, key=lambda pair: pair[1].casefold()),
        actions=[(word, word) for word in sorted({row.action for row in known})],
        subjects=[(word, word) for word in sorted({row.subject_type for row in known})],
        person_of=_person,
        place_of=_place_of,
    )
    if wants_fragment():
        # What was left empty is not worth an address.
        response.headers["HX-Push-Url"] = with_args(**{n: None for n, v in request.args.items() if not v.strip()})
    return response


def _person(entry: Any) -> str:
    """How a person is named in the address."""
    return str(entry.user_id) if entry.user_id else BY_COMMAND


def _row_of(person: str) -> int | None:
    """A person as the address names them. Raises Invalid for what names nobody."""
    if person in {"", BY_COMMAND}:
        return None
    try:
        return row_id(person)
    except ValueError:
        raise Invalid(f"“{person[:60]}” is no person that is known here.", field="person") from None


def _place_of(entry: AuditEntry) -> str | None:
    """The address of what it was done to, where it has a screen."""
    endpoint, argument = PLACES.get(entry.subject_type, ("", ""))
    if not endpoint or (argument.endswith("_id") and not entry.subject_id.isdecimal()):
        return None
    return link_to(endpoint, **{argument: entry.subject_id})


def _morning_of(text: str) -> datetime | None:
    """The beginning of a day on the wall of the office. Raises Invalid for what is no day."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
        return datetime.combine(day, time(), ZoneInfo(current_user.office.time_zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(NO_DATE.format(text[:60]), field="since") from None
