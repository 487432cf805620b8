"""Which searches changed: a log of every subscription whose key rows were written or deleted.

A matcher that holds the key rows in memory reads what is new in it. It is written by triggers, so that no statement that
rewrites keys can forget it (docs/decisions/0022). A new table only, and triggers that old code does not notice.

Revision: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


class Xid8(sa.types.UserDefinedType[str]):
    """As the models say it; a migration does not change with them."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


REMEMBER = """
    CREATE FUNCTION remember_search_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO search_change (alert_subscription_id) SELECT DISTINCT alert_subscription_id FROM rows;
        RETURN NULL;
    END $$
"""
TRIGGER = """
    CREATE TRIGGER search_key_{name} AFTER {event} ON search_key REFERENCING {rows} TABLE AS rows
    FOR EACH STATEMENT EXECUTE FUNCTION remember_search_change()
"""
TRIGGERS = (("written", "INSERT", "NEW"), ("moved", "UPDATE", "NEW"), ("deleted", "DELETE", "OLD"))


def upgrade() -> None:
    op.create_table(
        "search_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("alert_subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("search_change_pkey")),
    )
    op.create_index("search_change_xid_idx", "search_change", ["xid"])
    op.create_index("search_change_changed_at_idx", "search_change", ["changed_at"])
    op.execute(REMEMBER)
    for name, event, rows in TRIGGERS:
        op.execute(TRIGGER.format(name=name, event=event, rows=rows))


def downgrade() -> None:
    for name, _, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER search_key_{name} ON search_key")
    op.execute("DROP FUNCTION remember_search_change()")
    op.drop_table("search_change")
