"""Tokens of apps that are installed by OAuth, and how far an installation has come.

The column `sealed_tokens` of `account`, never used, goes: a row of its own can be locked and
deleted without touching the lease.

Revision: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "token",
        sa.Column("account_id", sa.String(40), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("refreshing_until", sa.BigInteger()),
        sa.Column("sealed_tokens", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "install",
        sa.Column("account_id", sa.String(40), primary_key=True),
        sa.Column("invitation_hash", sa.LargeBinary(32)),
        sa.Column("invited_until", sa.BigInteger()),
        sa.Column("state_hash", sa.LargeBinary(32)),
        sa.Column("challenge", sa.String(60)),
        sa.Column("state_until", sa.BigInteger()),
        sa.Column("installed_at", sa.BigInteger()),
        sa.Column("uninstalled_at", sa.BigInteger()),
    )
    with op.batch_alter_table("account") as table:
        table.drop_column("sealed_tokens")
