"""What people do with a search: approve its mails, pause it, bring an old version back, delete it.

Safe beside a running version: every column is nullable or has a constant default, and the index of the map is built
beside its writers.

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("saved_search", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("saved_search_version", sa.Column("restored_from", sa.Integer(), nullable=True))
    op.add_column("alert_subscription", sa.Column("concierge_yn", sa.Boolean(), server_default="false", nullable=False))
    for moment in ("stopped_at", "resumed_at", "revised_at"):
        op.add_column("alert_subscription", sa.Column(moment, sa.DateTime(timezone=True), nullable=True))
    with op.get_context().autocommit_block():
        op.drop_index("listing_position_idx", table_name="listing", postgresql_concurrently=True, if_exists=True)
        op.create_index(
            "listing_position_idx",
            "listing",
            ["office_id", "latitude", "longitude"],
            postgresql_concurrently=True,
            postgresql_where=sa.text("latitude IS NOT NULL"),
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("listing_position_idx", table_name="listing", postgresql_concurrently=True, if_exists=True)
    for column in ("revised_at", "resumed_at", "stopped_at", "concierge_yn"):
        op.drop_column("alert_subscription", column)
    op.drop_column("saved_search_version", "restored_from")
    op.drop_column("saved_search", "deleted_at")
