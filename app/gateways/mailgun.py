"""Mailgun by its HTTP API: a message handed over as it is written, and what it knows of one, by Message-ID.

An answer that was read is definite, but for a 5xx: behind it the message may have been taken. So may it when no answer
came. What goes there is the mail and its one recipient; no tags, no variables, so nothing else of a person.
"""

from __future__ import annotations

import base64
import http.client
import re
import secrets
from collections.abc import Iterable
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import orjson

from app.crash import crash_point
from app.gateways import wire
from app.gateways.mail import Outcome, Phase, RelayRefusedUs, RelayUnreachable, Verdict
from app.gateways.witness import SECONDS, Silent, those_of

REFUSED_US = frozenset({401, 402, 403, 404})
"""The key, the bill, the domain: the next message would meet the same."""


class Mailgun:
    """As app.gateways.mail.Relay. Each message is a request of its own, over before `seconds`."""

    def __init__(self, url: str, key: str, domain: str, *, seconds: float = 60.0) -> None:
        self._url = f"{url.rstrip('/')}/v3/{quote(domain)}"
        self._authorization = "Basic " + base64.b64encode(f"api:{key}".encode()).decode()
        self.message_seconds = seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept open."""

    @property
    def is_open(self) -> bool:
        return True

    def open(self) -> str:
        return ""

    def deliver(self, sender: str, recipient: str, content: bytes) -> Outcome:
        """As Relay.deliver; Mailgun writes an envelope sender of its own. Raises RelayError."""
        del sender
        boundary = secrets.token_hex(16)
        body = _form(boundary, {"to": recipient, "o:tracking": "no"}, content)
        headers = {
            "Authorization": self._authorization,
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "User-Agent": "Porchlight",
        }
        is_reached: list[bool] = []
        crash_point("before_connect")
        try:
            reply = wire.ask(
                f"{self._url}/messages.mime",
                seconds=self.message_seconds,
                body=body,
                headers=headers,
                reached=lambda: is_reached.append(True),
            )
        except (OSError, http.client.HTTPException) as error:
            words = f"Mailgun does not answer ({type(error).__name__})"
            if not is_reached:
                raise RelayUnreachable(words) from error
            return Outcome(Verdict.UNKNOWN, words, Phase.AWAIT250)
        crash_point("after_250")
        return _judge(reply)

    def seen(self, message_ids: Iterable[str]) -> set[str]:
        """Those that Mailgun has taken: it has an event of them that is not a refusal. Raises Silent."""
        return those_of(message_ids, self._has_taken)

    def _has_taken(self, message_id: str) -> bool:
        asked = urlencode({"message-id": message_id.strip("<>"), "limit": 25})
        try:
            reply = wire.ask(
                f"{self._url}/events?{asked}",
                method="GET",
                seconds=min(self.message_seconds, SECONDS),
                headers={"Authorization": self._authorization, "User-Agent": "Porchlight"},
            )
            found = orjson.loads(reply.body) if reply.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Silent(f"Mailgun does not answer ({type(error).__name__})") from error
        if not isinstance(found, dict) or not isinstance(found.get("items"), list):
            raise Silent(f"Mailgun answered {reply.status}")
        return any(
            isinstance(item, dict) and item.get("event") != "rejected"  # one that failed was taken first
            for item in found["items"]
        )


def _form(boundary: str, fields: dict[str, str], content: bytes) -> bytes:
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = 'Content-Disposition: form-data; name="message"; filename="message.mime"\r\nContent-Type: message/rfc822'
    return b"".join([*lines, f"--{boundary}\r\n{head}\r\n\r\n".encode(), content, f"\r\n--{boundary}--\r\n".encode()])


def _judge(reply: wire.Reply) -> Outcome:
    words = f"{reply.status} {_said(reply.body)}".strip()
    if 200 <= reply.status < 300:
        return Outcome(Verdict.ACCEPTED, words, Phase.AWAIT250)
    if reply.status >= 500:
        return Outcome(Verdict.UNKNOWN, words, Phase.AWAIT250)
    if reply.status in (408, 429):
        wait = (reply.headers.get("Retry-After") or "").strip()
        asked = f"; try again in {wait} seconds" if re.fullmatch(r"\d{1,6}", wait) else ""
        return Outcome(Verdict.RETRY, words + asked, Phase.ENVELOPE)
    if reply.status in REFUSED_US or reply.status < 400:
        raise RelayRefusedUs(f"Mailgun answered {words}")
    return Outcome(Verdict.REFUSED, words, Phase.ENVELOPE)


def _said(body: bytes) -> str:
    """Its sentence, one printable line of at most 500 characters."""
    try:
        found = orjson.loads(body)
        plain = str(found.get("message", "")) if isinstance(found, dict) else ""
    except ValueError:
        plain = body[:500].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())[:500]
