"""What happened, proved: why a buyer was or was not told. Read by everybody of the office; changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, request
from flask_login import current_user

from app.display import zone_of_reader
from app.domain.errors import Invalid
from app.domain.models import Role
from app.domain.proof import queries
from app.domain.proof.replay import replay as replay_window
from app.domain.proof.why import STEPS, why
from app.web import EVERYONE, access, clean, link_to, page, row_id

bp = Blueprint("proof", __name__)

READERS = (Role.ADMIN, Role.STAFF, Role.VIEWER)
MOST_BATCHES = 200
"""What one request may replay: two days of runs. Longer windows are for the terminal."""


@bp.get("/why")
@access(*EVERYONE)
def explain() -> Response:
    """Any buyer, any home, any moment of the last 18 months, judged again from the stored versions."""
    now = datetime.now(UTC)
    buyer_words, home_words = (clean(request.args.get(name, ""))[:100].strip() for name in ("who", "what"))
    buyer, home = queries.named(
        current_user.office_id, request.args.get("buyer", type=row_id), request.args.get("home", type=row_id)
    )
    people = queries.people_called(current_user.office_id, buyer_words) if buyer_words and buyer is None else []
    homes = queries.homes_called(current_user.office_id, home_words) if home_words and home is None else []
    # One that is found by its words needs no choosing.
    buyer = people[0] if len(people) == 1 else buyer
    home = homes[0] if len(homes) == 1 else home
    as_of = _moment("as_of")
    answer = None
    if buyer is not None and home is not None:
        answer = why(
            buyer.id,
            home.id,
            office_id=current_user.office_id,
            event_seq=request.args.get("event", type=row_id),
            as_of=as_of,
            now=now,
        )
    return page(
        "proof/why.html",
        buyer=buyer,
        home=home,
        people=people if buyer is None else [],
        homes=homes if home is None else [],
        who=buyer_words,
        what=home_words,
        as_of=as_of,
        answer=answer,
        steps=len(STEPS),
    )


@bp.get("/replay")
@access(*READERS)
def replay() -> Response:
    """A past window of the office, matched again against the versions of then; nothing is sent or written."""
    since, until = _moment("since"), _moment("until")
    result = None
    if since is not None and until is not None:
        result = replay_window(since, until, office_id=current_user.office_id, most_batches=MOST_BATCHES)
    yesterday = datetime.now(zone_of_reader()).replace(hour=0, minute=0) - timedelta(days=1)
    return page(
        "proof/replay.html",
        since=since or yesterday,
        until=until or yesterday + timedelta(days=1),
        result=result,
    )


@bp.app_template_global("row_url")
def row_url(noun: str, number: int) -> str | None:
    """The screen of a row that bears a step out, where it has one and the reader may open it."""
    match noun:
        case "message":
            return link_to("ops.message", message_id=number)
        case "search":
            return link_to("searches.show", search_id=number)
        case "run":
            return link_to("ops.run", run_id=number)
    return None


def _moment(name: str) -> datetime | None:
    """A moment of the address, on the wall of the office. Raises Invalid for what is none."""
    given = clean(request.args.get(name, "")).strip()
    if not given:
        return None
    try:
        found = datetime.fromisoformat(given)
        return (found if found.tzinfo else found.replace(tzinfo=zone_of_reader())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"“{given[:60]}” is no moment. Write it as 2026-11-20T10:42.", field=name) from None
