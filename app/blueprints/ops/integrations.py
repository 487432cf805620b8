"""What the house leans on: whether each answers now, and how it was in the last two weeks."""

from __future__ import annotations

from flask import Response
from flask_login import current_user

from app.blueprints.ops import READERS, bp
from app.domain.ops import integrations as outside
from app.domain.ops import probing
from app.extensions import db
from app.web import access, page


@bp.get("/integrations")
@access(*READERS)
def integrations() -> Response:
    answers = probing.ask_lately()
    if probing.write_news(answers):
        db.session.commit()
    found = outside.look(current_user.office.time_zone, answers=answers)
    return page(
        "ops/integrations.html",
        "live",
        present=[each for each in found if each.answer is not None],
        absent=[each for each in found if each.answer is None],
    )
