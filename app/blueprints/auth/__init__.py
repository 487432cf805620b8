"""Signing in and out."""

from __future__ import annotations

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
    return "account:" + request.form.get("email", "").strip().lower()


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
    logout_user()
    session.clear()
    flash("You are signed out.", "good")
    return go("auth.sign_in")
