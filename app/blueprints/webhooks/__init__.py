"""The doors for mail providers: what happened to our mails. A machine knocks, without a cookie; its signature is the
proof. What is proven is kept as it came and answered at once; a run works it through."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, request

from app.arrivals import takes_events
from app.domain.errors import DomainError
from app.domain.messages.returns import inbound
from app.domain.models import Trigger
from app.extensions import csrf, db, limiter
from app.jobs.queue import ring, start
from app.web import public

log = structlog.get_logger(__name__)

bp = Blueprint("webhooks", __name__)

REFUSALS = "60 per minute"
"""Of one address: who cannot prove anything is not listened to for long. What is proven is never counted."""


@bp.post("/webhooks/<provider>")
@csrf.exempt  # type: ignore[untyped-decorator]  # a provider posts here from nowhere; its signature is the proof
@limiter.limit(REFUSALS, deduct_when=lambda response: response.status_code >= 400)
@takes_events
@public("a provider's signature is the key")
def receive(provider: str) -> Response:
    """Keep the events of a request, each once. 200 also for those that are known, so that nobody sends them again."""
    new = inbound.receive(provider, dict(request.headers), request.get_data(cache=False))
    run = start("returns", trigger=Trigger.EVENT, dedup_key="returns-waiting") if new else None
    run_ids = [run.id] if run else []
    db.session.commit()
    ring(run_ids)
    return _plain(f"{new} new.")


@bp.errorhandler(DomainError)
def refuse(error: DomainError) -> Response:
    db.session.rollback()
    log.warning("webhook.refused", status=error.status, provider=str((request.view_args or {}).get("provider"))[:20])
    return _plain(error.sentence, error.status)


def _plain(sentence: str, status: int = 200) -> Response:
    return Response(sentence + "\n", status, mimetype="text/plain")
