"""Every mail that went out, or did not: the list, the inbox of the unknown, and one message as it was."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from flask import Response, flash, request
from flask_login import current_user

from app.blueprints.ops import PAGE, READERS, bp, one_of
from app.display import zone_of_reader
from app.domain.digests.decide import IN_WORDS as DROPPED_IN_WORDS
from app.domain.errors import Conflict, Invalid
from app.domain.messages import queries as mail
from app.domain.messages import settle as fate
from app.domain.messages.preview import disarm
from app.domain.models import MessageState, Stream, Trigger
from app.domain.ops import audit
from app.domain.ops.queries import messages as found
from app.domain.ops.queries.messages import Asked
from app.domain.ops.run_filter import NO_DATE
from app.extensions import db, settings
from app.jobs.queue import ring, start
from app.web import ADMINS, EVERYONE, RowId, access, clean, go, letter_alone, page, row_id, wants_fragment, with_args

SAID = {"sent": "marked as sent", "resend": "put into the queue again"}


@bp.app_template_filter("how_far")
def how_far(state_reason: str | None) -> str:
    return fate.how_far(state_reason)


@bp.get("/messages")
@access(*READERS)
def messages() -> Response:
    now = datetime.now(UTC)
    asked = Asked(
        q=clean(request.args.get("q", ""))[:200],
        state=one_of("state", [state.value for state in MessageState]),
        stream=one_of("stream", [stream.value for stream in Stream]),
        since=_midnight("since"),
        until=_midnight("until", days=1),
        run=request.args.get("run", type=row_id),
    )
    before = request.args.get("before", type=row_id)
    is_inbox = asked == Asked(state=MessageState.UNKNOWN.value)
    rows = (
        found.unknown(current_user.office_id, now, before=before, limit=PAGE + 1)
        if is_inbox
        else list(db.session.scalars(found.messages(current_user.office_id, asked, now, before=before).limit(PAGE + 1)))
    )
    response = page(
        "ops/messages.html",
        "results",
        messages=rows[:PAGE],
        more=rows[PAGE - 1].id if len(rows) > PAGE else None,
        is_first=before is None,
        is_inbox=is_inbox,
        silent=found.being_sent_since(current_user.office_id, now) if is_inbox else None,
        settled=found.settled_by_people(current_user.office_id, now - timedelta(days=1)) if is_inbox else [],
        asked=asked,
        begins=asked.begins(now),
        counts=found.message_states(current_user.office_id, now - timedelta(days=7)),
        states=[state.value for state in MessageState],
        streams=[(stream.value, stream.value.capitalize()) for stream in Stream],
    )
    if wants_fragment():
        response.headers["HX-Push-Url"] = with_args(**{n: None for n, v in request.args.items() if not v.strip()})
    return response


def _midnight(name: str, days: int = 0) -> datetime | None:
    """A day of the address, in the office's zone: its first moment, or that of a later day. Raises Invalid for what is
    no day."""
    given = clean(request.args.get(name, ""))
    try:
        day = date.fromisoformat(given) + timedelta(days=days) if given else None
        return datetime.combine(day, time(), zone_of_reader()).astimezone(UTC) if day else None
    except (ValueError, OverflowError):
        raise Invalid(NO_DATE.format(given[:60]), field=name) from None


@bp.post("/messages/settle")
@access(*ADMINS)
def settle() -> Response:
    """One message of unknown fate, or those that were ticked: they arrived, or they go out again. What somebody else
    settled meanwhile is left as it is and said; nothing of one's own left is a conflict."""
    verb, note = request.form.get("verb", ""), clean(request.form.get("note", ""))
    ids = request.form.getlist("id", type=row_id)[:PAGE]
    if "only" in request.form:  # the button of one message: “sent-12”, whatever is ticked
        verb, _, number = request.form["only"].partition("-")
        ids = [row_id(number)] if re.fullmatch(RowId.regex, number, re.ASCII) else []
    if verb not in SAID or not ids:
        raise Invalid("Tick at least one message, and say whether it arrived.", field="id")
    decide = fate.mark_sent if verb == "sent" else fate.resend
    refused: list[Conflict] = []
    for message_id in sorted(set(ids)):
        try:
            decide(message_id, current_user, note)
        except Conflict as error:
            refused.append(error)
            continue
        audit.record(
            current_user,
            "message.marked_sent" if verb == "sent" else "message.resent",
            "message",
            message_id,
            f"Message {message_id} of unknown fate was {SAID[verb]}" + (f": {note}" if note else ""),
            office_id=current_user.office_id,
        )
    done = len(set(ids)) - len(refused)
    if not done:
        raise refused[0]
    run = (
        start("messages", trigger=Trigger.MANUAL, user_id=current_user.id, dedup_key="messages-due")
        if verb == "resend"
        else None
    )
    run_id = run.id if run else None
    db.session.commit()
    if run_id:
        ring([run_id])
    flash(f"{done:,} {'message' if done == 1 else 'messages'} {SAID[verb]}.", "good")
    if refused:
        flash(f"{len(refused):,} left as they are. {refused[0].sentence}", "wait")
    if request.form.get("from") == "message":
        return go("ops.message", message_id=ids[0])
    return go("ops.messages", state=MessageState.UNKNOWN.value)


@bp.post("/messages/<int:message_id>/take-back")
@access(*ADMINS)
def take_back(message_id: int) -> Response:
    """Undo the mark of a person: unknown again."""
    fate.take_back(message_id, current_user)
    audit.record(
        current_user,
        "message.taken_back",
        "message",
        message_id,
        f"The mark as sent of message {message_id} was taken back",
        office_id=current_user.office_id,
    )
    db.session.commit()
    flash("The mark is taken back: nobody knows whether it arrived.", "good")
    return go("ops.message", message_id=message_id)


@bp.get("/messages/<int:message_id>")
@access(*EVERYONE)
def message(message_id: int) -> Response:
    """One mail as it was: its words, what happened to it, which homes it shows and which were dropped, and why."""
    shown = mail.message_for(current_user.office_id, message_id)
    events = list(db.session.scalars(mail.events_of_message(message_id)))
    words = [event for event in events if event.event_type in {"sent", "unknown"}]
    return page(
        "ops/message.html",
        message=shown,
        events=events,
        marked=words[-1] if words and (words[-1].source, words[-1].event_type) == (fate.PERSON, "sent") else None,
        items=found.items_of_digest(shown.digest_id) if shown.digest_id else [],
        mail_from=settings().mail_from,
        reason_words=DROPPED_IN_WORDS,
    )


@bp.get("/messages/<int:message_id>/html")
@access(*EVERYONE)
def message_html(message_id: int) -> Response:
    """The mail's HTML alone, for a frame: no script, no forms, nothing from elsewhere but its pictures. Its links that
    stop mail do nothing: a preview must not act for the buyer, whoever reads it."""
    shown = mail.message_for(current_user.office_id, message_id)
    return letter_alone(disarm(shown.body_html or "<p>The words were taken out after 30 days.</p>"))
