"""The indexes that the operations pages read a million runs by.

Built without stopping their writers, so not in a transaction: what an interrupted try left behind is taken away
first.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEXES: tuple[tuple[str, str, list[object], dict[str, object]], ...] = (
    (
        "job_run",
        "job_run_state_idx",
        ["state", sa.literal_column("id DESC")],
        {"postgresql_where": sa.text("state <> 'succeeded'")},
    ),
    (
        "job_run",
        "job_run_schedule_idx",
        ["schedule_name", sa.literal_column("id DESC")],
        {"postgresql_where": sa.text("due_at IS NOT NULL")},
    ),
    (
        "job_run",
        "job_run_failed_idx",
        ["error_fingerprint", sa.literal_column("id DESC")],
        {
            "postgresql_where": sa.text("state = 'failed'"),
            "postgresql_include": ["kind", "error_class", "finished_at", "dismissed_at", "office_id"],
        },
    ),
    (
        "job_run",
        "job_run_trigger_idx",
        ["trigger", sa.literal_column("id DESC")],
        {"postgresql_where": sa.text("trigger <> 'event'")},
    ),
    ("job_run", "job_run_finished_idx", ["finished_at"], {}),
    (
        "job_run",
        "job_run_args_idx",
        ["args"],
        {"postgresql_using": "gin", "postgresql_ops": {"args": "jsonb_path_ops"}},
    ),
    ("job_attempt", "job_attempt_lost_idx", ["finished_at"], {"postgresql_where": sa.text("outcome = 'lost'")}),
    (
        "outbound_message",
        "outbound_message_run_idx",
        ["job_run_id", sa.literal_column("id DESC")],
        {"postgresql_where": sa.text("job_run_id IS NOT NULL")},
    ),
    (
        "message_event",
        "message_event_bounced_idx",
        ["recorded_at"],
        {"postgresql_where": sa.text("event_type = 'bounced'")},
    ),
)

OFFICES = """
    UPDATE job_run SET office_id = import_batch.office_id FROM import_batch
    WHERE job_run.kind = 'imports' AND job_run.office_id IS NULL
        AND job_run.args ->> 'import_batch_id' = import_batch.id::text
"""
"""Whose affair the imports of before are: here, where no lock on the table is held meanwhile."""

UNCHECKED = (
    ("job_run", "job_run_dismissed_by_id_fkey"),
    ("job_run", "job_run_office_id_fkey"),
    ("job_schedule", "job_schedule_paused_by_id_fkey"),
    ("job_attempt", "job_attempt_outcome_check"),
)
"""What 0002 asks of rows to come; here those that were there are read through, beside their writers."""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(OFFICES)
        for table, name in UNCHECKED:
            op.execute(f'ALTER TABLE {table} VALIDATE CONSTRAINT "{name}"')
        for table, name, columns, options in INDEXES:
            op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
            op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for table, name, _, _ in INDEXES:
            op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
