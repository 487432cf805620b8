"""The relay: SMTP over a kept connection, and the truth about each attempt.

smtplib raises one and the same error for a connection lost before DATA and for one lost after the relay had taken the
mail. Here each step is made by hand, so that an attempt ends as `accepted`, `retry`, `refused` — or `unknown`, when the
connection went away after the content had begun and nobody can say.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass
from email.utils import parseaddr
from enum import StrEnum
from functools import lru_cache
from types import TracebackType
from typing import Any, NoReturn, Protocol, Self
from urllib.parse import unquote, urlsplit

from app.crash import crash_point

DEFAULT_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
LONGEST_REPLY = 64 * 1024
"""Bytes. A relay that talks on and on is hung up on."""
GOODBYE_SECONDS = 2.0
_MORE = getattr(socket, "MSG_MORE", 0)
"""Linux has it."""
_NOT_IN_ADDRESS = re.compile(r"[\x00-\x20\x7f<>]")


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    RETRY = "retry"
    """Certainly not taken; another try may be."""
    REFUSED = "refused"
    """Certainly not taken, for good."""
    UNKNOWN = "unknown"


class Phase(StrEnum):
    CONNECT = "connect"
    ENVELOPE = "envelope"
    CONTENT = "content"
    AWAIT250 = "await250"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended, the relay's own words (or ours, when it said nothing), and in which phase."""

    state: Verdict
    reply: str
    phase: Phase
    enhanced: str = ""
    """RFC 3463 code of the reply, such as 5.1.1; empty when it gave none."""


class RelayError(Exception):
    """The relay cannot be used at all just now; nothing of the message at hand has been taken."""


class RelayUnreachable(RelayError):
    """No connection, or a greeting that says "later"."""


class RelayRefusedUs(RelayError):
    """A final no to who we are: at the greeting, AUTH or MAIL FROM. Every message would meet the same."""


class Lost(OSError):
    """The connection broke, or an answer did not come in time."""


class _Line(smtplib.SMTP):
    """smtplib with an end to waiting: each answer has its own limit, and all of them together the attempt's.

    smtplib's time-out begins anew with each byte; a relay that drips one now and then would hold a sender for ever.
    """

    def __init__(self, *, hostname: str, answer_seconds: float, tls: ssl.SSLContext | None) -> None:
        super().__init__(local_hostname=hostname, timeout=answer_seconds)
        self.command_encoding = "utf-8"
        self._answer_seconds = answer_seconds
        self._tls = tls
        self._unread = b""
        self.until = time.monotonic() + answer_seconds

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        del timeout
        self._host = host  # smtplib's STARTTLS checks the certificate against it, and sets it only in its constructor
        connection = socket.create_connection((host, port), timeout=self._left(self._answer_seconds))
        # Without it a last, short piece waits for the peer's ACK: 40 ms a message over TLS to a local relay.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._tls.wrap_socket(connection, server_hostname=host) if self._tls else connection

    def _left(self, limit: float) -> float:
        left = min(limit, self.until - time.monotonic())
        if left <= 0:
            raise Lost("no time left for this message")
        return left

    def connection(self) -> socket.socket:
        if self.sock is None:
            raise Lost("not connected")
        return self.sock

    def send(self, s: Any, *, more: bool = False) -> None:
        """All of it or Lost. `more`: something follows at once, so a last, short piece may wait for it."""
        connection = self.connection()
        connection.settimeout(self._left(self._answer_seconds))
        flags = _MORE if more and not isinstance(connection, ssl.SSLSocket) else 0
        try:
            connection.sendall(s.encode(self.command_encoding) if isinstance(s, str) else s, flags)
        except OSError as error:
            raise Lost(f"connection lost while writing: {error or type(error).__name__}") from error

    def getreply(self) -> tuple[int, bytes]:
        """One whole reply, of however many lines. Raises Lost."""
        until = time.monotonic() + self._left(self._answer_seconds)
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._read_line(until)
            size += len(line)
            if size > LONGEST_REPLY or not re.match(rb"[2-5]\d\d([ \-]|$)", line):
                raise Lost(f"not an SMTP reply: {line[:80]!r}")
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)

    def _read_line(self, until: float) -> bytes:
        while b"\n" not in self._unread:
            left = min(until, self.until) - time.monotonic()
            if left <= 0 or len(self._unread) > LONGEST_REPLY:
                raise Lost("timed out waiting for an answer")
            connection = self.connection()
            connection.settimeout(left)
            try:
                piece = connection.recv(8192)
            except OSError as error:
                raise Lost(f"connection lost while waiting for an answer: {error or type(error).__name__}") from error
            if not piece:
                raise Lost("connection closed by the relay")
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")

    def secure(self, context: ssl.SSLContext) -> None:
        """STARTTLS, and nothing said in the clear is believed afterwards."""
        self.starttls(context=context)
        if self._unread:
            raise Lost("the relay spoke before the handshake")


