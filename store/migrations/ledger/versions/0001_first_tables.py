"""The first tables of the ledger.

Revision: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("crm", sa.String(20), nullable=False),
        sa.Column("external_id", sa.String(40), nullable=False),
        sa.Column("lease_owner", sa.String(80)),
        sa.Column("lease_until", sa.BigInteger()),
        sa.Column("fence", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("paused_until", sa.BigInteger()),
        sa.Column("pause_code", sa.String(60)),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("swept_until", sa.BigInteger()),
        sa.Column("sealed_tokens", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("account_id"),
    )
    op.create_table(
        "audit",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("act", sa.String(40), nullable=False),
        sa.Column("object_type", sa.String(40)),
        sa.Column("record_id", sa.String(20)),
        sa.Column("chain_hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "seq"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("object_type", sa.String(40)),
        sa.Column("record_id", sa.String(20)),
        sa.Column("delivery_id", sa.String(32)),
        sa.Column("place", sa.String(120)),
        sa.Column("cause", sa.String(20), nullable=False),
        sa.Column("error_code", sa.String(60), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed_facts", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_index("dead_letter_newest", "dead_letter", ["account_id", sa.text("last_at DESC")])
    op.create_table(
        "due",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("object_type", sa.String(40), nullable=False),
        sa.Column("record_id", sa.String(20), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(20), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("first_failed_at", sa.BigInteger()),
        sa.Column("error_code", sa.String(60)),
        sa.Column("since_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("account_id", "object_type", "record_id"),
    )
    op.create_index("due_next", "due", ["account_id", "due_at"])
    op.create_table(
        "lead",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("object_type", sa.String(40), nullable=False),
        sa.Column("record_id", sa.String(20), nullable=False),
        sa.Column("score", sa.SmallInteger()),
        sa.Column("tier", sa.String(20), nullable=False),
        sa.Column("model_version", sa.String(80), nullable=False),
        sa.Column("scored_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger()),
        sa.Column("respond_by", sa.BigInteger()),
        sa.Column("first_response_at", sa.BigInteger()),
        sa.Column("written_hash", sa.LargeBinary(32)),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("key_uses", sa.Integer(), nullable=False),
        sa.Column("sealed_facts", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_reasons", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "object_type", "record_id"),
    )
    op.create_table(
        "model",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("version", sa.String(80), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("published_by", sa.String(80), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "version"),
    )
    op.create_table(
        "outcome",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("object_type", sa.String(40), nullable=False),
        sa.Column("record_id", sa.String(20), nullable=False),
        sa.Column("happened_at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("value_cents", sa.BigInteger()),
        sa.Column("sealed_facts", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("account_id", "object_type", "record_id", "happened_at"),
    )
    op.create_table(
        "score_history",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("object_type", sa.String(40), nullable=False),
        sa.Column("record_id", sa.String(20), nullable=False),
        sa.Column("scored_at", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.SmallInteger()),
        sa.Column("tier", sa.String(20), nullable=False),
        sa.Column("model_version", sa.String(80), nullable=False),
        sa.Column("cause", sa.String(20), nullable=False),
        sa.Column("sealed_reasons", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "object_type", "record_id", "scored_at"),
    )
