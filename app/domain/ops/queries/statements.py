"""The statements that cost the most, as pg_stat_statements counts them, and how PostgreSQL would carry one out.

A text never holds a value (they are counted without them); what looks like one all the same is masked. A plan is made
without values and without carrying anything out: in a transaction that may not write, with a second of patience, and
only for a text that comes from pg_stat_statements itself.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError

from app.domain.errors import Invalid, NotFound
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]
WORST = 10
MASK = "'•••'"
GENERIC_PLAN_SINCE = 160000
"""PostgreSQL 16."""
PLAN_LENGTH = 20_000

_LITERAL = re.compile(r"""(?ix) [eEbBxXnN]?'(?:[^']|'')*' | \$([a-z_]\w*|)\$ .*? \$\1\$ """, re.DOTALL)
_NUMBER = re.compile(r"(?<![\w$.])\d+(?:\.\d+)?(?![\w.])")
_LEAD = re.compile(r"\s+|/\*.*?\*/|--[^\n]*\n|\(", re.DOTALL)
_PLANNED = re.compile(r"(?:select|insert|update|delete|with)\b", re.IGNORECASE)
_LOST_WITH_VALUES = (
    # `interval '1 day'` is kept as `interval $1`, extract(epoch …) as extract($1 …), CAST('x' AS text) as $1($2 AS text).
    (re.compile(r"\b(interval|date|timestamptz|timestamp|time)\s+(\$\d+)", re.IGNORECASE), r"\2::\1"),
    (re.compile(r"\bextract\s*\(\s*\$\d+\s+from\b", re.IGNORECASE), "extract(epoch FROM"),
    (re.compile(r"\$\d+\s*\((\$\d+)\s+as\s+(\w+)\)", re.IGNORECASE), r"CAST(\1 AS \2)"),
)
"""What is no longer SQL once its values are taken out, and what it may have been."""
_CHOICE = re.compile(r"\b(then|else)\s+(\$\d+)(?=\s+(?:when\b|end\b|else\s+\$\d+\s+end\b))", re.IGNORECASE)
"""A value that a CASE chooses among others: without any of them it counts as text, and was perhaps a number."""

_STATEMENTS = """
    SELECT s.queryid::text AS queryid, (array_agg(s.query))[1] AS query, sum(s.calls)::bigint AS calls,
        sum(s.total_exec_time) AS total_ms, sum(s.total_exec_time) / greatest(sum(s.calls), 1) AS mean_ms,
        sum(s.rows)::bigint AS rows, sum(s.shared_blks_hit)::bigint AS hit, sum(s.shared_blks_read)::bigint AS read,
        sum(sum(s.total_exec_time)) OVER () AS all_ms, (SELECT i.stats_reset FROM pg_stat_statements_info i) AS since
    FROM pg_stat_statements s
    WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.queryid IS NOT NULL {only}
    GROUP BY s.queryid ORDER BY 4 DESC LIMIT :limit
"""


def worst(limit: int = WORST) -> list[AnyRow]:
    """The statements of this database that took the most time in all since the counting began, costliest first. Raises
    where they are not counted."""
    return list(db.session.execute(text(_STATEMENTS.format(only="")), {"limit": limit}))


def statement(queryid: str) -> AnyRow:
    """One of them. Raises NotFound when it is not counted (any more), or nothing is."""
    if not re.fullmatch(r"-?\d{1,19}", queryid, re.ASCII) or abs(int(queryid)) >= 2**63:
        raise NotFound("There is no such statement.")
    try:
        with db.session.begin_nested():
            found = db.session.execute(
                text(_STATEMENTS.format(only="AND s.queryid = CAST(:queryid AS bigint)")),
                {"limit": 1, "queryid": queryid},
            ).one_or_none()
    except DBAPIError:
        found = None
    if found is None:
        raise NotFound("This statement is no longer counted. PostgreSQL keeps the figures of the most used ones.")
    return found


def version() -> int:
    """PostgreSQL's, as a number: 180006 is 18.6."""
    return int(db.session.scalar(text("SELECT current_setting('server_version_num')")) or 0)


def masked(words: str) -> str:
    """A statement's text with everything that could be somebody's taken out: texts and numbers. `$1` stays."""
    return _NUMBER.sub("•", _LITERAL.sub(MASK, words))


def can_be_planned(words: str) -> bool:
    """One statement that reads or writes rows; not a command such as VACUUM, and never two."""
    begins = 0
    while lead := _LEAD.match(
        words, begins
    ):  # each once: one pattern for all of them would try every way to share them
        begins = lead.end()
    return bool(_PLANNED.match(words, begins)) and ";" not in words.rstrip("; \n\t")


def plan_of(words: str, version: int) -> str:
    """How PostgreSQL would carry out a text of pg_stat_statements, not knowing the values. Nothing is carried out.

    Raises Invalid with PostgreSQL's words when it cannot be planned.
    """
    if not can_be_planned(words):
        raise Invalid("Only a statement that reads or writes rows has a plan.")
    if version < GENERIC_PLAN_SINCE:
        raise Invalid("A plan without values needs PostgreSQL 16 or later.")
    for lost, sql in _LOST_WITH_VALUES:
        words = lost.sub(sql, words)
    plan, refused = _explained(words)
    if refused and (numbered := _CHOICE.sub(r"\1 \2::int", words)) != words:
        plan = _explained(numbered)[0]
    if not plan:
        raise Invalid(f"PostgreSQL cannot plan it without its values: {refused}.")
    return _LITERAL.sub(MASK, plan)[:PLAN_LENGTH]


def _explained(words: str) -> tuple[str, str]:
    """The plan, or why PostgreSQL makes none."""
    with db.engine.connect() as connection:
        try:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            connection.exec_driver_sql("SET LOCAL statement_timeout = '1s'")
            connection.exec_driver_sql("SET LOCAL lock_timeout = '250ms'")
            driver: Any = connection.connection.driver_connection
            try:
                # Past SQLAlchemy: the text has places for values, and none are given.
                rows = driver.execute(f"EXPLAIN (GENERIC_PLAN) {words}", prepare=False).fetchall()
            except driver.Error as error:
                return "", str(error).splitlines()[0]
        finally:
            connection.rollback()
    return "\n".join(str(row[0]) for row in rows), ""
