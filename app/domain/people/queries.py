"""Reading accounts."""

from __future__ import annotations

from sqlalchemy import select

from app.domain.models import Office, User
from app.extensions import db


def user_by_email(email: str) -> User | None:
    """The account with this address, written in any case; disabled ones too. Nobody's holds a control
    character, nor could the database be asked about one."""
    address = email.strip().lower()
    return db.session.scalar(select(User).where(User.email == address)) if address.isprintable() else None


def user_of_session(session_id: str) -> User | None:
    """The account a session belongs to, if it may still be used: enabled, and not signed out everywhere since."""
    number, _, epoch = session_id.partition(":")
    if not (number.isdecimal() and epoch.isdecimal()):
        return None
    user = db.session.get(User, int(number))
    if user is None or user.is_disabled or user.session_epoch != int(epoch):
        return None
    return user


def any_office() -> bool:
    """Has anybody moved in yet?"""
    return db.session.scalar(select(Office.id).limit(1)) is not None
