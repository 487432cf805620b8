"""The mailbox that the canary's mail goes to, looked into and left as it is: a Maildir folder, a mailbox file, or the
HTTP interface of a mail catcher. Only headers are read, and only of what came lately."""

from __future__ import annotations

import http.client
import json
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from email.parser import BytesHeaderParser
from email.policy import compat32
from pathlib import Path
from urllib.parse import quote, urlsplit

from app.gateways import wire

HEAD = 32 * 1024
"""Bytes of a mail that are looked at: its headers."""
TAIL = 4 * 1024 * 1024
"""Bytes of a mailbox file that are looked through, from its end."""
NEWEST = 20
"""Mails of a catcher."""
SECONDS = 5.0
_HEADERS = BytesHeaderParser(policy=compat32)


class LetterboxError(Exception):
    """It cannot be looked into; the words name no address."""


def arrivals(where: str, wanted: Collection[str], since: datetime, *, to: str = "") -> dict[str, datetime]:
    """Message-ID → when it came, of those that are wanted and came after `since`. `to`: a part of their address, for a
    catcher. A mailbox file does not say when, so what is found in it came now. Raises LetterboxError."""
    parts = urlsplit(where)
    try:
        match parts.scheme:
            case "maildir":
                found = _in_maildir(Path(parts.path), since)
            case "mbox":
                found = _in_file(Path(parts.path))
            case _:
                found = _in_catcher(where, to)
        return {message_id: at for message_id, at in found if message_id in wanted and at >= since}
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise LetterboxError(f"The canary’s mailbox cannot be read ({type(error).__name__}).") from error


def _in_maildir(folder: Path, since: datetime) -> Iterator[tuple[str, datetime]]:
    if not folder.is_dir():
        raise FileNotFoundError
    for part in ("new", "cur"):
        for file in (folder / part).glob("*"):
            at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            if at >= since - timedelta(minutes=1):
                with file.open("rb") as opened:
                    yield _message_id(opened.read(HEAD)), at


def _in_file(file: Path) -> Iterator[tuple[str, datetime]]:
    now = datetime.now(UTC)
    with file.open("rb") as opened:
        opened.seek(max(file.stat().st_size - TAIL, 0))
        for head in opened.read().split(b"\nFrom "):
            yield _message_id(head.partition(b"\n")[2][:HEAD]), now


def _in_catcher(where: str, to: str) -> Iterator[tuple[str, datetime]]:
    url = f"{where.rstrip('/')}/api/messages?limit={NEWEST}&to={quote(to)}"
    answer = wire.ask(url, method="GET", seconds=SECONDS, headers={}, longest=TAIL)
    for mail in json.loads(answer.body):
        yield mail["message_id"], datetime.fromisoformat(mail["received_at"])


def _message_id(head: bytes) -> str:
    return str(_HEADERS.parsebytes(head).get("Message-ID", "")).strip()
