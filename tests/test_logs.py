"""Errors reach Sentry once, without personal data; without a DSN nothing is sent. Against a real endpoint on loopback."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from devstack.testing import test_servers

FAILS = """
import logging
from app import create_app
from app.web import public
app = create_app()
@app.get("/fails")
@public("a test")
def fails():
    secret = "amelia.carter@example.com"
    raise RuntimeError("the roof leaks")
@app.get("/logs")
@public("a test")
def logs():
    logging.getLogger("porchlight.test").error("a line worth an event")
    return "logged"
client = app.test_client()
assert client.get("/fails?email=amelia.carter@example.com").status_code == 500
assert client.get("/logs").status_code == 200
import sentry_sdk
sentry_sdk.flush(timeout=5)
"""


@pytest.fixture
def sentry() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A DSN, and the events that arrive there."""
    events: list[dict[str, Any]] = []

    class Intake(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            lines = body.split(b"\n")
            for header, item in itertools.pairwise(lines):
                if b'"type":"event"' in header.replace(b" ", b""):
                    events.append(json.loads(item))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Intake)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://key@127.0.0.1:{server.server_port}/1", events
    server.shutdown()
    server.server_close()


def test_a_failed_request_is_one_event_and_a_logged_error_another_without_personal_data(app, sentry):
    dsn, events = sentry
    config = app.extensions["porchlight"]
    environ = os.environ | {
        "DATABASE_URL": config.database_url,
        "REDIS_URL": test_servers().redis_url,
        "SECRET_KEY": config.secret_key,
        "PUBLIC_URL": config.public_url,
        "SMTP_URL": config.smtp_url,
        "MAIL_FROM": config.mail_from,
        "SENTRY_DSN": dsn,
    }
    subprocess.run([sys.executable, "-c", FAILS], env=environ, check=True, timeout=60, stderr=subprocess.DEVNULL)
    said = [event.get("exception", event.get("logentry")) for event in events]
    assert len(events) == 2, said
    assert events[0]["exception"]["values"][-1]["value"] == "the roof leaks"
    assert events[1]["logentry"]["message"] == "a line worth an event"
    assert "amelia.carter@example.com" not in json.dumps(events)
