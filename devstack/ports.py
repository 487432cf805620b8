"""Loopback ports: who listens, and which one is free."""

from __future__ import annotations

import random
import socket
import time

HOST = "127.0.0.1"

# Below the range from which systems pick the source ports of outgoing
# connections, so that a port found free is not taken by one a moment later.
_SEARCHED = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """True when a server could listen on the loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do; without it a port just released counts as taken for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def find_free(taken: set[int] | None = None) -> int:
    """Returns a loopback port nobody listens on and that is not in `taken`."""
    for port in random.sample(_SEARCHED, 500):
        if port not in (taken or ()) and is_free(port):
            return port
    message = "No free port was found between 20000 and 32000 on 127.0.0.1."
    raise OSError(message)


def answers(port: int) -> bool:
    """True when something accepts connections on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def wait_until_answers(port: int, *, seconds: float) -> bool:
    """Waits for something to accept on the port; False when the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answers(port):
            return True
        time.sleep(0.02)
    return False
