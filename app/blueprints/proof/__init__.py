"""What happened, proved, and what would happen: why a buyer was or was not told, a window once more, the next mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, flash, request
from flask_login import current_user

from app.display import zone_of_reader
from app.domain.errors import Invalid
from app.domain.messages.preview import disarm
from app.domain.models import Role
from app.domain.models.match import WaitsFor
from app.domain.ops import audit
from app.domain.proof import queries
from app.domain.proof.previews import preview_of, send_to
from app.domain.proof.replay import replay as replay_window
from app.domain.proof.why import STEPS, why
from app.extensions import db
from app.web import EDITORS, EVERYONE, access, clean, go, letter_alone, link_to, page, row_id

bp = Blueprint("proof", __name__)

READERS = (Role.ADMIN, Role.STAFF, Role.VIEWER)
WAITS_FOR = {
    WaitsFor.HOUR: "had a mail within the hour",
    WaitsFor.DAY: "had all mails of the day",
    WaitsFor.QUIET: "quiet hours",
    WaitsFor.AGE: "found late, goes with the daily mail",
}
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


@bp.get("/previews")
@access(*EVERYONE)
def previews() -> Response:
    """For whom something waits, and when it is due."""
    return page("proof/previews.html", buyers=queries.waiting_buyers(current_user.office_id), waits_for=WAITS_FOR)


@bp.get("/previews/<int:contact_id>")
@access(*EVERYONE)
def preview(contact_id: int) -> Response:
    """The next mail of one buyer as it would be; built, looked at, and taken back."""
    return page("proof/preview.html", shown=preview_of(current_user.office_id, contact_id))


@bp.get("/previews/<int:contact_id>/html")
@access(*EVERYONE)
def preview_html(contact_id: int) -> Response:
    """Its HTML alone, for a frame: no script, no forms, and links that stop nothing."""
    letter = preview_of(current_user.office_id, contact_id).letter
    return letter_alone(disarm(letter.html) if letter else "<p>Nothing would be sent.</p>")


@bp.post("/previews/<int:contact_id>/send")
@access(*EDITORS)
def send_preview(contact_id: int) -> Response:
    """To whoever asked, labelled as a preview. Nobody counts as told."""
    shown = preview_of(current_user.office_id, contact_id)
    send_to(current_user, shown)
    audit.record(
        current_user,
        "preview.sent",
        "contact",
        contact_id,
        f"A preview of the next mail to {shown.contact.full_name} was sent to {current_user.email}",
        office_id=current_user.office_id,
    )
    db.session.commit()
    flash(f"Sent to {current_user.email}, marked as a preview.", "good")
    return go("proof.preview", contact_id=contact_id)


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
