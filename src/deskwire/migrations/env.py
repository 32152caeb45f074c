"""Run the migrations over the connection that `schema` passes; Alembic's entry point."""

from __future__ import annotations

from alembic import context

from deskwire.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
    transaction_per_migration=False,
)
context.run_migrations()
