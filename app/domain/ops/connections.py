"""The connections of a process that does runs: whose they are can be read in PostgreSQL, so that what a frozen
process left locked can be set free. Nothing in this file commits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import column, event, func, select, table

from app.domain.moments import database_now
from app.extensions import db

LONGEST_NAME = 63
"""Bytes that PostgreSQL keeps of an application's name."""
CLOSE_WITHIN_MS = 1000
SHORTEST = 1.0

_activity = table("pg_stat_activity", column("pid"), column("application_name"), column("usename"), column("datname"))


def name_of(run_id: int | None, worker: str) -> str:
    """What the connections are called that do this run for this worker. A worker does one run at a time."""
    errand = "tick" if run_id is None else f"run {run_id}"
    return f"porchlight {errand} {worker}".encode("ascii", "replace")[:LONGEST_NAME].decode()


def take_own(name: str, seconds: float) -> None:
    """In a fork, before its first statement: leave the parent's connections to the parent, and open ours under this
    name. Sharing a socket would share its transactions, and a killed fork would leave its locks behind in it.

    `seconds`: what the work may take; no statement is let run to the end of that. A lock is waited for 5 s, and an idle
    transaction ends after 60 s.
    """
    db.engine.dispose(close=False)
    db.session.remove()
    longest = max(seconds - 5, seconds / 2, SHORTEST)

    def with_limits(dialect: Any, record: Any, arguments: Any, named: dict[str, Any]) -> None:
        del dialect, record, arguments
        named["application_name"] = name
        named["options"] = (
            f"{named.get('options', '')} -c statement_timeout={round(longest * 1000)}"
            " -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"
        )

    event.listen(db.engine, "do_connect", with_limits)


def held(names: Iterable[str], up_for: timedelta) -> set[str]:
    """Those of the names under which somebody is connected. All of them while the server has been up for less than
    `up_for`: its restart parts everybody from it, and who lives is not back yet."""
    wanted = set(names)
    up_since: datetime = db.session.execute(select(func.pg_postmaster_start_time())).scalar_one()
    if database_now() - up_since < up_for:
        return wanted
    db.session.execute(select(func.pg_stat_clear_snapshot()))  # else this transaction sees who was there when it began
    theirs = select(_activity.c.application_name).where(
        _activity.c.application_name.in_(list(wanted)), _activity.c.datname == func.current_database()
    )
    return set(db.session.execute(theirs).scalars())


def end(names: Iterable[str]) -> int:
    """Close every connection of these names, and roll back what it had begun: its rows are free when this returns, or
    a second has passed. Returns how many there were."""
    theirs = select(func.pg_terminate_backend(_activity.c.pid, CLOSE_WITHIN_MS)).where(
        _activity.c.application_name.in_(list(names)),
        _activity.c.datname == func.current_database(),
        _activity.c.usename == func.current_user(),
        _activity.c.pid != func.pg_backend_pid(),
    )
    return len(db.session.execute(theirs).all())
