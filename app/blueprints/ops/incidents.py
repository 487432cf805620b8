"""What was wrong, since when, who was told, and who is on it."""

from __future__ import annotations

from flask import Response, flash, request
from flask_login import current_user

from app.blueprints.ops import PAGE, READERS, bp, changed, one_of
from app.domain.ops import alarms
from app.domain.ops import incidents as watch
from app.domain.ops.queries import incidents as queries
from app.domain.ops.runbook import advice
from app.extensions import db
from app.web import ADMINS, access, go, page, row_id, with_args

VIEWS = {"": "All", "open": "Open", "closed": "Over"}


@bp.get("/incidents")
@access(*READERS)
def incidents() -> Response:
    shown = one_of("show", VIEWS)
    before = request.args.get("before", type=row_id)
    open_now = queries.open_now() if shown != "closed" and before is None else []
    over = list(db.session.scalars(queries.closed(before).limit(PAGE + 1))) if shown != "open" else []
    return page(
        "ops/incidents.html",
        "live",
        open_now=open_now,
        holders=queries.holders_of(open_now),
        over=over[:PAGE],
        more=over[PAGE - 1].id if len(over) > PAGE else None,
        shown=shown,
        is_first=before is None,
        views=[(words, with_args(show=name or None, before=None), name == shown) for name, words in VIEWS.items()],
        channels=alarms.channels(),
    )


@bp.get("/incidents/<int:incident_id>")
@access(*READERS)
def incident(incident_id: int) -> Response:
    found = queries.incident(incident_id)
    return page(
        "ops/incident.html",
        "live",
        incident=found,
        holder=queries.holders_of([found]).get(found.id),
        earlier=queries.earlier(found),
        advice=advice(found.key),
        channels=alarms.channels(),
    )


@bp.post("/incidents/<int:incident_id>/acknowledge")
@access(*ADMINS)
def acknowledge(incident_id: int) -> Response:
    watch.acknowledge(incident_id, current_user)
    db.session.commit()
    changed()
    flash("You are on it: nobody is reminded of it any more.", "good")
    return go("ops.incident", incident_id=incident_id)
