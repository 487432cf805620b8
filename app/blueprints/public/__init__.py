"""The doors for buyers, who have no account: stop mail or let it come again, and see the homes a mail was about.

A link's token is the only key, so these pages set no cookie, are in no index, and send their address to nobody.
Reading changes nothing: mail scanners open every link.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, make_response, render_template, request
from flask_login import current_user

from app.domain.digests import lifecycle, opinions, optout, pages, preferences
from app.domain.digests.optout import Reach, Standing
from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.models import AlertKind, ListingPreference, SuppressionReason
from app.domain.models.lookups import ScheduleType
from app.extensions import csrf, db
from app.web import public

bp = Blueprint("public", __name__)

OTHERS = {
    SuppressionReason.BOUNCED: "Mail to it came back as undeliverable",
    SuppressionReason.COMPLAINED: "A mail was reported as unwanted",
    SuppressionReason.UNREACHABLE: "It could not be reached several times, so it rests for two weeks: the last time was",
    SuppressionReason.BY_HAND: "The office stopped it",
}
"""Why nothing comes although the person did not ask for that."""
OPINIONS = {
    ListingPreference.FAVORITE.value: "One of your favorites.",
    ListingPreference.POSSIBILITY.value: "Kept as a possibility.",
    ListingPreference.DISCARD.value: "You will not hear of this home again.",
    opinions.NONE: "Taken back.",
}
"""What the page says once a buyer has said what they think of a home."""
SCHEDULES = (
    (ScheduleType.ASAP, "As it happens"),
    (ScheduleType.DAILY, "One mail a day"),
    (ScheduleType.MONTHLY, "One mail a month"),
)


_TOKEN = re.compile(r"[A-Za-z0-9_.~-]{1,200}")


@bp.before_request
def read_token() -> None:
    """What no token of ours can be is none, before anything looks for it. Raises NotFound."""
    if not _TOKEN.fullmatch(str((request.view_args or {}).get("token", ""))):
        raise NotFound("This link is not one of ours.")


@bp.get("/u/<token>")
@public("the token in a mail's unsubscribe link is the key")
def unsubscribe(token: str) -> Response:
    """What this link can stop, with buttons. Changes nothing."""
    return _preferences(token, optout.standing(token))


@bp.post("/u/<token>")
@csrf.exempt  # type: ignore[untyped-decorator]  # a mail program posts here for the person, without a page or a cookie (RFC 8058); the token is the secret
@public("the token in a mail's unsubscribe link is the key")
def stop_or_resume(token: str) -> Response:
    """One-Click when a mail program posts: stops the searches of the mail and says so in a line. The page's own
    buttons name a reach, or ask for it again."""
    reach, again = request.form.get("reach", ""), request.form.get("again", "")
    if reach not in set(Reach) and again not in set(Reach):
        optout.stop_mail(token, Reach.SEARCHES, evidence=optout.ONE_CLICK)
        db.session.commit()
        return _plain("You will get no more mail for this search.")
    if again in set(Reach):
        standing, said = optout.let_mail_come(token, Reach(again)), f"again-{again}"
    else:
        standing, said = optout.stop_mail(token, Reach(reach), evidence=optout.BUTTON), reach
    db.session.commit()
    return _preferences(token, standing, said)


@bp.post("/u/<token>/quiet")
@csrf.exempt  # type: ignore[untyped-decorator]  # the page sets no cookie, so there is no session to forge; the token is the secret
@public("the token in a mail's link is the key; only its own buyer's hours can be changed")
def rest(token: str) -> Response:
    """The buyer's quiet hours."""
    refused, said, status = "", "changed", 200
    try:
        standing = preferences.rest(token, request.form.get("quiet_from", ""), request.form.get("quiet_until", ""))
        db.session.commit()
    except Invalid as refusal:
        db.session.rollback()
        standing, said, refused, status = optout.standing(token), "", refusal.sentence, 422
    return _preferences(token, standing, said, refused=refused, status=status)


