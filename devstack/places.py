"""Where things are put: everything below var/ of the checkout, unless told otherwise."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def var() -> Path:
    """Returns the folder for all that a running stack writes. `DEVSTACK_DIR` names another."""
    return Path(os.environ.get("DEVSTACK_DIR") or ROOT / "var").resolve()


def test_var() -> Path:
    """Returns the folder of the test servers. `DEVSTACK_TEST_DIR` names another."""
    return Path(os.environ.get("DEVSTACK_TEST_DIR") or ROOT / "var" / "test").resolve()


def log(name: str) -> Path:
    """Returns the file that keeps what a program writes. Its folder exists."""
    folder = var() / "log"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"
