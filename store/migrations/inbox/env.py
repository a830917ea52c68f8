"""Runs the migrations of the inbox on the connection that `store/engine.py` passes in."""

from alembic import context

from store.schema import inbox

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=inbox,
    version_table="inbox_version",
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
