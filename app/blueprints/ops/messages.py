"""Every mail that went out, or did not: the list, and one message as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Response, make_response, request
from flask_login import current_user

from app.blueprints.ops import PAGE, READERS, bp, one_of
from app.domain.digests.decide import IN_WORDS as DROPPED_IN_WORDS
from app.domain.messages import queries as mail
from app.domain.messages.preview import disarm
from app.domain.models import MessageState
from app.domain.ops import queries
from app.extensions import db, settings
from app.web import EVERYONE, access, page, row_id


@bp.get("/messages")
@access(*READERS)
def messages() -> Response:
    state = one_of("state", [state.value for state in MessageState])
    before = request.args.get("before", type=row_id)
    found = list(
        db.session.scalars(queries.messages(current_user.office_id, state=state, before=before).limit(PAGE + 1))
    )
    return page(
        "ops/messages.html",
        "results",
        messages=found[:PAGE],
        more=found[PAGE - 1].id if len(found) > PAGE else None,
        is_first=before is None,
        state=state,
        counts=queries.message_states(current_user.office_id, datetime.now(UTC) - timedelta(days=7)),
        states=[state.value for state in MessageState],
    )


@bp.get("/messages/<int:message_id>")
@access(*EVERYONE)
def message(message_id: int) -> Response:
    """One mail as it was: its words, what happened to it, which homes it shows and which were dropped, and why."""
    found = mail.message_for(current_user.office_id, message_id)
    return page(
        "ops/message.html",
        message=found,
        events=list(db.session.scalars(mail.events_of_message(message_id))),
        items=queries.items_of_digest(found.digest_id) if found.digest_id else [],
        mail_from=settings().mail_from,
        reason_words=DROPPED_IN_WORDS,
    )


@bp.get("/messages/<int:message_id>/html")
@access(*EVERYONE)
def message_html(message_id: int) -> Response:
    """The mail's HTML alone, for a frame: no script, no forms, nothing from elsewhere but its pictures. Its links that
    stop mail do nothing: a preview must not act for the buyer, whoever reads it."""
    found = mail.message_for(current_user.office_id, message_id)
    response = make_response(disarm(found.body_html or "<p>The words were taken out after 30 days.</p>"))
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: https:; sandbox; frame-ancestors 'self'"
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
