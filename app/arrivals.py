"""What a request may carry, decided before it is read: how large, of which kind, how slowly, for which host.

Nobody needs to be signed in to send a request, so each bound here is one that a stranger meets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flask import Flask, current_app, request
from werkzeug.exceptions import UnsupportedMediaType

View = TypeVar("View", bound=Callable[..., Any])

FORM_BYTES = 512 * 1024
"""The largest form without a file. Reading one costs about half a second a megabyte."""
STRANGERS_BYTES = 32 * 1024
"""The same at doors that are open to anybody."""
EVENTS_BYTES = 1024 * 1024
"""The same where machines bring events, which are no forms."""
PATIENCE_SECONDS = 10
"""A sender silent for this long in the middle of its body has lost its thread."""
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?)(:\d{1,5})?")


def takes_files(view: View) -> View:
    """Declare that a route reads an uploaded file: the limit of UPLOAD_LIMIT_MB holds for it, and for no other."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def takes_events(view: View) -> View:
    """Declare that a route reads what a machine sends, JSON or anything else: the view knows the sender by a proof."""
    view.takes_events = True  # type: ignore[attr-defined]
    return view


def view_takes_files() -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return bool(getattr(view, "takes_files", False))


def check_body() -> None:
    """Before each request. Raises 415 for a body that is no form: every unsafe route reads one."""
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(PATIENCE_SECONDS)
    view = current_app.view_functions.get(request.endpoint or "")
    is_open = bool(getattr(view, "public_reason", None))
    if getattr(view, "takes_events", False):
        request.max_content_length = EVENTS_BYTES
        return
    has_body = bool(request.content_length or request.headers.get("Transfer-Encoding"))
    # A mail program may wrap its one click as it likes (RFC 8058); JSON would be taken for the fields of a form.
    if has_body and (request.is_json or (request.mimetype not in FORMS and not is_open)):
        raise UnsupportedMediaType
    if not view_takes_files():
        request.max_content_length = STRANGERS_BYTES if is_open else FORM_BYTES


class KnownHosts:
    """Answers 400 to a Host header that cannot be a host, before anything tries to build an address from it."""

    def __init__(self, wsgi_app: Any) -> None:
        self.wsgi_app = wsgi_app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if HOST.fullmatch(environ.get("HTTP_HOST", "localhost")):
            answer: Iterable[bytes] = self.wsgi_app(environ, start_response)
            return answer
        start_response(
            "400 Bad Request", [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
        )
        return [b"This request names no host that could be meant.\n"]


def init_app(app: Flask) -> None:
    app.wsgi_app = KnownHosts(app.wsgi_app)  # type: ignore[method-assign]
    app.url_map.merge_slashes = False  # a doubled slash is no page, and no redirect to whatever Host was named
    app.before_request_funcs.setdefault(None, []).insert(1, check_body)
