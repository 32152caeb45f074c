"""Create the triggers that record direct edits, in a database created from the table definitions.

These are mostly tests. A migrated database has the triggers from its migrations; a contract test
compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, MetaData, Table

from deskwire.direct_edits.change_log import EDITS_TOPIC, WATCHED_TABLES
from deskwire.kit.db import is_postgresql

_INSERT_CHANGE = "INSERT INTO outside_changes (table_name, row_key, kind, before, at)"

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


def trigger_statements(table: Table, *, shared: bool) -> Iterator[str]:
    """Yield the statements that create one table's triggers, on PostgreSQL (`shared`) or SQLite."""
    key = [column.name for column in table.primary_key]
    parameters = {
        "table": table.name,
        "note": _INSERT_CHANGE,
        "now": _POSTGRES_NOW if shared else _SQLITE_NOW,
        "channel": EDITS_TOPIC,
        "new_key": ", ".join(f"NEW.{name}" for name in key),
        "old_key": ", ".join(f"OLD.{name}" for name in key),
        "is_new": " AND ".join(f"{name} = NEW.{name}" for name in key),
        "old": ", ".join(f"'{name}', OLD.{name}" for name in table.columns.keys()),  # noqa: SIM118
        "was": ", ".join(f"'{name}', was.{name}" for name in table.columns.keys()),  # noqa: SIM118
    }
    for statement in _POSTGRES if shared else _SQLITE:
        yield statement.format(**parameters)


def create_triggers(_metadata: MetaData, tx: Connection, **_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
    """Create every trigger; called after the tables were created."""
    for table in WATCHED_TABLES:
        for statement in trigger_statements(table, shared=is_postgresql(tx)):
            tx.exec_driver_sql(statement)
