"""Retired master keys (S50).

Revision: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "retired_delivery_key",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
    )
