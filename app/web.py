"""What every view shares: who may enter, pages and fragments, response headers, template globals."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar
from urllib.parse import urlencode

import structlog
from flask import Flask, Response, current_app, g, make_response, redirect, render_template, request, url_for
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_login import current_user
from jinja2 import StrictUndefined
from jinja2_fragments.flask import render_block
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter

from app import display
from app.domain.errors import Forbidden
from app.domain.models import Role
from app.extensions import login, settings

BLUEPRINTS: tuple[str, ...] = (
    "ops",
    "held",
    "health",
    "metrics",
    "auth",
    "home",
    "contacts",
    "searches",
    "listings",
    "proof",
    "public",
    "webhooks",
)
"""Folders below app/blueprints; each has `bp`."""

COMPONENTS = ("words", "fields", "tables", "charts")
"""The files of templates/components that `ui` looks in."""

View = TypeVar("View", bound=Callable[..., Any])

EVERYONE = (Role.ADMIN, Role.STAFF, Role.AGENT, Role.VIEWER)
EDITORS = (Role.ADMIN, Role.STAFF, Role.AGENT)
STAFF = (Role.ADMIN, Role.STAFF)
ADMINS = (Role.ADMIN,)


class RowId(IntegerConverter):
    """A number in an address that PostgreSQL can hold; a longer one leads nowhere (404), as one that is not taken."""

    regex = r"\d{1,18}"


def row_id(text: str) -> int:
    """The same for a query or a form: `request.args.get("agent", type=row_id)`. Raises ValueError."""
    if not re.fullmatch(RowId.regex, text, re.ASCII):
        raise ValueError("not the number of a row")
    return int(text)


def clean(text: str) -> str:
    """Without control characters, which no database column here can hold, and without spaces around."""
    return "".join(letter for letter in text if letter.isprintable()).strip()


FORM_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)


def form_key() -> str:
    """What the hidden field `form_key` of a form that makes something holds: new with each page, kept when the form
    comes back to be mended."""
    given = request.form.get("form_key", "")
    return given if FORM_KEY.fullmatch(given) else secrets.token_hex(16)


def sent_key() -> str | None:
    """Names what was sent: 32 letters, the same when one page sends the same words twice (a double click, a reload, a
    slow network), else another. None for a form without a key of its own."""
    if not FORM_KEY.fullmatch(request.form.get("form_key", "")):
        return None
    words = sorted((name, value) for name, value in request.form.items(multi=True) if name != "csrf_token")
    return sha256(json.dumps([current_user.office_id, words]).encode()).hexdigest()[:32]


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
    if is_public(view):
        return None
    roles: frozenset[Role] = getattr(view, "access_roles", frozenset())
    if not current_user.is_authenticated:
        return login.unauthorized()
    if current_user.role not in roles:
        raise Forbidden("Your role does not open this page. An administrator can change that.")
    return None


def is_public(view: Callable[..., Any]) -> bool:
    return bool(getattr(view, "public_reason", None))


def _view_of(endpoint: str) -> Callable[..., Any]:
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


def fragment(template: str, *blocks: str, status: int = 200, **context: Any) -> Response:
    """Named blocks of a template, alone, one after the other."""
    return make_response("".join(render_block(template, block, **context) for block in blocks), status)


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


FILES = frozenset({"static", "vendor.file", "vendor.asset"})
"""Endpoints that send files, the same for everybody."""


ASKED_BY_ITSELF = frozenset({"ops.lamp"})
"""Endpoints that every open page asks again and again, though nobody is there."""


class PageSessions(SecureCookieSessionInterface):
    """A visit prolongs the session; a picture does not, nor does a page that was left open; and a file that anybody may
    keep never carries a cookie."""

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if request.endpoint in FILES or (request.endpoint in ASKED_BY_ITSELF and not session.modified):
            return
        super().save_session(app, session, response)


def begin_request() -> None:
    g.request_id = secrets.token_hex(4)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def pictures_from() -> tuple[str, ...]:
    """Where the pictures of our pages may come from."""
    found = ["'self'", "data:", *settings().photo_origins]
    if tiles := settings().map_tiles:
        # {s} stands for one of several hosts.
        found.append("/".join(tiles.replace("{s}", "*").split("/")[:3]))
    return tuple(dict.fromkeys(found))


def letter_alone(html: str) -> Response:
    """A mail's HTML by itself, for a frame: no script and no form in it runs. Its pictures come from where our pages'
    do, or from anywhere over HTTPS, as in a mail program."""
    response = make_response(html)
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src {' '.join(pictures_from())} https:; sandbox; "
        "frame-ancestors 'self'"
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def send_headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault(
        "Content-Security-Policy",
        f"default-src 'self'; img-src {' '.join(pictures_from())}; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'",
    )
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.endpoint not in FILES:
        headers.setdefault("Cache-Control", "no-store")
        response.vary.add("HX-Request")
    headers["X-Request-Id"] = getattr(g, "request_id", "-")
    return response


class Components:
    """Every macro of templates/components under one name, `ui`, so that a fragment needs no imports of its own (a block
    rendered alone never runs the import lines above it)."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def __getattr__(self, name: str) -> Any:
        for part in COMPONENTS:
            macro = getattr(self.app.jinja_env.get_template(f"components/{part}.html").module, name, None)
            if macro is not None:
                return macro
        raise AttributeError(f"no component is called {name}")


