"""Reading accounts."""

from __future__ import annotations

from sqlalchemy import select

from app.domain.models import Office, User
from app.domain.models.office import CANARY
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


def office_by_key(office_key: str) -> Office | None:
    return db.session.scalar(select(Office).where(Office.office_key == office_key))


def offices(limit: int = 1_000) -> list[Office]:
    """Every office that people belong to, oldest first."""
    return list(db.session.scalars(select(Office).where(Office.office_key != CANARY).order_by(Office.id).limit(limit)))


def users(limit: int = 10_000) -> list[User]:
    """Every account of every office, each with its office: for the terminal, never for a screen."""
    return list(db.session.scalars(select(User).order_by(User.office_id, User.email).limit(limit)))


def any_office() -> bool:
    """Has anybody moved in yet?"""
    return db.session.scalar(select(Office.id).where(Office.office_key != CANARY).limit(1)) is not None
