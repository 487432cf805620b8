"""Every answer carries the same protection, whatever became of the request."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.domain.errors import Conflict, Forbidden, Invalid, NotFound
from app.web import public

PROTECTION = {
    "Content-Security-Policy": "default-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
REFUSALS = {"not-found": NotFound, "forbidden": Forbidden, "conflict": Conflict, "invalid": Invalid}


@pytest.fixture(scope="module")
def trouble(another_app) -> Flask:
    """The same app with one more address, at which things go wrong on purpose."""
    wrong = another_app()

    @wrong.get("/trouble/<kind>")
    @public("a test")
    def go_wrong(kind: str) -> str:
        if kind in REFUSALS:
            raise REFUSALS[kind]("Dana was quicker.")
        message = "a secret word of the database"
        raise RuntimeError(message)

    return wrong


@pytest.fixture
def stranger(trouble: Flask) -> FlaskClient:
    return trouble.test_client()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sign-in", 200),
        ("/", 303),
        ("/nothing-here", 404),
        ("/sign-out", 405),
        ("/trouble/bug", 500),
        ("/trouble/conflict", 409),
        ("/assets/x/app.css", 200),
        ("/static/mark.svg", 200),
    ],
)
def test_every_answer_is_protected(stranger, path, status):
    answer = stranger.get(path)
    assert answer.status_code == status
    for name, begins in PROTECTION.items():
        assert answer.headers[name].startswith(begins), name
    assert answer.headers["X-Request-Id"]


def test_nothing_inline_is_allowed_by_the_policy(client):
    policy = client.get("/sign-in").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "form-action 'self'" in policy


def test_a_page_is_kept_nowhere_and_differs_for_htmx(as_staff):
    answer = as_staff.get("/")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "HX-Request" in answer.headers["Vary"]


def test_a_file_that_anybody_may_keep_carries_no_cookie(client, make, office, sign_in):
    browser = sign_in(make.user(office=office))
    with browser.session_transaction() as session:
        session.permanent = True
    assert "Set-Cookie" in browser.get("/").headers
    answer = browser.get("/assets/x/app.css")
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers["Vary"]


def test_only_a_secure_connection_is_told_to_stay_secure(client):
    assert "Strict-Transport-Security" not in client.get("/sign-in").headers
    assert "max-age" in client.get("/sign-in", base_url="https://porchlight.test").headers["Strict-Transport-Security"]


class TestAnError:
    """What happened, whether anything was saved, what to do, and a reference."""

    def test_is_a_page_with_a_reference(self, stranger):
        answer = stranger.get("/trouble/bug")
        assert "Something went wrong on our side. Nothing was saved." in answer.text
        assert f"Reference <code>{answer.headers['X-Request-Id']}</code>" in answer.text
        assert "secret word" not in answer.text

    def test_is_a_toast_for_htmx_and_leaves_the_page_alone(self, stranger):
        answer = stranger.get("/trouble/bug", headers={"HX-Request": "true"})
        assert answer.status_code == 500
        assert answer.headers["HX-Reswap"] == "none"
        assert answer.headers["X-Request-Id"] in answer.headers["HX-Trigger"]
        assert "<html" not in answer.text

    def test_is_json_for_who_asked_for_json(self, stranger):
        answer = stranger.get("/trouble/bug", headers={"Accept": "application/json"})
        assert answer.json == {
            "error": "Something went wrong on our side. Nothing was saved.",
            "reference": answer.headers["X-Request-Id"],
        }

    @pytest.mark.parametrize(
        ("kind", "status"), [("not-found", 404), ("forbidden", 403), ("conflict", 409), ("invalid", 422)]
    )
    def test_of_the_domain_speaks_its_own_sentence(self, stranger, kind, status):
        answer = stranger.get(f"/trouble/{kind}")
        assert answer.status_code == status
        assert "Dana was quicker." in answer.text

    def test_says_where_there_is_nothing(self, client):
        answer = client.get("/nothing-here")
        assert answer.status_code == 404
        assert "There is nothing at this address." in answer.text

    def test_names_the_methods_that_would_do(self, client):
        answer = client.get("/sign-out")
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]

    def test_says_so_when_a_form_is_too_large(self, app, client):
        limit = app.config["MAX_CONTENT_LENGTH"]
        answer = client.post(
            "/sign-in",
            data=b"x",
            content_type="multipart/form-data; boundary=x",
            environ_overrides={"CONTENT_LENGTH": str(limit + 1)},
        )
        assert answer.status_code == 413
        assert "That is more than this form may hold." in answer.text
