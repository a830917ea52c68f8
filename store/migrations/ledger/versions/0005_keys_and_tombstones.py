"""Retired master keys (S50) and tombstones of what was erased (S56).

Revision: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "retired_key",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
    )
    op.create_table(
        "tombstone",
        sa.Column("account_id", sa.String(40), primary_key=True),
        sa.Column("record_hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
    )
