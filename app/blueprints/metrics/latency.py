"""How long answers took, by route. Counted in each process; under gunicorn the processes of one host share a folder of
sums (gunicorn.conf.py), so whichever is asked answers for all of them."""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response, g, request
from flask.signals import request_finished, request_started
from prometheus_client import CollectorRegistry, Histogram, multiprocess, values
from prometheus_client.registry import Collector

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

LATENCY = Histogram(
    "porchlight_http_request_duration_seconds",
    "How long answers took, until their first byte",
    ("route", "method", "status"),
    buckets=BOUNDS,
    registry=None,
)


def init_app(app: Flask) -> None:
    request_started.connect(_begin, app)
    request_finished.connect(_end, app)


def collector() -> Collector:
    """The sums of this process, or of all web processes of this host."""
    if getattr(values.ValueClass, "_multiprocess", False):
        return multiprocess.MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call]
    return LATENCY


def _begin(sender: Flask, **_: Any) -> None:
    del sender
    g.began = time.perf_counter()


def _end(sender: Flask, response: Response, **_: Any) -> None:
    """The rule and never the address: an address may hold a token, and there are endlessly many."""
    del sender
    began = g.pop("began", None)
    if began is None:
        return
    LATENCY.labels(
        request.url_rule.rule if request.url_rule else "none",
        request.method if request.method in METHODS else "other",
        f"{response.status_code // 100}xx",
    ).observe(time.perf_counter() - began)
