"""All kinds of news, what a home was before it, open houses, and what a buyer thinks of a home.

Safe beside a running version: columns are nullable or have a constant default, the checks are read through afterwards,
and rows are changed in steps of their own. May be run again where it was interrupted.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS: tuple[tuple[str, str, sa.types.TypeEngine[object]], ...] = (
    ("listing_event", "before", postgresql.JSONB(astext_type=sa.Text())),
    ("listing_event", "open_house_id", sa.BigInteger()),
    ("digest_item", "since", sa.DateTime(timezone=True)),
    ("digest_item", "cause", sa.Text()),
    ("buyer_listing", "contact_listing_preference", sa.Text()),
)

CHANGE_TYPES = (
    "'New Listing', 'Price Change', 'Back On Market', 'Active', 'Active Under Contract', 'Canceled', 'Closed',"
    " 'Coming Soon', 'Deleted', 'Expired', 'Hold', 'Pending', 'Withdrawn', 'Attributes'"
)
KINDS = "'Back on market', 'New', 'Price drop'"
NEW_KINDS = "'Now matches', 'Open house', 'Status change'"
CHECKS = (
    ("listing_event", "change_type", f"change_type IN ({CHANGE_TYPES}, 'Open House')"),
    ("digest_item", "kind", f"kind IN ({KINDS}, {NEW_KINDS})"),
    ("digest_item", "cause", "cause IN ('price', 'status', 'details')"),
    (
        "buyer_listing",
        "contact_listing_preference",
        "contact_listing_preference IN ('Discard', 'Favorite', 'Possibility')",
    ),
)

STEP = 50_000
PRICE_DROP, NOW_MATCHES = 2, 8
KIND_SHIFT = 11


def upgrade() -> None:
    op.create_table(
        "open_house",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("originating_system_name", sa.Text(), nullable=False),
        sa.Column("open_house_key", sa.Text(), nullable=False),
        sa.Column("open_house_date", sa.Date(), nullable=False),
        sa.Column("open_house_start_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("open_house_end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("open_house_status", sa.Text(), server_default="Active", nullable=False),
        sa.Column("open_house_type", sa.Text(), server_default="Public", nullable=False),
        sa.Column("open_house_attended_by", sa.Text(), nullable=True),
        sa.Column("appointment_required_yn", sa.Boolean(), nullable=True),
        sa.Column("showing_agent_key", sa.Text(), server_default="", nullable=False),
        sa.Column("open_house_remarks", sa.Text(), server_default="", nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "original_entry_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "modification_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("lock_version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "open_house_status IN ('Active', 'Canceled', 'Ended')", name=op.f("open_house_open_house_status_check")
        ),
        sa.CheckConstraint("open_house_end_time > open_house_start_time", name=op.f("open_house_order_check")),
        sa.CheckConstraint("open_house_key <> ''", name=op.f("open_house_open_house_key_check")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("open_house_office_id_fkey")),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("open_house_listing_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("open_house_pkey")),
        if_not_exists=True,
    )
    op.create_index(
        "open_house_source_key",
        "open_house",
        ["office_id", "originating_system_name", "open_house_key"],
        unique=True,
        if_not_exists=True,
    )
    op.create_index("open_house_listing_idx", "open_house", ["listing_id", "open_house_start_time"], if_not_exists=True)
    op.create_index("open_house_start_idx", "open_house", ["open_house_start_time"], if_not_exists=True)
    op.create_table(
        "listing_owner",
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("listing_owner_listing_id_fkey")),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("listing_owner_contact_id_fkey")),
        sa.PrimaryKeyConstraint("listing_id", "contact_id", name=op.f("listing_owner_pkey")),
        if_not_exists=True,
    )
    op.create_index("listing_owner_contact_idx", "listing_owner", ["contact_id"], if_not_exists=True)
    for table, name, type_ in COLUMNS:
        op.add_column(table, sa.Column(name, type_, nullable=True), if_not_exists=True)
    op.add_column(
        "buyer_listing",
        sa.Column("listing_viewed_yn", sa.Boolean(), server_default="false", nullable=False),
        if_not_exists=True,
    )
    for table, name, rule in CHECKS:
        op.drop_constraint(f"{table}_{name}_check", table, if_exists=True)
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_{name}_check CHECK ({rule}) NOT VALID")
    op.alter_column("alert_subscription", "kinds", server_default="31")
    with op.get_context().autocommit_block():
        for table, name, _ in CHECKS:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {table}_{name}_check")
        add_now_matches()


def add_now_matches() -> None:
    """Who is told of price drops was told of those into their range as well; those are a kind of their own now."""
    in_steps(
        "alert_subscription",
        f"kinds = kinds | {NOW_MATCHES}",
        f"kinds & {PRICE_DROP} <> 0 AND kinds & {NOW_MATCHES} = 0",
    )
    in_steps(
        "search_key",
        f"triggers = triggers | {NOW_MATCHES << KIND_SHIFT}",
        f"triggers & {PRICE_DROP << KIND_SHIFT} <> 0 AND triggers & {NOW_MATCHES << KIND_SHIFT} = 0",
    )


def in_steps(table: str, change: str, only: str) -> None:
    connection = op.get_bind()
    first, last = connection.execute(sa.text(f"SELECT min(id), max(id) FROM {table}")).one()
    for start in range(first or 0, (last or -1) + 1, STEP):
        connection.execute(
            sa.text(f"UPDATE {table} SET {change} WHERE id >= :start AND id < :end AND {only}"),
            {"start": start, "end": start + STEP},
        )


def downgrade() -> None:
    op.execute(
        "UPDATE alert_subscription SET kinds = CASE WHEN kinds & 7 = 0 THEN 7 ELSE kinds & 7 END WHERE kinds > 7"
    )
    op.execute(
        f"UPDATE search_key SET triggers = triggers & {(1 << KIND_SHIFT + 3) - 1} WHERE triggers >= {1 << KIND_SHIFT + 3}"
    )
    op.execute(f"DELETE FROM digest_item WHERE kind IN ({NEW_KINDS})")
    op.execute("UPDATE listing_event SET change_type = 'Attributes' WHERE change_type = 'Open House'")
    op.alter_column("alert_subscription", "kinds", server_default="7")
    for table, name, _ in CHECKS:
        op.drop_constraint(f"{table}_{name}_check", table, if_exists=True)
    op.drop_column("buyer_listing", "listing_viewed_yn")
    for table, name, _ in reversed(COLUMNS):
        op.drop_column(table, name)
    op.execute(f"ALTER TABLE digest_item ADD CONSTRAINT digest_item_kind_check CHECK (kind IN ({KINDS}))")
    op.execute(
        "ALTER TABLE listing_event ADD CONSTRAINT listing_event_change_type_check"
        f" CHECK (change_type IN ({CHANGE_TYPES}))"
    )
    op.drop_table("listing_owner")
    op.drop_table("open_house")
