"""What every view shares: who may enter, pages and fragments, response headers, template globals."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, g, has_request_context, make_response, redirect, render_template, request, url_for
from flask_login import current_user
from jinja2 import StrictUndefined
from jinja2_fragments.flask import render_block

from app import display
from app.domain.errors import Forbidden
from app.domain.models import Role
from app.extensions import login

BLUEPRINTS: tuple[str, ...] = ()
"""Folders below app/blueprints; each has `bp`."""

View = TypeVar("View", bound=Callable[..., Any])

EVERYONE = (Role.ADMIN, Role.STAFF, Role.AGENT, Role.VIEWER)
EDITORS = (Role.ADMIN, Role.STAFF, Role.AGENT)
STAFF = (Role.ADMIN, Role.STAFF)
ADMINS = (Role.ADMIN,)


def access(*roles: Role) -> Callable[[View], View]:
    """Declare which roles may enter a route. A route without `access` or `public` is refused, and fails a guard."""

    def declare(view: View) -> View:
        view.access_roles = frozenset(roles)  # type: ignore[attr-defined]
        return view

    return declare


def public(reason: str) -> Callable[[View], View]:
    """Declare a route open to anybody, and why."""

    def declare(view: View) -> View:
        view.public_reason = reason  # type: ignore[attr-defined]
        return view

    return declare


def may(*roles: Role) -> bool:
    """For templates: does the signed-in person have one of these roles?"""
    return bool(current_user.is_authenticated) and current_user.role in roles


def check_access() -> Any:
    """Before each request: the declared rule decides. No rule means nobody."""
    if request.endpoint is None or request.url_rule is None:
        return None
    view = _view_of(request.endpoint)
    if getattr(view, "public_reason", None):
        return None
    roles = getattr(view, "access_roles", frozenset())
    if not current_user.is_authenticated:
        return login.unauthorized()
    if current_user.role not in roles:
        raise Forbidden("Your role does not open this page. An administrator can change that.")
    return None


def _view_of(endpoint: str) -> Callable[..., Any]:
    from flask import current_app

    return current_app.view_functions[endpoint]


def wants_fragment() -> bool:
    """True when htmx asks for a part of the page (and is not restoring history, which needs the whole)."""
    return bool(request.headers.get("HX-Request")) and not request.headers.get("HX-History-Restore-Request")


def page(template: str, block: str | None = None, *, status: int = 200, **context: Any) -> Response:
    """The whole template for a browser, or just its named block when htmx asks. The view names the block, never the
    browser."""
    if block and wants_fragment():
        return make_response(render_block(template, block, **context), status)
    return make_response(render_template(template, **context), status)


def fragment(template: str, block: str, *, status: int = 200, **context: Any) -> Response:
    """One named block of a template, alone."""
    return make_response(render_block(template, block, **context), status)


def go(endpoint: str, **values: Any) -> Response:
    """Send the person on: a redirect for a browser, HX-Redirect for htmx."""
    target = url_for(endpoint, **values)
    if wants_fragment():
        response = make_response("", 204)
        response.headers["HX-Redirect"] = target
        return response
    return make_response(redirect(target, 303))


def safe_next(target: str | None) -> str | None:
    """A path inside this site, or None: never another host (open redirect)."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or any(ord(c) < 32 for c in target):
        return None
    return target


def begin_request() -> None:
    g.request_id = secrets.token_hex(4)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def send_headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault(
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'",
    )
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.endpoint not in ("static", "vendor.file"):
        headers.setdefault("Cache-Control", "no-store")
        response.vary.add("HX-Request")
    headers["X-Request-Id"] = getattr(g, "request_id", "-")
    return response


def template_globals() -> dict[str, Any]:
    if not has_request_context():
        return {"may": lambda *_: False, "Role": Role}
    return {
        "may": may,
        "Role": Role,
        "theme": request.cookies.get("theme") if request.cookies.get("theme") in ("light", "dark") else None,
        "density": "comfortable" if request.cookies.get("density") == "comfortable" else "dense",
    }


def init_app(app: Flask) -> None:
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    display.init_app(app)
    app.context_processor(template_globals)
    app.before_request(begin_request)
    app.before_request(check_access)
    app.after_request(send_headers)
    # Flask's own static route is open: style and script only.
    app.view_functions["static"].public_reason = "style and script, nothing private"  # type: ignore[attr-defined]
