"""A Sentry to send to: keeps each item of each envelope that arrives, and hangs or answers 429 when told to."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Sentry:
    """`mood`: ok, too_many, or hang (takes what is sent, and answers nothing until it is ok again)."""

    port: int = 0
    mood: str = "ok"
    requests: int = 0
    items: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.port}/1"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [item for kind, item in self.items if kind == "event"]

    @property
    def check_ins(self) -> list[dict[str, Any]]:
        return [item for kind, item in self.items if kind == "check_in"]

    def forget(self) -> None:
        self.items.clear()
        self.raw.clear()
        self.requests = 0

    def wait_for(self, what: Callable[[], Any], seconds: float = 60) -> Any:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := what():
                return found
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s: {self.items}")

    def take(self, body: bytes) -> None:
        self.raw.append(body)
        lines = iter(body.split(b"\n")[1:])
        for header in lines:
            if header.strip():
                kind = json.loads(header)["type"]
                self.items.append((kind, json.loads(next(lines))))


@contextmanager
def sentry_endpoint() -> Iterator[Sentry]:
    sentry = Sentry()
    closing = threading.Event()

    class Intake(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sentry.requests += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            while sentry.mood == "hang" and not closing.wait(0.05):
                pass
            if sentry.mood == "too_many":
                self.send_response(429)
                self.send_header("Retry-After", "60")
            else:
                sentry.take(body)
                self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Intake)
    server.daemon_threads = True
    sentry.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield sentry
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
