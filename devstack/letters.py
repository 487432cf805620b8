"""Mails in a Maildir: kept as they came, listed quickly, opened one at a time."""

from __future__ import annotations

import itertools
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

_HEADERS = BytesHeaderParser(policy=policy.compat32)
_WHOLE = BytesParser(policy=policy.default)
_URL = re.compile(r"https?://[^\s<>\"')\]]+")
_SETTLED = 0.1  # seconds after which a folder's time of change tells all that came before


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list shows of one mail. `recipients` are the envelope's, in lower case."""

    key: str
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str


class Letter:
    """One mail, opened. Reads what it can of a malformed one."""

    def __init__(self, summary: Summary, raw: bytes) -> None:
        self.summary = summary
        self.raw = raw

    @cached_property
    def message(self) -> EmailMessage:
        return _WHOLE.parsebytes(self.raw)

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.message.items()]

    def header(self, name: str) -> str:
        """Returns the first header of that name, or ""."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    @cached_property
    def attachments(self) -> list[tuple[str, str, bytes]]:
        """(name, type, content) of each part that is not the text itself."""
        found = []
        for part in self.message.walk():
            if part.get_filename() and not part.is_multipart():
                content = part.get_payload(decode=True)
                content = content if isinstance(content, bytes) else b""
                found.append((part.get_filename() or "", part.get_content_type(), content))
        return found

    @cached_property
    def unsubscribe_url(self) -> str:
        """The http(s) address of List-Unsubscribe, or ""."""
        return next(iter(_URL.findall(self.header("List-Unsubscribe"))), "")

    @property
    def is_one_click(self) -> bool:
        """True when the mail promises one-click unsubscribing as RFC 8058 asks."""
        promised = "".join(self.header("List-Unsubscribe-Post").split()).lower()
        return bool(self.unsubscribe_url) and promised == "list-unsubscribe=one-click"

    @cached_property
    def links(self) -> list[tuple[str, str]]:
        """(what it says, where it leads), in order, without repetitions."""
        collector = _Links()
        collector.feed(self.html)
        found = [*collector.found, *((url, url) for url in _URL.findall(self.text))]
        if self.unsubscribe_url:
            found.append(("List-Unsubscribe", self.unsubscribe_url))
        first: dict[str, str] = {}
        for words, url in found:
            first.setdefault(url, words)
        return [(words, url) for url, words in first.items()]

    def as_json(self) -> dict[str, Any]:
        summary = self.summary
        return {
            "key": summary.key,
            "received_at": summary.received_at.isoformat(),
            "from": summary.sender,
            "to": list(summary.recipients),
            "subject": summary.subject,
            "message_id": summary.message_id,
            "headers": self.headers,
            "text": self.text,
            "html": self.html,
            "links": [url for _, url in self.links],
            "attachments": [
                {"name": name, "type": kind, "bytes": len(content)} for name, kind, content in self.attachments
            ],
        }

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        if part is None:
            return ""
        try:
            return str(part.get_content())
        except (LookupError, ValueError):
            payload = part.get_payload(decode=True)
            return payload.decode("latin-1") if isinstance(payload, bytes) else ""


class Letters:
    """A Maildir with its list in memory. Each file is looked at once, in the order of names.

    May be written by one program and read by several, threads included.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for folder in ("tmp", "new", "cur"):
            (directory / folder).mkdir(parents=True, exist_ok=True)
        self._count = itertools.count()
        self._lock = threading.Lock()
        self._listed: dict[str, Summary] = {}
        self._by_age: list[Summary] = []
        self._seen_change = -1

    @property
    def log(self) -> Path:
        return self.directory / "accepted.log"

    def add(self, raw: bytes, *, sender: str, recipients: list[str]) -> str:
        """Keeps a mail whole before it returns the mail's key; notes it in the log of the accepted."""
        now = time.time_ns()
        key = f"{now:019d}.{os.getpid()}_{next(self._count):06d}"
        # As delivery agents do; the mail itself, and with it any signature, stays untouched.
        envelope = "".join([f"Return-Path: <{sender}>\r\n", *(f"Delivered-To: {to}\r\n" for to in recipients)])
        unfinished = self.directory / "tmp" / key
        unfinished.write_bytes(envelope.encode() + raw)
        unfinished.rename(self.directory / "new" / key)
        message_id = " ".join(str(_HEADERS.parsebytes(raw).get("Message-ID", "-")).split())
        with self.log.open("a") as log:
            log.write(f"{now} {message_id} {' '.join(recipients)}\n")
        return key

    def accepted(self) -> list[str]:
        """Returns the Message-ID of every mail ever accepted, oldest first, deleted ones too."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split(" ", 2)[1] for line in lines]

    def newest(self, *, to: str = "", subject: str = "") -> Iterator[Summary]:
        """Yields what is there, newest first, of recipients and subjects that contain the words."""
        to, subject = to.strip().lower(), subject.strip().lower()
        for summary in reversed(self._refreshed()):
            if to and not any(to in recipient for recipient in summary.recipients):
                continue
            if subject and subject not in summary.subject.lower():
                continue
            yield summary

    def __len__(self) -> int:
        return len(self._refreshed())

    def open(self, key: str) -> Letter | None:
        """Returns one mail; None when there is none of that key."""
        self._refreshed()
        summary = self._listed.get(key)
        try:
            return Letter(summary, self._path(key).read_bytes()) if summary else None
        except FileNotFoundError:
            return None

    def delete_all(self) -> int:
        """Deletes every mail that is listed now and returns how many; the log stays."""
        listed = self._refreshed()
        for summary in listed:
            self._path(summary.key).unlink(missing_ok=True)
        return len(listed)

    def _path(self, key: str) -> Path:
        return self.directory / "new" / key

    def _refreshed(self) -> list[Summary]:
        folder = self.directory / "new"
        with self._lock:
            looked_at = time.time()
            changed = folder.stat().st_mtime_ns
            if changed == self._seen_change:
                return self._by_age
            names = {entry.name for entry in os.scandir(folder)}
            gone = self._listed.keys() - names
            listed = {key: value for key, value in self._listed.items() if key not in gone}
            for name in sorted(names - listed.keys()):
                if summary := self._summarise(name):
                    listed[name] = summary
            self._listed = listed
            self._by_age = [listed[key] for key in sorted(listed)]
            # Two changes within one tick of the file system's clock look like one, so a
            # folder that has just changed is looked at again.
            self._seen_change = changed if looked_at - changed / 1e9 > _SETTLED else -1
            return self._by_age

    def _summarise(self, name: str) -> Summary | None:
        try:
            with self._path(name).open("rb") as file:
                head = b"".join(iter(lambda: file.readline().strip(b"\r\n") + b"\n", b"\n"))
        except FileNotFoundError:  # deleted since the folder was read
            return None
        lines = head.splitlines()
        recipients = []
        for line in lines[1:]:
            label, _, value = line.partition(b": ")
            if label != b"Delivered-To":
                break
            recipients.append(value.decode(errors="replace").lower())
        headers = _HEADERS.parsebytes(head)
        stamp = name.partition(".")[0]
        return Summary(
            key=name,
            received_at=datetime.fromtimestamp(int(stamp) / 1e9 if stamp.isdigit() else 0, tz=UTC),
            sender=_readable(headers.get("From", "")),
            recipients=tuple(recipients),
            subject=_readable(headers.get("Subject", "")),
            message_id=" ".join(str(headers.get("Message-ID", "")).split()),
        )


def _readable(value: object) -> str:
    """Decodes RFC 2047 words; gives back as it is what does not decode."""
    text = " ".join(str(value).split())
    try:
        return str(make_header(decode_header(text))) if "=?" in text else text
    except (LookupError, ValueError):
        return text


class _Links(HTMLParser):
    """Collects where the links of a page lead, and what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._words: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") or ""
        if tag == "a" and href.startswith(("http://", "https://")):
            self._words = []
            self.found.append(("", href))
        elif tag == "img" and self._words is not None:
            self._words.append(dict(attrs).get("alt") or "")

    def handle_data(self, data: str) -> None:
        if self._words is not None:
            self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._words is not None:
            href = self.found[-1][1]
            self.found[-1] = (" ".join(" ".join(self._words).split()) or href, href)
            self._words = None