def with_args(**changes: Any) -> str:
    """This page's address with some of its query changed; None takes one away. For sort heads, pages and filters."""
    kept = {name: values for name, values in request.args.to_dict(flat=False).items() if name not in changes}
    query = urlencode(kept | {name: value for name, value in changes.items() if value is not None}, doseq=True)
    return f"{request.path}?{query}" if query else request.path


def link_to(endpoint: str, **values: Any) -> str | None:
    """The address of a screen, or None when the reader's role does not open it, or nothing is called so."""
    view = current_app.view_functions.get(endpoint)
    if view is None or not may(*getattr(view, "access_roles", ())):
        return None
    return url_for(endpoint, **values)


def theme() -> str | None:
    """light or dark when the reader chose one; None follows the system."""
    chosen = request.cookies.get("theme")
    return chosen if chosen in ("light", "dark") else None


def density() -> str:
    return "comfortable" if request.cookies.get("density") == "comfortable" else "dense"


def local_now() -> datetime:
    """This moment on the wall of the reader's office."""
    return datetime.now(display.zone_of_reader())


def house_verdict() -> Any:
    """Whether everything works, for the foot of the rail: has tone, sentence, checked_at and url. None until the
    operations screen registers its function as app.extensions["verdict"]."""
    judge = current_app.extensions.get("verdict")
    if judge is None:
        return None
    if "verdict" not in g:
        g.verdict = judge()
    return g.verdict


HTMX_CONFIG = json.dumps(
    {
        "allowEval": False,
        "includeIndicatorStyles": False,
        "includeIndicatorCSS": False,
        "historyCacheSize": 0,
        "refreshOnHistoryMiss": True,
        "disableInheritance": True,
        "responseHandling": [
            {"code": "204", "swap": False},
            {"code": "[23]..", "swap": True},
            {"code": "409", "swap": True},
            {"code": "422", "swap": True},
            {"code": "[45]..", "swap": False, "error": True},
        ],
        "noSwap": [204, 304, "5xx", "400", "403", "404"],
    }
)
"""One setting for htmx 2 and 4; each ignores the other's names."""


def init_app(app: Flask) -> None:
    from app import drawing, navigation

    app.session_interface = PageSessions()
    if proxies := app.extensions["porchlight"].proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]
    app.url_map.converters["int"] = RowId
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    display.init_app(app)
    app.jinja_env.globals.update(
        ui=Components(app),
        may=may,
        form_key=form_key,
        Role=Role,
        theme=theme,
        density=density,
        with_args=with_args,
        link_to=link_to,
        local_now=local_now,
        house_verdict=house_verdict,
        htmx_config=HTMX_CONFIG,
        navigation=navigation.navigation,
        find_url=navigation.find_url,
        **drawing.GLOBALS,
    )
    # First of all, before the CSRF and rate checks of other extensions: every refusal has a reference.
    app.before_request_funcs.setdefault(None, []).insert(0, begin_request)
    app.before_request(check_access)
    app.after_request(send_headers)
    # Flask's own static route is open: style and script only.
    public("style and script, nothing private")(app.view_functions["static"])
