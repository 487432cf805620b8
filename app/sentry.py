"""Sentry: where and why something failed, never about whom.

What may leave is listed here, piece by piece; what is not listed stays. A message keeps only the words that the
program's own text holds, so a name or an address that an error quotes does not leave the house; the run's page has the
whole of it. Nothing here waits: a process hands its reports to a thread, a fork to its parent (`Forks`), so an endpoint
that is dead, slow or says “too many” costs a job nothing.
"""

from __future__ import annotations

import re
import socket
import threading
import time
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import sentry_sdk
from flask import g, has_request_context, request
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
from sentry_sdk.integrations.rq import RqIntegration
from sentry_sdk.integrations.sqlalchemy import SqlalchemyIntegration
from sentry_sdk.transport import Transport
from sentry_sdk.utils import event_from_exception

from app.config import VERSION, Config
from app.discretion import MAIL_ADDRESS

REPORTS_ITSELF = ("app.errors", "app.domain.messages.send", "app.jobs.stand_in", "app.jobs.worker")
"""Loggers of modules that hand over the exception themselves: one event, not two."""


def start(config: Config) -> None:
    """For web, workers, scheduler and commands. Off without a DSN."""
    if not config.sentry_dsn:
        return
    for name in REPORTS_ITSELF:
        ignore_logger(name)
    sentry_sdk.init(
        dsn=config.sentry_dsn,
        release=f"porchlight@{config.release or VERSION}",
        environment=config.sentry_environment,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=without_people,
        before_breadcrumb=crumb_without_people,
        auto_session_tracking=False,
        send_client_reports=False,
        shutdown_timeout=1,
        traces_sample_rate=0.0,
        auto_enabling_integrations=False,
        integrations=[
            FlaskIntegration(),
            RqIntegration(),
            SqlalchemyIntegration(),
            LoggingIntegration(),
        ],
    )


def is_on() -> bool:
    return sentry_sdk.get_client().is_active()


def id_of(*words: object) -> str:
    """The name that a report or a check-in bears, made from what it is about: known before it is sent, and the same
    whoever sends it."""
    return uuid5(NAMESPACE_URL, "porchlight:" + ":".join(str(word) for word in words)).hex


def report(
    error: BaseException | str,
    *,
    event_id: str,
    tags: Mapping[str, object],
    fingerprint: Iterable[str] = (),
    level: str = "error",
) -> None:
    """Hand over one event; returns at once, and never raises. `error` as text: words of ours, holding no person's."""
    if not is_on():
        return
    event: Any
    hint: Any
    if isinstance(error, str):
        event, hint = {"message": error}, {"words_are_ours": True}
    else:
        event, hint = event_from_exception(error, client_options=sentry_sdk.get_client().options)
    event |= {"event_id": event_id, "level": level, "tags": {name: str(value) for name, value in tags.items()}}
    hint["fingerprint"] = list(fingerprint)
    with suppress(Exception):
        sentry_sdk.capture_event(event, hint)


def check_in(
    slug: str, check_in_id: str, status: str, *, monitor: Mapping[str, Any], seconds: float | None = None
) -> None:
    """Tell Sentry Crons of a scheduled run: in_progress, ok or error. Returns at once, and never raises."""
    if not is_on():
        return
    with suppress(Exception):
        sentry_sdk.capture_event(
            {
                "type": "check_in",
                "monitor_slug": slug,
                "check_in_id": check_in_id,
                "status": status,
                "duration": seconds,
                "monitor_config": dict(monitor),
                "environment": sentry_sdk.get_client().options["environment"],
                "release": sentry_sdk.get_client().options["release"],
            }
        )


