"""A statement of ours, past the layers that guess: for the few that are run once for each mail.

It runs on the session's own connection, in its transaction, prepared once, and raises what SQLAlchemy would. What it
saves is most of the time that a mail spends with the database: values go as the words PostgreSQL reads, and come back
as it writes them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast
from uuid import UUID

import psycopg
from psycopg import generators, pq
from psycopg.errors import error_from_result
from sqlalchemy import Connection, Engine, TextClause, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import Pool

from app.extensions import db

_PREPARED, _FORMER = "porchlight prepared", "porchlight prepared before"
_OIDS = {int: 20, datetime: 1184, UUID: 2950, list: 1016}
"""PostgreSQL's types of what is not words; lists are of whole numbers."""
_NAME = re.compile(r"(?<!:):(\w+)")


_NUMBERS = itertools.count(1)


class _Written(NamedTuple):
    sql: bytes
    names: tuple[str, ...]


def row(statement: TextClause, values: Mapping[str, Any]) -> tuple[bytes | None, ...]:
    """The first row of what it returns, each value as PostgreSQL writes it. Values in are words, whole numbers and lists
    of them, moments, UUIDs and nothing. The statement returns a row whatever it finds."""
    connection = db.session.connection()
    wire = cast("psycopg.Connection[tuple[Any, ...]]", connection.connection.driver_connection)
    try:
        return _ask(connection, wire, _written(statement), values)
    except psycopg.Error as error:
        if wire.closed:
            connection.invalidate(error)
        raise DBAPIError.instance(
            str(statement),
            None,
            error,
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=wire.closed,
            dialect=connection.dialect,
        ) from error


def count(statement: TextClause, values: Mapping[str, Any]) -> int:
    """The number that it returns."""
    return int(row(statement, values)[0] or 0)


def _ask(
    connection: Connection, wire: psycopg.Connection[Any], written: _Written, values: Mapping[str, Any]
) -> tuple[bytes | None, ...]:
    line = wire.pgconn
    if line.transaction_status == pq.TransactionStatus.IDLE and not wire.autocommit:
        line.send_query(b"BEGIN")
        _answer(wire)
    given = [values[name] for name in written.names]
    oids = tuple(_OIDS.get(type(value), 0) for value in given)
    known = connection.info.setdefault(_PREPARED, {})
    name = known.get((written.sql, oids))
    if name is None:
        name = b"porchlight_%d" % next(_NUMBERS)
        line.send_prepare(name, written.sql, oids)
        _answer(wire)
        known[written.sql, oids] = name
    line.send_query_prepared(name, [_plain(value) for value in given])
    found = _answer(wire)
    assert found.ntuples, "it returns a row whatever it finds"
    return tuple(found.get_value(0, column) for column in range(found.nfields))


def _answer(wire: psycopg.Connection[Any]) -> pq.abc.PGresult:
    """Waits as psycopg does: a signal is heard meanwhile."""
    found = wire.wait(generators.execute(wire.pgconn))[-1]
    if found.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
        raise error_from_result(found, encoding="utf-8")
    return cast("pq.abc.PGresult", found)


def _plain(value: Any) -> bytes | None:
    if value is None:
        return None
    if type(value) is list:
        return b"{%s}" % ",".join(map(str, value)).encode()
    words = str(value).encode()
    if b"\0" in words:
        raise ValueError("PostgreSQL's words hold no NUL")  # libpq would end them there
    return words


@lru_cache(maxsize=64)
def _written(statement: TextClause) -> _Written:
    """With $1 for :name. None of ours has a colon in its quotes."""
    names: dict[str, int] = {}
    sql = _NAME.sub(lambda found: f"${names.setdefault(found[1], len(names) + 1)}", statement.text)
    return _Written(sql.replace("\\:", ":").encode(), tuple(names))


@event.listens_for(Engine, "rollback")
@event.listens_for(Engine, "rollback_savepoint")
def _forget(connection: Connection, *_: Any) -> None:
    """At a rollback psycopg may have all that is prepared on a connection forgotten, ours too."""
    known = None if connection.invalidated else connection.info.pop(_PREPARED, None)
    if known:
        connection.info.setdefault(_FORMER, []).extend(known.values())


@event.listens_for(Pool, "checkin")
def _leave_clean(wire: Any, record: Any) -> None:
    """Nothing of ours stays behind on a connection that lives on."""
    names = [*record.info.pop(_PREPARED, {}).values(), *record.info.pop(_FORMER, [])]
    if wire is not None and not wire.closed:
        for name in names:
            wire.pgconn.exec_(b"DEALLOCATE " + name)  # one that is gone already is no harm outside a transaction
