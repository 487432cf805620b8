"""What became of a search and what can be done with it: its versions, what a pause missed, off and on, copied, deleted."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response, flash, make_response, redirect, request, url_for
from flask_login import current_user

from app.blueprints.searches import bp
from app.blueprints.searches.builder import PAUSES, Desk
from app.domain.contacts import queries as people
from app.domain.digests import lifecycle
from app.domain.errors import Conflict, Invalid
from app.domain.models.lookups import ReasonActiveOrDisabled
from app.domain.searches import saved
from app.domain.searches.criteria import Criteria
from app.domain.searches.desk import queries
from app.domain.searches.desk.queries import MissedHome, VersionRow
from app.domain.searches.desk.words import Change, changes_between
from app.extensions import db
from app.web import EDITORS, EVERYONE, access, clean, go, page, safe_next, wants_fragment, with_args

MOST_VERSIONS = 200
MOST_BUYERS = 20


def told(versions: list[VersionRow], *, shown: int) -> list[tuple[VersionRow, list[Change] | None]]:
    """The newest `shown` versions, each with what it changed; None where what was before is not known or was nothing."""
    older = [*versions[1:], None][: len(versions)]
    return [
        (version, changes_between(before.criteria, version.criteria) if before else None)
        for version, before in zip(versions[:shown], older, strict=False)
    ]


@bp.get("/<int:search_id>/versions")
@access(*EVERYONE)
def versions(search_id: int) -> Response:
    """Every version, who wrote it and when, and what lies between any two of them. The address says which."""
    desk = Desk.of(search_id)
    rows = queries.versions_of(search_id, limit=MOST_VERSIONS)
    numbers = [row.version for row in rows]
    newer = _chosen("to", numbers, numbers[0])
    older = _chosen("from", numbers, next((one for one in numbers if one < newer), newer))
    by_number = {row.version: row for row in rows}
    before, after = by_number[min(older, newer)], by_number[max(older, newer)]
    return page(
        "searches/versions.html",
        "compared",
        desk=desk,
        search=desk.search,
        versions=told(rows, shown=MOST_VERSIONS),
        before=before,
        after=after,
        changes=changes_between(before.criteria, after.criteria),
    )


@bp.post("/<int:search_id>/versions/<int:version>/restore")
@access(*EDITORS)
def restore(search_id: int, version: int) -> Response:
    """Ask again what an older version asked: as a new version, in force from now on."""
    before = Desk.of(search_id).search.version
    try:
        search = saved.restore(
            search_id,
            version,
            office_id=current_user.office_id,
            version=request.form.get("version", 0, type=int),
            user_id=current_user.id,
        )
    except (Invalid, Conflict) as refusal:
        db.session.rollback()
        flash(f"Version {version} was not brought back. {refusal.sentence}", "bad")
        return go("searches.versions", search_id=search_id)
    db.session.commit()
    said = "It asks for that already." if search.version == before else ""
    flash(said or f"Version {version} is in force again, as version {search.version}.", "good")
    return go("searches.versions", search_id=search_id)


@bp.post("/<int:search_id>/pause")
@access(*EDITORS)
def pause(search_id: int) -> Response:
    reason = request.form.get("reason", ReasonActiveOrDisabled.AGENT_DISABLED.value)
    if reason not in PAUSES:
        raise Invalid("Choose why it is paused.")
    saved.stop(Desk.of(search_id).subscription_id, reason, office_id=current_user.office_id)
    db.session.commit()
    flash("Paused. Nothing more is sent for it.", "good")
    return go("searches.show", search_id=search_id)


@bp.get("/<int:search_id>/missed")
@access(*EVERYONE)
def missed(search_id: int) -> Response:
    """What the last pause kept from the buyer, newest first: looked at here, never mailed (PA-16)."""
    desk = Desk.of(search_id)
    span = saved.last_pause(desk.subscription, datetime.now(UTC))
    total, homes = 0, list[MissedHome]()
    if span:
        wanted = Criteria.parse(desk.search.criteria)
        total, homes = queries.missed_homes(
            current_user.office_id, wanted, desk.subscription.kinds, since=span[0], until=span[1]
        )
    return page(
        "searches/missed.html",
        "homes",
        desk=desk,
        search=desk.search,
        subscription=desk.subscription,
        span=span,
        total=total,
        homes=homes,
    )


@bp.get("/<int:search_id>/copy")
@access(*EDITORS)
def copy(search_id: int) -> Response:
    """Who else is to get such a search: the buyers of the office, narrowed while typing."""
    desk = Desk.of(search_id)
    typed = clean(" ".join(request.args.get("q", "").split()))[:100]
    found = people.contact_rows(
        current_user.office_id, people.Filters(q=typed), sort="name", limit=MOST_BUYERS + 1, now=datetime.now(UTC)
    )
    response = page(
        "searches/copy.html",
        "buyers",
        desk=desk,
        search=desk.search,
        typed=typed,
        buyers=[one for one in found if one.id != desk.contact.id][:MOST_BUYERS],
        has_more=len(found) > MOST_BUYERS,
    )
    if wants_fragment():
        response.headers["HX-Push-Url"] = with_args(q=typed or None)
    return response


@bp.post("/<int:search_id>/delete")
@access(*EDITORS)
def delete(search_id: int) -> Response:
    saved.delete(Desk.of(search_id).search.id, office_id=current_user.office_id)
    db.session.commit()
    flash("Deleted. What was waiting for its next mail is not sent.", "good")
    return go("searches.show", search_id=search_id)


@bp.post("/<int:search_id>/bring-back")
@access(*EDITORS)
def bring_back(search_id: int) -> Response:
    saved.bring_back(Desk.of(search_id).search.id, office_id=current_user.office_id)
    db.session.commit()
    flash("It is back, and off until you switch it on.", "good")
    return go("searches.show", search_id=search_id)


def _chosen(name: str, allowed: list[int], otherwise: int) -> int:
    wanted = request.args.get(name, type=int)
    return wanted if wanted in allowed else otherwise


@bp.post("/<int:search_id>/keep")
@access(*EDITORS)
def keep(search_id: int) -> Response:
    """Somebody wants it: its warning is taken back, and the days of PA-17 begin anew."""
    desk = Desk.of(search_id)
    try:
        lifecycle.keep_sending(desk.subscription_id, office_id=current_user.office_id)
    except (Invalid, Conflict) as refusal:
        db.session.rollback()
        flash(f"It stays off. {refusal.sentence}", "bad")
        return go("searches.show", search_id=search_id)
    db.session.commit()
    flash("It keeps sending; the warning is taken back.", "good")
    onward = safe_next(request.form.get("next")) or url_for("searches.show", search_id=search_id)
    return make_response(redirect(onward, 303))
