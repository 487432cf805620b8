"""A mail that came to our bounce address, read: what kind it is, whom and which message it speaks of, and the other
side's words. Pure. Anything may arrive there: nothing in it is believed beyond what it says, and nothing in it raises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses
from enum import StrEnum
from html import unescape

LARGEST = 256 * 1024
"""Bytes of a mail that are read; what matters stands at its beginning."""
MOST_PARTS = 60
MOST_NESTED = 40
"""Boundaries; the standard parser calls itself for each level, so a mail with more is read as plain words."""
MOST_WORDS = 6_000
MOST_PEOPLE = 50


class Kind(StrEnum):
    BOUNCE = "bounce"
    DELAY = "delay"
    """The other side is still trying."""
    DELIVERED = "delivered"
    COMPLAINT = "complaint"
    """Somebody pressed "this is spam" (RFC 5965)."""
    OPT_OUT = "opt-out"
    REPORT = "report"
    """A report about mail in our name that is no complaint: DMARC, authentication, "not spam"."""
    AUTOREPLY = "autoreply"
    """A robot's greeting: the mail arrived."""
    LETTER = "letter"
    """From a person, or of no kind that we know."""


@dataclass(frozen=True, slots=True)
class Person:
    """One recipient that a report speaks of."""

    address: str
    action: str = ""
    status: str = ""
    words: str = ""


