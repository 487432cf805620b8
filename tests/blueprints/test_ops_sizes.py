"""The page of data: who sees what of it, and that it says so where PostgreSQL does not answer."""

from __future__ import annotations

import re
import time

import pytest
from sqlalchemy import text

from app.domain.ops import sizes
from app.domain.ops.queries import statements
from app.extensions import db as database
from devstack.testing import run_id
from tests.blueprints.test_ops import count_queries


def test_it_shows_every_table_with_its_rule_and_where_it_leads(as_viewer):
    sizes.record()
    database.session.commit()
    page = as_viewer.get("/ops/data").text
    for name in ("listing_event", "outbound_message", "job_run", "audit_entry", "table_size"):
        assert f">{name}</th>" in page
    assert "18 months" in page
    assert "one row a day for each table, for ever" in page
    assert "known after two days" in page
    assert "No replica follows this server" in page
    assert "retention has not run in 30 days" in page


def test_viewers_see_sizes_and_no_statements_staff_no_plans_admins_all(as_viewer, as_staff, as_admin, as_agent):
    assert as_agent.get("/ops/data").status_code == 403
    assert "costliest statements" not in as_viewer.get("/ops/data").text
    page = as_staff.get("/ops/data").text
    assert "The ten costliest statements" in page
    assert "/ops/data/statements/" not in page
    links = re.findall(r'href="(/ops/data/statements/-?\d+)"', as_admin.get("/ops/data").text)
    assert links
    for reader in (as_staff, as_viewer, as_agent):
        assert reader.get(links[0]).status_code == 403


def test_a_statement_shows_its_plan_and_was_not_carried_out(as_admin, make, office):
    mark = "listing_key"
    database.session.execute(
        text(f"DELETE FROM listing WHERE office_id = :office AND {mark} = :key AND 'private words' <> ''"),
        {"office": -1, "key": "none"},
    )
    kept = make.listing(office)
    found = database.session.execute(
        text(
            "SELECT queryid::text FROM pg_stat_statements WHERE query LIKE 'DELETE FROM listing WHERE office_id = $1%'"
            " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    ).scalar_one()
    page = as_admin.get(f"/ops/data/statements/{found}").text
    assert "Delete on listing" in page
    assert "cost=" in page
    assert "private words" not in page
    assert (
        database.session.execute(text("SELECT count(*) FROM listing WHERE id = :id"), {"id": kept.id}).scalar_one() == 1
    )


@pytest.mark.parametrize("queryid", ["1", "-1", "99999999999999999999", "x", "1;DROP"])
def test_a_statement_that_is_not_counted_is_404(as_admin, queryid):
    assert as_admin.get(f"/ops/data/statements/{queryid}").status_code == 404


def test_it_says_how_to_count_statements_where_nobody_does(as_staff):
    database.session.execute(text("DROP EXTENSION pg_stat_statements"))
    page = as_staff.get("/ops/data").text
    assert "PostgreSQL does not count statements here." in page
    assert "shared_preload_libraries = 'pg_stat_statements'" in page
    assert ">listing_event</th>" in page


def test_it_needs_twelve_statements_at_most(as_admin):
    assert count_queries(as_admin, "/ops/data") <= 12


def test_it_renders_for_a_role_that_may_read_little(as_staff):
    """A role of its own, without pg_monitor, from which even the statistics of the server are kept."""
    run = database.session.execute
    role = f"reader_{run_id()}"  # roles are the whole server's, and this one is never committed
    run(text(f"CREATE ROLE {role}"))
    run(text(f"GRANT USAGE ON SCHEMA public TO {role}"))
    run(text(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"))
    run(text("REVOKE SELECT ON pg_stat_database FROM PUBLIC"))
    run(text("REVOKE EXECUTE ON FUNCTION pg_stat_statements(boolean) FROM PUBLIC"))
    run(text(f"SET LOCAL ROLE {role}"))
    page = as_staff.get("/ops/data")
    run(text("RESET ROLE"))
    assert page.status_code == 200
    assert "Connections cannot be read: the role that Porchlight uses may not read this" in page.text
    assert "GRANT pg_monitor TO it" in page.text
    assert ">listing_event</th>" in page.text


def test_what_looks_like_a_value_is_masked():
    given = "SELECT $1, 'it''s private', 4711, t1.c2, E'x' FROM t1 WHERE a = $$so is this$$ AND b = $tag$and this$tag$ LIMIT $12"
    assert statements.masked(given) == (
        "SELECT $1, '•••', •, t1.c2, '•••' FROM t1 WHERE a = '•••' AND b = '•••' LIMIT $12"
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("SELECT 1", True),
        ("/* a page */ select 1", True),
        ("WITH x AS (SELECT 1) DELETE FROM y", True),
        ("(SELECT 1) UNION (SELECT 2)", True),
        ("UPDATE listing SET list_price = $1;", True),
        ("SELECT 1; DROP TABLE listing", False),
        ("VACUUM listing", False),
        ("COMMIT", False),
        ("CREATE TABLE x AS SELECT 1", False),
        ("EXPLAIN ANALYZE DELETE FROM listing", False),
        ("selection", False),
    ],
)
def test_only_one_statement_about_rows_can_be_planned(words, expected):
    assert statements.can_be_planned(words) is expected


def test_comments_without_end_cost_no_more_than_their_length():
    begun = time.monotonic()
    assert statements.can_be_planned("/**/" * 5_000 + "SELECT 1")
    assert not statements.can_be_planned("/**/" * 5_000 + "VACUUM")
    assert not statements.can_be_planned("(-- x\n /* */" * 5_000 + "/*")
    assert time.monotonic() - begun < 5, "milliseconds; trying every way to share them out took hours"


@pytest.mark.parametrize(
    "words",
    [
        "SELECT now() - interval $1 FROM listing WHERE office_id = $2",
        "SELECT extract($1 FROM now() - created_at) FROM job_run WHERE id = $2",
        "SELECT CASE city WHEN $1 THEN $2 WHEN $3 THEN $4 ELSE $5 END + office_id FROM listing",
        "SELECT jsonb_build_object($1, $2($3 AS text)) FROM listing",
        "SELECT * FROM listing WHERE city LIKE '%' || $1 LIMIT $2",
    ],
)
def test_a_plan_is_made_although_types_were_lost_with_the_values(db, words):
    assert "Scan" in statements.plan_of(words, statements.version())


def test_what_cannot_be_planned_says_why_in_postgresqls_words(db):
    with pytest.raises(statements.Invalid, match='cannot plan it without its values: relation "nowhere" does not'):
        statements.plan_of("SELECT * FROM nowhere WHERE a = $1", statements.version())
    with pytest.raises(statements.Invalid, match="PostgreSQL 16"):
        statements.plan_of("SELECT 1", 150004)
