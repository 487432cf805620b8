"""What a stranger may send: bounded, of the right kind, and never a failure of ours."""

from __future__ import annotations

import pytest

from app.arrivals import FORM_BYTES, STRANGERS_BYTES


@pytest.mark.parametrize("path", ["/sign-in", "/u/abc"])
def test_a_stranger_may_send_a_small_form_only(client, path):
    answer = client.post(path, data="a=" + "b" * STRANGERS_BYTES, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 413
    assert "more than this form may hold" in answer.text or "large" in answer.text


def test_a_form_without_a_file_is_bounded_though_uploads_may_be_large(as_staff):
    answer = as_staff.post("/contacts", data={"first_name": "June", "notes": "n" * FORM_BYTES})
    assert answer.status_code == 413
    assert "MB" not in answer.text


@pytest.mark.parametrize("body", ["5", "[1,2]", '{"email":5,"password":"x"}', "[" * 20_000])
@pytest.mark.parametrize("path", ["/sign-in", "/contacts", "/listings/new"])
def test_a_body_that_is_no_form_is_refused_by_its_kind(as_staff, path, body):
    assert as_staff.post(path, data=body, content_type="application/json").status_code == 415


@pytest.mark.parametrize("host", ["a..b", ".a", "x" * 64 + ".com", "a b", "evil.com/path", "[::1"])
def test_a_host_that_cannot_be_one_is_answered_400(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "crm.example.com", "a_b.example"])
def test_a_host_that_can_be_one_is_served(app, host):
    app.config["SERVER_NAME"], name = None, app.config["SERVER_NAME"]
    try:
        assert app.test_client().get("/healthz", headers={"Host": host}).status_code == 200
    finally:
        app.config["SERVER_NAME"] = name


def test_a_doubled_slash_sends_nobody_to_another_host(as_staff):
    answer = as_staff.get("/contacts//5", headers={"Host": "porchlight.test"})
    assert answer.status_code == 404
    assert "Location" not in answer.headers
