"""Today: what happened, what needs a person, and what comes next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, make_response, redirect, request, url_for
from flask_login import current_user
from wtforms import EmailField, Form
from wtforms.validators import Regexp

from app.domain.today.day import day
from app.extensions import settings
from app.web import ADMINS, EDITORS, EVERYONE, STAFF, access, house_verdict, may, page, safe_next

bp = Blueprint("home", __name__)


class SampleForm(Form):  # type: ignore[misc]
    """For the style guide: a field with something wrong in it."""

    email = EmailField("Email", [Regexp(r".+@.+\..+", message="An address has a dot after its @.")])


CHOICES = {"theme": ("light", "dark", "system"), "density": ("dense", "comfortable")}
A_YEAR = 365 * 24 * 3600


@bp.get("/")
@access(*EVERYONE)
def today() -> Response:
    now = datetime.now(UTC)
    return page(
        "home/today.html",
        "now",
        day=day(
            current_user.office,
            sees_the_works=may(*STAFF),
            mends_the_works=may(*ADMINS),
            keeps_searches=may(*EDITORS),
            member_id=current_user.member_id,
            trouble=_trouble(),
            now=now,
        ),
        wall=now.astimezone(ZoneInfo(current_user.office.time_zone)),
    )


def _trouble() -> str:
    """What the lamp says while it is red."""
    verdict = house_verdict()
    return verdict["sentence"] if verdict and verdict["tone"] == "bad" else ""


@bp.post("/preferences")
@access(*EVERYONE)
def prefer() -> Response:
    """Keep how a reader wants to see things, in cookies: the server draws the page so, without a flash."""
    response = make_response(redirect(safe_next(request.form.get("next")) or url_for("home.today"), 303))
    for name, values in CHOICES.items():
        if (chosen := request.form.get(name)) in values:
            response.set_cookie(
                name, chosen, max_age=A_YEAR, samesite="Lax", secure=settings().session_cookie_secure, httponly=True
            )
    return response


@bp.get("/styleguide")
@access(*ADMINS)
def styleguide() -> Response:
    """Every piece the screens are made of, in each of its states."""
    now = datetime.now(UTC)
    form = SampleForm(email="ruth@harborvine")
    form.validate()
    verdicts = [
        {"tone": tone, "sentence": sentence, "checked_at": now, "url": url_for("home.styleguide")}
        for tone, sentence in (
            ("good", "Everything works"),
            ("wait", "One run is late"),
            ("bad", "Mail is not going out"),
        )
    ]
    return page("home/styleguide.html", form=form, moment=now - timedelta(minutes=12), verdicts=verdicts)
