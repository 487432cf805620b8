"""How a message travels, and what is done with one of unknown fate.

Safe beside a running version: columns have a constant default or may be null.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbound_message", sa.Column("asks", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("outbound_message", sa.Column("resends", sa.SmallInteger(), server_default="0", nullable=False))
    op.create_table(
        "receiving_site",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("slow_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("slowed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("domain", name=op.f("receiving_site_pkey")),
    )


def downgrade() -> None:
    op.drop_table("receiving_site")
    op.drop_column("outbound_message", "resends")
    op.drop_column("outbound_message", "asks")
