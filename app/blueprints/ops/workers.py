"""The processes: who lives, what each does, what the silent ones held."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response

from app.blueprints.ops import READERS, bp
from app.domain.ops import workers as living
from app.web import access, page


@bp.get("/workers")
@access(*READERS)
def workers() -> Response:
    now = datetime.now(UTC)
    return page("ops/workers.html", "live", seen=living.look(now), now=now)
