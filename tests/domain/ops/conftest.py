"""What the tests of the ledger share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text


@pytest.fixture
def database_says(db):
    """From here on PostgreSQL's clock shows this much more than the clock of this host, which is therefore behind it;
    less makes it ahead."""
    usual = db.session.execute(text("SHOW search_path")).scalar_one()

    def shift(by: timedelta) -> datetime:
        db.session.execute(text("CREATE SCHEMA shifted"))
        db.session.execute(
            text(
                "CREATE FUNCTION shifted.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql AS"
                f" $$ SELECT pg_catalog.statement_timestamp() + interval '{by.total_seconds()} seconds' $$"
            )
        )
        db.session.execute(text("SET LOCAL search_path = shifted, pg_catalog, public"))
        return datetime.now(UTC) + by

    yield shift
    db.session.execute(text(f"SET LOCAL search_path = {usual}"))
