"""Lanes of what is due, and how far sweep and backfill have come.

Revision: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_index("due_next", "due")
    with op.batch_alter_table("due") as table:
        table.add_column(sa.Column("lane", sa.SmallInteger(), nullable=False, server_default="0"))
    op.create_index("due_next", "due", ["account_id", "lane", "due_at"])
    with op.batch_alter_table("account") as table:
        table.drop_column("swept_until")
        table.add_column(sa.Column("swept_at", sa.BigInteger()))
    op.create_table(
        "listing",
        sa.Column("account_id", sa.String(40), primary_key=True),
        sa.Column("object_type", sa.String(40), primary_key=True),
        sa.Column("swept_until", sa.BigInteger()),
        sa.Column("cursor", sa.String(120), nullable=False, server_default=""),
        sa.Column("marked", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("total", sa.BigInteger()),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("listed_at", sa.BigInteger()),
    )
