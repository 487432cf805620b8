"""/metrics for Prometheus. Who may read it is a setting; without one it is not there."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from ipaddress import ip_address
from typing import cast

from flask import Blueprint, Flask, Response, abort, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from werkzeug.http import parse_list_header

from app.blueprints.metrics import latency
from app.domain.ops import metrics as ops_metrics
from app.domain.ops.metrics import Unreadable
from app.extensions import settings
from app.web import public

TEXT = "text/plain; version=0.0.4; charset=utf-8"

bp = Blueprint("metrics", __name__)
bp.record_once(lambda state: latency.init_app(cast("Flask", state.app)))


@bp.get("/metrics")
@public("Prometheus has no session; METRICS_TOKEN or METRICS_ALLOW decides, and without either it is not there")
def metrics() -> Response:
    """Numbers about the house, none about a person. 503 when PostgreSQL cannot be read; needs no other store."""
    refusal = _refusal()
    if refusal:
        return refusal
    try:
        found = ops_metrics.families()
    except Unreadable:
        return Response(
            "PostgreSQL cannot be read just now, and all of this comes from there.\n", 503, mimetype="text/plain"
        )
    registry = CollectorRegistry()
    registry.register(_Given(found))
    registry.register(latency.collector())
    return Response(generate_latest(registry), content_type=TEXT)


class _Given(Collector):
    def __init__(self, found: Iterable[Metric]) -> None:
        self.found = found

    def collect(self) -> Iterable[Metric]:
        return self.found


def _refusal() -> Response | None:
    token, networks = settings().metrics_token, settings().metrics_allow
    if not token and not networks:
        abort(404)
    given = request.headers.get("Authorization", "").partition(" ")
    if token and given[0].lower() == "bearer" and hmac.compare_digest(given[2].strip().encode(), token.encode()):
        return None
    if networks and _is_near():
        return None
    response = Response(
        "Show METRICS_TOKEN as a Bearer token, or ask from a network of METRICS_ALLOW.\n", 401, mimetype="text/plain"
    )
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _is_near() -> bool:
    """Asked from an allowed network, as the proxies that PROXIES counts report it. Who came past one of them, or through
    one that is not counted, has an address that says nothing."""
    if settings().proxies:
        if len(parse_list_header(request.headers.get("X-Forwarded-For", ""))) < settings().proxies:
            return False
    elif any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip")):
        return False
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:  # a unix socket has none
        return False
    return any(address in network for network in settings().metrics_allow)
