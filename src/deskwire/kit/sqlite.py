"""SQLite, the embedded default: one file, one writer whose transactions follow each other."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, create_engine, event

from deskwire.kit.db import READERS, WAIT_FOR_CONNECTION, Database

SCHEME = "sqlite:///"
STATEMENTS = 256  # kept prepared by a connection; an INSERT of n rows is one for each n
BUSY_MS = 5_000  # ms; how long a statement waits for another process (backup, sqlite3 shell)


class SQLite(Database):
    """An embedded SQLite file.

    Only one process may hold it for writing (`deskwire serve` takes a lock file), because two
    connections writing or checkpointing at once can corrupt a WAL before SQLite 3.51.3.
    """

    def __init__(self, where: str | Path) -> None:
        path = where if isinstance(where, Path) else path_of(where)
        self.path = path.absolute()  # SQLite reads `file:…` and `:memory:` as something else
        reader, writer = _engine(self.path, writer=False), _engine(self.path, writer=True)
        super().__init__(str(path), writer, reader, writers=1)
        self._alone: sqlite3.Connection | None = None

    def backup_to(self, target: Path) -> None:
        """Copy the database to `target`, consistent, while others use it."""
        with (
            closing(sqlite3.connect(self.path)) as source,
            closing(sqlite3.connect(target.absolute())) as copy,
        ):
            source.backup(copy)

    def _write_alone(self, statement: str, values: tuple[Any, ...]) -> None:
        # The one connection of the one writing thread, past the pool: asking it costs 40 us.
        connection, self._alone = self._alone, None
        if connection is None:
            with closing(self._writer.raw_connection()) as pooled:
                connection = _driver(pooled)
        connection.execute(statement, values)
        self._alone = connection  # after an error the pool is asked again


def path_of(url: str) -> Path:
    """The file a URL names."""
    return Path(url.removeprefix(SCHEME))


def keep_private(path: Path) -> None:
    """Make the file, if there is none, for its owner only: it will hold hashes and messages."""
    if not path.exists():
        path.touch(mode=0o600)


def _engine(path: Path, *, writer: bool) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=1 if writer else READERS,
        max_overflow=0,
        hide_parameters=True,  # or an error's text would hold password and token hashes
        pool_timeout=WAIT_FOR_CONNECTION,
        connect_args={
            "timeout": BUSY_MS / 1000,
            "check_same_thread": False,
            "cached_statements": STATEMENTS,
        },
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late for a snapshot
        for pragma in _PRAGMAS["writer" if writer else "reader"]:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(tx: Connection) -> None:
        # Not through SQLAlchemy: its way is a third of what an empty transaction costs.
        _driver(tx.connection).execute("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _driver(connection: PoolProxiedConnection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.driver_connection)


_PRAGMAS = {
    "writer": (
        "journal_mode=WAL",
        "synchronous=FULL",  # a yes to a sender must survive a power cut
        "foreign_keys=ON",
        "journal_size_limit=67108864",  # bytes; a long read must not leave a huge WAL behind
        "temp_store=MEMORY",
    ),
    "reader": (
        "query_only=ON",
        "temp_store=MEMORY",
        "cache_size=-512",  # KiB; four readers of 2 MB would hold what the system's own cache has
    ),
}
