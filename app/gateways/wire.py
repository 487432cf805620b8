"""One HTTP question, done by a fixed moment whatever the other side does. The library's time-out begins anew with each
byte, so a receiver that drips one now and then would hold a thread and a socket for ever."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from typing import Self
from urllib.parse import urlsplit

LONGEST_ANSWER = 64 * 1024
"""Bytes; what comes after them is not read."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Message
    body: bytes


def ask(
    url: str,
    *,
    seconds: float,
    method: str = "POST",
    body: bytes | None = None,
    headers: Mapping[str, str],
    longest: int = LONGEST_ANSWER,
    reached: Callable[[], object] = lambda: None,
) -> Reply:
    """Ask, and read at most `longest` bytes. No redirect is followed, nothing is retried. `reached` is called when the
    line stands, before anything is said. Raises OSError (TimeoutError when `seconds` are over), http.client.HTTPException or ValueError."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with _Line(url, seconds) as line:
        try:
            line.connect()
            reached()
            line.request(method, path, body, dict(headers))
            with closing(line.getresponse()) as answer:
                found = answer.read(longest)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if line.is_over:  # what it looks like from here does not matter
                raise TimeoutError("no time left") from error
            raise
        if line.is_over:  # an answer without a length ends where it was cut
            raise TimeoutError("no time left")
        return Reply(answer.status, answer.headers, found)


def connect(url: str, *, seconds: float) -> None:
    """Is somebody there? Asks for nothing. Raises as `ask`."""
    with _Line(url, seconds) as line:
        line.connect()


class _Line(http.client.HTTPConnection):
    """A connection that is cut when its time is over, from a thread that lives no longer than it."""

    def __init__(self, url: str, seconds: float) -> None:
        parts = urlsplit(url)
        self._is_private = parts.scheme == "https"
        super().__init__(parts.hostname or "", parts.port or (443 if self._is_private else 80), timeout=seconds)
        self._until = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._wire: socket.socket | None = None
        """The library forgets its own while an answer is still read."""

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._until

    def connect(self) -> None:
        self._timer.start()
        self.sock = self._wire = self._reach()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._is_private:
            # The handshake is a step of its own, on a socket that the timer can see.
            trusted = ssl.create_default_context()
            line = trusted.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock = self._wire = line
            line.do_handshake()

    def _reach(self) -> socket.socket:
        """A host may have many addresses; all of them together have the time."""
        failure: OSError = TimeoutError("no time left")
        for family, kind, protocol, _, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            left = self._until - time.monotonic()
            if left <= 0:
                break
            found = socket.socket(family, kind, protocol)
            try:
                found.settimeout(left)
                found.connect(address)
            except OSError as error:
                found.close()
                failure = error
            else:
                return found
        raise failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Not `close`, which the library calls itself while an answer is still to be read."""
        self._timer.cancel()
        self.close()

    def _cut(self) -> None:
        try:
            if self._wire is not None:
                socket.socket.shutdown(self._wire, socket.SHUT_RDWR)
        except OSError:
            pass  # gone already