class Stage(StrEnum):
    """Which of our words the other side said no to."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"
    UNSAID = ""


@dataclass(frozen=True, slots=True)
class Returned:
    kind: Kind
    people: tuple[Person, ...] = ()
    words: str = ""
    """What it says to a human, without the mail that came back with it."""
    tokens: tuple[tuple[str, str], ...] = ()
    """(bounce or unsub, token): from the addresses it was sent to."""
    message_ids: tuple[str, ...] = ()
    """Of the mail that came back, nearest first; with their angle brackets."""
    keys: tuple[str, ...] = ()
    """Of the mail that came back: its X-Porchlight-Key."""
    stage: Stage = Stage.UNSAID
    feedback_type: str = ""
    trouble: str = field(default="")
    """Why it could not be read as it should, in words."""

    @property
    def person(self) -> Person:
        """The one it speaks of: each of our mails has exactly one recipient."""
        failed = [each for each in self.people if each.action in {"", "failed"}]
        return next(iter(failed or self.people), Person(""))


_TAGGED = re.compile(r"\b(bounce|unsub)\+([1-9]\d{0,17}-[a-z2-7]{26})@", re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_SENT_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "To", "Cc")
_LINE_OF = re.compile(r"^[ \t>\"']*<?(" + _ADDRESS.pattern + r")>?[\"']?(?=[\s:;,(]|$)", re.MULTILINE)
_IDS = re.compile(r"<[^<>\s]{3,250}>")
_COPY_BEGINS = re.compile(
    r"^[-_=* ]*(?:below this line is a copy[^\n]*|[^\n]{0,30}copy of (?:the|your) (?:original |sent )?(?:message|mail)[^\n]*|message headers? follows?[^\n]*"
    r"|included is a copy[^\n]*|your message reads[^\n]*|(?:the )?(?:start of the )?(?:original|returned|undelivered|bounced|sent|your|unsent) (?:e-?mail )?(?:message|mail|header)s?"
    r"(?: (?:follows|text|headers?|attached|as follows|is attached|below))?[-_=*:. ]*)$|^(?:Return-Path: <|Received: from |Reporting-MTA: )[^\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ROBOT = re.compile(
    r"^(?:auto(?:matic|mated|matically)?[ :-]?(?:reply|response|answer|generated)?\b[: -]|out of (?:the )?office|ooo\b|away from"
    r"|(?:i am |i'm )?on (?:vacation|holiday|leave)|vacation\b|re: .{0,80}\(auto|abwesenheit|absence|réponse automatique|respuesta autom|自動)",
    re.IGNORECASE,
)
_FAILURE = re.compile(
    r"undeliver|non-?deliver|not (?:be )?delivered|unable to deliver|deliver\w* (?:status|fail|error|problem|report|notif|has failed|delay)"
    r"|fail\w* (?:to deliver|deliver|notice|mail)|returned (?:mail|e-?mail|message|to sender)|failure notice|mail (?:system )?error|(?:mail|message) (?:\w+ )?(?:rejected|bounced|returned)"
    r"|unzustellbar|niet bezorgd|non remis|user unknown",
    re.IGNORECASE,
)
_DID_NOT = re.compile(
    r"(?:could|can|was|were|did) ?n(?:o|['’])t (?:be )?(?:deliver\w*|sent|reach\w*)|cannot be delivered|(?:unable|failed) to deliver|undeliverable|delivery (?:\w+ ){0,6}failed"
    r"|had (?:permanent|delivery|fatal|transient)",
    re.IGNORECASE,
)
"""Words of a failure, in a subject and in a text."""
_DAEMON = re.compile(r"mailer-?daemon|postmaster|mail ?delivery (?:sub)?system|mdaemon", re.IGNORECASE)
_SYSTEM_SENDER = re.compile(
    r"mailer-?daemon|postmaster|mdaemon|no-?reply|^bounce|@[^@]*support\.|^support@", re.IGNORECASE
)
_STAGES = re.compile(
    r"in\s+reply\s+to\s+(?:the )?(?P<a>end\s+of\s+data|data|mail\s+from|rcpt\s+to)|\bafter (?:the )?(?P<b>end of data|mail from|rcpt to|data|rcpt command|mail command|text)\b"
    r"|did not like our (?:final )?(?P<c>data|mail from|rcpt to)|following (?P<d>rcpt|mail|data) command|smtp command\s+(?P<e>data|rcpt|mail)"
    r"|failed after (?P<f>i sent the message)|>>> (?P<g>data|mail|rcpt)[^\n]*\n(?:<<< [23][^\n]*\n)*<<< [45]",
    re.IGNORECASE,
)
_NO_RECIPIENT_LEFT = re.compile(
    r"<<< [45]\d\d[^\n]*(?:need rcpt|no valid recipients|rcpt first|no recipient)", re.IGNORECASE
)
_TAGS = re.compile(r"<[^<>]{0,2000}>")
_UNSEEN = re.compile(r"<(style|script|head)\b", re.IGNORECASE)
_ENDS = {name: re.compile(f"</{name}>", re.IGNORECASE) for name in ("style", "script", "head")}
_ENDLESS = re.compile(rb"^content-(?:type|disposition):(?:[^\n]|\n[ \t]){2000}", re.IGNORECASE | re.MULTILINE)
"""The standard parser looks for the end of each parameter from its beginning: a long header costs it minutes."""
_RETURNED = {
    "message/rfc822",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "text/rfc822",
    "message/global",
    "message/global-headers",
}


def read(raw: bytes, sent_to: str = "") -> Returned:
    """Read one mail. `sent_to`: the envelope recipient, where it is known. Never raises, whatever the bytes."""
    raw = raw[:LARGEST].replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\x00", b"")
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    trouble = ""
    try:
        if raw.lower().count(b"boundary=") > MOST_NESTED:
            raise ValueError("more parts within parts than any report has")
        if _ENDLESS.search(raw):
            raise ValueError("a longer list of parameters than any report has")
        message = message_from_bytes(raw)
        return _read(message, sent_to)
    except Exception as error:  # the standard parser was not written for enemies: whatever it trips over
        trouble = f"could not be read as a mail ({type(error).__name__})"
    words = raw[:MOST_WORDS].decode("utf-8", "replace")
    return Returned(Kind.LETTER, words=_one_space(words), tokens=_tokens(sent_to), trouble=trouble)


def _read(message: Message, sent_to: str) -> Returned:
    head = _head(message)
    statuses: list[tuple[Person, ...]] = []
    feedback: dict[str, str] = {}
    copies: list[Message | str] = []
    texts: list[str] = []
    for part in _parts(message):
        kind = part.get_content_type()
        if kind in {"message/delivery-status", "message/global-delivery-status"}:
            statuses.append(tuple(_people(part)))
        elif kind == "message/feedback-report":
            feedback = {name.lower(): value for name, value in _fields(part)}
        elif kind in _RETURNED:
            inner = part.get_payload()
            copies.append(
                inner[0] if isinstance(inner, list) and inner and isinstance(inner[0], Message) else _text(part)
            )
        elif kind.startswith(("text/", "multipart/")):  # one without its boundaries is plain words
            texts.append(_plain(_text(part)) if kind == "text/html" else _text(part))
    words = "\n".join(texts)
    cut = _COPY_BEGINS.search(words, 1)
    said, rest = (words[: cut.start()], words[cut.start() :]) if cut else (words, "")
    if len(said.strip()) < 20:
        said, rest = words, words
    copies.append(rest)
    people = tuple(person for found in statuses for person in found)[:MOST_PEOPLE]
    if not people and "final-recipient:" in words.lower():
        people = tuple(_people_in(words))[:MOST_PEOPLE]
    kind = _kind(message, head, people, feedback, said)
    if not people and kind in {Kind.BOUNCE, Kind.DELAY}:
        people = tuple(_named(head, said))[:MOST_PEOPLE]
    if feedback:
        people = tuple(
            Person(_address(value))
            for name, value in feedback.items()
            if name in {"original-rcpt-to", "removal-recipient"} and "@" in value
        )
    return Returned(
        kind,
        people,
        _one_space(said)[:MOST_WORDS],
        _tokens(sent_to, *(value for name in _SENT_TO for value in message.get_all(name, [])), *_received_for(message)),
        tuple(dict.fromkeys(_ids(copies)))[:5],
        tuple(dict.fromkeys(_keys(copies)))[:5],
        _stage(said),
        feedback.get("feedback-type", "").strip().lower()[:40],
    )


def _head(message: Message) -> dict[str, str]:
    return {
        name: _decoded(message.get(name, ""))
        for name in ("Subject", "From", "Return-Path", "Auto-Submitted", "Precedence", "X-Failed-Recipients")
    }


def _kind(
    message: Message, head: dict[str, str], people: tuple[Person, ...], feedback: dict[str, str], said: str
) -> Kind:
    if feedback:
        match feedback.get("feedback-type", "").strip().lower():
            case "abuse" | "fraud" | "virus" | "other" | "miscategorized" | "":
                return Kind.COMPLAINT
            case "opt-out" | "opt-out-list":
                return Kind.OPT_OUT
        return Kind.REPORT
    actions = {person.action for person in people}
    if people:
        if "failed" in actions or "" in actions:
            return Kind.BOUNCE
        return Kind.DELAY if "delayed" in actions else Kind.DELIVERED
    from_nobody = head["Return-Path"].strip() == "<>"
    is_daemon = bool(_DAEMON.search(head["From"]))
    is_robot = (
        "auto-replied" in head["Auto-Submitted"].lower()
        or any(name in message for name in ("X-Autoreply", "X-Autorespond", "X-Autoreply-From", "X-Mail-Autoreply"))
        or head["Precedence"].strip().lower() in {"auto_reply", "auto-reply"}
        or bool(_ROBOT.search(head["Subject"].strip()))
    )
    speaks_of_failure = bool(_FAILURE.search(head["Subject"]) or _DID_NOT.search(said))
    is_bounce = (
        bool(head["X-Failed-Recipients"])
        or (is_daemon and (speaks_of_failure or bool(_REPLY_LINE.search(said))))
        or (from_nobody and not is_robot and (speaks_of_failure or bool(_CODE.search(said))))
        or (not is_robot and speaks_of_failure and bool(_REPLY_LINE.search(said) or _DID_NOT.search(said)))
    )
    if is_bounce:
        return Kind.DELAY if _STILL_TRYING.search(said) and not _GIVEN_UP.search(said) else Kind.BOUNCE
    return Kind.AUTOREPLY if is_robot else Kind.LETTER


_CODE = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])")
_REPLY_LINE = re.compile(
    r"(?<![\d.])[45]\d\d[ \-](?:#?[45]\.\d+\.\d+)?|(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])", re.IGNORECASE
)
_STILL_TRYING = re.compile(
    r"(?:will|still) (?:be |keep |continue |\w+ )?(?:retr|try|attempt)|warning message only|do not need to resend|delivery (?:has been |is )?delayed",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(r"giv(?:en|ing) up|permanent|fatal|could not be delivered\b(?! yet)", re.IGNORECASE)


def _parts(message: Message) -> Iterator[Message]:
    """The leaves, and what came back as one leaf; at most MOST_PARTS."""
    waiting = [message]
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop(0)
        inner = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            waiting[:0] = [each for each in inner if isinstance(each, Message)]
        else:
            yield part


def _people(part: Message) -> Iterator[Person]:
    """The recipients of a delivery status (RFC 3464): a block of fields for each."""
    inner = part.get_payload()
    blocks = (
        inner
        if isinstance(inner, list)
        else [message_from_bytes(each.encode("utf-8", "replace")) for each in re.split(r"\n\s*\n", _text(part))]
    )
    known: dict[str, str] = {}
    for name, value in [
        *(item for block in blocks[:MOST_PEOPLE] if isinstance(block, Message) for item in block.items()),
        ("Final-Recipient", ""),
    ]:
        if name.lower() == "final-recipient" and "final-recipient" in known:
            yield _person(known)
            known = {}
        known.setdefault(name.lower(), str(value))


def _person(known: dict[str, str]) -> Person:
    diagnostic = _one_space(_decoded(known.get("diagnostic-code", "")))
    return Person(
        _address(_decoded(known["final-recipient"])) or _address(_decoded(known.get("original-recipient", ""))),
        known.get("action", "").split("(")[0].split(";")[0].strip().lower()[:20],
        _status(known.get("status", "")),
        re.sub(r"^[\w-]+ *; *", "", diagnostic)[:MOST_WORDS],
    )


def _status(text: str) -> str:
    found = re.search(r"[245]\.\d{1,3}\.\d{1,3}", text)
    return found[0] if found else ""


def _fields(part: Message) -> Iterator[tuple[str, str]]:
    inner = part.get_payload()
    if isinstance(inner, list):
        for block in inner:
            if isinstance(block, Message):
                yield from ((name, str(value)) for name, value in block.items())
        return
    for line in _text(part).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()


def _people_in(words: str) -> Iterator[Person]:
    """The fields of a delivery status that stand in plain words."""
    for block in re.split(r"(?i)(?=^[> \t]*final-recipient:)", words, flags=re.MULTILINE)[1:]:
        known = {
            name.lower(): _one_space(value)
            for name, value in re.findall(r"(?m)^[> \t]*([\w-]{3,30}):[ \t]*([^\n]{1,500})", block[:MOST_WORDS])[::-1]
        }
        before = words[: words.index(block)][-300:]
        action = known.get("action") or next(iter(re.findall(r"(?i)action:\s*(\w+)", before)[-1:]), "")
        yield Person(
            _address(known.get("final-recipient", "")),
            action.lower()[:20],
            _status(known.get("status", "")),
            re.sub(r"^[\w-]+ *; *", "", known.get("diagnostic-code", "")),
        )


def _named(head: dict[str, str], said: str) -> Iterator[Person]:
    """Whom a bounce without fields speaks of: a header of its own, or addresses in its words, nearest the front. Where
    lines begin with several addresses, what stands between one and the next is said of that one."""
    found = [address for _, address in getaddresses([head["X-Failed-Recipients"]]) if "@" in address]
    own = {address.lower() for _, address in getaddresses([head["From"]])}
    said = said[:MOST_WORDS]
    lines = [
        (each[1].lower().rstrip("."), each.start())
        for each in _LINE_OF.finditer(said)
        if each[1].lower() not in own and not _SYSTEM_SENDER.search(each[1])
    ]
    ends = [begin for _, begin in lines[1:]] + [len(said)]
    about: dict[str, str] = {}
    if len({address for address, _ in lines}) > 1:
        for (address, begin), end in zip(lines, ends, strict=True):
            words = _ADDRESS.sub("", said[begin:end])
            if len(words.strip(" <>:\"'\n\t;,()")) > 8:
                about.setdefault(address, _one_space(said[begin:end]))
    found += [address for address, _ in lines] + [
        each for each in _ADDRESS.findall(said) if each.lower() not in own and not _SYSTEM_SENDER.search(each)
    ]
    for address in dict.fromkeys(each.lower().rstrip(".") for each in found):
        yield Person(address, words=about.get(address, ""))


def _stage(said: str) -> Stage:
    """A sender that hands over all its commands at once reads the answer to RCPT after it has said DATA: then the other
    side adds that no recipient is left."""
    found = _STAGES.search(said)
    words = next((each.lower() for each in found.groups() if each), "") if found else ""
    if words.startswith("mail"):
        return Stage.SENDER
    if words.startswith("rcpt"):
        return Stage.RECIPIENT
    if words:
        return Stage.RECIPIENT if _NO_RECIPIENT_LEFT.search(said) else Stage.CONTENT
    return Stage.UNSAID


def _address(field: str) -> str:
    """The address in `rfc822; <a@example.com> (why)`; lower case, empty when there is none."""
    found = _ADDRESS.search(field.rpartition(";")[2] if ";" in field else field)
    return found[0].lower().rstrip(".") if found else ""


def _tokens(*addresses: object) -> tuple[tuple[str, str], ...]:
    found = [(each[1].lower(), each[2].lower()) for address in addresses for each in _TAGGED.finditer(str(address))]
    return tuple(dict.fromkeys(found))[:5]


def _received_for(message: Message) -> list[str]:
    """`for <address>` of the lines that our own servers wrote: the newest three."""
    return [line[:1000] for line in map(str, message.get_all("Received", [])[:3]) if " for " in line]


def _ids(copies: list[Message | str]) -> Iterator[str]:
    for copy in copies:
        if isinstance(copy, Message):
            yield from _IDS.findall(str(copy.get("Message-ID", "")))
        else:
            yield from re.findall(r"^message-id:\s*(<[^<>\s]{3,250}>)", copy, re.IGNORECASE | re.MULTILINE)


def _keys(copies: list[Message | str]) -> Iterator[str]:
    for copy in copies:
        words = (
            str(copy.get("X-Porchlight-Key", ""))
            if isinstance(copy, Message)
            else "".join(re.findall(r"^x-porchlight-key:\s*(\S{1,80})", copy, re.IGNORECASE | re.MULTILINE)[:1])
        )
        if re.fullmatch(r"[a-z0-9.]{4,80}", words.strip()):
            yield words.strip()


def _text(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        inner = part.get_payload()
        return "\n".join(str(each) for each in inner)[:LARGEST] if isinstance(inner, list) else str(inner or "")
    charset = str(part.get_content_charset() or "utf-8")
    for name in (charset, "utf-8"):
        try:
            return raw.decode(name)
        except (LookupError, UnicodeError):
            continue
    return raw.decode("latin-1")


def _plain(html: str) -> str:
    """Each end is looked for once, however many beginnings there are without one."""
    kept, at, endless = [], 0, set()
    for begin in _UNSEEN.finditer(html):
        name = begin[1].lower()
        if begin.start() < at or name in endless:
            continue
        end = _ENDS[name].search(html, begin.end())
        if end is None:
            endless.add(name)
            continue
        kept.append(html[at : begin.start()])
        at = end.end()
    kept.append(html[at:])
    return unescape(_TAGS.sub(" ", " ".join(kept)))


def _decoded(value: object) -> str:
    """A header in words, whatever its encodings."""
    text = str(value)[:4000]
    if "=?" not in text:
        return text
    pieces = []
    for piece, charset in decode_header(text):
        if isinstance(piece, bytes):
            try:
                pieces.append(piece.decode(charset or "ascii", "replace"))
            except LookupError:
                pieces.append(piece.decode("latin-1"))
        else:
            pieces.append(piece)
    return "".join(pieces)


def _one_space(words: str) -> str:
    return " ".join(words.split())
