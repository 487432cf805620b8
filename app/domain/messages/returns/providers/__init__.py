"""What mail providers tell by webhook, in one vocabulary (Anymail's), whoever tells it. Pure, but for one certificate.

A provider is a module with three verbs: `verify` (was this really sent by it?), `parts` (the events in a body, each with
the name by which it is known once), `read` (one of them, in our words).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from app.domain.errors import DomainError
from app.domain.models import Cause, EventType

LATEST = timedelta(hours=24)
"""How old a signature may be. Providers try again for 8 hours and more, and some sign only once; what comes twice is
taken once, so that an old one that is sent again changes nothing."""
AHEAD = timedelta(minutes=5)
"""How far a provider's clock may be ahead of ours."""


class Refused(DomainError):
    """Not signed by whom it says, or not in time."""

    status = 403


class Unreadable(DomainError):
    """No event of this provider."""

    status = 400


class Reason(StrEnum):
    """Anymail's reasons for a mail that did not arrive."""

    INVALID = "invalid"
    BOUNCED = "bounced"
    TIMED_OUT = "timed_out"
    BLOCKED = "blocked"
    SPAM = "spam"
    UNSUBSCRIBED = "unsubscribed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Signed:
    """A request as it came."""

    headers: Mapping[str, str]
    body: bytes


class Part(NamedTuple):
    event_id: str
    payload: str


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to one mail for one recipient."""

    event_id: str
    event_type: EventType
    recipient: str = ""
    occurred_at: datetime | None = None
    message_ids: tuple[str, ...] = ()
    """Message-ID headers, with their angle brackets."""
    key: str = ""
    """Our own name for the mail, where the provider carries it."""
    reason: Reason | None = None
    words: str = ""
    status: str = ""
    cause: Cause | None = None
    """What the provider's own class means; asked only where the words say nothing."""
    fields: dict[str, Any] = field(default_factory=dict)


NAMING = {
    "mailgun": ("X-Mailgun-Variables", '{{"porchlight": "{}"}}'),
    "postmark": ("X-PM-Metadata-porchlight", "{}"),
    "sendgrid": ("X-SMTPAPI", '{{"unique_args": {{"porchlight": "{}"}}}}'),
    "ses": ("X-SES-MESSAGE-TAGS", "porchlight={}"),
}
"""How a provider is asked to say our name for a mail whenever it tells of it. Some replace the Message-ID."""


def naming(providers: Iterable[str], key: str) -> tuple[tuple[str, str], ...]:
    """Header lines by which these providers name a mail as we do. The name holds nothing of a person."""
    return tuple((NAMING[each][0], NAMING[each][1].format(key)) for each in providers)


class Provider(Protocol):
    def verify(self, request: Signed, secret: str, now: datetime) -> None: ...
    def parts(self, body: bytes) -> Sequence[Part]: ...
    def read(self, payload: str) -> Sequence[Happening]: ...


def is_in_time(seconds: float, now: datetime) -> bool:
    """Was it signed lately, and not in the future?"""
    try:
        at = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return False
    return now - LATEST <= at <= now + AHEAD


def moment(value: object) -> datetime | None:
    """A time as providers write it: seconds since 1970, or ISO 8601; None for anything else."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(str(value).strip())
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def text(value: object, most: int = 500) -> str:
    """One printable line."""
    if not isinstance(value, str | int | float):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)[: most * 2]).split())[:most]


def address(value: object) -> str:
    return text(value, 320).strip("<>").lower()


def bracketed(value: object) -> tuple[str, ...]:
    """A Message-ID as it stands in its header."""
    found = text(value, 250).strip("<> ")
    return (f"<{found}>",) if found else ()


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
