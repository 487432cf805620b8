"""What a person sees while the stack runs: short lines, one colour for each program."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
from typing import IO, TextIO

from devstack import places

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_LARGEST_LOG = 10 * 1024 * 1024  # bytes; the one before is kept beside it


class Screen:
    """Writes whole lines, from any thread."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._colours: dict[str, int] = {}
        self._is_terminal = stream.isatty()

    def say(self, sentence: str) -> None:
        with self._lock, contextlib.suppress(OSError):  # the terminal may be gone before we are
            print(sentence, file=self._stream, flush=True)

    def line(self, name: str, text: str) -> None:
        """Shows a line of a program, cut to the width of the terminal."""
        if self._is_terminal:
            room = shutil.get_terminal_size().columns - len(f"{name:<15} ") - 1
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            text = text if len(text) <= room else text[: room - 1] + "…"
            self.say(f"\033[{colour}m{name:<15}\033[0m {text}")
        else:
            self.say(f"{name:<15} {text}")

    def follow(self, name: str, output: IO[bytes]) -> None:
        """Copies what a program writes to var/log/NAME.log and to the screen, in a thread."""
        threading.Thread(target=self._copy, args=(name, output), daemon=True).start()

    def _copy(self, name: str, output: IO[bytes]) -> None:
        path = places.log(name)
        log = path.open("ab")
        with output:
            for line in output:
                if log.tell() > _LARGEST_LOG:
                    log.close()
                    path.replace(path.with_suffix(".log.1"))
                    log = path.open("ab")
                log.write(line)
                log.flush()
                self.line(name, line.decode(errors="replace").rstrip())
        log.close()
