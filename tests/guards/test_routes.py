"""Every door says who may enter, and every door that changes something proves where the request comes from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import IntegerConverter, Rule

from app.domain.models import Role
from app.extensions import csrf

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
WITHOUT_CSRF = {
    "public.stop_or_resume": "RFC 8058: a mail program posts it from nowhere; the token in the address is the proof",
    "public.choose": "the buyer’s page sets no cookie, so there is no session to ride on; the token in the address is the proof",
    "public.mark": "the page sets no cookie, so there is no session to ride on; the token in the address is the proof",
    "public.rest": "as public.choose",
    "public.look": "sent by the page’s own script without a cookie; the token in the address is the proof",
    "webhooks.receive": "a mail provider's machine posts it; the signature over what it brings is the proof",
}
"""Endpoints that may be posted to without a CSRF token, and why."""


def rules(app: Flask) -> list[Rule]:
    return sorted(app.url_map.iter_rules(), key=lambda rule: (rule.endpoint, rule.rule))


def address(rule: Rule) -> str:
    """The rule's path with something in each hole: access is decided before any row is read."""
    values = {
        name: 1 if isinstance(converter, IntegerConverter) else "x" for name, converter in rule._converters.items()
    }
    return rule.build(values)[1]


def guarded(app: Flask) -> Iterator[tuple[Rule, frozenset[Role], str]]:
    for rule in rules(app):
        view = app.view_functions[rule.endpoint]
        if not getattr(view, "public_reason", None):
            method = "GET" if "GET" in rule.methods else next(iter(rule.methods & UNSAFE))
            yield rule, view.access_roles, method


def test_every_route_says_who_may_enter(app):
    unsaid = [
        rule.endpoint
        for rule in rules(app)
        if not getattr(app.view_functions[rule.endpoint], "public_reason", None)
        and not getattr(app.view_functions[rule.endpoint], "access_roles", None)
    ]
    assert not unsaid


def test_a_route_without_a_word_on_access_is_shut():
    app = Flask("bare")
    from app.web import is_public

    assert not is_public(app.view_functions["static"])


def test_a_stranger_is_sent_to_the_sign_in_page_from_every_closed_route(app, client):
    open_to_strangers = [
        rule.rule
        for rule, _, method in guarded(app)
        if client.open(address(rule), method=method).headers.get("Location", "").split("?")[0] != "/sign-in"
    ]
    assert not open_to_strangers


@pytest.mark.parametrize("role", list(Role))
def test_a_role_that_a_route_does_not_name_is_refused(app, role, sign_in, make):
    browser: FlaskClient = sign_in(make.user(office=make.office(), role=role))
    let_in = [
        f"{method} {rule.rule}"
        for rule, roles, method in guarded(app)
        if role not in roles and browser.open(address(rule), method=method).status_code != 403
    ]
    assert not let_in


def test_every_route_that_changes_something_asks_for_a_csrf_token_or_is_listed(app):
    exempt = {
        endpoint
        for endpoint, view in app.view_functions.items()
        if f"{view.__module__}.{view.__name__}" in csrf._exempt_views
    }
    whole_blueprints = {blueprint.name for blueprint in csrf._exempt_blueprints if blueprint}
    assert exempt <= set(WITHOUT_CSRF)
    assert not whole_blueprints


def test_nothing_is_posted_without_a_csrf_token(app, as_admin):
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        taken = [
            rule.rule
            for rule in rules(app)
            if rule.methods & UNSAFE
            and rule.endpoint not in WITHOUT_CSRF
            and as_admin.open(address(rule), method=next(iter(rule.methods & UNSAFE))).status_code != 400
        ]
    finally:
        app.config["WTF_CSRF_ENABLED"] = False
    assert not taken


def test_nothing_that_changes_answers_a_get_at_the_same_address_by_accident(app):
    """A GET and a POST may share an address (a form); a route of words like /7/archive takes POST alone."""
    verbs = ("archive", "stop", "resume", "retry", "cancel", "delete", "pause", "send", "sign-out")
    assert not [rule.rule for rule in rules(app) if rule.rule.rsplit("/", 1)[-1] in verbs and "GET" in rule.methods]
