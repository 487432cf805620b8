"""The homes of the builder's map: those that match, and around them those that only the place keeps away."""

from __future__ import annotations

from flask import Response, jsonify, request, url_for
from flask_login import current_user

from app.blueprints.searches import bp
from app.blueprints.searches.forms import SearchForm, read_degrees
from app.display import money, number
from app.domain.searches.desk import queries
from app.domain.searches.desk.queries import Spot
from app.web import EDITORS, access

MOST = 500
"""As many points as a map shows; the newest matches first."""
SIDES = ("south", "west", "north", "east")


@bp.post("/points")
@access(*EDITORS)
def points() -> Response:
    """Points for the form as it stands, within the map's view. Raises Invalid while a line cannot be read."""
    criteria = SearchForm.read(request.form).criteria()
    total, nowhere, matched = queries.spots(current_user.office_id, criteria, limit=MOST)
    others: list[Spot] = []
    view = [read_degrees(request.form.get(f"view_{side}", "")) for side in SIDES]
    known = [side for side in view if side is not None]
    if len(known) == len(SIDES) and len(matched) < MOST:
        others = queries.spots_around(
            current_user.office_id, criteria, known, limit=MOST - len(matched), but=[one.id for one in matched]
        )
    return jsonify(
        total=total,
        nowhere=nowhere,
        homes=[_point(one, fits=True) for one in matched] + [_point(one, fits=False) for one in others],
    )


def _point(home: Spot, *, fits: bool) -> dict[str, str | float | bool]:
    facts = []
    if home.bedrooms_total is not None:
        facts.append(f"{home.bedrooms_total} bd")
    if home.living_area is not None:
        facts.append(f"{number(home.living_area)} sq ft")
    return {
        "at": url_for("listings.show", listing_id=home.id),
        "key": home.listing_key,
        "latitude": float(home.latitude),
        "longitude": float(home.longitude),
        "price": money(home.list_price) if home.list_price is not None else "No price",
        "address": home.address or "No address given",
        "facts": ", ".join(facts),
        "fits": fits,
    }