class Transport(Protocol):
    """What a sender needs of whoever takes its mail; Relay says what each does."""

    message_seconds: float

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def is_open(self) -> bool: ...

    def open(self) -> str: ...

    def deliver(self, sender: str, recipient: str, content: bytes) -> Outcome: ...


class Relay:
    """One connection to the relay, opened when first needed and kept. Not for several threads."""

    def __init__(
        self,
        url: str,
        *,
        hostname: str,
        answer_seconds: float = 60.0,
        message_seconds: float | None = None,
        most_on_a_line: int = 100,
    ) -> None:
        """`url` as in SMTP_URL; `answer_seconds` for each answer; `message_seconds` for a whole attempt, by default
        twice that; after `most_on_a_line` messages a new connection is opened."""
        parts = urlsplit(url)
        self._scheme = parts.scheme
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._hostname = hostname
        self._answer_seconds = answer_seconds
        self.message_seconds = message_seconds or 2 * answer_seconds
        self._line: _Line | None = None
        self._used = False
        self._most_on_a_line, self._handed_over = most_on_a_line, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        return self._line is not None

    def open(self) -> str:
        """Connect, greet, start TLS, sign in; returns the greeting. Harmless when open.

        Raises RelayUnreachable or RelayRefusedUs.
        """
        if self._line is not None:
            return ""
        crash_point("before_connect")
        tls = ssl.create_default_context() if self._scheme == "smtps" else None
        line = _Line(hostname=self._hostname, answer_seconds=self._answer_seconds, tls=tls)
        line.until = time.monotonic() + self.message_seconds
        try:
            greeting = self._greet(line)
        except RelayError:
            line.close()
            raise
        except smtplib.SMTPResponseException as error:
            line.close()
            self._refuse(error.smtp_code, error.smtp_error, "the greeting")
        except smtplib.SMTPNotSupportedError as error:
            line.close()
            raise RelayRefusedUs(f"{self._where}: {error}") from error
        except (OSError, smtplib.SMTPException) as error:
            line.close()
            raise RelayUnreachable(f"{self._where}: {error or type(error).__name__}") from error
        self._line, self._used, self._handed_over = line, False, 0
        return greeting

    def _greet(self, line: _Line) -> str:
        code, greeting = line.connect(self._host, self._port)
        if code != 220:
            self._refuse(code, greeting, "the greeting")
        line.ehlo_or_helo_if_needed()
        if self._scheme == "smtp+starttls":
            line.secure(ssl.create_default_context())
            line.ehlo_or_helo_if_needed()
        if self._user:
            line.login(self._user, self._password)
        return _words(greeting)

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"

    def _refuse(self, code: int, text: bytes | str, where: str) -> NoReturn:
        sentence = f"{self._where} answered {code} {_words(text)} to {where}"
        if code >= 500 and code != 521:  # 521: "no mail service here now", RFC 7504
            raise RelayRefusedUs(sentence)
        raise RelayUnreachable(sentence)

    def close(self) -> None:
        """Say goodbye, briefly. Never raises."""
        line, self._line = self._line, None
        if line is None:
            return
        try:
            line.until = time.monotonic() + GOODBYE_SECONDS
            line.quit()
        except (OSError, smtplib.SMTPException):
            line.close()

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def deliver(self, sender: str, recipient: str, content: bytes) -> Outcome:
        """Hand over one message for one recipient; `content` is RFC 5322 with CRLF line ends.

        Returns how it ended. Raises RelayError only when nothing of the message can have been taken and the same
        would happen to every other one.
        """
        recipient = _in_ascii_domain(recipient)
        if not recipient or _NOT_IN_ADDRESS.search(recipient) or "@" not in recipient:
            return Outcome(Verdict.REFUSED, "not an address that can be mailed", Phase.ENVELOPE, "5.1.3")
        until = time.monotonic() + self.message_seconds
        if self._handed_over >= self._most_on_a_line:
            self.close()
        self.open()
        self._handed_over += 1
        kept = self._used
        outcome = self._attempt(sender, recipient, content, until)
        if kept and not self.is_open and outcome.phase is Phase.ENVELOPE and outcome.state is Verdict.RETRY:
            # Relays close connections they have kept long enough; that is about the connection, not the message.
            self.open()
            outcome = self._attempt(sender, recipient, content, until)
        return outcome

    def _attempt(self, sender: str, recipient: str, content: bytes, until: float) -> Outcome:
        line = self._line
        assert line is not None
        self._used = True
        line.until = until
        phase = Phase.ENVELOPE
        try:
            refusal = self._envelope(line, sender, recipient)
            if refusal:
                return refusal
            phase = Phase.CONTENT
            line.send(_dotted(content), more=True)
            crash_point("before_dot")
            phase = Phase.AWAIT250
            line.send(b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n")
            crash_point("after_dot")
            code, text = line.getreply()
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            self._hang_up()
            state = Verdict.RETRY if phase is Phase.ENVELOPE else Verdict.UNKNOWN
            return Outcome(state, str(error) or type(error).__name__, phase)
        crash_point("after_250")
        return self._judge(code, text, phase)

    def _envelope(self, line: _Line, sender: str, recipient: str) -> Outcome | None:
        """MAIL, RCPT, DATA. None when the relay waits for the content."""
        options = ""
        if not recipient.isascii():
            if not line.has_extn("smtputf8"):
                return Outcome(Verdict.REFUSED, "the relay does not take this address", Phase.ENVELOPE, "5.6.7")
            options = " SMTPUTF8 BODY=8BITMIME"
        commands = (f"MAIL FROM:<{sender}>{options}", f"RCPT TO:<{recipient}>", "DATA")
        is_pipelined = line.has_extn("pipelining")
        if is_pipelined:  # RFC 2920: three questions in one piece, three answers in their order
            line.send("".join(f"{command}\r\n" for command in commands))
            code, text = line.getreply()
        else:
            code, text = line.docmd(commands[0])
        if code >= 500:
            self._hang_up()
            self._refuse(code, text, f"MAIL FROM:<{sender}>")
        if code != 250:
            if is_pipelined:
                self._hang_up()  # two answers are on their way that are of no interest
            return self._judge(code, text, Phase.ENVELOPE)
        crash_point("after_mail")
        code, text = line.getreply() if is_pipelined else line.docmd(commands[1])
        if code not in (250, 251):
            if is_pipelined:
                self._refuse_content(line)
            return self._judge(code, text, Phase.ENVELOPE)
        crash_point("after_rcpt")
        code, text = line.getreply() if is_pipelined else line.docmd(commands[2])
        if code != 354:
            return self._judge(code, text, Phase.ENVELOPE)
        crash_point("after_data")
        return None

    def _refuse_content(self, line: _Line) -> None:
        """DATA was asked for before the recipient was refused. A relay that waits for content all the same is hung up
        on: then nothing was sent, without a doubt."""
        try:
            code, _ = line.getreply()
        except OSError:
            code = 354
        if code < 400:
            self._hang_up()

    def _judge(self, code: int, text: bytes, phase: Phase) -> Outcome:
        """A reply that was read is definite, whatever it says."""
        words = f"{code} {_words(text)}"
        enhanced = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", _words(text))
        if code >= 400:
            state = Verdict.REFUSED if code >= 500 else Verdict.RETRY
        elif phase is Phase.AWAIT250:
            state = Verdict.ACCEPTED if code < 300 else Verdict.UNKNOWN
        else:
            state = Verdict.RETRY
        if state is not Verdict.ACCEPTED:
            self._begin_anew(gone=code in (421, 521) or code < 400)
        return Outcome(state, words, phase, enhanced[0] if enhanced else "")

    def _begin_anew(self, *, gone: bool) -> None:
        """After a refusal: reset for the next message, or hang up when the relay is closing or out of step."""
        if gone or self._line is None:
            self._hang_up()
            return
        try:
            if self._line.docmd("RSET")[0] != 250:
                self._hang_up()
        except (OSError, smtplib.SMTPException):
            self._hang_up()


def _dotted(content: bytes) -> bytes:
    """Each line that begins with a dot begins with two (RFC 5321 §4.5.2)."""
    doubled = content.replace(b"\n.", b"\n..")
    return b"." + doubled if doubled.startswith(b".") else doubled


def _words(text: bytes | str) -> str:
    """A reply as one printable line of at most 500 characters."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())[:500]


def _in_ascii_domain(address: str) -> str:
    """The address with its domain in IDNA; empty when it has none that can be written so."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}" if local and domain else ""
    except UnicodeError:
        return ""


@lru_cache(maxsize=4)
def domain_of(mail_from: str) -> str:
    """The domain of a From such as `Name <alerts@alerts.example.com>`."""
    return parseaddr(mail_from)[1].rpartition("@")[2] or "localhost"
