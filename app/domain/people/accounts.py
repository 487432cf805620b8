"""Passwords: kept as Argon2id hashes, checked in the same time whether or not the account exists."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.domain.errors import Invalid
from app.domain.models import User
from app.domain.people.queries import user_by_email
from app.extensions import db

SHORTEST = 10
LONGEST = 1024
"""Characters. The upper bound keeps a huge password from costing memory."""

hasher = PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return hasher.hash("nobody has this password")


def hash_password(password: str) -> str:
    """An Argon2id hash with its own salt. Raises Invalid below 10 or above 1,024 characters."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"A password has {SHORTEST} characters or more.", field="password")
    return hasher.hash(password)


def check_password(email: str, password: str, *, now: datetime | None = None) -> User | None:
    """The account, when address and password belong together and it is enabled; else None, without saying which was
    wrong and after the same work. Notes the time, and renews a hash made with older costs."""
    user = user_by_email(email)
    right = _verify(user.password_hash if user else _nobodys_hash(), password[:LONGEST])
    if user is None or not right or user.is_disabled:
        return None
    if hasher.check_needs_rehash(user.password_hash):
        user.password_hash = hasher.hash(password)
    user.last_login_at = now or datetime.now(UTC)
    db.session.flush()
    return user


def _verify(password_hash: str, password: str) -> bool:
    try:
        return hasher.verify(password_hash, password)
    except InvalidHashError:
        hasher.hash(password)  # an account without a usable hash costs as much as any other
        return False
    except VerificationError:
        return False


def set_password(user: User, password: str) -> None:
    """A new password; every session of the account ends."""
    user.password_hash = hash_password(password)
    end_sessions(user)


def disable(user: User) -> None:
    """No more signing in, and the next request of any session is refused."""
    user.is_disabled = True
    end_sessions(user)


def end_sessions(user: User) -> None:
    """Sign the person out everywhere."""
    user.session_epoch += 1
    db.session.flush()
