"""What can be proved of an alert: what a subscription was before, and the trips of the canary.

What a subscription was is written by a trigger, not by the verbs: no statement that pauses, resumes or stops one can
forget it (docs/decisions/0027). New tables only, and a trigger that old code does not notice.

Revision: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


class PgSnapshot(sa.types.UserDefinedType[str]):
    """As the models say it; a migration does not change with them."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "pg_snapshot"


REMEMBER = """
    CREATE FUNCTION remember_subscription() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO subscription_past (alert_subscription_id, until, active_yn, reason_active_or_disabled, kinds,
            schedule_type, send_time, daily_schedule, since_snapshot)
        VALUES (OLD.id,
            CASE WHEN NEW.modification_timestamp IS DISTINCT FROM OLD.modification_timestamp
                THEN NEW.modification_timestamp ELSE clock_timestamp() END,
            OLD.active_yn, OLD.reason_active_or_disabled, OLD.kinds, OLD.schedule_type, OLD.send_time,
            OLD.daily_schedule, OLD.since_snapshot);
        RETURN NULL;
    END $$
"""
TRIGGER = """
    CREATE TRIGGER alert_subscription_past AFTER UPDATE ON alert_subscription FOR EACH ROW
    WHEN ((OLD.active_yn, OLD.reason_active_or_disabled, OLD.kinds, OLD.schedule_type, OLD.send_time,
           OLD.daily_schedule)
        IS DISTINCT FROM (NEW.active_yn, NEW.reason_active_or_disabled, NEW.kinds, NEW.schedule_type, NEW.send_time,
           NEW.daily_schedule))
    EXECUTE FUNCTION remember_subscription()
"""


def upgrade() -> None:
    op.create_table(
        "subscription_past",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("alert_subscription_id", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active_yn", sa.Boolean(), nullable=False),
        sa.Column("reason_active_or_disabled", sa.Text(), nullable=True),
        sa.Column("kinds", sa.SmallInteger(), nullable=False),
        sa.Column("schedule_type", sa.Text(), nullable=False),
        sa.Column("send_time", sa.Time(), nullable=True),
        sa.Column("daily_schedule", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("since_snapshot", PgSnapshot(), nullable=False),
        sa.ForeignKeyConstraint(["alert_subscription_id"], ["alert_subscription.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("subscription_past_until_idx", "subscription_past", ["alert_subscription_id", "until"])
    op.create_index("subscription_past_age_idx", "subscription_past", ["until"])
    op.create_table(
        "canary_trip",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("listing_id", sa.BigInteger(), nullable=False),
        sa.Column("event_seq", sa.BigInteger(), nullable=False),
        sa.Column("planted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("canary_trip_due_key", "canary_trip", ["due_at"], unique=True)
    op.create_index("canary_trip_open_idx", "canary_trip", ["due_at"], postgresql_where=sa.text("arrived_at IS NULL"))
    op.execute(REMEMBER)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER alert_subscription_past ON alert_subscription")
    op.execute("DROP FUNCTION remember_subscription()")
    op.drop_table("canary_trip")
    op.drop_table("subscription_past")
