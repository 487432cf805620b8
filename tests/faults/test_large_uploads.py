"""A file beyond the limit is answered with a sentence that really arrives: real gunicorn, a gigabyte on the wire."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.leftovers import discard
from tests.conftest import config_for

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parent.parent.parent
GIGABYTE = 1024**3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module", params=["gthread", "sync"])
def server(request: pytest.FixtureRequest, app: Flask, database_url: str, tmp_path_factory: Any) -> Iterator[int]:
    """The port of a gunicorn that serves the tests' database."""
    port = free_port()
    config = config_for(database_url, app.extensions["porchlight"].redis_url, tmp_path_factory.mktemp("web"))
    environ = os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": config.redis_url,
        "SECRET_KEY": config.secret_key,
        "PUBLIC_URL": config.public_url,
        "SMTP_URL": config.smtp_url,
        "MAIL_FROM": config.mail_from,
        "FILES_DIR": str(config.files_dir),
        "SESSION_COOKIE_SECURE": "0",
        "LOG_LEVEL": "error",
        "WEB_CONCURRENCY": "1",
        "PORT": str(port),
    }
    command = [sys.executable, "-m", "gunicorn", "wsgi:app", "-b", f"127.0.0.1:{port}", "-k", request.param]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, start_new_session=True)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield port
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


@pytest.fixture
def cookie(app: Flask, db: object, make: Any) -> str:
    """The session of somebody of the staff."""
    user = make.user(make.office())
    dumped = app.session_interface.get_signing_serializer(app).dumps({"_user_id": user.get_id(), "_fresh": True})
    return f"{app.config['SESSION_COOKIE_NAME']}={dumped}"


def send(port: int, size: int, headers: dict[str, str]) -> http.client.HTTPResponse:
    """Send every byte before looking for an answer, as a browser does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("POST", "/listings/imports")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    piece = bytes(1024 * 1024)
    for _ in range(size // len(piece)):
        connection.send(piece)
    return connection.getresponse()


@pytest.mark.committed
def test_a_gigabyte_is_refused_with_the_sentence_and_not_with_a_reset(server, cookie):
    began = time.monotonic()
    answer = send(server, GIGABYTE, {"Cookie": cookie})
    page = answer.read().decode()
    assert answer.status == 413
    assert "larger than 64 MB" in page
    assert time.monotonic() - began < 45


@pytest.mark.committed
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_curl_sees_the_sentence_too(server, cookie, tmp_path):
    file = tmp_path / "homes.csv"
    with file.open("wb") as sparse:
        sparse.truncate(GIGABYTE)
    url = f"http://127.0.0.1:{server}/listings/imports"
    found = subprocess.run(
        ["curl", "-sS", "-b", cookie, "-F", f"file=@{file}", "-w", "%{http_code}", url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.stdout.endswith("413"), (found.stdout[-300:], found.stderr)
    assert "larger than 64 MB" in found.stdout


@pytest.mark.committed
def test_the_server_goes_on_serving(server, cookie):
    send(server, 80 * 1024 * 1024, {"Cookie": cookie}).read()
    connection = http.client.HTTPConnection("127.0.0.1", server, timeout=10)
    connection.request("GET", "/listings/imports/new", headers={"Cookie": cookie})
    assert connection.getresponse().status == 200


def test_a_sender_who_trickles_is_left_after_a_while():
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.05):
            try:
                theirs.send(b"x")
            except OSError:
                return

    sender = threading.Thread(target=trickle)
    sender.start()
    began = time.monotonic()
    read = discard(ours, seconds=0.5)
    took = time.monotonic() - began
    ours.close()
    stop.set()
    sender.join()
    theirs.close()
    assert 0.4 < took < 10
    assert read >= 1


def test_no_more_than_the_bound_is_read():
    ours, theirs = socket.socketpair()

    def pour() -> None:
        with contextlib.suppress(OSError):
            theirs.sendall(bytes(3_000_000))

    sender = threading.Thread(target=pour)
    sender.start()
    assert 1_000_000 <= discard(ours, seconds=5, most=1_000_000) < 1_600_000
    ours.close()
    sender.join()
    theirs.close()
