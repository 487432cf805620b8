"""For machines that watch: /healthz (this process answers), /readyz (so does what no page goes without), /health/jobs
(what is promised is done)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify

from app.domain.ops import health, incidents, probing
from app.domain.ops.health import Tone
from app.extensions import settings
from app.web import public

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@public("a balancer asks before anybody is signed in; says only that the process is up")
def healthz() -> Response:
    """The process is up. No store is asked."""
    return jsonify(ok=True)


@bp.get("/readyz")
@public("a balancer asks before anybody is signed in; says which part is up, and nothing else of it")
def readyz() -> tuple[Response, int]:
    """200 when PostgreSQL answers and its schema is the code's; else 503, and which is not so. Redis is told of and no
    more: without it every page renders, and a balancer that took all hosts away would take the ops page with them."""
    answers = probing.ask_shared(probing.POSTGRESQL, probing.SCHEMA, probing.REDIS)
    is_ready = answers[probing.POSTGRESQL].is_up and answers[probing.SCHEMA].is_up
    parts = {name.lower(): answer.is_up for name, answer in answers.items()}
    return jsonify(ready=is_ready, parts=parts), 200 if is_ready else 503


@bp.get("/health/jobs")
@public("a probe outside asks, and calls somebody; says checks and ages, nobody's name and no address")
def jobs() -> tuple[Response, int]:
    """200 while nothing that a person must act on is found; else 503, and what. From PostgreSQL only: it answers
    whatever else is down, and says so when PostgreSQL is. One look every 3 s, however many ask."""
    found, status = _looks.get(settings().database_url, _look)
    return jsonify(found), status


_looks: probing.Shared[tuple[dict[str, Any], int]] = probing.Shared(probing.STRANGERS_SECONDS)


def _look() -> tuple[dict[str, Any], int]:
    if not any(probing.ask(probing.POSTGRESQL)[probing.POSTGRESQL].is_up for _ in range(2)):
        return _jobs_unknown("PostgreSQL does not answer")
    try:
        verdict = health.lamp(settings().database_url)
    except Exception as error:
        return _jobs_unknown(f"The checks cannot be read ({type(error).__name__})")
    incidents.watch_beside()
    failed = [reason for reason in verdict.reasons if reason.is_failure(verdict.checked_at)]
    found = {
        "ok": not failed,
        "checked_at": verdict.checked_at.isoformat(timespec="seconds"),
        "failed": [_shown(reason, Tone.BAD) for reason in failed],
        "worth_a_look": [_shown(reason, Tone.WAIT) for reason in verdict.reasons if reason not in failed],
        "seconds_since": dict(verdict.ages),
    }
    return found, 503 if failed else 200


def _shown(reason: health.Reason, tone: Tone) -> dict[str, Any]:
    return {
        "key": reason.key,
        "tone": tone.value,
        "sentence": reason.in_public,
        "since": reason.since.isoformat(timespec="seconds") if reason.since else None,
    }


def _jobs_unknown(sentence: str) -> tuple[dict[str, Any], int]:
    failed = {"key": f"unreachable:{probing.POSTGRESQL}", "tone": "bad", "sentence": sentence, "since": None}
    checked_at = datetime.now(UTC).isoformat(timespec="seconds")
    unknown = {"ok": False, "checked_at": checked_at, "failed": [failed], "worth_a_look": [], "seconds_since": {}}
    return unknown, 503
