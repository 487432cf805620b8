"""Programs we start: bound to us while we live, known by pid and start time after.

A pid alone is not a name: it is used again once its program has ended. Whatever
is ended later is therefore recorded as a pid together with its start time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Identity:
    """One running program, told apart from any later one with the same pid."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Returns the identity of a running pid; None when there is none."""
        started = _start_time(pid)
        return cls(pid, started) if started else None

    @classmethod
    def from_json(cls, value: object) -> Identity | None:
        """Reads what `as_json` wrote; None for anything else."""
        match value:
            case {"pid": int(pid), "started": str(started)}:
                return cls(pid, started)
        return None

    def as_json(self) -> dict[str, Any]:
        return {"pid": self.pid, "started": self.started}

    def is_alive(self) -> bool:
        return _start_time(self.pid) == self.started

    def end(self, *signals: int, seconds: float = 10) -> bool:
        """Sends the signals in turn, `seconds` apart, until it is gone.

        Returns False when it was gone before. Each signal is preceded by a look
        at the start time, so that a stranger with the same pid is left alone.
        """
        if not self.is_alive():
            return False
        for number in signals or (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                if not self.is_alive():
                    return True
                time.sleep(0.02)
        return True


def _start_time(pid: int) -> str:
    """Returns a text that differs for each program that ever had this pid; "" when none runs."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The name in parentheses may hold spaces; state and start time follow it.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip()


def _bind_to_parent(death_signal: int) -> Callable[[], None]:
    """Returns what a child runs before its program: it dies when we do, even by kill -9.

    The kernel counts the *thread* that started the child as its parent, so
    programs are started from a thread that lives as long as we do.
    """
    parent = os.getpid()

    def arm() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            if os.getppid() != parent:  # it died between the fork and this line
                os._exit(1)

    return arm


def die_with_parent(death_signal: int) -> None:
    """Has the kernel send us this signal when our parent ends. Linux only; elsewhere nothing."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)


def start(
    command: Sequence[str | Path],
    *,
    output: IO[bytes] | int,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: tuple[int, int] | None = None,
    death_signal: int = signal.SIGTERM,
    given: bytes | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a program in a group of its own, which gets `death_signal` when we die.

    `account` is a (uid, gid) to run under, for root only. `given` is put on its
    standard input.
    """
    user, group = account or (None, None)
    child = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,  # Ctrl-C reaches us alone; we end the rest in order
        user=user,
        group=group,
        extra_groups=[] if account else None,
        preexec_fn=_bind_to_parent(death_signal),  # noqa: PLW1509  one call into the C library
    )
    if given is not None and child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # its log says why it ended
            child.stdin.write(given)
            child.stdin.close()
    return child


def stop(child: subprocess.Popen[bytes], *signals: int, seconds: float = 10) -> None:
    """Ends a child of ours: the signals in turn, then SIGKILL; then what is left of its group."""
    for number in (*(signals or (signal.SIGTERM,)), signal.SIGKILL):
        if child.poll() is not None:
            break
        child.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=seconds)
    end_group(child.pid)


def end_group(pgid: int) -> None:
    """Kills what a program that has ended left behind in its own group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, signal.SIGKILL)
