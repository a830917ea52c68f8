"""Leases without a clock; on PostgreSQL, tables that change all the time are swept often.

Revision: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "account", sa.Column("beats", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.drop_column("account", "lease_until")
    if op.get_bind().dialect.name == "postgresql":
        # What a claim reads first is what was changed last: dead rows there cost every claim.
        op.execute(
            "ALTER TABLE due SET (autovacuum_vacuum_scale_factor = 0,"
            " autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0)"
        )
        # Leases are renewed in place, within the page.
        op.execute("ALTER TABLE account SET (fillfactor = 50)")
