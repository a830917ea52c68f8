"""On PostgreSQL, the table of deliveries is swept often: the index of what waits stays small.

Revision: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE delivery SET (autovacuum_vacuum_scale_factor = 0,"
            " autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0)"
        )
