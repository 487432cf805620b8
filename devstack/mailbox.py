"""The mail catcher: speaks SMTP, delivers to nobody, shows what came in the browser.

    python -m devstack.mailbox --smtp 2525 --web 8025 var/mail

Tests use `Catcher`, which can also fail the way relays do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import socket
import threading
import urllib.error
import urllib.request
from enum import StrEnum
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask, Response, abort, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as AnyResponse

from devstack import ports
from devstack.letters import Letter, Letters
from devstack.photos import photo
from devstack.web import make_site, serve

_PAGE = 100
_LARGEST = 32 * 1024 * 1024  # bytes of one mail
_ONE_CLICK = b"List-Unsubscribe=One-Click"


class Drop(StrEnum):
    """When the catcher drops the connection after the mail's last byte, without an answer."""

    BEFORE = "before"  # the mail is not kept
    AFTER = "after"  # the mail is kept: accepted, but the sender never learns it


class Catcher:
    """An SMTP server in a thread that keeps every mail. Port 0 is any free one.

    The faults are plain attributes and may be changed while it runs:
    `delay` seconds pass between keeping a mail and the 250 for it; `drop` hangs up
    instead of answering; `refuse` is answered instead of 250 and nothing is kept;
    `refuse_recipients` maps addresses to the answer their RCPT gets.
    """

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        self.letters = Letters(directory)
        self.delay = 0.0
        self.drop: Drop | None = None
        self.refuse = ""
        self.refuse_recipients: dict[str, str] = {}
        self.connections = 0
        self._wanted_port = port
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        assert self._listener is not None, "not started"
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"smtp://{ports.HOST}:{self.port}"

    def accepted(self) -> list[str]:
        """Returns the Message-ID of every mail accepted, oldest first, once for each time."""
        return self.letters.accepted()

    def messages(self, *, to: str = "") -> list[Letter]:
        """Returns the mails kept, newest first, of recipients that contain `to`."""
        opened = (self.letters.open(summary.key) for summary in self.letters.newest(to=to))
        return [letter for letter in opened if letter]

    def start(self) -> Self:
        """Listens when it returns. Raises OSError when the port is taken."""
        self._listener = socket.create_server((ports.HOST, self._wanted_port), backlog=128)
        started = threading.Event()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(self._listener, started),), name="mail catcher", daemon=True
        )
        self._thread.start()
        started.wait()
        return self

    def stop(self) -> None:
        """Hangs up on everybody and stops listening. The mails stay."""
        if self._loop and self._thread:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._loop = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _serve(self, listener: socket.socket, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await self._loop.create_server(self._greet, sock=listener)
        started.set()
        await self._stopping.wait()
        server.close()

    def _greet(self) -> SMTP:
        self.connections += 1
        return SMTP(
            self,
            hostname="catcher",
            data_size_limit=_LARGEST,
            enable_SMTPUTF8=True,
            timeout=300,
            loop=self._loop,
        )

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self.refuse_recipients.get(address.lower()):
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        if self.drop is not Drop.BEFORE:
            content = envelope.content
            self.letters.add(
                content if isinstance(content, bytes) else (content or "").encode(),
                sender=envelope.mail_from or "",
                recipients=envelope.rcpt_tos,
            )
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.drop and server.transport is not None:
            server.transport.abort()  # type: ignore[attr-defined]
            await asyncio.Event().wait()  # until the lost connection ends this
        return "250 OK: kept"


def make_mailbox(letters: Letters) -> Flask:
    """Returns the site that shows what the catcher kept."""
    site = make_site(__name__)

    @site.get("/")
    def show_list() -> str:
        wanted = request.args.get("to", ""), request.args.get("subject", "")
        start = request.args.get("start", 0, type=int)
        found = letters.newest(to=wanted[0], subject=wanted[1])
        page = list(islice(found, max(start, 0), max(start, 0) + _PAGE + 1))
        return render_template(
            "mailbox.html",
            page=page[:_PAGE],
            next_start=start + _PAGE if len(page) > _PAGE else None,
            to=wanted[0],
            subject=wanted[1],
            total=len(letters),
        )

    @site.get("/messages/<key>")
    def show_message(key: str) -> str:
        return render_template("message.html", letter=opened(key), outcome=None)

    @site.get("/messages/<key>/html")
    def show_html(key: str) -> Response:
        """The mail's own page. It may load pictures; it runs nothing and submits nothing."""
        html = '<base target="_blank">' + opened(key).html
        answer = Response(html, mimetype="text/html")
        answer.headers["Content-Security-Policy"] = (
            "default-src 'none'; img-src * data:; style-src 'unsafe-inline' *; font-src *;"
            " sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
        )
        return answer

    @site.get("/photos/<int:number>.jpg")
    def show_photo(number: int) -> Response:
        """What the mails of the demo show; it stands here so that a mail can be read while the product is down."""
        answer = Response(photo(number), mimetype="image/jpeg")
        answer.headers["Cache-Control"] = "public, max-age=86400"
        answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return answer

    @site.get("/messages/<key>/raw")
    def download_raw(key: str) -> AnyResponse:
        name = f"{key}.eml"
        return _download(opened(key).raw, name, "message/rfc822")

    @site.get("/messages/<key>/attachments/<int:number>")
    def download_attachment(key: str, number: int) -> AnyResponse:
        attachments = opened(key).attachments
        if number >= len(attachments):
            abort(404)
        name, kind, content = attachments[number]
        return _download(content, name, kind)

    @site.post("/messages/<key>/unsubscribe")
    def unsubscribe(key: str) -> str:
        letter = opened(key)
        outcome = unsubscribe_in_one_click(letter.unsubscribe_url)
        return render_template("message.html", letter=letter, outcome=outcome)

    @site.post("/delete")
    def delete_all() -> AnyResponse:
        letters.delete_all()
        return redirect(url_for("show_list"))

    @site.get("/api/messages")
    def list_messages() -> list[dict[str, Any]]:
        """Newest first, at most `limit` (100), of recipients that contain `to`."""
        found = letters.newest(to=request.args.get("to", ""), subject=request.args.get("subject", ""))
        page = islice(found, request.args.get("limit", _PAGE, type=int))
        return [letter.as_json() for summary in page if (letter := letters.open(summary.key))]

    @site.get("/api/messages/<key>")
    def get_message(key: str) -> dict[str, Any]:
        return opened(key).as_json()

    @site.get("/api/accepted")
    def was_accepted() -> dict[str, bool]:
        """Was a mail of this message_id ever accepted? What a relay's log says."""
        return {"accepted": request.args.get("message_id", "") in letters.accepted()}

    @site.delete("/api/messages")
    def delete_messages() -> dict[str, int]:
        return {"deleted": letters.delete_all()}

    @site.get("/api/count")
    def count() -> dict[str, Any]:
        """How many there are, and the key of the newest: what a page asks to learn of new mail."""
        newest = next(letters.newest(), None)
        return {"count": len(letters), "newest": newest.key if newest else None}

    def opened(key: str) -> Letter:
        return letters.open(key) or abort(404, "This mail is not here any more.")

    return site


def unsubscribe_in_one_click(url: str) -> dict[str, Any]:
    """Does what a mail program does for its unsubscribe button (RFC 8058).

    One POST without cookies; redirects are not followed. Returns the status, 0 when
    nobody answered, and the beginning of the answer.
    """
    asked = urllib.request.Request(url, data=_ONE_CLICK, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirect).open(asked, timeout=30) as answer:
            return _outcome(answer.status, answer.read(2000))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return _outcome(refusal.code, refusal.read(2000))
    except OSError as error:
        return {"status": 0, "means": "no answer", "body": str(getattr(error, "reason", error))}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _outcome(status: int, body: bytes) -> dict[str, Any]:
    means = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return {"status": status, "means": means, "body": body.decode(errors="replace").strip()}


def _download(content: bytes, name: str, kind: str) -> AnyResponse:
    return send_file(io.BytesIO(content), kind, as_attachment=True, download_name=name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m devstack.mailbox")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--smtp", type=int, default=2525, help="port for mail")
    parser.add_argument("--web", type=int, default=8025, help="port for the browser")
    asked = parser.parse_args()
    with Catcher(asked.directory, port=asked.smtp) as catcher:
        server = serve(make_mailbox(catcher.letters), asked.web)
        print(f"catching mail on port {catcher.port}, mailbox at http://{ports.HOST}:{server.port}")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
