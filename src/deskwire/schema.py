"""Collect all tables, check a database's schema, migrate it and copy it.

Importing this module imports every module that declares a table.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, event, inspect

from deskwire.accounts import (
    api_keys,
    idempotency,
    identities,
    links,
    passwords,
    people,
    rate_limit,
    sessions,
)
from deskwire.direct_edits import change_log, triggers
from deskwire.dispatches import store as dispatches
from deskwire.events import log
from deskwire.events.consumers import store as consumers
from deskwire.jobs import store as jobs
from deskwire.kit.db import Database, acquire_advisory_lock, allow_long_statements, metadata
from deskwire.kit.errors import Conflict, Invalid
from deskwire.kit.private_files import create_private_folder, new_private_file
from deskwire.kit.sqlite import SQLite
from deskwire.tickets import messages, search_index, tables
from deskwire.tickets.files import attachments
from deskwire.tickets.queries import counts, daily_counts
from deskwire.webhooks import deliveries
from deskwire.workspaces import name_index, names, role_audit
from deskwire.workspaces.guilds import guilds, members, roles
from deskwire.workspaces.organizations import categories, invitations, organizations

__all__ = [
    "TABLE_MODULES",
    "check_schema",
    "copy_database",
    "is_newer_revision",
    "metadata",
    "migrate",
    "read_revisions",
]

TABLE_MODULES = (
    api_keys,
    counts,
    daily_counts,
    deliveries,
    dispatches,
    jobs,
    attachments,
    categories,
    consumers,
    guilds,
    idempotency,
    identities,
    invitations,
    links,
    log,
    members,
    messages,
    name_index,
    names,
    change_log,
    organizations,
    passwords,
    people,
    role_audit,
    roles,
    sessions,
    rate_limit,
    tables,
    search_index,
)

event.listen(metadata, "after_create", triggers.create_triggers)

_MIGRATIONS_FOLDER = Path(__file__).parent / "migrations"


def read_revisions(tx: Connection) -> tuple[str | None, str]:
    """Return the revision of the database (None if empty) and the one this version needs.

    Raises Conflict if the database is at several revisions.
    """
    try:
        return MigrationContext.configure(tx).get_current_revision(), _read_newest_revision()
    except CommandError:
        raise Conflict(
            "The database is at several revisions at once: a migration or a restore was "
            "interrupted. Restore a backup."
        ) from None


def migrate(db: Database) -> tuple[str | None, str]:
    """Migrate the database to the newest revision, after copying an SQLite file that has data.

    Returns the revisions before and after. Raises Conflict if the database belongs to a newer
    Deskwire or to another program. If two processes migrate at once, one waits for the other.
    """
    if isinstance(db, SQLite):
        create_private_folder(db.path.parent)
        before, after = db.write_sync(read_revisions)
        if before not in (None, after) and not is_newer_revision(before):
            stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
            copy_database(db, db.path.with_name(f"{db.path.name}.before-{after}-{stamp}"))
    return db.write_sync(_migrate_locked, db.name)


def check_schema(tx: Connection, name: str) -> None:
    """Check that the database has the schema this version needs. Raises Conflict otherwise."""
    before, after = read_revisions(tx)
    _check_not_foreign(tx, before, name)
    if before != after:
        raise Conflict(
            f"The database {name} is at {before or 'nothing'}, this version needs {after}. "
            "Stop every server that uses it, make a backup, and run `deskwire migrate`."
        )
    missing = metadata.tables.keys() - set(inspect(tx).get_table_names())
    if missing or tx.execute(log.log_state.select()).first() is None:
        raise Conflict(
            f"The database {name} is incomplete (missing: "
            f"{', '.join(sorted(missing)) or 'its epoch'}): a restore was interrupted. "
            "Restore it again."
        )


def is_newer_revision(revision: str | None) -> bool:
    """Whether `revision` is unknown to this version, so that a newer Deskwire wrote it."""
    return revision is not None and revision not in _list_revisions()


def copy_database(db: SQLite, target: Path) -> None:
    """Copy the database to `target`, even while a server is using it.

    The copy gets a new epoch, so that after a restore browsers reload instead of skipping what
    happens from then on. What it had not sent is held until an operator releases it: the original
    may have sent it since. `target` appears when it is complete: half a copy is worse than none.
    Raises Invalid if it exists or cannot be created.
    """
    try:
        with new_private_file(target) as copy:
            try:
                db.backup_to(copy)
                _mark_as_copy(copy)
            finally:
                _delete_files(*(copy.with_name(copy.name + suffix) for suffix in ("-wal", "-shm")))
    except FileExistsError:
        raise Invalid(f"{target} exists already; choose another name.") from None
    except OSError as error:
        raise Invalid(f"{target} cannot be created: {error.strerror}.") from None


def _mark_as_copy(path: Path) -> None:
    copy = SQLite(path)
    try:
        copy.write_sync(log.begin_epoch)
        copy.write_sync(_hold_dispatches)
    finally:
        copy.close()


def _hold_dispatches(tx: Connection) -> None:
    if inspect(tx).has_table(dispatches.dispatches.name):  # an older database has none
        dispatches.hold_unfinished(tx)


def _delete_files(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _migrate_locked(tx: Connection, name: str) -> tuple[str | None, str]:
    allow_long_statements(tx)
    acquire_advisory_lock(tx, "schema")
    before, after = read_revisions(tx)  # after the lock: another process may have migrated
    _check_not_foreign(tx, before, name)
    if before != after:
        _run_migrations(tx)
    return before, after


def _check_not_foreign(tx: Connection, before: str | None, name: str) -> None:
    if before is None and _has_tables(tx):
        raise Conflict(f"{name} belongs to another program; set DATABASE_URL to another database.")
    if is_newer_revision(before):
        raise Conflict(
            f"The database was written by a newer Deskwire (revision {before}); "
            f"install that version, or restore a backup from before the upgrade."
        )


def _run_migrations(tx: Connection) -> None:
    config = _create_alembic_config()
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
    if tx.execute(log.log_state.select()).first() is None:
        log.begin_epoch(tx)


def _create_alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS_FOLDER))
    return config


def _read_newest_revision() -> str:
    return str(ScriptDirectory.from_config(_create_alembic_config()).get_current_head())


def _list_revisions() -> set[str]:
    return {
        each.revision
        for each in ScriptDirectory.from_config(_create_alembic_config()).walk_revisions()
    }


def _has_tables(tx: Connection) -> bool:
    return bool(inspect(tx).get_table_names())
