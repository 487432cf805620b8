"""What a buyer sees and may choose: a home's photograph, a pause with an end, and what keeps a search alive.

Safe beside a running version: every column is nullable or has a constant default, the index is built without stopping
anybody. May be run again where it was interrupted.

Revision: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MOMENTS = ("last_viewed_timestamp", "renewed_at", "warned_at", "paused_until")


def upgrade() -> None:
    op.add_column(
        "listing",
        sa.Column("preferred_photo_url", sa.Text(), server_default="", nullable=False),
        if_not_exists=True,
    )
    for name in MOMENTS:
        op.add_column(
            "alert_subscription", sa.Column(name, sa.DateTime(timezone=True), nullable=True), if_not_exists=True
        )
    op.add_column(
        "outbound_message", sa.Column("alert_subscription_id", sa.BigInteger(), nullable=True), if_not_exists=True
    )
    op.drop_constraint("outbound_message_stream_check", "outbound_message")
    op.execute(
        "ALTER TABLE outbound_message ADD CONSTRAINT outbound_message_stream_check"
        " CHECK (stream IN ('alerts', 'notices')) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS alert_subscription_paused_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY alert_subscription_paused_idx ON alert_subscription (paused_until)"
            " WHERE paused_until IS NOT NULL"
        )
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS alert_subscription_warned_idx")
        op.execute(
            "CREATE INDEX CONCURRENTLY alert_subscription_warned_idx ON alert_subscription (office_id, warned_at)"
            " WHERE warned_at IS NOT NULL"
        )
        op.execute("ALTER TABLE outbound_message VALIDATE CONSTRAINT outbound_message_stream_check")


def downgrade() -> None:
    op.execute("DELETE FROM outbound_message WHERE stream = 'notices'")
    op.drop_constraint("outbound_message_stream_check", "outbound_message")
    op.execute(
        "ALTER TABLE outbound_message ADD CONSTRAINT outbound_message_stream_check CHECK (stream IN ('alerts')) NOT VALID"
    )
    op.drop_column("outbound_message", "alert_subscription_id")
    for name in reversed(MOMENTS):
        op.drop_column("alert_subscription", name)
    op.drop_column("listing", "preferred_photo_url")
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE outbound_message VALIDATE CONSTRAINT outbound_message_stream_check")
