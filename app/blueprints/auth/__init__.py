"""Signing in and out."""

from __future__ import annotations

from hashlib import sha256

from flask import Blueprint, Response, flash, make_response, redirect, request, session
from flask_limiter.util import get_remote_address
from flask_login import current_user, login_user, logout_user
from flask_wtf import FlaskForm
from wtforms import EmailField, HiddenField, PasswordField
from wtforms.validators import DataRequired, Length

from app.domain.models import User
from app.domain.people import accounts, queries
from app.extensions import db, limiter, login, settings
from app.web import go, page, public, safe_next

bp = Blueprint("auth", __name__)


class SignInForm(FlaskForm):  # type: ignore[misc]
    email = EmailField("Email", validators=[DataRequired("Write your email address."), Length(max=254)])
    password = PasswordField("Password", validators=[DataRequired("Write your password."), Length(max=1024)])
    next = HiddenField()


@login.user_loader  # type: ignore[untyped-decorator]
def load_user(session_id: str) -> User | None:
    return queries.user_of_session(session_id)


def _limit() -> str:
    return settings().login_rate_limit


def _account() -> str:
    """One key for an address, however it is written, of the same length however long."""
    email = request.form.get("email", "").strip()[:254].lower()
    return "account:" + sha256(email.encode(errors="replace")).hexdigest()


@bp.route("/sign-in", methods=["GET", "POST"])
@limiter.limit(_limit, key_func=get_remote_address, methods=["POST"])
@limiter.limit(_limit, key_func=_account, methods=["POST"])
@public("this is where people become known")
def sign_in() -> Response:
    if request.method == "GET" and current_user.is_authenticated:
        return go("home.today")
    form = SignInForm(next=request.args.get("next"))
    if not form.is_submitted():
        return page("auth/sign_in.html", form=form, refused=False)
    user = accounts.check_password(form.email.data, form.password.data) if form.validate() else None
    if user is None:
        return page("auth/sign_in.html", form=form, refused=not form.errors, status=422)
    db.session.commit()
    session.clear()
    login_user(user)
    session.permanent = True
    target = safe_next(form.next.data)
    return make_response(redirect(target, 303)) if target else go("home.today")


@bp.post("/sign-out")
@public("whoever holds a session may end it")
def sign_out() -> Response:
    """Everywhere: a session is a signed cookie, and a copy of it lives until the account's session_epoch moves on."""
    if current_user.is_authenticated:
        accounts.end_sessions(current_user)
        db.session.commit()
    logout_user()
    session.clear()
    flash("Signed out, here and wherever else you were signed in.", "good")
    return go("auth.sign_in")
