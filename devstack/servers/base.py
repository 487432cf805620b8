"""What the three servers have in common: a directory, a port, a log, a beginning and an end."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from devstack import programs
from devstack.errors import DevstackError

if TYPE_CHECKING:
    import subprocess

# A server gets none of the caller's settings (PGPORT, LD_PRELOAD …).
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_LOG_TAIL = 12


class Server(ABC):
    """One server. `start` returns at once, `wait` when it serves.

    `durable=False` is for tests only: what was committed may be lost with the machine.
    """

    label: ClassVar[str]
    variable: ClassVar[str]  # the setting that names another server to use instead
    stop_signals: ClassVar[tuple[int, ...]] = (signal.SIGTERM,)
    drop_signals: ClassVar[tuple[int, ...]] = ()

    def __init__(
        self, directory: Path, *, port: int, password: str, durable: bool = True, log: Path | None = None
    ) -> None:
        self.directory = directory
        self.port = port
        self.password = password
        self.durable = durable
        self.log = log or directory.with_name(f"{directory.name}.log")
        self.child: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """What the application connects to."""

    @abstractmethod
    def start(self) -> None:
        """Starts the program. Raises DevstackError when there is none to start."""

    @abstractmethod
    def is_ready(self) -> bool:
        """True when it answers questions."""

    def prepare(self) -> None:  # noqa: B027  most need nothing
        """Does what a new server needs once, after it is ready. Idempotent."""

    def wait(self, seconds: float = 30) -> None:
        """Waits until it serves, then prepares it.

        Raises DevstackError with the end of its log when it does not.
        """
        until = time.monotonic() + seconds
        while self.child is not None and self.child.poll() is None and time.monotonic() < until:
            if self.is_ready():
                self.prepare()
                return
            time.sleep(0.02)
        self.stop()
        message = (
            f"{self.label} did not start on port {self.port}. The end of {self.log}:\n"
            f"{self._log_tail()}\nTo use a server of your own, set {self.variable}."
        )
        raise DevstackError(message)

    def stop(self) -> None:
        """Ends it in good order; its files stay. Harmless when it does not run."""
        self._end(*self.stop_signals)

    def begin_stop(self) -> None:
        """Asks it to end, so that several can do so at once; `stop` waits for it."""
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(self.stop_signals[0])

    def drop(self) -> None:
        """Ends it at once, without care for its files."""
        self._end(*self.drop_signals, signal.SIGKILL)

    def kill(self) -> None:
        """Kills it with no time to tidy up, for tests of what survives."""
        self._end(signal.SIGKILL)

    def clear(self) -> None:
        """Deletes its data; the next start begins with none. Call it when stopped."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def remove(self) -> None:
        """Deletes all that was made for it. Call it when stopped."""
        self.clear()

    def identity(self) -> programs.Identity | None:
        return programs.Identity.of(self.child.pid) if self.child is not None else None

    def _end(self, *signals: int) -> None:
        if self.child is not None:
            programs.stop(self.child, *signals)
            self.child = None

    def _spawn(
        self,
        command: list[str | Path],
        *,
        account: tuple[int, int] | None = None,
        death_signal: int = signal.SIGTERM,
        given: bytes | None = None,
    ) -> None:
        try:
            with self.log.open("ab") as log:
                self.child = programs.start(
                    command,
                    output=log,
                    env=_ENVIRONMENT,
                    cwd=Path("/"),
                    account=account,
                    death_signal=death_signal,
                    given=given,
                )
        except OSError as error:
            raise self._unavailable(str(error)) from error

    def _from_wheel(self, package: str, path: str, wheel: str) -> Path:
        """Returns a path inside an installed wheel. Raises DevstackError when it is missing."""
        spec = importlib.util.find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            if (found := Path(root) / path).exists():
                return found
        reason = f"the wheel {wheel} is not installed for this platform"
        raise self._unavailable(reason)

    def _unavailable(self, reason: str) -> DevstackError:
        return DevstackError(
            f"No {self.label} can be started here ({reason}). Start one yourself and set {self.variable}."
        )

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-_LOG_TAIL:])
