"""The stack on one machine: what it starts, what it uses instead, and that it ends all it started."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from devstack import places, procfile
from devstack.errors import DevstackError
from devstack.ports import find_free, is_free
from devstack.programs import Identity
from devstack.servers import Postgres
from devstack.testing import run_id, test_servers

WEB = """
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["DATABASE_URL"].encode())
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


class RunningStack:
    """`python -m devstack run` with a Procfile of its own, in a folder of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        (folder / "web.py").write_text(WEB)
        (folder / "Procfile").write_text(f"release: echo released\nweb: python {folder}/web.py\nworker_1: sleep 300\n")
        self.environment = {
            **os.environ,
            "DEVSTACK_DIR": str(folder / "var"),
            "DEVSTACK_PORTS": "any",
            "DATABASE_URL": test_servers().database_url,
            "LEGACY_MONGO_URL": "mongodb://127.0.0.1:9/none",
            **environment,
        }
        self.printed = (folder / "printed").open("w+")
        self.program = subprocess.Popen(
            [sys.executable, "-m", "devstack", "run", "--procfile", str(folder / "Procfile")],
            env=self.environment,
            cwd=places.ROOT,
            stdout=self.printed,
            stderr=subprocess.STDOUT,
        )

    def wait_until_ready(self) -> None:
        wait_for(lambda: "Ctrl-C stops everything" in self.text or self.program.poll() is not None)
        assert self.program.poll() is None, self.text

    @property
    def text(self) -> str:
        return (self.folder / "printed").read_text()

    @property
    def state(self) -> dict:
        return json.loads((self.folder / "var" / "devstack.json").read_text())

    @property
    def programs(self) -> dict[str, Identity]:
        return {name: Identity.from_json(value) for name, value in self.state["programs"].items()}

    def page(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.state['ports']['web']}/", timeout=10) as answer:
            return answer.read().decode()

    def close(self) -> None:
        if self.program.poll() is None:
            self.program.terminate()
        self.program.wait(timeout=20)
        self.printed.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningStack]]:
    started: list[RunningStack] = []

    def start(**environment: str) -> RunningStack:
        stack = RunningStack(tmp_path, **environment)
        started.append(stack)
        stack.wait_until_ready()
        return stack

    yield start
    for stack in started:
        stack.close()


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_a_port_in_use_is_worked_around_and_a_database_named_is_used(start):
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]
        stack = start(PORT=str(taken))

        assert f"Port {taken} is taken" in stack.text
        assert stack.page() == test_servers().database_url
        assert not (stack.folder / "var" / "postgres").exists()


def test_stopping_ends_what_it_started_and_nothing_else(start):
    with subprocess.Popen(["sleep", "300"]) as bystander:
        stack = start()
        # As if the system had given an old pid of ours to somebody else.
        path = stack.folder / "var" / "devstack.json"
        state = stack.state
        ours = stack.programs
        state["programs"]["old"] = {"pid": bystander.pid, "started": "long ago"}
        path.write_text(json.dumps(state))

        stopped = subprocess.run(
            [sys.executable, "-m", "devstack", "stop"],
            env=stack.environment,
            cwd=places.ROOT,
            capture_output=True,
            text=True,
            check=True,
        )

        assert "Stopped." in stopped.stdout
        assert stack.program.wait(timeout=5) == 0
        assert set(ours) == {"redis", "mail", "slack", "web", "worker_1"}
        assert not [name for name, identity in ours.items() if identity.is_alive()]
        assert bystander.poll() is None
        bystander.kill()


def test_a_killed_stack_takes_its_programs_with_it_and_can_be_started_again(start):
    stack = start()
    ours = stack.programs
    stack.program.kill()
    stack.program.wait()
    wait_for(lambda: not any(identity.is_alive() for identity in ours.values()), seconds=20)

    start()


def test_a_program_that_ends_is_started_again(start):
    stack = start()
    before = stack.programs["worker_1"]
    before.end(signal.SIGKILL)
    wait_for(lambda: stack.programs.get("worker_1") != before and stack.programs["worker_1"].is_alive())
    assert "worker_1 ended" in stack.text


def test_what_was_committed_survives_a_kill_of_the_embedded_postgresql(tmp_path):
    server = Postgres(tmp_path / "postgres", port=find_free(), password="sesame")
    url = server.url.replace("+psycopg", "")
    try:
        server.start()
        server.wait()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        server.kill()
        server.start()
        server.wait()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT seven FROM kept").fetchone() == (7,)
    finally:
        server.stop()
        server.remove()


def test_test_servers_end_with_the_test_process_even_when_it_is_killed():
    script = "from devstack.testing import run_id, test_servers; s = test_servers(); print(s.postgres_pid, s.redis_pid)"
    folder = places.test_var() / f"of-{run_id()}"
    environment = {**os.environ, "DEVSTACK_TEST_DIR": str(folder)}
    for name in ("TEST_DATABASE_URL", "TEST_REDIS_URL", "PYTEST_XDIST_WORKER"):
        environment.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-c", f"{script}; print(flush=True); import time; time.sleep(300)"],
        env=environment,
        cwd=places.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as tests:
        servers = [Identity.of(int(pid)) for pid in tests.stdout.readline().split()]
        assert all(servers)
        tests.kill()
    wait_for(lambda: not any(server.is_alive() for server in servers), seconds=20)
    shutil.rmtree(folder)


def test_a_procfile_line_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "Procfile"
    path.write_text("# a comment\nrelease: flask db upgrade\nworker_bulk: rq worker bulk\n\nweb gunicorn\n")
    with pytest.raises(DevstackError, match="line 5"):
        procfile.read(path)
    path.write_text("release: flask db upgrade\nworker_2: A=1 rq worker bulk\n")
    assert procfile.read(path) == {"release": "flask db upgrade", "worker_2": "A=1 rq worker bulk"}


def test_a_missing_python_is_said_in_a_sentence(tmp_path):
    (tmp_path / "devstack").mkdir()
    script = tmp_path / "devstack" / "setup.sh"
    script.write_text((places.ROOT / "devstack" / "setup.sh").read_text())
    (tmp_path / "requirements-dev.txt").touch()
    ran = subprocess.run(
        ["sh", script], env={**os.environ, "PYTHON": "false"}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert "needs Python 3.11 or later" in ran.stderr


def test_a_free_port_is_one_that_nobody_listens_on():
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        assert not is_free(somebody.getsockname()[1])
    assert is_free(find_free())
