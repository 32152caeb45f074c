"""Alembic's entry: runs the versions over the connection it is given."""

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
