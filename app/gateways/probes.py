"""Does it answer? One question to each server the house leans on, each with a time-out of its own, so that a dead or
frozen one is a line on a page and never a page that hangs. A probe returns an Answer; it does not raise."""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis

from app.extensions import redis_for_web
from app.gateways import wire
from app.gateways.errands import Errands, Late
from app.gateways.mail import Relay, RelayError

SECONDS = 1.0
"""What a probe may take; PostgreSQL's own least connect time-out is 2."""


@dataclass(frozen=True)
class Answer:
    """What a probe found. `words`: a sentence for a page; no address, no password in it."""

    is_up: bool
    words: str
    ms: float | None = None
    checked_at: datetime | None = None


def postgresql(url: str) -> Answer:
    """Signs in, asks for the version."""
    try:
        with _postgresql(url) as wire:
            row = wire.execute("SELECT current_setting('server_version_num')::int / 10000").fetchone()
        return Answer(is_up=True, words=f"version {row[0]}" if row else "answers")
    except psycopg.Error as error:
        return Answer(is_up=False, words=f"does not answer ({type(error).__name__})")


def schema(url: str) -> str | None:
    """The revision the database is at; None when it cannot say."""
    try:
        with _postgresql(url) as wire:
            row = wire.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None
    except psycopg.Error:
        return None


def _postgresql(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """With an end to waiting also when the host is gone without a word."""
    return psycopg.connect(
        url.replace("postgresql+psycopg://", "postgresql://", 1),
        connect_timeout=2,
        options="-c statement_timeout=1000",
        autocommit=True,
        keepalives_idle=2,
        keepalives_interval=1,
        keepalives_count=3,
        tcp_user_timeout=5000,
    )


def redis_server(url: str) -> Answer:
    """Pings, and counts the keys."""
    client = redis_for_web(url)
    try:
        client.ping()
        keys = client.dbsize()
        return Answer(is_up=True, words=f"hints only; {keys:,} {'key' if keys == 1 else 'keys'}")
    except redis.RedisError as error:
        return Answer(is_up=False, words=f"does not answer ({type(error).__name__}); hints wait, nothing is lost")
    finally:
        client.close()


def mail_relay(url: str, hostname: str) -> Answer:
    """Connects, greets, signs in where the address says so, and hangs up; no mail is begun."""
    try:
        with Relay(url, hostname=hostname, answer_seconds=SECONDS, message_seconds=SECONDS) as relay:
            relay.open()
        return Answer(is_up=True, words="takes mail")
    except RelayError as error:
        return Answer(is_up=False, words=f"does not take mail: {_without_address(str(error), url)}")


def mail_api(url: str) -> Answer:
    """Mailgun: a connection is opened and closed; nothing is asked of it."""
    try:
        wire.connect(url, seconds=SECONDS)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(is_up=False, words=f"cannot be reached ({type(error).__name__}); mail waits")
    return Answer(is_up=True, words="can be reached")


def mongo(url: str) -> Answer:
    """Pings the legacy database."""
    from app.gateways import mongo as legacy

    return Answer(is_up=True, words="answers") if legacy.answers(url, SECONDS) else Answer(False, "does not answer")


def slack(token: str, url: str) -> Answer:
    """Asks Slack who we are; writes nothing."""
    from app.gateways.slack import Slack

    found = Slack(token, url, seconds=SECONDS).whoami()
    return Answer(found.is_ok, found.words)


def sentry(dsn: str) -> Answer:
    """Can its server be reached? A connection is opened and closed; nothing is reported."""
    parts = urlsplit(dsn)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=SECONDS):
            return Answer(is_up=True, words="can be reached")
    except OSError as error:
        return Answer(is_up=False, words=f"cannot be reached ({type(error).__name__}); errors stay in the ledger")


_ERRANDS: Errands[Answer] = Errands()


def ask_all(probes: Mapping[str, Callable[[], Answer]], seconds: float = SECONDS + 0.5) -> dict[str, Answer]:
    """All at once, each in a thread of its own. What has not answered after `seconds` is reported so, and its thread
    is left to end by itself; until it has, the same is not asked again, and that is said."""
    # The arguments of a probe name what it asks: the same name may stand for another server.
    ways = {name: (name, *getattr(probe, "args", ())) for name, probe in probes.items()}
    found = _ERRANDS.run({ways[name]: partial(_ask, probe) for name, probe in probes.items()}, seconds)
    answers = {}
    for name, way in ways.items():
        answer = found[way]
        if isinstance(answer, Late):
            answer = Answer(is_up=False, words=answer.words, checked_at=datetime.now(UTC))
        answers[name] = answer
    return answers


def _ask(probe: Callable[[], Answer]) -> Answer:
    began = time.monotonic()
    try:
        found = probe()
    except Exception as error:
        found = Answer(is_up=False, words=f"could not be asked ({type(error).__name__})")
    ms = (time.monotonic() - began) * 1000
    return replace(found, ms=round(ms, 1), checked_at=datetime.now(UTC))


def _without_address(words: str, url: str) -> str:
    """Nor with a number that means something to machines."""
    parts = urlsplit(url)
    words = re.sub(r"\[Errno -?\d+\] ", "", words)
    return words.replace(f"{parts.hostname}:{parts.port}", "the relay").replace(str(parts.hostname), "the relay")
