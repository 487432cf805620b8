"""The tables of First light.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


class Xid8(sa.types.UserDefinedType):
    """A migration names its own types: the models may move on."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


class PgSnapshot(sa.types.UserDefinedType):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "pg_snapshot"


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "alert_match",
        sa.Column("found_on", sa.Date(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("alert_subscription_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_seqs", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("digest_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("found_on", "batch_id", "alert_subscription_id", name=op.f("alert_match_pkey")),
        postgresql_partition_by="RANGE (found_on)",
    )
    op.create_index(
        "alert_match_waiting_idx",
        "alert_match",
        ["alert_subscription_id"],
        unique=False,
        postgresql_where=sa.text("digest_id IS NULL"),
    )
    op.create_table(
        "job_schedule",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("grace_seconds", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column("due_from", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("job_schedule_pkey")),
    )
    op.create_table(
        "match_batch",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("found_on", sa.Date(), nullable=False),
        sa.Column("event_seqs", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("matched_events", sa.Integer(), nullable=True),
        sa.Column("unmatched_events", sa.Integer(), nullable=True),
        sa.Column("pairs", sa.BigInteger(), nullable=True),
        sa.Column("job_run_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(done_at IS NULL) = (matched_events IS NULL)", name=op.f("match_batch_done_counts_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("match_batch_pkey")),
    )
    op.create_index("match_batch_found_on_idx", "match_batch", ["found_on"], unique=False)
    op.create_index(
        "match_batch_open_idx", "match_batch", ["id"], unique=False, postgresql_where=sa.text("done_at IS NULL")
    )
    op.create_table(
        "match_cursor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("snapshot", PgSnapshot(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("match_cursor_pkey")),
    )
    op.create_table(
        "office",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_key", sa.Text(), nullable=False),
        sa.Column("office_name", sa.Text(), nullable=False),
        sa.Column("office_phone", sa.Text(), server_default="", nullable=False),
        sa.Column("office_address1", sa.Text(), server_default="", nullable=False),
        sa.Column("office_city", sa.Text(), server_default="", nullable=False),
        sa.Column("office_state_or_province", sa.Text(), server_default="", nullable=False),
        sa.Column("office_postal_code", sa.Text(), server_default="", nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="America/New_York", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("office_name <> ''", name=op.f("office_office_name_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("office_pkey")),
        sa.UniqueConstraint("office_key", name=op.f("office_office_key_key")),
    )
    op.create_table(
        "process_heartbeat",
        sa.Column("instance", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rss_kb", sa.Integer(), nullable=True),
        sa.Column("current_run_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("instance", name=op.f("process_heartbeat_pkey")),
    )
    op.create_index(op.f("process_heartbeat_seen_at_idx"), "process_heartbeat", ["seen_at"], unique=False)
    op.create_table(
        "area",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name_normal", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('city', 'postal_code', 'county_or_parish', 'subdivision_name')", name=op.f("area_kind_check")
        ),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("area_office_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("area_pkey")),
    )
    op.create_index("area_office_kind_name_key", "area", ["office_id", "kind", "name_normal"], unique=True)
    op.create_table(
        "member",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("member_key", sa.Text(), nullable=False),
        sa.Column("member_full_name", sa.Text(), nullable=False),
        sa.Column("member_email", sa.Text(), server_default="", nullable=False),
        sa.Column("member_mobile_phone", sa.Text(), server_default="", nullable=False),
        sa.Column("member_status", sa.Text(), server_default="Active", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("member_status IN ('Active', 'Inactive')", name=op.f("member_member_status_check")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("member_office_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("member_pkey")),
        sa.UniqueConstraint("member_key", name=op.f("member_member_key_key")),
    )
    op.create_index(op.f("member_office_id_idx"), "member", ["office_id"], unique=False)
    op.create_table(
        "contact",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_key", sa.Text(), nullable=False),
        sa.Column("contact_status", sa.Text(), server_default="Active", nullable=False),
        sa.Column("contact_type", sa.ARRAY(sa.Text()), server_default="{Buyer}", nullable=False),
        sa.Column("first_name", sa.Text(), server_default="", nullable=False),
        sa.Column("last_name", sa.Text(), server_default="", nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), server_default="", nullable=False),
        sa.Column("mobile_phone", sa.Text(), server_default="", nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="", nullable=False),
        sa.Column("owner_member_id", sa.BigInteger(), nullable=True),
        sa.Column("lead_source", sa.Text(), server_default="", nullable=False),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "original_entry_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "modification_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "search_text",
            sa.Text(),
            sa.Computed(
                "lower(full_name || ' ' || email || ' ' || regexp_replace(mobile_phone, '[^0-9]', '', 'g'))",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint(
            "contact_status IN ('Active', 'Deleted', 'Inactive', 'On Vacation')",
            name=op.f("contact_contact_status_check"),
        ),
        sa.CheckConstraint("full_name <> ''", name=op.f("contact_full_name_check")),
        sa.CheckConstraint("email = lower(btrim(email))", name=op.f("contact_email_normal_check")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("contact_office_id_fkey")),
        sa.ForeignKeyConstraint(["owner_member_id"], ["member.id"], name=op.f("contact_owner_member_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("contact_pkey")),
        sa.UniqueConstraint("contact_key", name=op.f("contact_contact_key_key")),
    )
    op.create_index(
        "contact_office_email_key", "contact", ["office_id", "email"], unique=True, postgresql_where="email <> ''"
    )
    op.create_index("contact_office_name_idx", "contact", ["office_id", "full_name", "id"], unique=False)
    op.create_index(op.f("contact_owner_member_id_idx"), "contact", ["owner_member_id"], unique=False)
    op.create_index(
        "contact_search_text_idx",
        "contact",
        ["search_text"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.create_table(
        "listing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("listing_key", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), server_default="", nullable=False),
        sa.Column("originating_system_name", sa.Text(), nullable=False),
        sa.Column("originating_system_key", sa.Text(), nullable=False),
        sa.Column("parcel_number", sa.Text(), server_default="", nullable=False),
        sa.Column("content_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("standard_status", sa.Text(), nullable=False),
        sa.Column("mls_status", sa.Text(), server_default="", nullable=False),
        sa.Column("status_change_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("on_market_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("off_market_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("back_on_market_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("market_spell_no", sa.Integer(), server_default="0", nullable=False),
        sa.Column("listing_contract_date", sa.Date(), nullable=True),
        sa.Column("close_date", sa.Date(), nullable=True),
        sa.Column("list_price", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("original_list_price", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("previous_list_price", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("price_change_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_price", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("property_type", sa.Text(), nullable=True),
        sa.Column("property_sub_type", sa.Text(), nullable=True),
        sa.Column("bedrooms_total", sa.SmallInteger(), nullable=True),
        sa.Column("bathrooms_total_integer", sa.SmallInteger(), nullable=True),
        sa.Column("bathrooms_full", sa.SmallInteger(), nullable=True),
        sa.Column("bathrooms_three_quarter", sa.SmallInteger(), nullable=True),
        sa.Column("bathrooms_half", sa.SmallInteger(), nullable=True),
        sa.Column("bathrooms_one_quarter", sa.SmallInteger(), nullable=True),
        sa.Column("baths_equivalent", sa.Numeric(precision=6, scale=2), nullable=True),
        sa.Column("living_area", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("lot_size_square_feet", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("year_built", sa.SmallInteger(), nullable=True),
        sa.Column("stories_total", sa.Numeric(precision=5, scale=1), nullable=True),
        sa.Column("garage_spaces", sa.SmallInteger(), nullable=True),
        sa.Column("unparsed_address", sa.Text(), server_default="", nullable=False),
        sa.Column("unit_number", sa.Text(), server_default="", nullable=False),
        sa.Column("city", sa.Text(), server_default="", nullable=False),
        sa.Column("state_or_province", sa.Text(), server_default="", nullable=False),
        sa.Column("postal_code", sa.Text(), server_default="", nullable=False),
        sa.Column("county_or_parish", sa.Text(), server_default="", nullable=False),
        sa.Column("subdivision_name", sa.Text(), server_default="", nullable=False),
        sa.Column("latitude", sa.Numeric(precision=12, scale=8), nullable=True),
        sa.Column("longitude", sa.Numeric(precision=12, scale=8), nullable=True),
        sa.Column("city_area_id", sa.Integer(), nullable=True),
        sa.Column("postal_code_area_id", sa.Integer(), nullable=True),
        sa.Column("county_area_id", sa.Integer(), nullable=True),
        sa.Column("subdivision_area_id", sa.Integer(), nullable=True),
        sa.Column("waterfront_yn", sa.Boolean(), nullable=True),
        sa.Column("public_remarks", sa.Text(), server_default="", nullable=False),
        sa.Column("private_remarks", sa.Text(), server_default="", nullable=False),
        sa.Column("list_agent_id", sa.BigInteger(), nullable=True),
        sa.Column("list_agent_full_name", sa.Text(), server_default="", nullable=False),
        sa.Column("list_office_name", sa.Text(), server_default="", nullable=False),
        sa.Column("list_office_phone", sa.Text(), server_default="", nullable=False),
        sa.Column("internet_entire_listing_display_yn", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("internet_address_display_yn", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("photos_count", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "original_entry_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "modification_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("lock_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("search_text", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "standard_status IN ('Active', 'Active Under Contract', 'Canceled', 'Closed', 'Coming Soon', 'Delete', 'Expired', 'Hold', 'Incomplete', 'Pending', 'Withdrawn')",
            name=op.f("listing_standard_status_check"),
        ),
        sa.CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name=op.f("listing_coordinates_whole_check")),
        sa.CheckConstraint("baths_equivalent BETWEEN 0 AND 300", name=op.f("listing_baths_equivalent_check")),
        sa.CheckConstraint("bedrooms_total BETWEEN 0 AND 999", name=op.f("listing_bedrooms_total_check")),
        sa.CheckConstraint("close_price >= 0", name=op.f("listing_close_price_check")),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name=op.f("listing_latitude_check")),
        sa.CheckConstraint("list_price > 0 AND list_price < 2000000000", name=op.f("listing_list_price_check")),
        sa.CheckConstraint("living_area > 0 AND living_area < 2000000000", name=op.f("listing_living_area_check")),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name=op.f("listing_longitude_check")),
        sa.CheckConstraint(
            "lot_size_square_feet > 0 AND lot_size_square_feet < 100000000000",
            name=op.f("listing_lot_size_square_feet_check"),
        ),
        sa.CheckConstraint("year_built BETWEEN 1600 AND 2200", name=op.f("listing_year_built_check")),
        sa.ForeignKeyConstraint(["city_area_id"], ["area.id"], name=op.f("listing_city_area_id_fkey")),
        sa.ForeignKeyConstraint(["county_area_id"], ["area.id"], name=op.f("listing_county_area_id_fkey")),
        sa.ForeignKeyConstraint(["list_agent_id"], ["member.id"], name=op.f("listing_list_agent_id_fkey")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("listing_office_id_fkey")),
        sa.ForeignKeyConstraint(["postal_code_area_id"], ["area.id"], name=op.f("listing_postal_code_area_id_fkey")),
        sa.ForeignKeyConstraint(["subdivision_area_id"], ["area.id"], name=op.f("listing_subdivision_area_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("listing_pkey")),
        sa.UniqueConstraint("listing_key", name=op.f("listing_listing_key_key")),
    )
    op.create_index("listing_city_area_idx", "listing", ["office_id", "city_area_id"], unique=False)
    op.create_index("listing_county_area_idx", "listing", ["office_id", "county_area_id"], unique=False)
    op.create_index(
        "listing_list_agent_idx",
        "listing",
        ["office_id", "list_agent_id", "standard_status"],
        unique=False,
        postgresql_where=sa.text("list_agent_id IS NOT NULL"),
    )
    op.create_index(
        "listing_office_modified_idx",
        "listing",
        ["office_id", sa.literal_column("modification_timestamp DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "listing_office_on_market_idx",
        "listing",
        ["office_id", "on_market_timestamp"],
        unique=False,
        postgresql_include=["standard_status"],
    )
    op.create_index(
        "listing_office_price_drop_idx",
        "listing",
        ["office_id", "price_change_timestamp"],
        unique=False,
        postgresql_where=sa.text("list_price < previous_list_price"),
    )
    op.create_index(
        "listing_office_price_idx",
        "listing",
        ["office_id", "list_price", "id"],
        unique=False,
        postgresql_include=[
            "standard_status",
            "bedrooms_total",
            "baths_equivalent",
            "property_type",
            "property_sub_type",
        ],
    )
    op.create_index(
        "listing_office_status_modified_idx",
        "listing",
        [
            "office_id",
            "standard_status",
            sa.literal_column("modification_timestamp DESC"),
            sa.literal_column("id DESC"),
        ],
        unique=False,
    )
    op.create_index(
        "listing_originating_system_key",
        "listing",
        ["office_id", "originating_system_name", "originating_system_key"],
        unique=True,
    )
    op.create_index("listing_postal_area_idx", "listing", ["office_id", "postal_code_area_id"], unique=False)
    op.create_index(
        "listing_search_text_idx",
        "listing",
        ["search_text"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.create_index("listing_subdivision_area_idx", "listing", ["office_id", "subdivision_area_id"], unique=False)
    op.create_table(
        "user",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("session_epoch", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("email = lower(btrim(email)) AND email <> ''", name=op.f("user_email_normal_check")),
        sa.CheckConstraint("role IN ('admin', 'staff', 'agent', 'viewer')", name=op.f("user_role_check")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("user_member_id_fkey")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("user_office_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("user_pkey")),
        sa.UniqueConstraint("email", name=op.f("user_email_key")),
    )
    op.create_index(op.f("user_member_id_idx"), "user", ["member_id"], unique=False)
    op.create_index(op.f("user_office_id_idx"), "user", ["office_id"], unique=False)
    op.create_table(
        "buyer_listing",
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("last_price_shown", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("market_spell_no", sa.Integer(), server_default="0", nullable=False),
        sa.Column("listing_sent_timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("buyer_listing_contact_id_fkey")),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("buyer_listing_listing_id_fkey")),
        sa.PrimaryKeyConstraint("contact_id", "listing_id", name=op.f("buyer_listing_pkey")),
    )
    op.create_index("buyer_listing_listing_idx", "buyer_listing", ["listing_id"], unique=False)
    op.create_table(
        "digest",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("items_shown", sa.Integer(), server_default="0", nullable=False),
        sa.Column("items_dropped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("job_run_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('built', 'empty')", name=op.f("digest_state_check")),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("digest_contact_id_fkey")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("digest_office_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("digest_pkey")),
        sa.UniqueConstraint("token", name=op.f("digest_token_key")),
    )
    op.create_index("digest_contact_idx", "digest", ["contact_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("digest_created_idx", "digest", ["created_at"], unique=False)
    op.create_index("digest_recipient_window_key", "digest", ["office_id", "recipient", "window_end"], unique=True)
    op.create_table(
        "import_batch",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_path", sa.Text(), nullable=False),
        sa.Column("file_sha256", sa.Text(), nullable=False),
        sa.Column("file_bytes", sa.BigInteger(), nullable=False),
        sa.Column("encoding", sa.Text(), server_default="", nullable=False),
        sa.Column("origin", sa.Text(), server_default="backfill", nullable=False),
        sa.Column("state", sa.Text(), server_default="mapping", nullable=False),
        sa.Column("rows_read", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_created", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_updated", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_unchanged", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_rejected", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_with_warnings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("bytes_read", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "origin IN ('live_sync', 'manual', 'correction', 'backfill', 'migration', 'replay')",
            name=op.f("import_batch_origin_check"),
        ),
        sa.CheckConstraint(
            "state IN ('mapping', 'queued', 'running', 'finished', 'failed')", name=op.f("import_batch_state_check")
        ),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("import_batch_office_id_fkey")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("import_batch_user_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("import_batch_pkey")),
    )
    op.create_index(
        "import_batch_office_idx", "import_batch", ["office_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_table(
        "job_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("args", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("dedup_key", sa.Text(), nullable=True),
        sa.Column("lock_key", sa.Text(), nullable=True),
        sa.Column("schedule_name", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("after_run_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.SmallInteger(), server_default="3", nullable=False),
        sa.Column("run_after", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("hinted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name=op.f("job_run_running_lease_check")),
        sa.CheckConstraint(
            "state IN ('pending', 'running', 'succeeded', 'failed', 'missed', 'skipped', 'cancelled')",
            name=op.f("job_run_state_check"),
        ),
        sa.CheckConstraint("trigger IN ('schedule', 'event', 'manual', 'retry')", name=op.f("job_run_trigger_check")),
        sa.CheckConstraint("(schedule_name IS NULL) = (due_at IS NULL)", name=op.f("job_run_schedule_due_check")),
        sa.ForeignKeyConstraint(["schedule_name"], ["job_schedule.name"], name=op.f("job_run_schedule_name_fkey")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("job_run_user_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("job_run_pkey")),
    )
    op.create_index(
        "job_run_after_run_idx",
        "job_run",
        ["after_run_id"],
        unique=False,
        postgresql_where=sa.text("after_run_id IS NOT NULL"),
    )
    op.create_index("job_run_created_idx", "job_run", ["created_at"], unique=False)
    op.create_index(
        "job_run_dedup_key",
        "job_run",
        ["dedup_key"],
        unique=True,
        postgresql_where=sa.text("dedup_key IS NOT NULL AND state IN ('pending', 'running')"),
    )
    op.create_index(
        "job_run_due_idx",
        "job_run",
        ["queue", "run_after", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("job_run_kind_idx", "job_run", ["kind", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "job_run_kind_state_finished_idx",
        "job_run",
        ["kind", "state", sa.literal_column("finished_at DESC")],
        unique=False,
    )
    op.create_index(
        "job_run_lease_idx", "job_run", ["lease_until"], unique=False, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index(
        "job_run_lock_key", "job_run", ["lock_key"], unique=True, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index("job_run_schedule_due_key", "job_run", ["schedule_name", "due_at"], unique=True)
    op.create_table(
        "job_attempt",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error_class", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("rss_peak_kb", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (outcome IS NULL)", name=op.f("job_attempt_finished_outcome_check")
        ),
        sa.CheckConstraint("outcome IN ('ok', 'error', 'timeout', 'lost')", name=op.f("job_attempt_outcome_check")),
        sa.ForeignKeyConstraint(["run_id"], ["job_run.id"], name=op.f("job_attempt_run_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", name=op.f("job_attempt_pkey")),
    )
    op.create_table(
        "saved_search",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=True),
        sa.Column("saved_search_key", sa.Text(), nullable=False),
        sa.Column("saved_search_name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("criteria", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("shape", sa.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("search_query_human_readable", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "original_entry_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "modification_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("saved_search_contact_id_fkey")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("saved_search_member_id_fkey")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("saved_search_office_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("saved_search_pkey")),
        sa.UniqueConstraint("saved_search_key", name=op.f("saved_search_saved_search_key_key")),
    )
    op.create_index("saved_search_contact_idx", "saved_search", ["contact_id"], unique=False)
    op.create_index(op.f("saved_search_member_id_idx"), "saved_search", ["member_id"], unique=False)
    op.create_index("saved_search_office_idx", "saved_search", ["office_id", "id"], unique=False)
    op.create_table(
        "alert_subscription",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("prospecting_key", sa.Text(), nullable=False),
        sa.Column("saved_search_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_member_id", sa.BigInteger(), nullable=True),
        sa.Column("active_yn", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("reason_active_or_disabled", sa.Text(), nullable=True),
        sa.Column("schedule_type", sa.Text(), server_default="ASAP", nullable=False),
        sa.Column("daily_schedule", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("send_time", sa.Time(), nullable=True),
        sa.Column("next_send_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_new_changed_timestamp", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kinds", sa.SmallInteger(), server_default="7", nullable=False),
        sa.Column(
            "since_snapshot",
            PgSnapshot(),
            server_default=sa.text("pg_current_snapshot()"),
            nullable=False,
        ),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column(
            "original_entry_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "modification_timestamp", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint(
            "reason_active_or_disabled IN ('Agent Disabled', 'Client Disabled', 'Concierge Notification', 'Final Ignored Warning', 'Ignored', 'Initial Ignored Warning', 'Invalid', 'No Listings Found', 'No Listings Found Warning', 'No One To Send To', 'Over Limit', 'Re-Activated', 'Revised', 'Search Failing', 'Welcome Email Ignored', 'Welcome Email Ignored Warning')",
            name=op.f("alert_subscription_reason_active_or_disabled_check"),
        ),
        sa.CheckConstraint(
            "schedule_type = 'ASAP' OR send_time IS NOT NULL", name=op.f("alert_subscription_send_time_check")
        ),
        sa.CheckConstraint(
            "schedule_type IN ('ASAP', 'Daily', 'Monthly')", name=op.f("alert_subscription_schedule_type_check")
        ),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("alert_subscription_contact_id_fkey")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("alert_subscription_office_id_fkey")),
        sa.ForeignKeyConstraint(
            ["owner_member_id"], ["member.id"], name=op.f("alert_subscription_owner_member_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["saved_search_id"],
            ["saved_search.id"],
            name=op.f("alert_subscription_saved_search_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("alert_subscription_pkey")),
        sa.UniqueConstraint("prospecting_key", name=op.f("alert_subscription_prospecting_key_key")),
        sa.UniqueConstraint("token", name=op.f("alert_subscription_token_key")),
    )
    op.create_index("alert_subscription_contact_idx", "alert_subscription", ["contact_id"], unique=False)
    op.create_index(
        "alert_subscription_next_send_idx",
        "alert_subscription",
        ["next_send_timestamp"],
        unique=False,
        postgresql_where="active_yn",
    )
    op.create_index(op.f("alert_subscription_office_id_idx"), "alert_subscription", ["office_id"], unique=False)
    op.create_index(
        op.f("alert_subscription_owner_member_id_idx"), "alert_subscription", ["owner_member_id"], unique=False
    )
    op.create_index(
        "alert_subscription_since_idx",
        "alert_subscription",
        [sa.literal_column("pg_snapshot_xmax(since_snapshot)")],
        unique=False,
    )
    op.create_index(
        "alert_subscription_search_contact_key", "alert_subscription", ["saved_search_id", "contact_id"], unique=True
    )
    op.create_table(
        "digest_item",
        sa.Column("digest_id", sa.BigInteger(), nullable=False),
        sa.Column("alert_subscription_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("saved_search_id", sa.BigInteger(), nullable=False),
        sa.Column("search_version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("price_before", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("price_shown", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("drop_reason", sa.Text(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(outcome = 'dropped') = (drop_reason IS NOT NULL)", name=op.f("digest_item_drop_reason_check")
        ),
        sa.CheckConstraint("kind IN ('Back on market', 'New', 'Price drop')", name=op.f("digest_item_kind_check")),
        sa.CheckConstraint("outcome IN ('shown', 'merged', 'dropped')", name=op.f("digest_item_outcome_check")),
        sa.ForeignKeyConstraint(
            ["digest_id"], ["digest.id"], name=op.f("digest_item_digest_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("digest_item_listing_id_fkey")),
        sa.PrimaryKeyConstraint("digest_id", "alert_subscription_id", "event_seq", name=op.f("digest_item_pkey")),
    )
    op.create_index("digest_item_event_idx", "digest_item", ["event_seq"], unique=False)
    op.create_index(
        "digest_item_listing_idx",
        "digest_item",
        ["listing_id", sa.literal_column("digest_id DESC")],
        unique=False,
        postgresql_include=["alert_subscription_id"],
    )
    op.create_index(
        "digest_item_told_once_key",
        "digest_item",
        ["office_id", "recipient", "listing_id", "kind", "fingerprint"],
        unique=True,
        postgresql_where=sa.text("outcome = 'shown'"),
    )
    op.create_table(
        "import_row",
        sa.Column("import_batch_id", sa.BigInteger(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("originating_system_key", sa.Text(), server_default="", nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=True),
        sa.Column("issues", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.CheckConstraint(
            "outcome IN ('created', 'updated', 'unchanged', 'rejected')", name=op.f("import_row_outcome_check")
        ),
        sa.ForeignKeyConstraint(
            ["import_batch_id"], ["import_batch.id"], name=op.f("import_row_import_batch_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_batch_id", "line_no", name=op.f("import_row_pkey")),
    )
    op.create_index(
        "import_row_issues_idx",
        "import_row",
        ["import_batch_id", "line_no"],
        unique=False,
        postgresql_where="issues <> '[]'::jsonb",
    )
    op.create_table(
        "listing_event",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False),
        sa.Column("kinds", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("alertable", sa.Boolean(), nullable=False),
        sa.Column("not_alertable_reason", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("import_batch_id", sa.BigInteger(), nullable=True),
        sa.Column("standard_status", sa.Text(), nullable=False),
        sa.Column("list_price", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("previous_list_price", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("property_type", sa.Text(), nullable=True),
        sa.Column("property_sub_type", sa.Text(), nullable=True),
        sa.Column("bedrooms_total", sa.SmallInteger(), nullable=True),
        sa.Column("baths_equivalent", sa.Numeric(precision=6, scale=2), nullable=True),
        sa.Column("living_area", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("lot_size_square_feet", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("year_built", sa.SmallInteger(), nullable=True),
        sa.Column("city_area_id", sa.Integer(), nullable=True),
        sa.Column("postal_code_area_id", sa.Integer(), nullable=True),
        sa.Column("county_area_id", sa.Integer(), nullable=True),
        sa.Column("subdivision_area_id", sa.Integer(), nullable=True),
        sa.Column("latitude_e6", sa.Integer(), nullable=True),
        sa.Column("longitude_e6", sa.Integer(), nullable=True),
        sa.Column("market_spell_no", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "change_type IN ('New Listing', 'Price Change', 'Back On Market', 'Active', 'Active Under Contract', 'Canceled', 'Closed', 'Coming Soon', 'Deleted', 'Expired', 'Hold', 'Pending', 'Withdrawn', 'Attributes')",
            name=op.f("listing_event_change_type_check"),
        ),
        sa.CheckConstraint(
            "origin IN ('live_sync', 'manual', 'correction', 'backfill', 'migration', 'replay')",
            name=op.f("listing_event_origin_check"),
        ),
        sa.CheckConstraint("NOT alertable OR kinds <> 0", name=op.f("listing_event_alertable_kinds_check")),
        sa.CheckConstraint(
            "alertable = (not_alertable_reason IS NULL)", name=op.f("listing_event_alertable_reason_check")
        ),
        sa.ForeignKeyConstraint(
            ["import_batch_id"], ["import_batch.id"], name=op.f("listing_event_import_batch_id_fkey")
        ),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("listing_event_listing_id_fkey")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("listing_event_office_id_fkey")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("listing_event_user_id_fkey")),
        sa.PrimaryKeyConstraint("seq", name=op.f("listing_event_pkey")),
    )
    op.create_index(
        "listing_event_listing_idx", "listing_event", ["listing_id", sa.literal_column("seq DESC")], unique=False
    )
    op.create_index("listing_event_office_recorded_idx", "listing_event", ["office_id", "recorded_at"], unique=False)
    op.create_index("listing_event_recorded_idx", "listing_event", ["recorded_at"], unique=False)
    op.create_index("listing_event_xid_idx", "listing_event", ["xid"], unique=False)
    op.create_table(
        "outbound_message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("digest_id", sa.BigInteger(), nullable=True),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("message_date", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("body_text", sa.Text(), nullable=True),
        sa.Column("body_html", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempting_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_reply", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name=op.f("outbound_message_sent_at_check")),
        sa.CheckConstraint(
            "state <> 'sending' OR lease_token IS NOT NULL", name=op.f("outbound_message_sending_lease_check")
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'sent', 'failed', 'suppressed', 'dropped', 'expired', 'unknown')",
            name=op.f("outbound_message_state_check"),
        ),
        sa.CheckConstraint("stream IN ('alerts')", name=op.f("outbound_message_stream_check")),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("outbound_message_contact_id_fkey")),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"], name=op.f("outbound_message_digest_id_fkey")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("outbound_message_office_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("outbound_message_pkey")),
        sa.UniqueConstraint("dedupe_key", name=op.f("outbound_message_dedupe_key_key")),
        sa.UniqueConstraint("digest_id", name=op.f("outbound_message_digest_id_key")),
        sa.UniqueConstraint("message_id", name=op.f("outbound_message_message_id_key")),
    )
    op.create_index(
        "outbound_message_contact_idx", "outbound_message", ["contact_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_index("outbound_message_created_idx", "outbound_message", ["created_at"], unique=False)
    op.create_index(
        "outbound_message_due_idx",
        "outbound_message",
        ["not_before", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "outbound_message_lease_idx",
        "outbound_message",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(op.f("outbound_message_office_id_idx"), "outbound_message", ["office_id"], unique=False)
    op.create_index(
        "outbound_message_unknown_idx",
        "outbound_message",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'unknown'"),
    )
    op.create_table(
        "saved_search_version",
        sa.Column("saved_search_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("criteria", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["saved_search_id"],
            ["saved_search.id"],
            name=op.f("saved_search_version_saved_search_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("saved_search_version_user_id_fkey")),
        sa.PrimaryKeyConstraint("saved_search_id", "version", name=op.f("saved_search_version_pkey")),
    )
    op.create_table(
        "message_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("outbound_message_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "event_type IN ('queued', 'sent', 'rejected', 'failed', 'bounced', 'deferred', 'delivered', 'autoresponded', 'opened', 'clicked', 'complained', 'unsubscribed', 'unknown')",
            name=op.f("message_event_event_type_check"),
        ),
        sa.ForeignKeyConstraint(
            ["outbound_message_id"],
            ["outbound_message.id"],
            name=op.f("message_event_outbound_message_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("message_event_pkey")),
    )
    op.create_index("message_event_message_idx", "message_event", ["outbound_message_id", "id"], unique=False)
    op.create_index("message_event_recorded_idx", "message_event", ["recorded_at"], unique=False)
    op.create_index("message_event_source_key", "message_event", ["source", "event_id"], unique=True)
    op.create_table(
        "search_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("price_hi", sa.Integer(), nullable=False),
        sa.Column("price_lo", sa.Integer(), nullable=False),
        sa.Column("living_lo", sa.Integer(), nullable=False),
        sa.Column("living_hi", sa.Integer(), nullable=False),
        sa.Column("lot_lo", sa.BigInteger(), nullable=False),
        sa.Column("sub_types", sa.BigInteger(), nullable=False),
        sa.Column("triggers", sa.Integer(), nullable=False),
        sa.Column("year_lo", sa.SmallInteger(), nullable=False),
        sa.Column("year_hi", sa.SmallInteger(), nullable=False),
        sa.Column("beds_lo", sa.SmallInteger(), nullable=False),
        sa.Column("baths_lo", sa.SmallInteger(), nullable=False),
        sa.Column("flags", sa.SmallInteger(), nullable=False),
        sa.Column("alert_subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("saved_search_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_subscription_id"],
            ["alert_subscription.id"],
            name=op.f("search_key_alert_subscription_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("search_key_pkey")),
    )
    op.create_index(
        "search_key_cover_idx",
        "search_key",
        ["key", "price_hi"],
        unique=False,
        postgresql_include=[
            "price_lo",
            "living_lo",
            "living_hi",
            "lot_lo",
            "sub_types",
            "triggers",
            "year_lo",
            "year_hi",
            "beds_lo",
            "baths_lo",
            "flags",
            "alert_subscription_id",
            "saved_search_id",
        ],
    )
    op.create_index("search_key_subscription_idx", "search_key", ["alert_subscription_id"], unique=False)
    op.create_table(
        "suppression",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=True),
        sa.Column("alert_subscription_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), server_default="", nullable=False),
        sa.Column("outbound_message_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.CheckConstraint("(scope = 'stream') = (stream IS NOT NULL)", name=op.f("suppression_stream_check")),
        sa.CheckConstraint(
            "(scope = 'subscription') = (alert_subscription_id IS NOT NULL)",
            name=op.f("suppression_subscription_check"),
        ),
        sa.CheckConstraint(
            "reason IN ('unsubscribed', 'bounced', 'complained')", name=op.f("suppression_reason_check")
        ),
        sa.CheckConstraint("scope IN ('address', 'stream', 'subscription')", name=op.f("suppression_scope_check")),
        sa.CheckConstraint("recipient = lower(btrim(recipient))", name=op.f("suppression_recipient_normal_check")),
        sa.ForeignKeyConstraint(
            ["alert_subscription_id"],
            ["alert_subscription.id"],
            name=op.f("suppression_alert_subscription_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("suppression_office_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("suppression_pkey")),
    )
    op.create_index(
        op.f("suppression_alert_subscription_id_idx"), "suppression", ["alert_subscription_id"], unique=False
    )
    op.create_index(
        "suppression_in_force_key",
        "suppression",
        [
            "office_id",
            "recipient",
            "scope",
            sa.literal_column("coalesce(stream, '')"),
            sa.literal_column("coalesce(alert_subscription_id, 0)"),
        ],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    # Days get their own partition from the retention job; what has none yet is still kept.
    op.execute("CREATE TABLE alert_match_default PARTITION OF alert_match DEFAULT")
    # The watermark begins where the log begins: at nothing seen.
    op.execute("INSERT INTO match_cursor (name, snapshot) VALUES ('alerts', pg_current_snapshot())")


def downgrade() -> None:
    op.drop_index("suppression_in_force_key", table_name="suppression", postgresql_where=sa.text("lifted_at IS NULL"))
    op.drop_index(op.f("suppression_alert_subscription_id_idx"), table_name="suppression")
    op.drop_table("suppression")
    op.drop_index("search_key_subscription_idx", table_name="search_key")
    op.drop_index(
        "search_key_cover_idx",
        table_name="search_key",
        postgresql_include=[
            "price_lo",
            "living_lo",
            "living_hi",
            "lot_lo",
            "sub_types",
            "triggers",
            "year_lo",
            "year_hi",
            "beds_lo",
            "baths_lo",
            "flags",
            "alert_subscription_id",
            "saved_search_id",
        ],
    )
    op.drop_table("search_key")
    op.drop_index("message_event_source_key", table_name="message_event")
    op.drop_index("message_event_recorded_idx", table_name="message_event")
    op.drop_index("message_event_message_idx", table_name="message_event")
    op.drop_table("message_event")
    op.drop_table("saved_search_version")
    op.drop_index(
        "outbound_message_unknown_idx", table_name="outbound_message", postgresql_where=sa.text("state = 'unknown'")
    )
    op.drop_index(op.f("outbound_message_office_id_idx"), table_name="outbound_message")
    op.drop_index(
        "outbound_message_lease_idx", table_name="outbound_message", postgresql_where=sa.text("state = 'sending'")
    )
    op.drop_index(
        "outbound_message_due_idx", table_name="outbound_message", postgresql_where=sa.text("state = 'queued'")
    )
    op.drop_index("outbound_message_created_idx", table_name="outbound_message")
    op.drop_index("outbound_message_contact_idx", table_name="outbound_message")
    op.drop_table("outbound_message")
    op.drop_index("listing_event_xid_idx", table_name="listing_event")
    op.drop_index("listing_event_recorded_idx", table_name="listing_event")
    op.drop_index("listing_event_office_recorded_idx", table_name="listing_event")
    op.drop_index("listing_event_listing_idx", table_name="listing_event")
    op.drop_table("listing_event")
    op.drop_index("import_row_issues_idx", table_name="import_row", postgresql_where="issues <> '[]'::jsonb")
    op.drop_table("import_row")
    op.drop_index("digest_item_told_once_key", table_name="digest_item", postgresql_where=sa.text("outcome = 'shown'"))
    op.drop_index("digest_item_listing_idx", table_name="digest_item")
    op.drop_index("digest_item_event_idx", table_name="digest_item")
    op.drop_table("digest_item")
    op.drop_index("alert_subscription_since_idx", table_name="alert_subscription")
    op.drop_index("alert_subscription_search_contact_key", table_name="alert_subscription")
    op.drop_index(op.f("alert_subscription_owner_member_id_idx"), table_name="alert_subscription")
    op.drop_index(op.f("alert_subscription_office_id_idx"), table_name="alert_subscription")
    op.drop_index("alert_subscription_next_send_idx", table_name="alert_subscription", postgresql_where="active_yn")
    op.drop_index("alert_subscription_contact_idx", table_name="alert_subscription")
    op.drop_table("alert_subscription")
    op.drop_index("saved_search_office_idx", table_name="saved_search")
    op.drop_index(op.f("saved_search_member_id_idx"), table_name="saved_search")
    op.drop_index("saved_search_contact_idx", table_name="saved_search")
    op.drop_table("saved_search")
    op.drop_table("job_attempt")
    op.drop_index("job_run_schedule_due_key", table_name="job_run")
    op.drop_index("job_run_lock_key", table_name="job_run", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("job_run_lease_idx", table_name="job_run", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("job_run_kind_state_finished_idx", table_name="job_run")
    op.drop_index("job_run_kind_idx", table_name="job_run")
    op.drop_index("job_run_due_idx", table_name="job_run", postgresql_where=sa.text("state = 'pending'"))
    op.drop_index(
        "job_run_dedup_key",
        table_name="job_run",
        postgresql_where=sa.text("dedup_key IS NOT NULL AND state IN ('pending', 'running')"),
    )
    op.drop_index("job_run_created_idx", table_name="job_run")
    op.drop_index("job_run_after_run_idx", table_name="job_run", postgresql_where=sa.text("after_run_id IS NOT NULL"))
    op.drop_table("job_run")
    op.drop_index("import_batch_office_idx", table_name="import_batch")
    op.drop_table("import_batch")
    op.drop_index("digest_recipient_window_key", table_name="digest")
    op.drop_index("digest_created_idx", table_name="digest")
    op.drop_index("digest_contact_idx", table_name="digest")
    op.drop_table("digest")
    op.drop_index("buyer_listing_listing_idx", table_name="buyer_listing")
    op.drop_table("buyer_listing")
    op.drop_index(op.f("user_office_id_idx"), table_name="user")
    op.drop_index(op.f("user_member_id_idx"), table_name="user")
    op.drop_table("user")
    op.drop_index("listing_subdivision_area_idx", table_name="listing")
    op.drop_index(
        "listing_search_text_idx",
        table_name="listing",
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.drop_index("listing_postal_area_idx", table_name="listing")
    op.drop_index("listing_originating_system_key", table_name="listing")
    op.drop_index("listing_office_status_modified_idx", table_name="listing")
    op.drop_index("listing_office_price_idx", table_name="listing")
    op.drop_index(
        "listing_office_price_drop_idx",
        table_name="listing",
        postgresql_where=sa.text("list_price < previous_list_price"),
    )
    op.drop_index("listing_office_on_market_idx", table_name="listing")
    op.drop_index("listing_office_modified_idx", table_name="listing")
    op.drop_index(
        "listing_list_agent_idx",
        table_name="listing",
        postgresql_where=sa.text("list_agent_id IS NOT NULL"),
    )
    op.drop_index("listing_county_area_idx", table_name="listing")
    op.drop_index("listing_city_area_idx", table_name="listing")
    op.drop_table("listing")
    op.drop_index(
        "contact_search_text_idx",
        table_name="contact",
        postgresql_using="gin",
        postgresql_ops={"search_text": "gin_trgm_ops"},
    )
    op.drop_index(op.f("contact_owner_member_id_idx"), table_name="contact")
    op.drop_index("contact_office_name_idx", table_name="contact")
    op.drop_index("contact_office_email_key", table_name="contact", postgresql_where="email <> ''")
    op.drop_table("contact")
    op.drop_index(op.f("member_office_id_idx"), table_name="member")
    op.drop_table("member")
    op.drop_index("area_office_kind_name_key", table_name="area")
    op.drop_table("area")
    op.drop_index(op.f("process_heartbeat_seen_at_idx"), table_name="process_heartbeat")
    op.drop_table("process_heartbeat")
    op.drop_table("office")
    op.drop_table("match_cursor")
    op.drop_index("match_batch_open_idx", table_name="match_batch", postgresql_where=sa.text("done_at IS NULL"))
    op.drop_index("match_batch_found_on_idx", table_name="match_batch")
    op.drop_table("match_batch")
    op.drop_table("job_schedule")
    op.drop_index("alert_match_waiting_idx", table_name="alert_match", postgresql_where=sa.text("digest_id IS NULL"))
    op.drop_table("alert_match")
