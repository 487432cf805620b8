"""The database, table by table: what it holds, where that leads, what costs the most."""

from __future__ import annotations

from flask import Response

from app.blueprints.ops import READERS, bp
from app.domain.errors import Invalid
from app.domain.ops import sizes as data
from app.domain.ops.queries import statements as costs
from app.domain.ops.queries.tables import Unreadable
from app.web import ADMINS, STAFF, access, may, page

bp.add_app_template_filter(costs.masked, "masked")
bp.add_app_template_filter(data.moment, "moment")
bp.add_app_template_test(lambda answer: isinstance(answer, Unreadable), "unreadable")
bp.add_app_template_test(costs.can_be_planned, "planned")


@bp.get("/data")
@access(*READERS)
def sizes() -> Response:
    """A text of a statement says how the house is built, so viewers do not see any."""
    return page("ops/sizes.html", seen=data.look(statements=costs.worst if may(*STAFF) else None))


@bp.get("/data/statements/<queryid>")
@access(*ADMINS)
def statement(queryid: str) -> Response:
    """One statement's figures and its plan: made now, without values, and not carried out."""
    found = costs.statement(queryid)
    plan, refused = "", ""
    try:
        plan = costs.plan_of(found.query, costs.version())
    except Invalid as error:
        refused = error.sentence
    return page("ops/sizes_statement.html", found=found, plan=plan, refused=refused)
