"""The linters that `make check` runs, held by the suite: style, formats, types and templates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    ("command", "what_to_do"),
    [
        (("ruff", "check", "--quiet", "."), "ruff objects; `.venv/bin/ruff check --fix .` mends what it can."),
        (("ruff", "format", "--quiet", "--diff", "."), "Not formatted; `.venv/bin/ruff format .` does it."),
        (("djlint", "--quiet", "--lint", "app/templates", "devstack/templates"), "djlint objects to a template."),
        (("mypy",), "The types do not fit."),
    ],
    ids=["ruff", "format", "djlint", "mypy"],
)
def test_the_linters_have_nothing_to_say(command: tuple[str, ...], what_to_do: str):
    # Each case is one test, so it runs once, on one worker; mypy keeps what it knows in .mypy_cache.
    ended = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{what_to_do}\n{ended.stdout[-4000:]}{ended.stderr[-2000:]}"
