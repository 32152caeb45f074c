"""Record direct edits of people and categories."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMNS = {  # that the triggers record; the key is `id`
    "people": [
        "id",
        "name",
        "email",
        "email_verified_at",
        "revision",
        "created_at",
        "time_zone",
        "theme",
        "avatar",
        "deleted_at",
        "seen_at",
        "deactivated_at",
    ],
    "categories": ["id", "organization", "name", "place", "archived_at", "revision"],
}

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
    op.add_column(
        "categories", sa.Column("revision", sa.Integer(), nullable=False, server_default="0")
    )
    op.execute("UPDATE categories SET revision = 1")
    if shared:
        op.alter_column("people", "revision", server_default="0")
    else:
        _let_revisions_begin_at_0()
    for table, columns in COLUMNS.items():
        words = _words(table, columns, shared=shared)
        for statement in _POSTGRES if shared else _SQLITE:
            tx.exec_driver_sql(statement.format(**words))


def _let_revisions_begin_at_0() -> None:
    """Replace the column by one with default 0, because SQLite cannot change a default.

    That is quicker than copying the table, which half the other tables reference, and whose rows
    would take theirs along (ON DELETE CASCADE).
    """
    op.execute("ALTER TABLE people RENAME COLUMN revision TO revision_before")
    op.add_column("people", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE people SET revision = revision_before")
    op.execute("ALTER TABLE people DROP COLUMN revision_before")


def _words(table: str, columns: list[str], *, shared: bool) -> dict[str, str]:
    return {
        "table": table,
        "note": _NOTE,
        "now": _POSTGRES_NOW if shared else _SQLITE_NOW,
        "channel": "deskwire_edits",
        "new_key": "NEW.id",
        "old_key": "OLD.id",
        "is_new": "id = NEW.id",
        "old": ", ".join(f"'{name}', OLD.{name}" for name in columns),
        "was": ", ".join(f"'{name}', was.{name}" for name in columns),
    }
