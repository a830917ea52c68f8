"""Runs the migrations of the ledger on the connection that `store/engine.py` passes in."""

from alembic import context

from store.schema import ledger

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=ledger,
    version_table="ledger_version",
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
