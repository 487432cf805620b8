"""What was wrong, since when, who was told, and who is on it."""

from __future__ import annotations

from flask import Response, flash, request
from flask_login import current_user

from app.blueprints.ops import PAGE, READERS, bp, changed, one_of
from app.domain.ops import alarms, notices
from app.domain.ops import incidents as watch
from app.domain.ops.notices import Tries
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
    tries = queries.tries(each.id for each in [*open_now, *over[:PAGE]])
    channels = alarms.channels()
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
        channels=channels,
        told={
            each.id: notices.in_short(each, Tries(*tries.get(each.id, (0, 0))), has_channels=bool(channels))
            for each in [*open_now, *over[:PAGE]]
        },
        waits=notices.WAITS,
    )


@bp.get("/incidents/<int:incident_id>")
@access(*READERS)
def incident(incident_id: int) -> Response:
    found = queries.incident(incident_id)
    holder, channels = queries.holders_of([found]).get(found.id), alarms.channels()
    return page(
        "ops/incident.html",
        "live",
        incident=found,
        holder=holder,
        why_nobody=notices.why_nobody(found, holder, has_channels=bool(channels)),
        earlier=queries.earlier(found),
        advice=advice(found.key),
        channels=channels,
    )


@bp.post("/incidents/<int:incident_id>/acknowledge")
@access(*ADMINS)
def acknowledge(incident_id: int) -> Response:
    watch.acknowledge(incident_id, current_user)
    db.session.commit()
    changed()
    flash("You are on it: nobody is reminded of it any more.", "good")
    return go("ops.incident", incident_id=incident_id)
