"""How far the events that we fetch ourselves were fetched.

Revision: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "feed",
        sa.Column("account_id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("position", sa.String(200), nullable=False, server_default=""),
        sa.Column("fetched_at", sa.BigInteger()),
        sa.Column("holder", sa.String(80)),
        sa.Column("held_until", sa.BigInteger()),
    )
