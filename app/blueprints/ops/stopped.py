"""Addresses that are not written to, and why; what came back, by who receives it; what could not be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Response, flash, request
from flask_login import current_user

from app.blueprints.ops import PAGE, READERS, bp, one_of
from app.discretion import without_people
from app.domain.digests.optout import how_asked
from app.domain.messages import queries as mail
from app.domain.messages import suppression
from app.domain.messages.queries import Stop
from app.domain.models import InboundEvent, SuppressionReason
from app.domain.ops import audit
from app.extensions import db
from app.web import ADMINS, access, clean, go, page, row_id, wants_fragment, with_args

REASONS = [(reason.value, words) for reason, words in suppression.IN_WORDS.items()]
SCOPES = {"address": "All mail", "stream": "All alerts", "subscription": "One search"}


@bp.get("/stopped")
@access(*READERS)
def stopped() -> Response:
    now = datetime.now(UTC)
    chosen = {
        "q": clean(request.args.get("q", ""))[:100],
        "reason": one_of("reason", dict(REASONS)),
        "which": one_of("which", {"all"}),
    }
    before = request.args.get("before", type=row_id)
    found = db.session.execute(
        mail.stops(
            current_user.office_id,
            q=chosen["q"],
            reason=chosen["reason"],
            only_in_force=not chosen["which"],
            before=before,
            now=now,
        ).limit(PAGE + 1)
    )
    rows = [Stop(*row) for row in found]
    response = page(
        "ops/stopped.html",
        "results",
        rows=rows[:PAGE],
        more=rows[PAGE - 1].suppression.id if len(rows) > PAGE else None,
        is_first=before is None,
        chosen=chosen,
        reasons=REASONS,
        words=dict(REASONS),
        scopes=SCOPES,
        theirs=suppression.THEIRS,
        how_asked=how_asked,
        counts=mail.stops_by_reason(current_user.office_id, now),
        domains=mail.came_back(current_user.office_id, now - timedelta(days=7)),
        unread=mail.unread_inbound(current_user.office_id),
        said=_said,
        days=mail.provider_days(14),
    )
    if wants_fragment():
        response.headers["HX-Push-Url"] = with_args(**{n: None for n, v in request.args.items() if not v.strip()})
    return response


def _said(event: InboundEvent) -> str:
    """Its words. What is of no office is shown to each of them: of whom it speaks may be another's buyer."""
    words = event.words or "no words"
    return without_people(words) if event.office_id is None else words


@bp.post("/stopped")
@access(*ADMINS)
def stop_address() -> Response:
    """Write to this address no more."""
    note = clean(request.form.get("note", ""))[:400]
    made = suppression.stop_by_hand(current_user, clean(request.form.get("address", ""))[:254], note)
    sentence = f"Stopped all mail to an address by hand (stop {made.id})"
    audit.record(current_user, "stop.added", "stop", made.id, sentence, office_id=current_user.office_id)
    db.session.commit()
    flash("Nothing is sent to this address any more.", "good")
    return go("ops.stopped")


@bp.post("/stopped/<int:suppression_id>/lift")
@access(*ADMINS)
def lift_stop(suppression_id: int) -> Response:
    """Write to it again. What the person asked for, only the person lifts."""
    lifted = suppression.lift_one(current_user, suppression_id)
    words = suppression.IN_WORDS[SuppressionReason(lifted.reason)].lower()
    sentence = f"Lifted stop {lifted.id} of an address ({words})"
    audit.record(current_user, "stop.lifted", "stop", lifted.id, sentence, office_id=current_user.office_id)
    db.session.commit()
    flash("Mail to this address goes out again.", "good")
    return go("ops.stopped")
