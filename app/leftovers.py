"""What a sender still sends after its answer.

A request may be answered before its body was read: a file beyond the limit, a form of somebody who is signed out. If
the connection then closed with bytes still arriving, TCP would reset it and the answer could be lost on the way: the
person would see a broken connection instead of the sentence. So the answer goes out whole, and what still comes is
read and thrown away for a bounded while.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from functools import partial

from flask import Flask, Response, request

LONGEST_SECONDS = 30.0
"""For this long at most one answered sender may keep a thread, as long as something arrives."""
SILENCE_SECONDS = 2.0
"""A sender from whom nothing comes for this long is not sending: it would only hold a thread."""
MOST_AT_ONCE = 3
"""Of a process' threads; the rest stay free for people. Others are cut off, as they would be without all this."""
_free = threading.BoundedSemaphore(MOST_AT_ONCE)
MOST_BYTES = 4 * 1024**3
PIECE = 256 * 1024
SMALL = 64 * 1024
"""Bytes; that much gunicorn throws away by itself."""


def discard(connection: socket.socket, *, seconds: float = LONGEST_SECONDS, most: int = MOST_BYTES) -> int:
    """Say that no more will be answered, then read and forget; the bytes read. Ends when the sender is done or leaves,
    or at the bounds. The connection serves no other request."""
    read, until = 0, time.monotonic() + seconds
    if not _free.acquire(blocking=False):
        return read
    try:
        with contextlib.suppress(OSError):  # silent too long, or gone
            connection.shutdown(socket.SHUT_WR)
            while read < most and (left := until - time.monotonic()) > 0:
                connection.settimeout(min(left, SILENCE_SECONDS))
                piece = connection.recv(PIECE)
                if not piece:
                    break
                read += len(piece)
            connection.shutdown(socket.SHUT_RD)
    finally:
        _free.release()
    return read


def is_unread() -> bool:
    """Is this request's body, a large one, still on its way?"""
    length = request.content_length
    is_large = length > SMALL if length is not None else "chunked" in request.headers.get("Transfer-Encoding", "")
    return is_large and not vars(request).keys() & {"form", "_cached_data"}


def after_request(response: Response) -> Response:
    connection = request.environ.get("gunicorn.socket") or request.environ.get("werkzeug.socket")
    if connection is not None and is_unread():
        response.call_on_close(partial(discard, connection))
    return response


def init_app(app: Flask) -> None:
    app.after_request(after_request)
