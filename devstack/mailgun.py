"""Mailgun's stand-in: takes mail by its HTTP API, delivers to nobody, and fails the way it does. For tests.

It knows `POST /v3/DOMAIN/messages.mime` and `GET /v3/DOMAIN/events?message-id=…`, one key, one domain.
"""

from __future__ import annotations

import base64
import email
import json
import threading
from dataclasses import dataclass, field
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

KEY = "key-of-the-mailgun-stand-in"
DOMAIN = "alerts.harborvine.example"


@dataclass
class Mailgun:
    """The faults are plain attributes: `status` is answered instead of 200 (with `retry_after`, when it is set), and
    nothing is kept but for a 5xx when `keeps`; `drops` hangs up without an answer, and `keeps` says whether it kept the
    mail. `fields` has what else came with each mail."""

    status: int = 200
    retry_after: str = ""
    drops: bool = False
    keeps: bool = True
    kept: list[tuple[str, bytes]] = field(default_factory=list)
    fields: list[dict[str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._answerer())
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def accepted(self) -> list[str]:
        """The Message-ID of each mail kept, in their order."""
        return [str(email.message_from_bytes(raw, policy=policy.compat32)["Message-ID"]) for _, raw in self.kept]

    def take(self, form: dict[str, bytes]) -> None:
        self.kept.append((form["to"].decode(), form["message"]))
        self.fields.append({name: value.decode() for name, value in form.items() if name not in {"to", "message"}})
        self.events.append({"event": "accepted", "message-id": self.accepted()[-1].strip("<>")})

    def _answerer(self) -> type[BaseHTTPRequestHandler]:
        mailgun = self
        signed = "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()

        class Answerer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not self._may_come("messages.mime"):
                    return
                form = _read(self.headers["Content-Type"], body)
                if mailgun.keeps and (mailgun.status == 200 or mailgun.status >= 500):
                    mailgun.take(form)
                if mailgun.drops:
                    self.connection.close()
                    return
                words = "Queued. Thank you." if mailgun.status == 200 else "Something is wrong with it"
                self._say(mailgun.status, {"id": f"<{len(mailgun.kept)}@{DOMAIN}>", "message": words})

            def do_GET(self) -> None:
                if not self._may_come("events"):
                    return
                wanted = parse_qs(urlsplit(self.path).query).get("message-id", [""])[0]
                self._say(200, {"items": [each for each in mailgun.events if each["message-id"] == wanted]})

            def _may_come(self, door: str) -> bool:
                if self.headers["Authorization"] != signed:
                    self._say(401, {"message": "Forbidden"})
                elif urlsplit(self.path).path != f"/v3/{DOMAIN}/{door}":
                    self._say(404, {"message": "Domain not found"})
                else:
                    return True
                return False

            def _say(self, status: int, words: dict[str, Any]) -> None:
                body = json.dumps(words).encode()
                self.send_response(status)
                if mailgun.retry_after:
                    self.send_header("Retry-After", mailgun.retry_after)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        return Answerer


def _read(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a multipart form, by their names."""
    boundary = content_type.partition("boundary=")[2].encode()
    found = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0].decode()
        found[name] = value.removesuffix(b"\r\n")
    return found
