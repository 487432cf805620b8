"""What PostgreSQL says of itself: sizes and their history, indexes, connections, replicas, the cache.

Each question is asked by itself and briefly, behind a place to return to: one that the role may not ask, or that takes
too long, is said to be so, and costs the page nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, select, text
from sqlalchemy.exc import DBAPIError

from app.domain.models import JobRun, RunState
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]
DATABASE = "database"
"""The whole of it, among the tables."""
PATIENCE = "2s"
MOST_INDEXES = 12


class Unreadable(NamedTuple):
    """A question that was not answered. `code`: SQLSTATE."""

    why: str
    code: str


@contextmanager
def briefly(patience: str = PATIENCE) -> Iterator[None]:
    """Read with short patience. Whatever is set within is undone after it, and so is whatever was written."""
    place = db.session.begin_nested()
    try:
        db.session.execute(text("SELECT set_config('statement_timeout', :patience, true)"), {"patience": patience})
        yield
    finally:
        place.rollback()


def ask(question: Callable[[], list[AnyRow]]) -> list[AnyRow] | Unreadable:
    """The rows, or why there are none."""
    try:
        with db.session.begin_nested():
            return question()
    except DBAPIError as error:
        code = str(getattr(error.orig, "sqlstate", "") or "")
        return Unreadable(_why(code, str(error.orig).splitlines()[0] if str(error.orig) else ""), code)


def _why(code: str, words: str) -> str:
    match code:
        case "42501":
            return "the role that Porchlight uses may not read this; GRANT pg_monitor TO it"
        case "57014":
            return "PostgreSQL took too long to say"
    return words or "PostgreSQL did not say"


# Partitions count as their table. A table that was never analysed has no estimate; then what was written counts.
_TABLES = """
    SELECT coalesce(parent.relname, c.relname)::text AS name,
        sum(pg_total_relation_size(c.oid))::bigint AS bytes, sum(pg_indexes_size(c.oid))::bigint AS index_bytes,
        sum(CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE pg_stat_get_live_tuples(c.oid) END)::bigint AS rows,
        sum(coalesce(s.seq_scan, 0))::bigint AS scans, sum(coalesce(s.seq_tup_read, 0))::bigint AS rows_scanned,
        sum(coalesce(s.idx_scan, 0))::bigint AS index_scans
    FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
        LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
        AND coalesce(parent.relname, c.relname) = ANY (:names)
    GROUP BY 1
    UNION ALL SELECT 'database', pg_database_size(current_database()), 0, 0, 0, 0, 0
"""

RECORD = text(
    f"""
    INSERT INTO table_size (day, table_name, bytes, rows) SELECT :day, name, bytes, rows FROM ({_TABLES}) AS found
    ON CONFLICT (day, table_name) DO UPDATE SET bytes = excluded.bytes, rows = excluded.rows
    """
)


def tables(names: Iterable[str]) -> list[AnyRow]:
    """Bytes with indexes, rows as PostgreSQL estimates them, and how each is read; the whole database comes along as
    DATABASE. No table is counted through."""
    return list(db.session.execute(text(_TABLES), {"names": list(names)}))


def is_recorded(day: date) -> bool:
    return bool(db.session.scalar(text("SELECT EXISTS (SELECT 1 FROM table_size WHERE day = :day)"), {"day": day}))


def history(since: date) -> list[AnyRow]:
    """For each table its recorded sizes since that day, oldest first: days, bytes, rows as equally long arrays."""
    return list(
        db.session.execute(
            text(
                """
                SELECT table_name AS name, array_agg(day ORDER BY day) AS days, array_agg(bytes ORDER BY day) AS bytes,
                    array_agg(rows ORDER BY day) AS rows
                FROM table_size WHERE day >= :since GROUP BY 1
                """
            ),
            {"since": since},
        )
    )


def retention_runs(since: datetime, limit: int = 100) -> list[AnyRow]:
    """What the nightly run took out, newest first: id, finished_at, counts."""
    return list(
        db.session.execute(
            select(JobRun.id, JobRun.finished_at, JobRun.counts)
            .where(JobRun.kind == "retention", JobRun.state == RunState.SUCCEEDED.value, JobRun.finished_at >= since)
            .order_by(JobRun.finished_at.desc())
            .limit(limit)
        )
    )


_INDEXES = """
    SELECT coalesce(parent.relname, i.relname)::text AS name, coalesce(whole.relname, t.relname)::text AS table_name,
        sum(pg_relation_size(i.oid))::bigint AS bytes, sum(s.idx_scan)::bigint AS scans, bool_and(x.indisvalid) AS is_valid
    FROM pg_stat_user_indexes s JOIN pg_index x ON x.indexrelid = s.indexrelid
        JOIN pg_class i ON i.oid = s.indexrelid JOIN pg_class t ON t.oid = s.relid
        LEFT JOIN pg_inherits hi ON hi.inhrelid = i.oid LEFT JOIN pg_class parent ON parent.oid = hi.inhparent
        LEFT JOIN pg_inherits ht ON ht.inhrelid = t.oid LEFT JOIN pg_class whole ON whole.oid = ht.inhparent
    WHERE s.schemaname = 'public' AND NOT x.indisunique
    GROUP BY 1, 2 HAVING sum(s.idx_scan) = 0 OR NOT bool_and(x.indisvalid)
    ORDER BY bool_and(x.indisvalid), 3 DESC, 1 LIMIT :limit
"""


def idle_indexes() -> list[AnyRow]:
    """Indexes that no question used since the counting began, largest first, and those that are not valid. One that
    keeps rows unique has its use without being asked."""
    return list(db.session.execute(text(_INDEXES), {"limit": MOST_INDEXES}))


_CONNECTIONS = """
    SELECT current_setting('max_connections')::int AS most,
        (SELECT sum(numbackends) FROM pg_stat_database)::int AS used,
        (SELECT coalesce(json_agg(found ORDER BY found.n DESC, found.name), '[]') FROM (
            SELECT coalesce(nullif(application_name, ''), 'without a name') AS name, state, count(*) AS n
            FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1, 2 LIMIT 40) AS found) AS groups,
        (SELECT row_to_json(found) FROM (
            SELECT application_name AS name, pid, state, xact_start AS since FROM pg_stat_activity
            WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
            ORDER BY xact_start LIMIT 1) AS found) AS oldest,
        (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state IS NULL) AS hidden
"""


def connections() -> list[AnyRow]:
    """One row: connections that are used and may be, by name and state, and the oldest transaction. `hidden`: those of
    other roles, whose state this role may not see."""
    return list(db.session.execute(text(_CONNECTIONS)))


_SERVER = """
    SELECT d.blks_hit AS hit, d.blks_read AS read, d.stats_reset AS counted_since, d.deadlocks, d.temp_bytes,
        pg_postmaster_start_time() AS started_at, current_setting('server_version_num')::int AS version,
        pg_is_in_recovery() AS is_replica,
        (SELECT coalesce(json_agg(json_build_object('name', r.application_name, 'state', r.state,
            'seconds', extract(epoch FROM r.replay_lag), 'bytes', CASE WHEN pg_is_in_recovery() THEN NULL
                ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn) END)), '[]')
            FROM pg_stat_replication r) AS replicas
    FROM pg_stat_database d WHERE d.datname = current_database()
"""


def server() -> list[AnyRow]:
    """One row: cache hits, since when they are counted, replicas with how far they are behind."""
    return list(db.session.execute(text(_SERVER)))
