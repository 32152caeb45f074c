"""Record direct edits: add triggers, and a default revision of 0."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES: dict[str, tuple[list[str], list[str]]] = {  # table → its key, its columns
    "guilds": (
        ["id"],
        [
            "id",
            "name",
            "owner",
            "member_count",
            "details_at",
            "bot_installed",
            "presence_at",
            "support_category_id",
            "transcripts_channel_id",
            "log_channel_id",
            "default_role_id",
            "setup_at",
            "created_at",
            "revision",
        ],
    ),
    "roles": (
        ["guild", "discord_role"],
        [
            "guild",
            "discord_role",
            "name",
            "named_at",
            "made_at",
            "deleted_at",
            "bits",
            "active",
            "permissions",
            "revision",
        ],
    ),
    "guild_members": (
        ["guild", "principal"],
        [
            "guild",
            "principal",
            "left_at",
            "permissions",
            "permitted_at",
            "revision",
        ],
    ),
    "role_members": (
        ["guild", "discord_role", "principal"],
        [
            "guild",
            "discord_role",
            "principal",
            "assigned",
            "changed_at",
            "active",
            "revision",
        ],
    ),
    "tickets": (
        ["id"],
        [
            "id",
            "workspace",
            "number",
            "sender_id",
            "subject",
            "subject_folded",
            "status",
            "opener",
            "assignee",
            "priority",
            "tags",
            "messages",
            "opened_at",
            "active_at",
            "closed_at",
            "deleted_at",
            "revision",
        ],
    ),
    "messages": (
        ["id"],
        [
            "id",
            "ticket",
            "kind",
            "type",
            "origin",
            "sender_id",
            "author",
            "side",
            "at",
            "data",
            "text",
            "html",
            "revision",
        ],
    ),
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
    op.create_table(
        "outside_changes",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outside_changes")),
        sqlite_autoincrement=True,
    )
    shared = op.get_bind().dialect.name == "postgresql"
    for table, (key, columns) in TABLES.items():
        with op.batch_alter_table(table, schema=None) as batch_op:  # SQLite copies the table
            batch_op.alter_column(
                "revision", existing_type=sa.Integer(), existing_nullable=False, server_default="0"
            )
        words = _words(table, key, columns, shared=shared)
        for statement in _POSTGRES if shared else _SQLITE:
            op.get_bind().exec_driver_sql(statement.format(**words))


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
