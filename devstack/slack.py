"""The Slack stand-in: the few methods of the Web API that Porchlight uses, and a page that shows what was posted.

    python -m devstack.slack --web 8026

Tests use `Workspace`, which can also fail the way Slack does.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from typing import Any, Self

from flask import Flask, Response, abort, jsonify, redirect, render_template, request, url_for
from markupsafe import Markup, escape
from werkzeug.serving import BaseWSGIServer
from werkzeug.wrappers import Response as AnyResponse

from devstack import ports
from devstack.web import make_site, serve

TOKEN = "xoxb-porchlight-stand-in"
FAULTS = {
    "": "Answers",
    "ratelimited": "429, wait 30 s",
    "internal_error": "500",
    "channel_not_found": "200, and an error",
    "hang": "Says nothing for a minute",
}
_SIGNS = {"red_circle": "🔴", "large_green_circle": "🟢"}
_KEPT = 500
_HANG = 60.0  # seconds


@dataclass(frozen=True)
class Message:
    """One that was posted."""

    ts: str
    channel: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def posted_at(self) -> datetime:
        return datetime.fromtimestamp(float(self.ts), UTC)


class Workspace:
    """A workspace with one bot. `fault` is one of FAULTS and may be changed while it runs; `messages` are the newest
    500, oldest first. As a context it listens, on any free port."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.fault = ""
        self.messages: deque[Message] = deque(maxlen=_KEPT)
        self._numbers = itertools.count(1)
        self._server: BaseWSGIServer | None = None
        self._stopping = threading.Event()

    @property
    def url(self) -> str:
        """What SLACK_API_URL is to be."""
        assert self._server is not None, "not started"
        return f"http://{ports.HOST}:{self._server.port}/api/"

    def __enter__(self) -> Self:
        self._server = serve(make_slack(self), 0)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="slack", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def fail(self) -> AnyResponse | None:
        """The answer of the fault that is on, or None."""
        if self.fault == "hang":
            self._stopping.wait(_HANG)
            return Response(status=504)
        if self.fault == "ratelimited":
            refusal = jsonify(ok=False, error="ratelimited")
            refusal.status_code = 429
            refusal.headers["Retry-After"] = "30"
            return refusal
        if self.fault == "internal_error":
            return Response("Something went wrong", status=500)
        return jsonify(ok=False, error=self.fault) if self.fault else None

    def post(self, channel: str, text: str, blocks: list[dict[str, Any]]) -> Message:
        message = Message(f"{time.time():.0f}.{next(self._numbers):06}", channel, text, blocks)
        self.messages.append(message)
        return message


def make_slack(workspace: Workspace | None = None) -> Flask:
    """Returns the site. It knows `api.test`, `auth.test` and `chat.postMessage`."""
    workspace = workspace or Workspace()
    site = make_site(__name__)

    @site.get("/")
    def show_channels() -> str:
        return render_template(
            "slack.html",
            messages=list(reversed(workspace.messages)),
            texts=_texts,
            faults=FAULTS,
            fault=workspace.fault,
        )

    @site.post("/fault")
    def choose_fault() -> AnyResponse:
        wanted = request.form.get("fault", "")
        if wanted not in FAULTS:
            abort(400, "There is no such fault.")
        workspace.fault = wanted
        return redirect(url_for("show_channels"))

    @site.route("/api/<method>", methods=["GET", "POST"])
    def call(method: str) -> Any:
        if method == "api.test":
            return {"ok": True, "args": {}}
        if (refusal := workspace.fail()) is not None:
            return refusal
        given = _arguments()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or given.get("token", "")
        if not token:
            return {"ok": False, "error": "not_authed"}
        if token != workspace.token:
            return {"ok": False, "error": "invalid_auth"}
        known: dict[str, Callable[[], dict[str, Any]]] = {
            "auth.test": _who,
            "chat.postMessage": lambda: _post(workspace, given),
        }
        if method not in known:
            return {"ok": False, "error": "unknown_method", "req_method": method}
        return known[method]()

    return site


def _who() -> dict[str, Any]:
    return {
        "ok": True,
        "url": f"http://{ports.HOST}/",
        "team": "Harborvine Realty",
        "team_id": "T0HARBOR",
        "user": "porchlight",
        "user_id": "U0PORCH",
        "bot_id": "B0PORCH",
    }


def _post(workspace: Workspace, given: dict[str, Any]) -> dict[str, Any]:
    channel, text, blocks = given.get("channel", ""), given.get("text", ""), given.get("blocks") or []
    if not channel:
        return {"ok": False, "error": "channel_not_found"}
    if not text and not blocks:
        return {"ok": False, "error": "no_text"}
    if not isinstance(blocks, list) or len(blocks) > 50:
        return {"ok": False, "error": "invalid_blocks"}
    message = workspace.post(str(channel), str(text), blocks)
    return {"ok": True, "channel": message.channel, "ts": message.ts, "message": {"text": message.text}}


def _arguments() -> dict[str, Any]:
    """As JSON, a form or a query, as Slack takes them."""
    if request.is_json:
        found = request.get_json(silent=True)
        return found if isinstance(found, dict) else {}
    given: dict[str, Any] = request.values.to_dict()
    with contextlib.suppress(ValueError):
        given["blocks"] = json.loads(given.get("blocks", "null"))
    return given


def _texts(message: Message) -> list[Markup]:
    """What a reader would see, block by block: bold, links and lines of mrkdwn, and the few signs we use."""
    found = [str(block["text"].get("text", "")) for block in message.blocks if isinstance(block.get("text"), dict)]
    return [_drawn(text) for text in found or [message.text]]


def _drawn(mrkdwn: str) -> Markup:
    for name, sign in _SIGNS.items():
        mrkdwn = mrkdwn.replace(f":{name}:", sign)
    drawn = []
    for number, part in enumerate(re.split(r"<(https?://[^|>\s]+)\|([^>]*)>", mrkdwn)):
        text = str(escape(unescape(part)))
        if number % 3 == 1:
            drawn.append(f'<a href="{text}">')
        elif number % 3 == 2:
            drawn.append(f"{text}</a>")
        else:
            drawn.append(re.sub(r"\*([^*\n]+)\*", r"<b>\1</b>", text))
    return Markup("".join(drawn).replace("\n", "<br>"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m devstack.slack")
    parser.add_argument("--web", type=int, default=8026, help="port for the API and the browser")
    server = serve(make_slack(), parser.parse_args().web)
    print(f"Slack stand-in at http://{ports.HOST}:{server.port}")
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
