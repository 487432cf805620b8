"""What comes back after a message was accepted: what mail servers, providers and people send, kept as it came; why a
message came back; suppressions of which each reason stands by itself; and one row a day on whether a provider counted
what we counted.

Checks that old rows must meet are read through beside their writers, and indexes of large tables are built beside them;
what an interrupted try left behind is taken away first.

Revision: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

EVENT_TYPES = (
    "'queued', 'sent', 'rejected', 'failed', 'bounced', 'deferred', 'delivered', 'autoresponded', 'opened', 'clicked',"
    " 'complained', 'unsubscribed'"
)
REASONS = "'unsubscribed', 'bounced', 'complained'"
IN_FORCE = "office_id, recipient, scope, coalesce(stream, ''), coalesce(alert_subscription_id, 0)"


def check(table: str, name: str, condition: str) -> None:
    """For rows to come at once; for those that are there, see `validate`."""
    op.execute(f'ALTER TABLE {table} DROP CONSTRAINT IF EXISTS "{name}"')
    op.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" CHECK ({condition}) NOT VALID')


def validate(table: str, name: str) -> None:
    op.execute(f'ALTER TABLE {table} VALIDATE CONSTRAINT "{name}"')


def upgrade() -> None:
    op.create_table(
        "inbound_event",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("hints", postgresql.JSONB, nullable=False, server_default="{}"),
        sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("event_type", sa.Text),
        sa.Column("cause", sa.Text),
        sa.Column("words", sa.Text),
        sa.Column("recipient", sa.Text),
        sa.Column("known_by", sa.Text),
        sa.Column("outbound_message_id", sa.BigInteger),
        sa.Column("office_id", sa.BigInteger, sa.ForeignKey("office.id", name="inbound_event_office_id_fkey")),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("worked_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "state IN ('waiting', 'done', 'unmatched', 'ignored', 'failed')", name="inbound_event_state_check"
        ),
        sa.CheckConstraint("cause IN ('dead', 'block', 'soft')", name="inbound_event_cause_check"),
        if_not_exists=True,
    )
    op.create_index(
        "inbound_event_source_key", "inbound_event", ["source", "event_id"], unique=True, if_not_exists=True
    )
    op.create_index(
        "inbound_event_waiting_idx",
        "inbound_event",
        ["id"],
        postgresql_where=sa.text("state = 'waiting'"),
        if_not_exists=True,
    )
    op.create_index("inbound_event_received_idx", "inbound_event", ["received_at"], if_not_exists=True)
    op.create_index("inbound_event_office_id_idx", "inbound_event", ["office_id"], if_not_exists=True)
    op.create_table(
        "provider_day",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("accepted", sa.Integer, nullable=False),
        sa.Column("heard_of", sa.Integer, nullable=False),
        sa.Column("delivered", sa.Integer, nullable=False),
        sa.Column("came_back", sa.Integer, nullable=False),
        sa.Column("their_accepted", sa.Integer),
        sa.Column("their_delivered", sa.Integer),
        sa.Column("is_off", sa.Boolean, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        if_not_exists=True,
    )
    op.execute("ALTER TABLE suppression ADD COLUMN IF NOT EXISTS source text NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE message_event ADD COLUMN IF NOT EXISTS cause text")
    check("message_event", "message_event_cause_check", "cause IN ('dead', 'block', 'soft')")
    check("message_event", "message_event_event_type_check", f"event_type IN ({EVENT_TYPES}, 'subscribed', 'unknown')")
    check("suppression", "suppression_reason_check", f"reason IN ({REASONS}, 'unreachable', 'by_hand')")
    with op.get_context().autocommit_block():
        validate("message_event", "message_event_cause_check")
        validate("message_event", "message_event_event_type_check")
        validate("suppression", "suppression_reason_check")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS message_event_blocked_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY message_event_blocked_idx ON message_event (recorded_at) WHERE cause = 'block'"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS suppression_standing_key")
        op.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY suppression_standing_key ON suppression ({IN_FORCE}, reason)"
            " WHERE lifted_at IS NULL"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS suppression_in_force_key")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS suppression_created_idx")
        op.execute("CREATE INDEX CONCURRENTLY suppression_created_idx ON suppression (office_id, id DESC)")


def downgrade() -> None:
    # The version before knows neither several reasons for one address nor the new ones: the oldest of each stays.
    op.execute("UPDATE suppression SET reason = 'bounced' WHERE reason IN ('unreachable', 'by_hand')")
    op.execute(
        f"UPDATE suppression SET lifted_at = now(), lifted_by = 'a downgrade' FROM (SELECT id, row_number() OVER"
        f" (PARTITION BY {IN_FORCE} ORDER BY id) AS n FROM suppression WHERE lifted_at IS NULL) AS twin"
        " WHERE suppression.id = twin.id AND twin.n > 1"
    )
    op.execute("DELETE FROM message_event WHERE event_type = 'subscribed'")
    check("suppression", "suppression_reason_check", f"reason IN ({REASONS})")
    check("message_event", "message_event_event_type_check", f"event_type IN ({EVENT_TYPES}, 'unknown')")
    op.drop_constraint("message_event_cause_check", "message_event", if_exists=True)
    op.drop_table("provider_day", if_exists=True)
    op.drop_table("inbound_event", if_exists=True)
    with op.get_context().autocommit_block():
        validate("suppression", "suppression_reason_check")
        validate("message_event", "message_event_event_type_check")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS suppression_created_idx")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS suppression_in_force_key")
        op.execute(
            f"CREATE UNIQUE INDEX CONCURRENTLY suppression_in_force_key ON suppression ({IN_FORCE})"
            " WHERE lifted_at IS NULL"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS suppression_standing_key")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS message_event_blocked_idx")
    op.drop_column("message_event", "cause")
    op.drop_column("suppression", "source")
