"""Open and migrate the database for a process that writes, or open it for reading."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DatabaseError

from deskwire.kit.connect import connect_database
from deskwire.kit.db import Database
from deskwire.kit.errors import Conflict
from deskwire.kit.sqlite import SQLite
from deskwire.schema import check_schema, migrate
from deskwire.server.database_lock import DatabaseLock
from deskwire.server.database_path import check_database_exists, prepare_database_path

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedDatabase:
    """A database that this process may write to, at the current schema."""

    db: Database
    lock: DatabaseLock | None  # None: PostgreSQL, where other processes write too

    def close(self) -> None:
        """Close the database, then release the lock."""
        self.db.close()
        if self.lock is not None:
            self.lock.release()


def open_database(url: str) -> OpenedDatabase:
    """Open the database for writing.

    Locks an SQLite file for this process and migrates it. A PostgreSQL database, which other
    servers may be using, must have been migrated already. Raises a Refusal that says what to do.
    """
    db = connect_database(url)
    if isinstance(db, SQLite):
        return _lock_and_migrate(db)
    _check_schema(db)
    return OpenedDatabase(db, None)


def migrate_database(url: str) -> OpenedDatabase:
    """Open the database for writing, and migrate PostgreSQL too.

    If two processes migrate at once, one waits for the other. Raises as `migrate` does.
    """
    db = connect_database(url)
    if isinstance(db, SQLite):
        return _lock_and_migrate(db)
    try:
        migrate(db)
    except BaseException:
        db.close()
        raise
    return OpenedDatabase(db, None)


def connect_for_reading(url: str, *, require_current_schema: bool) -> Database:
    """Connect to the database for reading, beside a server that may be running.

    An SQLite file is read whatever its schema. Raises a Refusal if there is no database, or if
    PostgreSQL is not at the current schema and `require_current_schema`.
    """
    db = connect_database(url)
    if isinstance(db, SQLite):
        check_database_exists(db.path)
    elif require_current_schema:
        _check_schema(db)
    return db


@contextmanager
def explaining_damage(db: Database) -> Iterator[None]:
    """Raise Conflict, with the name and what to do, where SQLite finds its file damaged."""
    try:
        yield
    except DatabaseError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # without SQLite's details
        if code not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        raise Conflict(
            f"The database {db.name} is damaged ({error.orig}). Restore a backup, as "
            "docs/operations.md describes."
        ) from None


def _check_schema(db: Database) -> None:
    try:
        db.read_sync(check_schema, db.name)
    except BaseException:
        db.close()
        raise


def _lock_and_migrate(db: SQLite) -> OpenedDatabase:
    prepare_database_path(db.path)
    lock = DatabaseLock(db.path)
    lock.acquire()
    try:
        with explaining_damage(db):
            before, after = migrate(db)
    except BaseException:
        db.close()
        lock.release()
        raise
    if before != after:
        logger.info("migrated the database from %s to %s", before or "nothing", after)
    return OpenedDatabase(db, lock)
