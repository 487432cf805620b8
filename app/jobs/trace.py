"""A request and the runs it led to are one trace in Sentry: its headers travel in the run's row, which is still there
when Redis has forgotten the hint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sentry_sdk


def headers() -> dict[str, str] | None:
    """Of what goes on here now; None while Sentry is off."""
    if not _is_on():
        return None
    found = {"sentry-trace": sentry_sdk.get_traceparent(), "baggage": sentry_sdk.get_baggage()}
    return {name: value for name, value in found.items() if value} or None


@contextmanager
def going_on(trace: Mapping[str, str] | None, name: str) -> Iterator[None]:
    """What happens inside belongs to this trace, or begins one."""
    if not _is_on():
        yield
        return
    with (
        sentry_sdk.isolation_scope(),
        sentry_sdk.start_transaction(sentry_sdk.continue_trace(dict(trace or {}), op="queue.task", name=name)),
    ):
        yield


def _is_on() -> bool:
    return bool(sentry_sdk.get_client().options.get("dsn"))
