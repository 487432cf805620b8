"""A POST of JSON to an address that the operator named, signed so that its receiver can tell ours from others. No
redirects are followed, nothing is retried, nothing raises."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.gateways import wire

SIGNATURE = "X-Porchlight-Signature"


@dataclass(frozen=True)
class Answer:
    """`words`: the status, or why there was none; no address in it, which may hold a secret."""

    is_ok: bool
    words: str


def key_from(secret: str) -> str:
    """The key of the signatures, made from SECRET_KEY: knowing one does not tell the other."""
    return hmac.new(secret.encode(), b"porchlight webhook signature", hashlib.sha256).hexdigest()


def sign(key: str, body: bytes, moment: int) -> str:
    """`t=<seconds since 1970>,v1=<hex HMAC-SHA256 of "t.body">`. The moment lets a receiver refuse old ones."""
    digest = hmac.new(key.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def host_of(url: str) -> str:
    """The part of the address that may be shown: its path may be a secret."""
    return urlsplit(url).hostname or ""


def post(url: str, content: Mapping[str, Any], *, key: str, seconds: float = 5.0) -> Answer:
    """Any 2xx is a yes. Over after `seconds`, however slowly the receiver speaks."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Porchlight",
        SIGNATURE: sign(key, body, int(time.time())),
    }
    try:
        status = wire.ask(url, body=body, headers=headers, seconds=seconds).status
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(is_ok=False, words=f"does not answer ({type(error).__name__})")
    return Answer(200 <= status < 300, f"answered {status}")


def connect(url: str, *, seconds: float = 5.0) -> Answer:
    """Is somebody there? Asks for nothing."""
    try:
        wire.connect(url, seconds=seconds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(is_ok=False, words=f"does not answer ({type(error).__name__})")
    return Answer(is_ok=True, words="takes connections")
