"""Slack's Web API: the one file that speaks it. Bounded in time, no retries of its own: who asks knows when to ask
again. An answer is returned, whatever it is; nothing raises, and no token is in the words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from io import BytesIO
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from app.gateways import wire

SLACK_COM = "https://slack.com/api/"
_SILENT = logging.getLogger("slack_sdk.silent")
"""What the library would log is in the answer, once and in words."""
_SILENT.setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Answer:
    """What Slack said. `ts` and `channel` name a posted message; `retry_after`: seconds it asked us to wait."""

    is_ok: bool
    words: str
    ts: str = ""
    channel: str = ""
    retry_after: float | None = None


class _Client(WebClient):
    """The library's, but for the wire, which has an end to waiting. Through a proxy that the environment names the
    library goes its own way, whose time-out begins anew with each byte."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        if self.proxy is not None:
            return super()._perform_urllib_http_request_internal(url, req)
        body = req.data if isinstance(req.data, bytes) else None
        reply = wire.ask(url, body=body, headers=dict(req.header_items()), seconds=self.timeout)
        said = reply.body.decode("utf-8", "replace")
        if reply.status >= 300:  # what urllib would raise, and the library expects
            raise HTTPError(url, reply.status, "", reply.headers, BytesIO(reply.body))
        return {"status": reply.status, "headers": reply.headers, "body": said}


@dataclass(frozen=True)
class Slack:
    """A workspace, by its bot's token. `url`: another address of the Web API, such as the stand-in's."""

    token: str
    url: str = ""
    seconds: float = 5.0

    def whoami(self) -> Answer:
        """Is the token good? Writes nothing."""
        answer = self._call("auth.test", {})
        return Answer(answer.is_ok, f"signs in as {answer.words}" if answer.is_ok else answer.words)

    def post(self, channel: str, text: str, blocks: Sequence[Mapping[str, Any]] = ()) -> Answer:
        """Post a message. `text` is what is read out and shown where blocks are not."""
        body: dict[str, Any] = {"channel": channel, "text": text, "unfurl_links": False}
        return self._call("chat.postMessage", body | ({"blocks": list(blocks)} if blocks else {}))

    def _call(self, method: str, body: dict[str, Any]) -> Answer:
        base = self.url or SLACK_COM
        client = _Client(
            token=self.token,
            base_url=base if base.endswith("/") else f"{base}/",
            timeout=self.seconds,  # type: ignore[arg-type]  # it asks for whole seconds and does not need them
            retry_handlers=[],
            logger=_SILENT,
        )
        try:
            found = client.api_call(method, json=body)
        except SlackApiError as error:
            return _refusal(error)
        except (SlackClientError, HTTPException, OSError, ValueError) as error:  # time-outs are OSErrors
            reason = getattr(error, "reason", None) or error
            return Answer(is_ok=False, words=f"does not answer ({type(reason).__name__})")
        who = found.get("user") or ""
        return Answer(True, who or "posted", str(found.get("ts") or ""), str(found.get("channel") or ""))


def escape(text: str) -> str:
    """Text as Slack's mrkdwn shows it: the three letters that mean something are written out."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _refusal(error: SlackApiError) -> Answer:
    answer = error.response
    headers = {str(name).lower(): value for name, value in (getattr(answer, "headers", None) or {}).items()}
    wait = str(headers.get("retry-after", ""))
    retry_after = float(wait) if wait.isdigit() else None
    status = getattr(answer, "status_code", 200)
    found = getattr(answer, "data", None)
    said = str(found.get("error", "")) if isinstance(found, dict) else ""
    if status == 429:
        words = "asks us to wait" + (f" {wait} s" if retry_after else "") + " (ratelimited)"
    elif status != 200:
        words = f"answered {status}"
    else:
        words = f"refused: {said[:80] or 'without a reason'}"
    return Answer(is_ok=False, words=words, retry_after=retry_after)
