"""Add API keys, with the triggers that record direct edits of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COLUMNS = [  # that the triggers record; the key is `id`
    "id",
    "secret_hash",
    "kind",
    "workspace",
    "name",
    "role",
    "permissions",
    "scopes",
    "created_at",
    "created_by",
    "expires_at",
    "used_at",
    "revoked_at",
    "revoked_by",
    "revision",
]

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
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text()),
        sa.Column("permissions", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text()),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("used_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("revoked_by", sa.Text()),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_keys_secret_hash")),
    )
    op.create_index("ix_api_keys_workspace", "api_keys", ["workspace"])
    op.create_index("ix_api_keys_created_by", "api_keys", ["created_by"])
    tx = op.get_bind()
    shared = tx.dialect.name == "postgresql"
    for statement in _POSTGRES if shared else _SQLITE:
        tx.exec_driver_sql(statement.format(**_words(shared=shared)))


def _words(*, shared: bool) -> dict[str, str]:
    return {
        "table": "api_keys",
        "note": _NOTE,
        "now": _POSTGRES_NOW if shared else _SQLITE_NOW,
        "channel": "deskwire_edits",
        "new_key": "NEW.id",
        "old_key": "OLD.id",
        "is_new": "id = NEW.id",
        "old": ", ".join(f"'{name}', OLD.{name}" for name in COLUMNS),
        "was": ", ".join(f"'{name}', was.{name}" for name in COLUMNS),
    }
