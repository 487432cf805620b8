"""Offices and the accounts of who works there. Passwords are kept as Argon2id hashes and checked in the same time
whether or not the account exists."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from functools import cache
from zoneinfo import available_timezones

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.exc import IntegrityError

from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.models import Office, Role, User
from app.domain.people.queries import office_by_key, user_by_email
from app.extensions import db

SHORTEST = 10
LONGEST = 1024
"""Characters. The upper bound keeps a huge password from costing memory."""

KEY = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
"""What an office's key looks like."""

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


def add_office(
    name: str,
    *,
    key: str = "",
    time_zone: str = "America/New_York",
    phone: str = "",
    address1: str = "",
    city: str = "",
    state: str = "",
    postal_code: str = "",
) -> Office:
    """A new office. Without a key it gets one made of its name: “Harbor & Vine” is harbor-vine. Raises Invalid for an
    empty name, an impossible key or an unknown time zone, Conflict when the key is taken."""
    name = " ".join(name.split())
    if not name:
        raise Invalid("An office has a name.", field="office_name")
    key = key.strip() or _key_of(name)
    if not KEY.fullmatch(key):
        raise Invalid(
            f"“{key}” cannot be an office’s key: small letters, digits and hyphens, as in harbor-vine.",
            field="office_key",
        )
    if time_zone not in available_timezones():
        raise Invalid(f"No time zone is called “{time_zone}”. Choose one such as America/New_York.", field="time_zone")
    office = Office(
        office_key=key,
        office_name=name,
        office_phone=phone.strip(),
        office_address1=address1.strip(),
        office_city=city.strip(),
        office_state_or_province=state.strip(),
        office_postal_code=postal_code.strip(),
        time_zone=time_zone,
    )
    taken = Conflict(f"There is an office with the key “{key}” already.", field="office_key")
    if office_by_key(key) is not None:
        raise taken
    try:
        with db.session.begin_nested():
            db.session.add(office)
    except IntegrityError:
        raise taken from None
    return office


def _key_of(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")[:60].strip("-")


def add_user(office_id: int, email: str, full_name: str, role: str, password: str) -> User:
    """A new account, ready to sign in. The address is kept trimmed and in lower case. Raises Invalid for an address, a
    name, a role or a password that cannot be used, Conflict when the address has an account, in any office."""
    email, full_name = email.strip().lower(), " ".join(full_name.split())
    try:
        validate_email(email, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as wrong:
        raise Invalid(f"“{email}” is not an email address. {wrong}", field="email") from None
    if not full_name:
        raise Invalid("A person has a name.", field="full_name")
    if role not in set(Role):
        raise Invalid(f"There is no role “{role}”; there are {', '.join(Role)}.", field="role")
    taken = Conflict(f"{email} has an account already.", field="email")
    if user_by_email(email) is not None:
        raise taken
    user = User(office_id=office_id, email=email, full_name=full_name, role=role, password_hash=hash_password(password))
    try:
        with db.session.begin_nested():
            db.session.add(user)
    except IntegrityError:
        raise taken from None
    return user


def account_of(email: str) -> User:
    """The account with this address, disabled or not. Raises NotFound."""
    user = user_by_email(email)
    if user is None:
        raise NotFound(f"Nobody has an account with {email.strip().lower()}.", field="email")
    return user


def set_password(user: User, password: str) -> None:
    """A new password; every session of the account ends."""
    user.password_hash = hash_password(password)
    end_sessions(user)


def disable(user: User) -> None:
    """No more signing in, and the next request of any session is refused."""
    user.is_disabled = True
    end_sessions(user)


def enable(user: User) -> None:
    """May sign in again, with the password of before."""
    user.is_disabled = False
    db.session.flush()


def end_sessions(user: User) -> None:
    """Sign the person out everywhere."""
    user.session_epoch += 1
    db.session.flush()
