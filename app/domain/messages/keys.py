"""The names by which a message is known outside: its Message-ID, and the signed tokens in its links and envelope. Pure.

A token is for one purpose: one made for the unsubscribe link is no use as a bounce address.
"""

from __future__ import annotations

import base64
import hmac
import re
from enum import StrEnum

SIGNATURE_LETTERS = 26
"""130 bits."""


class Purpose(StrEnum):
    ONE_CLICK = "one-click"
    BOUNCE = "bounce"


def message_id_for(secret_key: str, dedupe_key: str, domain: str) -> str:
    """RFC 5322 Message-ID with its angle brackets: the same for every try of the same message. Nobody can make one who
    only knows to whom we write and when: whoever names it has seen the mail."""
    digest = hmac.digest(secret_key.encode(), f"message-id:{dedupe_key}".encode(), "sha256")
    return f"<a1.{_letters(digest[:16])}@{domain}>"


def sign(secret_key: str, purpose: Purpose, number: int) -> str:
    """`7f3k-…`: a row's number and its signature, in lower-case letters and digits, for links and mail addresses
    (which some programs lower-case)."""
    return f"{number}-{_signature(secret_key, purpose, number)}"


def read(secret_key: str, purpose: Purpose, token: str) -> int | None:
    """The number in a token made by `sign` for this purpose; None for anything else."""
    found = re.fullmatch(r"([1-9]\d{0,17})-([a-z2-7]{26})", token.lower())
    if not found:
        return None
    number = int(found[1])
    return number if hmac.compare_digest(found[2], _signature(secret_key, purpose, number)) else None


def _signature(secret_key: str, purpose: Purpose, number: int) -> str:
    digest = hmac.digest(secret_key.encode(), f"{purpose}:{number}".encode(), "sha256")
    return _letters(digest)[:SIGNATURE_LETTERS]


def _letters(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()