def try_out(event_id: str, seconds: float = 10) -> str:
    """Send one event and wait for the answer, which only a command may. Returns why it did not arrive, or nothing."""
    client = sentry_sdk.get_client()
    if not is_on() or client.transport is None:
        return "Sentry is off: SENTRY_DSN is empty"
    refusals: list[str] = []
    client.transport.on_dropped_event = refusals.append  # type: ignore[attr-defined]
    report("A test of the line to Sentry.", event_id=event_id, tags={"stage": "test"}, level="info")
    began = time.monotonic()
    client.flush(timeout=seconds)
    if refusals:
        return f"it was refused ({refusals[0].replace('_', ' ')})"
    return f"no answer within {seconds:g} seconds" if time.monotonic() - began >= seconds else ""


# --- A fork's reports leave by its parent ---

LARGEST = 200_000
"""Bytes of a packed report; a larger one is not sent."""


class Forks:
    """A worker's forks end with os._exit as soon as their job is done: waiting there for an endpoint that hangs would
    make every job as slow as it. So a fork throws its packed report into a socket, and the parent's thread sends it;
    “too many” (429) is remembered there from one fork to the next.

    Make it before the first fork; call `adopt` in each fork, and `close` at the end.
    """

    def __init__(self) -> None:
        self._is_on = is_on()
        if not self._is_on:
            return
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * LARGEST)
        self._far.setblocking(False)
        self._thread = threading.Thread(target=self._pass_on, name="sentry-forks", daemon=True)
        self._thread.start()

    def adopt(self) -> None:
        """In the fork: from here on, what is reported goes to the parent."""
        if self._is_on:
            sentry_sdk.get_client().transport = _ToParent(self._far)

    def close(self) -> None:
        """Take in what forks have thrown, and stop."""
        if self._is_on:
            with suppress(OSError):
                self._far.send(b"")
            self._thread.join(timeout=1)

    def _pass_on(self) -> None:
        while packed := self._near.recv(2 * LARGEST):
            with suppress(Exception):
                transport = sentry_sdk.get_client().transport
                if transport is not None:
                    transport.capture_envelope(Envelope.deserialize(zlib.decompress(packed)))


class _ToParent(Transport):
    def __init__(self, wire: socket.socket) -> None:
        super().__init__()
        self._wire = wire

    def capture_envelope(self, envelope: Envelope) -> None:
        packed = zlib.compress(envelope.serialize(), 1)
        if len(packed) <= LARGEST:
            with suppress(OSError):  # the parent is dead, or has much to do: a report is no reason to wait
                self._wire.send(packed)


# --- What may leave ---

KEPT = (
    "breadcrumbs",
    "environment",
    "event_id",
    "exception",
    "fingerprint",
    "level",
    "logger",
    "platform",
    "release",
    "sdk",
    "server_name",
    "tags",
    "timestamp",
    "transaction",
    "transaction_info",
)
KEPT_OF_CHECK_IN = (
    "check_in_id",
    "duration",
    "environment",
    "event_id",
    "monitor_config",
    "monitor_slug",
    "release",
    "status",
    "timestamp",
    "type",
)
KEPT_OF_FRAME = ("filename", "function", "module", "lineno", "pre_context", "context_line", "post_context", "in_app")
KEPT_OF_MECHANISM = ("type", "handled", "exception_id", "parent_id", "is_exception_group", "source")
KEPT_OF_CRUMB = ("timestamp", "type", "category", "level", "message")

LONG_NUMBER = re.compile(r"\+?\(?\d(?:[\s().-]{0,2}\d){6,}")
"""Telephone numbers; also keys and moments, which nobody misses."""
WORD = re.compile(r"[^\W_][\w'’]*")
GAPS = re.compile(r"[<(\[]?…(?:[\s,;:=.'\"“”()<>\[\]-]*…)+[>)\]]?")
LITERAL = re.compile(r"'(?:[^']|'')*'")


