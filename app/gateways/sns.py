"""Amazon's notification service, asked for two things: a certificate, and to confirm a subscription. The caller has
seen that the address is Amazon's."""

from __future__ import annotations

import http.client
import threading

from app.gateways import wire

SECONDS = 3.0
MOST_KEPT = 8
_lock = threading.Lock()
_kept: dict[str, bytes] = {}


def certificate(url: str) -> bytes:
    """PEM, kept by this process: Amazon has a few, and each lives for months. Raises OSError."""
    with _lock:
        if url in _kept:
            return _kept[url]
    found = _get(url)
    with _lock:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[url] = found
    return found


def keep(url: str, pem: bytes) -> None:
    """Know a certificate without asking."""
    with _lock:
        _kept[url] = pem


def confirm(url: str) -> None:
    """Say yes to a subscription. Raises OSError."""
    _get(url)


def _get(url: str) -> bytes:
    try:
        reply = wire.ask(url, seconds=SECONDS, method="GET", headers={"User-Agent": "Porchlight"})
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(type(error).__name__) from error
    if reply.status != 200:
        raise OSError(f"answered {reply.status}")
    return reply.body
