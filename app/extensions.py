"""The libraries the app is built on, made once and bound to the app in create_app()."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import redis
from flask import current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from htmx_flask import Htmx
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import MetaData
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase

if TYPE_CHECKING:
    from app.config import Config

LOCK_NOT_AVAILABLE = "55P03"
NAMING = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


db = SQLAlchemy(model_class=Base)
if TYPE_CHECKING:

    class Model(Base):
        __abstract__ = True

        def __init__(self, **values: Any) -> None: ...

else:
    Model = db.Model

migrate = Migrate(compare_type=True)
login = LoginManager()
csrf = CSRFProtect()
htmx = Htmx()
limiter = Limiter(
    get_remote_address,
    default_limits=[],
    # Without Redis each web process counts for itself: who looks after the house must come in just then, and a guesser
    # still gets no more tries than that. A dead Redis is given up within a second.
    in_memory_fallback_enabled=True,
    storage_options={  # the library's annotation knows only text and whole numbers
        "socket_timeout": 1,
        "socket_connect_timeout": 0.5,  # type: ignore[dict-item]
        "retry": Retry(NoBackoff(), 0),  # type: ignore[dict-item]
    },
    key_prefix="porchlight",
)


def settings() -> Config:
    """The settings of the running app."""
    return cast("Config", current_app.extensions["porchlight"])


def is_lock_timeout(error: BaseException) -> bool:
    """PostgreSQL is there, and somebody else holds the row that was to be changed."""
    return isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE


def redis_for_web(url: str) -> redis.Redis:
    """A client that gives up in a second: a dead Redis may delay a hint, never a page."""
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0))
