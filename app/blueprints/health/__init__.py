"""For machines that watch: /healthz (this process answers) and /readyz (so does what it leans on)."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from app.domain.ops import probing
from app.web import public

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@public("a balancer asks before anybody is signed in; says only that the process is up")
def healthz() -> Response:
    """The process is up. No store is asked."""
    return jsonify(ok=True)


@bp.get("/readyz")
@public("a balancer asks before anybody is signed in; says which part is up, and no address")
def readyz() -> tuple[Response, int]:
    """200 when PostgreSQL answers, its schema is the code's, and Redis answers; else 503, and which does not."""
    answers = probing.ask(probing.POSTGRESQL, probing.SCHEMA, probing.REDIS)
    is_ready = all(answer.is_up for answer in answers.values())
    parts = {
        name.lower(): {"ok": answer.is_up, "says": answer.words, "ms": answer.ms} for name, answer in answers.items()
    }
    return jsonify(ready=is_ready, parts=parts), 200 if is_ready else 503
