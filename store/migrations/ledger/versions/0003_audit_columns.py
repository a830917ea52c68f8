"""What an act touched, how it ended, and how many objects it had (S73).

Revision: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("audit") as table:
        table.add_column(sa.Column("fields", sa.String(200), nullable=False, server_default=""))
        table.add_column(
            sa.Column("outcome", sa.String(20), nullable=False, server_default="done")
        )
        table.add_column(sa.Column("objects", sa.Integer(), nullable=False, server_default="1"))
