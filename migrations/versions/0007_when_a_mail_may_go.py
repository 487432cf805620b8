"""When a mail may go, and who is asked first.

Safe beside a running version: columns are nullable or have a constant default; what old tables are to hold is checked
beside their writers, in statements of their own that can be repeated.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATES = "'built', 'empty', 'held'"
STATES_BEFORE = "'built', 'empty'"
WAITS_FOR = "waits_for IN ('hour', 'day', 'quiet', 'age')"
REFERENCES = (
    ("contact", "household_id", "household"),
    ("digest", "hold_id", "mail_hold"),
    ("digest", "decided_by_id", '"user"'),
)


def upgrade() -> None:
    op.create_table(
        "household",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("mail", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("mail IN ('together', 'each')", name=op.f("household_mail_check")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("household_office_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("household_pkey")),
    )
    op.create_table(
        "mail_hold",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("usual", sa.Integer(), nullable=False),
        sa.Column("weeks", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("most_items", sa.Integer(), nullable=False),
        sa.Column("most_contact_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by_id", sa.BigInteger(), nullable=True),
        sa.Column("job_run_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("cause IN ('volume', 'buyer')", name=op.f("mail_hold_cause_check")),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'discarded', 'expired')", name=op.f("mail_hold_state_check")
        ),
        sa.CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name=op.f("mail_hold_decided_check")),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("mail_hold_office_id_fkey")),
        sa.ForeignKeyConstraint(["most_contact_id"], ["contact.id"], name=op.f("mail_hold_most_contact_id_fkey")),
        sa.ForeignKeyConstraint(["decided_by_id"], ["user.id"], name=op.f("mail_hold_decided_by_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("mail_hold_pkey")),
    )
    op.create_index("mail_hold_window_key", "mail_hold", ["office_id", "window_end"], unique=True)
    op.create_index("mail_hold_waiting_idx", "mail_hold", ["id"], postgresql_where=sa.text("state = 'waiting'"))
    op.create_index("mail_hold_created_idx", "mail_hold", ["created_at"])
    for table in ("office", "contact"):
        for column in ("quiet_from", "quiet_until"):
            op.add_column(table, sa.Column(column, sa.Time(), nullable=True))
    op.add_column("contact", sa.Column("household_id", sa.BigInteger(), nullable=True))
    op.add_column("saved_search", sa.Column("time_zone", sa.Text(), server_default="", nullable=False))
    op.add_column("alert_subscription", sa.Column("served_on", sa.Date(), nullable=True))
    op.add_column("alert_subscription", sa.Column("still_watching_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("alert_match", sa.Column("waits_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("alert_match", sa.Column("waits_for", sa.Text(), nullable=True))
    op.execute(f"ALTER TABLE alert_match ADD CONSTRAINT alert_match_waits_for_check CHECK ({WAITS_FOR}) NOT VALID")
    op.add_column("digest", sa.Column("needs_approval", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("digest", sa.Column("is_instant", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("digest", sa.Column("hold_id", sa.BigInteger(), nullable=True))
    op.add_column("digest", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("digest", sa.Column("decided_by_id", sa.BigInteger(), nullable=True))
    op.add_column("digest", sa.Column("decided_reason", sa.Text(), server_default="", nullable=False))
    op.drop_constraint("digest_state_check", "digest")
    op.execute(f"ALTER TABLE digest ADD CONSTRAINT digest_state_check CHECK (state IN ({STATES})) NOT VALID")
    for table, column, other in REFERENCES:
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_{column}_fkey"
            f" FOREIGN KEY ({column}) REFERENCES {other} (id) NOT VALID"
        )
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE alert_match VALIDATE CONSTRAINT alert_match_waits_for_check")
        op.execute("ALTER TABLE digest VALIDATE CONSTRAINT digest_state_check")
        for table, column, _ in REFERENCES:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {table}_{column}_fkey")
        _index("CREATE UNIQUE INDEX", "digest_once_key", "digest (office_id, recipient, window_end, needs_approval)")
        _index("CREATE INDEX", "digest_held_idx", "digest (office_id, id) WHERE state = 'held'")
        _index("CREATE INDEX", "digest_hold_idx", "digest (hold_id) WHERE hold_id IS NOT NULL")
        _index("CREATE INDEX", "contact_household_idx", "contact (household_id) WHERE household_id IS NOT NULL")
        _index(
            "CREATE INDEX",
            "alert_subscription_still_watching_idx",
            "alert_subscription (still_watching_at) WHERE still_watching_at IS NOT NULL",
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS digest_recipient_window_key")


def _index(create: str, name: str, where: str) -> None:
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute(f"{create} CONCURRENTLY {name} ON {where}")


def downgrade() -> None:
    # What was held has no mail, and the version before has no word for that.
    op.execute("UPDATE digest SET state = 'empty' WHERE state = 'held'")
    op.execute("DELETE FROM digest_item USING digest WHERE digest.id = digest_item.digest_id AND digest.needs_approval")
    op.execute(
        "UPDATE outbound_message SET digest_id = NULL FROM digest"
        " WHERE digest.id = outbound_message.digest_id AND digest.needs_approval"
    )
    op.execute("DELETE FROM digest WHERE needs_approval")
    with op.get_context().autocommit_block():
        _index("CREATE UNIQUE INDEX", "digest_recipient_window_key", "digest (office_id, recipient, window_end)")
        for name in (
            "digest_once_key",
            "digest_held_idx",
            "digest_hold_idx",
            "contact_household_idx",
            "alert_subscription_still_watching_idx",
        ):
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.drop_constraint("digest_state_check", "digest")
    op.execute(f"ALTER TABLE digest ADD CONSTRAINT digest_state_check CHECK (state IN ({STATES_BEFORE})) NOT VALID")
    for column in ("decided_reason", "decided_by_id", "decided_at", "hold_id", "is_instant", "needs_approval"):
        op.drop_column("digest", column)
    op.drop_constraint("alert_match_waits_for_check", "alert_match")
    for column in ("waits_for", "waits_until"):
        op.drop_column("alert_match", column)
    for column in ("still_watching_at", "served_on"):
        op.drop_column("alert_subscription", column)
    op.drop_column("saved_search", "time_zone")
    op.drop_column("contact", "household_id")
    for table in ("contact", "office"):
        for column in ("quiet_until", "quiet_from"):
            op.drop_column(table, column)
    op.drop_table("mail_hold")
    op.drop_table("household")
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE digest VALIDATE CONSTRAINT digest_state_check")
