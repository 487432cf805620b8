"""A Chromium for the browser tests: the one that is there, else Debian's, else Playwright's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from devstack.errors import DevstackError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_APT_INSTALL = (
    *("apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y"),
    *("--no-install-recommends", "chromium"),
)

_LAST_LINES = 8  # of a failed command, shown
Say = Callable[[str], None]


def find_or_install_chromium(say: Say = print) -> Path:
    """Returns the path of a Chromium that runs, installing one where there is none.

    `CHROMIUM` names one to use. Installing tries apt-get (as root, or by sudo when it
    asks no password), then Playwright's own download. Raises DevstackError when
    nothing worked.
    """
    if named := os.environ.get("CHROMIUM"):
        if _runs(Path(named)):
            return Path(named)
        message = f"CHROMIUM is {named}, but that does not run."
        raise DevstackError(message)
    if found := find_chromium():
        return found
    for name, commands in _ways():
        say(f"No Chromium yet: installing it with {name} (once, about 100 MB) …")
        if all(_succeeds(command) for command in commands) and (found := find_chromium()):
            return found
        say(f"{name} did not give one.")
    message = (
        "The browser tests need Chromium and none could be installed. "
        "Install your system's package (Debian: apt-get install chromium) "
        "or set CHROMIUM to the path of one."
    )
    raise DevstackError(message)


def find_chromium() -> Path | None:
    """Returns a Chromium on the PATH, else one that Playwright downloaded; None without one."""
    named = (Path(path) for name in _NAMES if (path := shutil.which(name)))
    return next((path for path in (*named, *_downloaded()) if _runs(path)), None)


def _downloaded() -> list[Path]:
    caches = [Path.home() / ".cache/ms-playwright", Path.home() / "Library/Caches/ms-playwright"]
    if chosen := os.environ.get("PLAYWRIGHT_BROWSERS_PATH"):
        caches.insert(0, Path(chosen))
    inside = ("chrome-linux*/chrome", "chrome-mac*/*.app/Contents/MacOS/*")
    return sorted(path for cache in caches for part in inside for path in cache.glob(f"chromium-*/{part}"))


def _runs(program: Path) -> bool:
    """Some systems put a script of this name that only says where to get the real one."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and b"Chrom" in answer.stdout


def _ways() -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    apt = [("apt-get", "update", "-q"), _APT_INSTALL]
    if shutil.which("apt-get"):
        if os.geteuid() == 0:
            yield "apt-get", apt
        elif shutil.which("sudo") and _succeeds(("sudo", "-n", "true"), quietly=True):
            yield "sudo apt-get", [("sudo", "-n", *command) for command in apt]
    yield "Playwright", [(sys.executable, "-m", "playwright", "install", "chromium")]


def _succeeds(command: tuple[str, ...], *, quietly: bool = False) -> bool:
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            check=False,
        )
    except OSError:
        return False
    if ran.returncode and not quietly:
        print("\n".join(ran.stdout.splitlines()[-_LAST_LINES:]), file=sys.stderr)
    return ran.returncode == 0
