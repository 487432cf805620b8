"""The queues: what waits, who works them, how much was done and how long it took."""

from __future__ import annotations

from flask import Response, request, url_for
from flask_login import current_user

from app.blueprints.ops import READERS, bp
from app.domain.ops import queues as waiting
from app.domain.ops.queues import SPANS, Queue, Step
from app.jobs.kinds import KINDS
from app.web import access, page, with_args

bp.add_app_template_filter(waiting.exact, "exact_duration")


@bp.get("/queues")
@access(*READERS)
def queues() -> Response:
    span = SPANS.get(request.args.get("span", ""), SPANS["1h"])
    by_scheduler = [name for name, kind in KINDS.items() if kind.without_redis]
    return page(
        "ops/queues.html",
        "live",
        queues=waiting.look(span, current_user.office.time_zone, without_redis=by_scheduler),
        by_scheduler=by_scheduler,
        span=span,
        views=[(each.words, with_args(span=each.key), each is span) for each in SPANS.values()],
        runs_url=_runs_url,
    )


def _runs_url(queue: Queue, step: Step) -> str:
    """The runs of a bar."""
    return url_for(
        "ops.runs",
        queue=queue.name,
        since=f"{step.begins:%Y-%m-%dT%H:%MZ}",
        until=f"{step.ends:%Y-%m-%dT%H:%MZ}" if step.ends != queue.now else None,
        all=1,
    )