def without_people(event: Any, hint: dict[str, Any]) -> Any:
    """The event with what may leave, and nothing else."""
    if event.get("type") == "check_in":
        return {name: event[name] for name in KEPT_OF_CHECK_IN if name in event}
    kept = {name: event[name] for name in KEPT if event.get(name)}
    trace = (event.get("contexts") or {}).get("trace") or {}
    kept["contexts"] = {
        "trace": {name: trace[name] for name in ("trace_id", "span_id", "parent_span_id") if name in trace}
    }
    if "exception" in kept:
        kept["exception"] = {"values": [_exception(each) for each in kept["exception"].get("values", [])]}
    if record := hint.get("log_record"):
        kept["logentry"] = {"message": _line(record)}
        kept["extra"] = _numbers(record.msg)
    elif hint.get("words_are_ours"):
        kept["message"] = event["message"]
    if hint.get("fingerprint"):  # RQ's integration has views of its own
        kept["fingerprint"] = hint["fingerprint"]
    kept["tags"] = dict(kept.get("tags") or {}) | _database_words(hint)
    if has_request_context():
        kept["request"] = {"method": request.method}
        kept["tags"]["request_id"] = g.get("request_id", "-")
    return kept


def crumb_without_people(crumb: Any, hint: dict[str, Any]) -> Any:
    """Statements without what they were asked with, and our own log lines; nothing else leaves a crumb."""
    record = hint.get("log_record")
    if record is not None:
        words = _line(record)
    elif crumb.get("category") == "query":
        words = LITERAL.sub("'…'", str(crumb.get("message") or ""))[:500]
    else:
        return None
    return {name: crumb[name] for name in KEPT_OF_CRUMB if name in crumb} | {"message": words}


def _exception(each: dict[str, Any]) -> dict[str, Any]:
    frames = (each.get("stacktrace") or {}).get("frames") or []
    files = tuple(sorted({str(frame.get("abs_path")) for frame in frames}))
    kept: dict[str, Any] = {
        "type": each.get("type"),
        "module": each.get("module"),
        "value": without_values(str(each.get("value") or ""), files),
        "stacktrace": {
            "frames": [{name: frame[name] for name in KEPT_OF_FRAME if name in frame} for frame in frames],
        },
    }
    mechanism = each.get("mechanism")
    if mechanism:
        kept["mechanism"] = {name: mechanism[name] for name in KEPT_OF_MECHANISM if name in mechanism}
    return kept


def without_values(message: str, files: tuple[str, ...]) -> str:
    """The message with the words that these files hold, and short numbers; “…” for every other."""
    message = LONG_NUMBER.sub("…", MAIL_ADDRESS.sub("…", message[:2000]))
    known = frozenset[str]().union(*(_words_of(file) for file in files))
    kept = WORD.sub(lambda found: found[0] if found[0] in known or found[0].isdigit() else "…", message)
    return GAPS.sub("…", kept)


@lru_cache(maxsize=128)
def _words_of(file: str) -> frozenset[str]:
    try:
        return frozenset(WORD.findall(Path(file).read_text(encoding="utf-8", errors="replace")))
    except (OSError, ValueError):
        return frozenset()


def _line(record: Any) -> str:
    """What a log line says: the name of our event; of another library's line what its own source says."""
    if isinstance(record.msg, dict):
        return str(record.msg.get("event", ""))
    return without_values(str(record.msg), (record.pathname,))


def _numbers(fields: Any) -> dict[str, Any]:
    """Of an event's fields those that cannot be about a person: counts, ids, the class of an error."""
    if not isinstance(fields, dict):
        return {}
    return {name: value for name, value in fields.items() if isinstance(value, int | float) or name == "error"}


def _database_words(hint: dict[str, Any]) -> dict[str, str]:
    """What PostgreSQL says of a refusal, but for the values: its code, and which constraint of which table."""
    error = (hint.get("exc_info") or (None, None))[1]
    for _ in range(10):
        error = getattr(error, "orig", None) or error
        if error is None:
            return {}
        if hasattr(error, "diag"):
            found = {
                "sqlstate": error.diag.sqlstate,
                "constraint": error.diag.constraint_name,
                "table": error.diag.table_name,
            }
            return {name: value for name, value in found.items() if value}
        error = error.__cause__ or error.__context__
    return {}
