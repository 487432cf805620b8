"""The web's processes count as one: real gunicorn with two of them, one asked for both, and killed ones lose no count."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import config_for
from tests.faults.test_large_uploads import ROOT, free_port

pytestmark = pytest.mark.faults

COUNT = re.compile(
    r'^porchlight_http_request_duration_seconds_count\{method="GET",route="/healthz",status="2xx"\} (\S+)$',
    re.MULTILINE,
)


def wait_for(what: Callable[[], Any], seconds: float = 30) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def get(port: int, path: str) -> str:
    question = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": "Bearer " + "t" * 20})
    with urllib.request.urlopen(question, timeout=20) as answer:
        return answer.read().decode()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def counted(port: int) -> int:
    found = COUNT.search(get(port, "/metrics"))
    return int(float(found[1])) if found else 0


def ask(port: int, times: int) -> bool:
    """Ask so often; False when nobody answered for a while."""
    for _ in range(times):
        try:
            get(port, "/healthz")
        except OSError:
            return False
    return True


def test_two_processes_count_together_and_who_follows_a_killed_one_counts_on(app, database_url, tmp_path):
    port = free_port()
    config = config_for(database_url, app.extensions["porchlight"].redis_url, tmp_path)
    environ = dict(os.environ) | {
        "DATABASE_URL": database_url,
        "REDIS_URL": config.redis_url,
        "SECRET_KEY": config.secret_key,
        "PUBLIC_URL": config.public_url,
        "SMTP_URL": config.smtp_url,
        "MAIL_FROM": config.mail_from,
        "FILES_DIR": str(tmp_path),
        "SESSION_COOKIE_SECURE": "0",
        "LOG_LEVEL": "error",
        "METRICS_TOKEN": "t" * 20,
        "WEB_CONCURRENCY": "2",
        "PORT": str(port),
    }
    dead = subprocess.Popen(["true"])
    dead.wait()
    shared = Path("/dev/shm")
    left = (shared if shared.is_dir() else Path(tempfile.gettempdir())) / f"porchlight-counts-{dead.pid}-left"
    left.mkdir()
    web = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "wsgi:app", "-b", f"127.0.0.1:{port}"],
        cwd=ROOT,
        env=environ,
        start_new_session=True,
    )
    try:
        wait_for(lambda: ask(port, 1))
        assert not left.exists()
        wait_for(lambda: ask(port, 30) and len(folders_of(web.pid)) == 2)  # each has answered something
        before = counted(port)
        assert before >= 31
        assert ask(port, 20)
        assert counted(port) == before + 20
        (folder,) = set(folders_of(web.pid))
        killed = children(web.pid)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: set(killed).isdisjoint(children(web.pid)) and len(children(web.pid)) == 2)
        wait_for(lambda: ask(port, 1))
        assert counted(port) >= before + 21
        assert sorted(path.name for path in folder.iterdir()) == ["histogram_0.db", "histogram_1.db"]
        web.terminate()
        assert web.wait(40) == 0
        assert not folder.exists()
    finally:
        if web.poll() is None:
            os.killpg(web.pid, signal.SIGKILL)
            web.wait()


def folders_of(pid: int) -> list[Path]:
    """Where each of its processes counts; none for one that has not answered yet."""
    found = []
    for child in children(pid):
        maps = Path(f"/proc/{child}/maps").read_text()
        found += [Path(name).parent for name in set(re.findall(r"\S+/porchlight-counts-\S+/histogram_\d+\.db", maps))]
    return found
