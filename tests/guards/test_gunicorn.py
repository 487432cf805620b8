"""The web server starts whatever others left where it counts (gunicorn.conf.py)."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

CONF = Path(__file__).parents[2] / "gunicorn.conf.py"


@pytest.fixture
def start(tmp_path, monkeypatch) -> Any:
    """Start it with this folder to count in; returns what the server knows then."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    conf = runpy.run_path(str(CONF))

    def start_there(home: Path = tmp_path) -> SimpleNamespace:
        conf["on_starting"].__globals__["worker_tmp_dir"] = str(home)
        server = SimpleNamespace(log=structlog.get_logger())
        conf["on_starting"](server)
        conf["post_fork"](server, None) if server.counts_folder is None else None
        return server

    return start_there


def gone() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.mark.parametrize(
    "name", ["99999999999999999999-x", "-1-x", "0-x", "1-x", "²-x", "x", "", "٣-x", "999999999-x\n", "4194305"]
)
def test_no_name_that_anybody_can_make_keeps_it_from_starting(start, tmp_path, name):
    (tmp_path / f"porchlight-counts-{name}").mkdir()
    assert Path(start().counts_folder).is_dir()
    assert (tmp_path / f"porchlight-counts-{name}").is_dir(), "it is not ours to take away"


def test_what_one_that_was_killed_left_is_taken_away_and_nothing_else_is(start, tmp_path):
    number, treasure = gone(), tmp_path / "treasure"
    (tmp_path / f"porchlight-counts-{number}-a").mkdir()
    (tmp_path / f"porchlight-counts-{os.getpid()}-b").mkdir()
    treasure.mkdir()
    (tmp_path / f"porchlight-counts-{number}-link").symlink_to(treasure)
    (tmp_path / f"porchlight-counts-{number}-file").write_text("")
    start()
    names = {each.name.removeprefix("porchlight-counts-") for each in tmp_path.glob("porchlight-counts-*")}
    assert f"{number}-a" not in names
    assert {f"{os.getpid()}-b", f"{number}-link", f"{number}-file"} <= names
    assert treasure.is_dir()


def test_without_a_place_to_count_in_it_starts_all_the_same(start, tmp_path):
    assert start(tmp_path / "nowhere").counts_folder is None
