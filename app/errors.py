"""Every refusal and every failure becomes a page, or a toast for htmx: what happened, whether anything was saved,
what to do, and a reference."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import sentry_sdk
import structlog
from flask import (
    Flask,
    Response,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_limiter.errors import RateLimitExceeded
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from redis.exceptions import RedisError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from app.arrivals import view_takes_files
from app.domain.errors import DomainError
from app.extensions import db, is_lock_timeout, login, settings
from app.web import is_public, safe_next, wants_fragment

log = structlog.get_logger(__name__)

TITLES = {
    400: "That could not be read",
    401: "Sign in first",
    403: "Not for your role",
    404: "Nothing here",
    405: "Not possible here",
    409: "Somebody was quicker",
    413: "Too large",
    415: "Not that kind of file",
    422: "That cannot be used",
    429: "Too many tries",
    500: "Something went wrong",
    503: "Not reachable just now",
}

SENTENCES = {
    400: "That request could not be read. Nothing was saved.",
    403: "Your role does not open this page. An administrator can change that.",
    404: "There is nothing at this address. It may have been moved or removed.",
    405: "This address does not take that kind of request. Nothing was saved.",
    408: "The rest of that request did not arrive in time. Nothing was saved; send it again.",
    409: "Somebody else holds what this would change just now. Nothing was saved; try again in a few seconds.",
    413: "That file is too large. Nothing was saved.",
    415: "That kind of file cannot be read here. Nothing was saved.",
    429: "Too many tries in a short time. Wait a minute and try again.",
    500: "Something went wrong on our side. Nothing was saved.",
    503: "A part that this page needs cannot be reached just now. Nothing was saved; try again in a minute.",
}


def answer(status: int, sentence: str, *, reference: str | None = None) -> Response:
    """The error as a page, as a toast for htmx, or as JSON where that is what was asked for."""
    reference = reference or getattr(g, "request_id", "-")
    if wants_fragment():
        response = make_response(sentence, status)
        response.headers["HX-Trigger"] = json.dumps(
            {"toast": {"tone": "bad", "text": sentence, "reference": reference}}
        )
        response.headers["HX-Reswap"] = "none"
        return response
    if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
        return make_response({"error": sentence, "reference": reference}, status)
    return make_response(
        render_template(
            "errors/error.html",
            title=TITLES.get(status, TITLES[400]),
            sentence=sentence,
            reference=reference,
            again=request.full_path.rstrip("?") if request.method == "GET" and status in (429, 500, 503) else None,
        ),
        status,
    )


def refuse(error: DomainError) -> Response:
    db.session.rollback()
    return answer(error.status, error.sentence)


def refuse_http(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error, RequestEntityTooLarge):
        if view_takes_files() and (request.content_length or 0) > settings().upload_limit_mb * 1024 * 1024:
            limit = f"That file is larger than {settings().upload_limit_mb} MB, the limit here."
            return answer(413, f"{limit} Nothing was saved.")
        return answer(413, "That is more than this form may hold. Shorten it and send it again; nothing was saved.")
    if status < 400 and error.response is not None:
        return make_response(error.response)
    if status in (301, 302, 303, 307, 308):
        return make_response(error.get_response())
    response = answer(status, SENTENCES.get(status, error.description or SENTENCES[400]))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def refuse_form(error: CSRFError) -> Response:
    """A form older than the session: the person signs in again and comes back to its page, knowing it was not saved."""
    del error
    view = current_app.view_functions.get(request.endpoint or "")
    if view and not is_public(view) and not current_user.is_authenticated:
        return sign_in_first()
    return answer(400, "This form has expired, perhaps because you signed in again. Reload the page and repeat it.")


def too_many(error: RateLimitExceeded) -> Response:
    del error
    return answer(429, SENTENCES[429])


def unreachable(error: OperationalError | InterfaceError | PoolTimeoutError | RedisError) -> Response:
    """PostgreSQL is away, or Redis where it is needed to say yes; or somebody holds what was to be changed. Nothing can
    have been saved."""
    db.session.rollback()
    if is_lock_timeout(error):
        log.warning("store.locked")
        return answer(409, SENTENCES[409])
    store = "redis" if isinstance(error, RedisError) else "database"
    log.error("store.unreachable", store=store, error=type(getattr(error, "orig", error)).__name__)
    sentry_sdk.capture_exception(error)
    return answer(503, SENTENCES[503])


def fail(error: Exception) -> Response:
    """A bug: report it once, tell the person it was us. A body that stops arriving, or arrives in pieces that cannot
    be read, is the sender's."""
    db.session.rollback()
    if isinstance(error, TimeoutError):
        return answer(408, SENTENCES[408])
    if type(error).__module__.startswith("gunicorn.http"):
        return answer(400, SENTENCES[400])
    log.error("request.failed", error=type(error).__name__, exc_info=error)
    sentry_sdk.capture_exception(error)
    return answer(500, SENTENCES[500])


NOT_SAVED = "You were signed out before that was saved. Sign in, then do it again."


def sign_in_first() -> Response:
    """Not signed in, or no longer: to the sign-in page and back, saying so when something was not saved; 401 +
    HX-Redirect under htmx."""
    reads = request.method in ("GET", "HEAD")
    if wants_fragment():
        _say_once(*(("Your session ended; sign in and go on.", "info") if reads else (NOT_SAVED, "bad")))
        response = make_response("Sign in again to go on.", 401)
        response.headers["HX-Redirect"] = url_for("auth.sign_in", next=_page_of_part())
        return response
    if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
        return make_response({"error": "Sign in first."}, 401)
    back: str | None
    if reads:
        back = request.full_path.rstrip("?")
    else:
        _say_once(NOT_SAVED, "bad")
        back = _path_of(request.referrer)
    return make_response(redirect(url_for("auth.sign_in", next=back), 303))


def _say_once(sentence: str, tone: str) -> None:
    """A page may ask for several parts after its session ended; one sentence is enough."""
    if [tone, sentence] not in [list(said) for said in session.get("_flashes", [])]:
        flash(sentence, tone)


def _page_of_part() -> str | None:
    """The page that a part was asked for from. Where the part has the page's own address, as a list has that is being
    filtered, it is the asked one: what was typed stands in its query and not yet in the browser's address."""
    here = _path_of(request.headers.get("HX-Current-URL"))
    if request.method == "GET" and request.query_string and here and urlsplit(here).path == request.path:
        return safe_next(request.full_path)
    return here


def _path_of(address: str | None) -> str | None:
    """The path of an address of this site: where the person was."""
    try:
        parts = urlsplit(address or "")
    except ValueError:  # "http://[", which only an attacker sends
        return None
    if parts.netloc != request.host:
        return None
    return safe_next(parts.path + (f"?{parts.query}" if parts.query else ""))


def init_app(app: Flask) -> None:
    login.unauthorized_handler(sign_in_first)
    app.register_error_handler(DomainError, refuse)
    app.register_error_handler(CSRFError, refuse_form)
    app.register_error_handler(RateLimitExceeded, too_many)
    app.register_error_handler(HTTPException, refuse_http)
    for away in (OperationalError, InterfaceError, PoolTimeoutError, RedisError):
        app.register_error_handler(away, unreachable)
    app.register_error_handler(Exception, fail)
