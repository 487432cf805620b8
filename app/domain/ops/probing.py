"""What the house leans on, asked: PostgreSQL, its schema, Redis, the mail relay, the legacy database, Slack, Sentry. The
ops page, /readyz and `flask doctor` ask the same questions. The sweep asks each minute and writes down the answers; what
others find is written down too when it is news. The verdict knows what is written, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from alembic.script import ScriptDirectory
from flask import current_app

from app.config import Config
from app.domain.ops.queries import integrations as rows_of
from app.extensions import settings
from app.gateways import probes
from app.gateways.mail import domain_of
from app.gateways.probes import Answer

POSTGRESQL, SCHEMA, REDIS, MAIL, MONGO = "PostgreSQL", "Schema", "Redis", "Mail relay", "Legacy MongoDB"
SLACK, SENTRY = "Slack", "Sentry"
INTEGRATIONS = (POSTGRESQL, REDIS, MAIL, MONGO, SLACK, SENTRY)
"""What is somewhere else, and may be away."""
PATIENCE_SECONDS = 1.5
"""What a page or a sweep waits for all of them together."""
FRESH_SECONDS = 10.0
BY_MINUTE = timedelta(hours=25)
"""Answers older than this are kept by the hour: how many there were, and how many in vain."""

T = TypeVar("T")


class Shared(Generic[T]):
    """An answer that is given again for some seconds, by its key: whoever asks first makes it, who asks meanwhile waits
    for it, and so strangers cost no more than one question each few seconds. What raises is not kept."""

    _all: ClassVar[list[Shared[Any]]] = []

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._slots: dict[Hashable, tuple[threading.Lock, list[tuple[float, T]]]] = {}
        self._all.append(self)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            lock, kept = self._slots.setdefault(key, (threading.Lock(), []))
        with lock:
            if not kept or time.monotonic() - kept[0][0] > self._seconds:
                made = make()
                kept[:] = [(time.monotonic(), made)]
            return kept[0][1]

    def forget(self) -> None:
        with self._lock:
            self._slots.clear()

    @classmethod
    def forget_all(cls) -> None:
        for each in cls._all:
            each.forget()


STRANGERS_SECONDS = 3.0
"""Who is not signed in gets an answer of this age."""
_shared: Shared[dict[str, Answer]] = Shared(STRANGERS_SECONDS)
_lock = threading.Lock()
_kept: dict[tuple[str, ...], tuple[float, dict[str, Answer]]] = {}


def ask(*names: str, seconds: float = 2.5) -> dict[str, Answer]:
    """Ask these, or all that are configured; what has not answered after `seconds` is reported so."""
    asked = _probes(settings())
    return probes.ask_all({name: asked[name] for name in names or asked if name in asked}, seconds=seconds)


def ask_shared(*names: str) -> dict[str, Answer]:
    """As `ask`, for strangers: one question for all of them every 3 s in a process."""
    return _shared.get((_key(settings()), names), lambda: ask(*names))


def configured() -> list[str]:
    """The names of what is set up, and of what always is."""
    return list(_probes(settings()))


def ask_lately() -> dict[str, Answer]:
    """As `ask`, but answers younger than 10 s are given again: a page that many watch asks no more than one."""
    key = _key(settings())
    with _lock:  # the first asks, the others wait for its answer
        then, answers = _kept.get(key, (0.0, {}))
        if not answers or time.monotonic() - then > FRESH_SECONDS:
            answers = ask(seconds=PATIENCE_SECONDS)
            _kept[key] = (time.monotonic(), answers)
        return answers


def write_down(answers: Mapping[str, Answer], now: datetime) -> None:
    """Keep what was found, for the verdict and for the pages that look back. At most once for each name and moment."""
    rows_of.add([_row(name, answer, now) for name, answer in answers.items()])


def write_news(answers: Mapping[str, Answer]) -> int:
    """Keep what somebody found who asked between the sweeps, where it is news: it is away, or it is back. Returns how
    many were written: at most one in 10 s for each that stays away, and none while all answer."""
    found = [
        _row(name, answer, answer.checked_at)
        for name, answer in answers.items()
        if name in INTEGRATIONS and answer.checked_at is not None
    ]
    return rows_of.add_news(found, timedelta(seconds=FRESH_SECONDS))


def fold(now: datetime) -> None:
    """Keep old answers by the hour, so that two weeks of them are read in an instant. Idempotent."""
    rows_of.fold(now - BY_MINUTE)


def _row(name: str, answer: Answer, at: datetime) -> dict[str, Any]:
    return {"name": name, "at": at, "is_up": answer.is_up, "ms": answer.ms, "words": answer.words}


def forget() -> None:
    """Ask anew next time."""
    _kept.clear()
    Shared.forget_all()


def _key(config: Config) -> tuple[str, ...]:
    return (
        config.database_url,
        config.redis_url,
        config.smtp_url,
        config.mail_transport,
        config.mailgun_api_url,
        config.legacy_mongo_url,
        config.slack_bot_token,
        config.slack_api_url,
        config.sentry_dsn,
    )


def _probes(config: Config) -> dict[str, Callable[[], Answer]]:
    found: dict[str, Callable[[], Answer]] = {
        POSTGRESQL: partial(probes.postgresql, config.database_url),
        SCHEMA: partial(_schema, config.database_url, code_revision()),
        REDIS: partial(probes.redis_server, config.redis_url),
        MAIL: partial(probes.mail_api, config.mailgun_api_url)
        if config.mail_transport == "mailgun"
        else partial(probes.mail_relay, config.smtp_url, domain_of(config.mail_from)),
    }
    if config.legacy_mongo_url:
        found[MONGO] = partial(probes.mongo, config.legacy_mongo_url)
    if config.slack_bot_token:
        found[SLACK] = partial(probes.slack, config.slack_bot_token, config.slack_api_url)
    if config.sentry_dsn:
        found[SENTRY] = partial(probes.sentry, config.sentry_dsn)
    return found


def _schema(url: str, wanted: str) -> Answer:
    there = probes.schema(url)
    if there == wanted:
        return Answer(is_up=True, words=f"at {there}, as the code")
    if there is None and not probes.postgresql(url).is_up:
        return Answer(is_up=False, words="not known: the database cannot be asked")
    if there is None:
        return Answer(is_up=False, words=f"the database does not say; the code is at {wanted}. Run: flask db upgrade")
    return Answer(is_up=False, words=f"at {there}, the code is at {wanted}. Run: flask db upgrade")


def code_revision() -> str:
    """The newest migration in this code."""
    return _newest(Path(current_app.root_path).parent / "migrations")


@cache
def _newest(folder: Path) -> str:
    return ScriptDirectory(str(folder)).get_current_head() or ""
