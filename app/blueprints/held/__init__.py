"""Mail that waits for somebody's word: runs that were halted (PA-27), and the mails of buyers whose agent approves each.

Everybody who works on Operations sees both; an agent sees the mails of their own buyers and searches.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, request
from flask_login import current_user

from app.domain.digests.decide import IN_WORDS as DROPPED_IN_WORDS
from app.domain.digests.holds import queries, word
from app.domain.digests.holds.preview import preview
from app.domain.digests.holds.release import words_of
from app.domain.errors import Conflict, Forbidden, Invalid, NotFound
from app.domain.messages.preview import disarm
from app.domain.messages.queue import Gone
from app.domain.models import Role, Trigger
from app.domain.ops import audit, health
from app.extensions import db, settings
from app.jobs.digests import RELEASE_ONLY
from app.jobs.queue import ring, start
from app.web import ADMINS, EDITORS, EVERYONE, STAFF, access, clean, go, letter_alone, may, page, row_id

bp = Blueprint("held", __name__, url_prefix="/held")
bp.add_app_template_filter(words_of, "why_held")

READERS = (*STAFF, Role.VIEWER)
SAMPLE = 12
SAID = {"approve": "approved", "discard": "discarded"}


@bp.get("")
@access(*EVERYONE)
def index() -> Response:
    approvals = queries.approvals(current_user.office_id, current_user.member_id, everybody=may(*READERS))
    return page(
        "held/index.html",
        "live",
        approvals=approvals,
        holds=queries.holds(current_user.office_id) if may(*READERS) else [],
    )


@bp.get("/<int:hold_id>")
@access(*READERS)
def show(hold_id: int) -> Response:
    return _show(hold_id)


def _show(hold_id: int, *, reason: str = "", refusal: str = "", status: int = 200) -> Response:
    hold = queries.hold_of(current_user.office_id, hold_id)
    mails = queries.mails_of_hold(hold.id, SAMPLE)
    return page(
        "held/show.html",
        status=status,
        hold=hold,
        mails=mails,
        most=next((mail.contact.full_name for mail in mails if mail.contact_id == hold.most_contact_id), ""),
        who=queries.name_of(hold.decided_by_id),
        limits=settings(),
        reason=reason,
        refusal=refusal,
        longest=word.LONGEST_REASON,
    )


@bp.post("/<int:hold_id>/decide")
@access(*ADMINS)
def decide(hold_id: int) -> Response:
    """Approve: what is still true goes out, slowly. Discard: nothing does, and every home says why."""
    verb, reason = request.form.get("verb", ""), clean(request.form.get("reason", ""))
    if verb not in SAID:
        raise Invalid("Say whether it is approved or discarded.", field="verb")
    try:
        hold = (word.approve if verb == "approve" else word.discard)(hold_id, current_user, reason)
    except Invalid as refusal:
        db.session.rollback()
        return _show(hold_id, reason=reason, refusal=refusal.sentence, status=422)
    audit.record(
        current_user,
        f"mail.{SAID[verb]}",
        "mail_hold",
        hold.id,
        f"Halted run {hold.id} ({words_of(hold)}) was {SAID[verb]}: {reason}",
        office_id=current_user.office_id,
        mails=hold.mails,
        reason=reason,
    )
    run = start("digests", RELEASE_ONLY, trigger=Trigger.MANUAL, user_id=current_user.id) if verb == "approve" else None
    run_id = run.id if run else None
    db.session.commit()
    health.dim(settings().database_url)
    if run_id:
        ring([run_id])
    flash(
        "Approved: what is still true goes out." if verb == "approve" else "Discarded: nothing of it goes out.", "good"
    )
    return go("held.show", hold_id=hold_id)


@bp.get("/mails/<int:digest_id>")
@access(*EVERYONE)
def mail(digest_id: int) -> Response:
    """One mail as its buyer would get it now."""
    digest = _mail_of(digest_id)
    letter = preview(digest)
    return page(
        "held/mail.html",
        digest=digest,
        letter=None if isinstance(letter, Gone) else letter,
        gone="" if not isinstance(letter, Gone) else _why_gone(letter),
        longest=word.LONGEST_REASON,
    )


@bp.get("/mails/<int:digest_id>/html")
@access(*EVERYONE)
def mail_html(digest_id: int) -> Response:
    """Its HTML alone, for a frame: no script, no forms; its links that stop mail do nothing."""
    letter = preview(_mail_of(digest_id))
    return letter_alone("<p>Nothing is left to say.</p>" if isinstance(letter, Gone) else disarm(letter.html))


@bp.post("/mails/decide")
@access(*EDITORS)
def decide_mails() -> Response:
    """One mail, or those that were ticked. What somebody else decided meanwhile is left as it is and said."""
    verb, reason = request.form.get("verb", ""), clean(request.form.get("reason", ""))
    ids = sorted(set(request.form.getlist("id", type=row_id)))
    if verb not in {"approve", "decline"} or not ids:
        raise Invalid("Tick at least one mail, and say whether it may go.", field="id")
    everybody, done, refused = may(*STAFF), 0, None
    for digest_id in ids:
        try:
            with db.session.begin_nested():
                if verb == "approve":
                    word.approve_mail(digest_id, current_user, everybody=everybody)
                else:
                    word.decline_mail(digest_id, current_user, reason, everybody=everybody)
        except (Conflict, NotFound) as error:
            refused = error
            continue
        done += 1
        audit.record(
            current_user,
            f"mail.{'approved' if verb == 'approve' else 'declined'}",
            "digest",
            digest_id,
            f"Mail {digest_id} was {'approved' if verb == 'approve' else 'declined'}"
            + (f": {reason}" if reason else ""),
            office_id=current_user.office_id,
        )
    if not done and refused is not None:
        raise refused
    run = (
        start("messages", trigger=Trigger.MANUAL, user_id=current_user.id, dedup_key="messages-due")
        if verb == "approve"
        else None
    )
    run_id = run.id if run else None
    db.session.commit()
    if run_id:
        ring([run_id])
    flash(f"{done:,} {'mail' if done == 1 else 'mails'} {'approved' if verb == 'approve' else 'declined'}.", "good")
    if refused is not None:
        flash(f"The others are left as they are. {refused.sentence}", "wait")
    return go("held.index")


def _why_gone(gone: Gone) -> str:
    known = {reason.value: sentence for reason, sentence in DROPPED_IN_WORDS.items()}
    return known.get(gone.reason, "Nothing is left to say.")


def _mail_of(digest_id: int) -> Any:
    """A held mail that the reader may see. Raises NotFound, Forbidden."""
    digest = queries.held_mail(current_user.office_id, digest_id)
    if may(*READERS):
        return digest
    if not digest.needs_approval:
        raise Forbidden("A halted run is looked at by who looks after the works.")
    return queries.approval_of(current_user.office_id, digest_id, current_user.member_id, everybody=False)
