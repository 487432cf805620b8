"""The run ledger in full, and what watches it.

Safe beside a running version: columns are added without a rewrite, and what the rows are to hold is checked by 0003,
since the locks that are taken here last until this migration's end.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OUTCOMES = "outcome IN ('ok', 'error', 'timeout', 'lost', 'cancelled')"
OUTCOMES_BEFORE = "outcome IN ('ok', 'error', 'timeout', 'lost')"
LEFT = "no longer in the code"  # how a line that left the code was told from a paused one until now
REFERENCES = (
    ("job_run", "dismissed_by_id", "user"),
    ("job_run", "office_id", "office"),
    ("job_schedule", "paused_by_id", "user"),
)


def upgrade() -> None:
    op.create_table(
        "integration_check",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("is_up", sa.Boolean(), nullable=False),
        sa.Column("ms", sa.Double(), nullable=True),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("asked", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("name", "at", name=op.f("integration_check_pkey")),
    )
    op.create_index("integration_check_at_idx", "integration_check", ["at"], unique=False)
    op.create_table(
        "job_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("schedule_name", sa.Text(), server_default="", nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("succeeded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("missed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lost", sa.Integer(), server_default="0", nullable=False),
        sa.Column("seconds", sa.Double(), server_default="0", nullable=False),
        sa.Column("durations", postgresql.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column("waits", postgresql.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", "schedule_name", name=op.f("job_day_pkey")),
    )
    op.create_table(
        "job_hour",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("schedule_name", sa.Text(), server_default="", nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("succeeded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("missed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lost", sa.Integer(), server_default="0", nullable=False),
        sa.Column("seconds", sa.Double(), server_default="0", nullable=False),
        sa.Column("durations", postgresql.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.Column("waits", postgresql.ARRAY(sa.Integer()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("hour", "kind", "schedule_name", name=op.f("job_hour_pkey")),
    )
    op.create_table(
        "table_size",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "table_name", name=op.f("table_size_pkey")),
    )
    op.create_table(
        "schedule_pause",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("schedule_name", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused_by_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("resumed_at >= paused_at", name=op.f("schedule_pause_order_check")),
        sa.ForeignKeyConstraint(
            ["schedule_name"], ["job_schedule.name"], name=op.f("schedule_pause_schedule_name_fkey")
        ),
        sa.ForeignKeyConstraint(["paused_by_id"], ["user.id"], name=op.f("schedule_pause_paused_by_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("schedule_pause_pkey")),
    )
    op.create_index("schedule_pause_line_idx", "schedule_pause", ["schedule_name", "resumed_at"], unique=False)
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_type", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["office_id"], ["office.id"], name=op.f("audit_entry_office_id_fkey")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("audit_entry_user_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_entry_pkey")),
    )
    op.create_index("audit_entry_created_idx", "audit_entry", ["created_at"], unique=False)
    op.create_index(
        "audit_entry_subject_idx",
        "audit_entry",
        ["subject_type", "subject_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index("audit_entry_user_idx", "audit_entry", ["user_id", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "incident",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("tone", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), server_default="", nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by_id", sa.BigInteger(), nullable=True),
        sa.Column("notified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_notice_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("tone IN ('bad', 'wait')", name=op.f("incident_tone_check")),
        sa.ForeignKeyConstraint(["acknowledged_by_id"], ["user.id"], name=op.f("incident_acknowledged_by_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("incident_pkey")),
    )
    op.create_index("incident_closed_idx", "incident", ["closed_at"], unique=False)
    op.create_index(
        "incident_notice_idx",
        "incident",
        ["next_notice_at"],
        unique=False,
        postgresql_where=sa.text("next_notice_at IS NOT NULL"),
    )
    op.create_index(
        "incident_open_key", "incident", ["key"], unique=True, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index("incident_opened_idx", "incident", [sa.literal_column("opened_at DESC")], unique=False)
    op.create_table(
        "alarm",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("occasion IN ('opened', 'reminder', 'closed')", name=op.f("alarm_occasion_check")),
        sa.CheckConstraint("outcome IN ('sent', 'failed')", name=op.f("alarm_outcome_check")),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name=op.f("alarm_incident_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("alarm_pkey")),
    )
    op.create_index("alarm_incident_idx", "alarm", ["incident_id", "id"], unique=False)
    op.create_table(
        "job_log_line",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["job_run.id"], name=op.f("job_log_line_run_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "attempt", "line", name=op.f("job_log_line_pkey")),
    )
    op.add_column("job_run", sa.Column("error_fingerprint", sa.Text(), nullable=True))
    op.add_column("job_run", sa.Column("sentry_event_id", sa.Text(), nullable=True))
    op.add_column("job_run", sa.Column("trace", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("job_run", sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("job_run", sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("job_run", sa.Column("dismissed_by_id", sa.BigInteger(), nullable=True))
    op.add_column("job_run", sa.Column("office_id", sa.BigInteger(), nullable=True))
    op.add_column("job_schedule", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("job_schedule", sa.Column("paused_by_id", sa.BigInteger(), nullable=True))
    op.add_column("job_schedule", sa.Column("is_removed", sa.Boolean(), server_default="false", nullable=False))
    op.execute(f"UPDATE job_schedule SET is_removed = true, paused_reason = NULL WHERE paused_reason = '{LEFT}'")
    op.add_column("outbound_message", sa.Column("job_run_id", sa.BigInteger(), nullable=True))
    op.add_column("outbound_message", sa.Column("job_attempt", sa.SmallInteger(), nullable=True))
    op.add_column("process_heartbeat", sa.Column("rss_first_kb", sa.Integer(), nullable=True))
    op.add_column("process_heartbeat", sa.Column("note", sa.Text(), server_default="", nullable=False))
    for table, column, target in REFERENCES:
        name = op.f(f"{table}_{column}_fkey")
        op.create_foreign_key(name, table, target, [column], ["id"], postgresql_not_valid=True)
    allow_outcomes(OUTCOMES)


def allow_outcomes(condition: str) -> None:
    name = op.f("job_attempt_outcome_check")
    op.drop_constraint(name, "job_attempt", type_="check")
    op.create_check_constraint(name, "job_attempt", condition, postgresql_not_valid=True)


def downgrade() -> None:
    op.execute("UPDATE job_attempt SET outcome = 'error' WHERE outcome = 'cancelled'")
    allow_outcomes(OUTCOMES_BEFORE)
    op.execute("ALTER TABLE job_attempt VALIDATE CONSTRAINT job_attempt_outcome_check")
    op.drop_column("process_heartbeat", "note")
    op.drop_column("process_heartbeat", "rss_first_kb")
    op.drop_column("outbound_message", "job_attempt")
    op.drop_column("outbound_message", "job_run_id")
    op.drop_constraint(op.f("job_schedule_paused_by_id_fkey"), "job_schedule", type_="foreignkey")
    op.execute(f"UPDATE job_schedule SET paused_reason = '{LEFT}' WHERE is_removed AND paused_reason IS NULL")
    op.drop_column("job_schedule", "is_removed")
    op.drop_column("job_schedule", "paused_by_id")
    op.drop_column("job_schedule", "paused_at")
    op.drop_constraint(op.f("job_run_office_id_fkey"), "job_run", type_="foreignkey")
    op.drop_column("job_run", "office_id")
    op.drop_constraint(op.f("job_run_dismissed_by_id_fkey"), "job_run", type_="foreignkey")
    op.drop_column("job_run", "dismissed_by_id")
    op.drop_column("job_run", "dismissed_at")
    op.drop_column("job_run", "cancel_requested_at")
    op.drop_column("job_run", "trace")
    op.drop_column("job_run", "sentry_event_id")
    op.drop_column("job_run", "error_fingerprint")
    op.drop_table("job_log_line")
    op.drop_index("alarm_incident_idx", table_name="alarm")
    op.drop_table("alarm")
    op.drop_index("incident_opened_idx", table_name="incident")
    op.drop_index("incident_open_key", table_name="incident", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_index("incident_notice_idx", table_name="incident", postgresql_where=sa.text("next_notice_at IS NOT NULL"))
    op.drop_index("incident_closed_idx", table_name="incident")
    op.drop_table("incident")
    op.drop_index("audit_entry_user_idx", table_name="audit_entry")
    op.drop_index("audit_entry_subject_idx", table_name="audit_entry")
    op.drop_index("audit_entry_created_idx", table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_index("schedule_pause_line_idx", table_name="schedule_pause")
    op.drop_table("schedule_pause")
    op.drop_table("table_size")
    op.drop_table("job_hour")
    op.drop_table("job_day")
    op.drop_index("integration_check_at_idx", table_name="integration_check")
    op.drop_table("integration_check")