@bp.post("/u/<token>/<int:subscription_id>")
@csrf.exempt  # type: ignore[untyped-decorator]  # the page sets no cookie, so there is no session to forge; the token is the secret
@public("the token in a mail's link is the key; only its own buyer's searches can be changed")
def choose(token: str, subscription_id: int) -> Response:
    """One search of the buyer's: keep it, pause it, or change how often and what of."""
    if subscription_id > pages.LARGEST_ID:
        raise NotFound("This link is not one of ours.")
    asked = request.form
    refused, status = "", 200
    try:
        if "days" in asked:
            standing = preferences.pause(token, subscription_id, asked.get("days", 0, type=int))
            said = "paused"
        elif "keep" in asked:
            standing, said = preferences.keep(token, subscription_id), "kept"
        else:
            standing = preferences.change(
                token,
                subscription_id,
                schedule_type=asked.get("schedule_type", ""),
                send_time=asked.get("send_time", ""),
                kinds=asked.getlist("kinds"),
            )
            said = "changed"
        db.session.commit()
    except (Invalid, Conflict) as refusal:
        db.session.rollback()
        standing, said, refused = optout.standing(token), "", refusal.sentence
        status = 422 if isinstance(refusal, Invalid) else 409
    return _preferences(token, standing, said, refused=refused, status=status)


@bp.post("/d/<token>/looked")
@csrf.exempt  # type: ignore[untyped-decorator]  # sent by the page's own script, without a cookie; the token is the secret
@public("the token in a mail's link is the key; says only that a person looked")
def look(token: str) -> tuple[str, int]:
    """A person looks at the page: a sign that the search is wanted (PA-17). Opening it is none, for scanners do that."""
    if current_user.is_authenticated:
        return "", 204  # somebody of the office, by way of a preview
    if not lifecycle.looked(token):
        raise NotFound("This link is not one of ours.")
    db.session.commit()
    return "", 204


@bp.get("/d/<token>")
@public("the token in a mail's link is the key; the page shows what the mail showed")
def digest(token: str) -> Response:
    """Exactly the homes of one mail, also those that had no room in it (PA-11)."""
    return _page("public/digest.html", page=pages.page_of(token))


@bp.post("/d/<token>/<int:listing_id>")
@csrf.exempt  # type: ignore[untyped-decorator]  # the page sets no cookie, so there is no session to forge; the token is the secret
@public("the token in a mail's link is the key; only homes of that mail can be marked")
def mark(token: str, listing_id: int) -> Response:
    """A favorite, or never again (PA-05)."""
    opinion = request.form.get("opinion", "")
    if current_user.is_authenticated:
        return _plain("You are signed in, so this is not the buyer’s word. Nothing was written.", 403)
    try:
        opinions.say(token, listing_id, opinion)
    except Invalid as refusal:
        return _plain(refusal.sentence, 422)
    db.session.commit()
    return _page("public/digest.html", page=pages.page_of(token), marked=listing_id, said=OPINIONS[opinion])


@bp.get("/d/<token>/<int:listing_id>")
@public("the token in a mail's link is the key; only homes of that mail open")
def listing(token: str, listing_id: int) -> Response:
    """One home of that mail, as it is now."""
    shown = pages.home_of(token, listing_id)
    return _page("public/listing.html", shown=shown, page=shown.page)


@bp.errorhandler(NotFound)
def refuse(error: NotFound) -> Response:
    db.session.rollback()
    if request.method == "POST":
        return _plain("This link is not one of ours. Nothing was changed.", 404)
    return _page("public/unknown.html", status=404, sentence=error.sentence)


@bp.after_request
def keep_private(response: Response) -> Response:
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _preferences(token: str, standing: Standing, said: str = "", *, refused: str = "", status: int = 200) -> Response:
    return _page(
        "public/unsubscribe.html",
        status=status,
        token=token,
        standing=standing,
        said=said,
        refused=refused,
        kinds=list(AlertKind),
        schedules=[(kind.value, words) for kind, words in SCHEDULES],
        pauses=preferences.PAUSES,
        because=[
            f"{OTHERS[reason]} on {since.astimezone(ZoneInfo(standing.time_zone)):%B %-d}."
            for reason, since in standing.others
        ],
        zone=ZoneInfo(standing.time_zone),
    )


def _page(template: str, *, status: int = 200, **context: object) -> Response:
    return make_response(render_template(template, **context), status)


def _plain(sentence: str, status: int = 200) -> Response:
    return Response(sentence + "\n", status, mimetype="text/plain")
