"""Record direct edits of organizations and their members."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES: dict[str, tuple[list[str], list[str]]] = {  # table → its key, its columns
    "organizations": (
        ["id"],
        [
            "id",
            "slug",
            "name",
            "internal",
            "about",
            "visibility",
            "generation",
            "created_at",
            "deleted_at",
            "revision",
        ],
    ),
    "organization_members": (
        ["organization", "person"],
        ["organization", "person", "role", "joined_at", "revision"],
    ),
}

CHILDREN = ("organization_members", "categories", "invitations")  # they reference organizations

_NOTE = "INSERT INTO outside_changes (table_name, row_key, kind, before, at)"

_SQLITE_NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
_SQLITE = (
    """CREATE TRIGGER outside_{table}_insert AFTER INSERT ON {table} WHEN NEW.revision = 0
BEGIN
    {note} VALUES ('{table}', json_array({new_key}), 'insert', NULL, {now});
    UPDATE {table} SET revision = 1 WHERE {is_new};
END""",
    # SQLite fires no trigger for the row that INSERT OR REPLACE deletes.
    """CREATE TRIGGER outside_{table}_replace BEFORE INSERT ON {table} WHEN NEW.revision = 0
BEGIN
    {note} SELECT '{table}', json_array({new_key}), 'delete', json_object({was}), {now}
        FROM {table} AS was WHERE {is_new};
END""",
    """CREATE TRIGGER outside_{table}_update AFTER UPDATE ON {table}
WHEN NEW.revision = OLD.revision
BEGIN
    {note} VALUES ('{table}', json_array({new_key}), 'update', json_object({old}), {now});
    UPDATE {table} SET revision = OLD.revision + 1 WHERE {is_new};
END""",
    """CREATE TRIGGER outside_{table}_delete AFTER DELETE ON {table} WHEN OLD.revision >= 0
BEGIN
    {note} VALUES ('{table}', json_array({old_key}), 'delete', json_object({old}), {now});
END""",
)

_POSTGRES_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_POSTGRES = (
    """CREATE FUNCTION outside_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        {note} VALUES
            ('{table}', jsonb_build_array({old_key})::text, 'delete', to_jsonb(OLD)::text, {now});
    ELSIF TG_OP = 'UPDATE' THEN
        {note} VALUES
            ('{table}', jsonb_build_array({new_key})::text, 'update', to_jsonb(OLD)::text, {now});
        UPDATE {table} SET revision = OLD.revision + 1 WHERE {is_new};
    ELSE
        {note} VALUES
            ('{table}', jsonb_build_array({new_key})::text, 'insert', NULL, {now});
        UPDATE {table} SET revision = 1 WHERE {is_new};
    END IF;
    PERFORM pg_notify('{channel}', '');
    RETURN NULL;
END
$$""",
    """CREATE TRIGGER outside_{table}_insert AFTER INSERT ON {table} FOR EACH ROW
    WHEN (NEW.revision = 0) EXECUTE FUNCTION outside_{table}()""",
    """CREATE TRIGGER outside_{table}_update AFTER UPDATE ON {table} FOR EACH ROW
    WHEN (NEW.revision = OLD.revision) EXECUTE FUNCTION outside_{table}()""",
    """CREATE TRIGGER outside_{table}_delete AFTER DELETE ON {table} FOR EACH ROW
    WHEN (OLD.revision >= 0) EXECUTE FUNCTION outside_{table}()""",
)


def upgrade() -> None:
    tx = op.get_bind()
    shared = tx.dialect.name == "postgresql"
    if shared:
        for table in TABLES:
            op.alter_column(table, "revision", server_default="0")
    else:
        _let_revisions_begin_at_0(tx)
    for table, (key, columns) in TABLES.items():
        words = _words(table, key, columns, shared=shared)
        for statement in _POSTGRES if shared else _SQLITE:
            tx.exec_driver_sql(statement.format(**words))


def _let_revisions_begin_at_0(tx: sa.Connection) -> None:
    """Set the default to 0; SQLite copies the table, so referencing rows are set aside."""
    for child in CHILDREN:
        tx.exec_driver_sql(f"CREATE TEMP TABLE kept_{child} AS SELECT * FROM {child}")  # noqa: S608 - our own names
        tx.exec_driver_sql(f"DELETE FROM {child}")  # noqa: S608 - our own names
    for table in TABLES:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column(
                "revision", existing_type=sa.Integer(), existing_nullable=False, server_default="0"
            )
    for child in CHILDREN:
        tx.exec_driver_sql(f"INSERT INTO {child} SELECT * FROM kept_{child}")  # noqa: S608 - our own names
        tx.exec_driver_sql(f"DROP TABLE kept_{child}")


def _words(table: str, key: list[str], columns: list[str], *, shared: bool) -> dict[str, str]:
    return {
        "table": table,
        "note": _NOTE,
        "now": _POSTGRES_NOW if shared else _SQLITE_NOW,
        "channel": "deskwire_edits",
        "new_key": ", ".join(f"NEW.{name}" for name in key),
        "old_key": ", ".join(f"OLD.{name}" for name in key),
        "is_new": " AND ".join(f"{name} = NEW.{name}" for name in key),
        "old": ", ".join(f"'{name}', OLD.{name}" for name in columns),
        "was": ", ".join(f"'{name}', was.{name}" for name in columns),
    }
