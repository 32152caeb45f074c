"""Open an SQLite file, the embedded default, whose one writer serializes transactions."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, create_engine, event

from deskwire.kit.db import (
    POOL_TIMEOUT,
    READER_THREADS,
    Database,
    execute_in_driver,
    translate_driver_errors,
)
from deskwire.kit.private_files import new_private_file

URL_PREFIX = "sqlite:///"
CACHED_STATEMENTS = 256  # prepared statements per connection; an INSERT of n rows is one for each n
BUSY_TIMEOUT_MS = 5_000  # ms to wait for another process (a backup, the sqlite3 shell)


class SQLite(Database):
    """An embedded SQLite file.

    Only one process may open it for writing (`deskwire serve` takes a lock file): before SQLite
    3.51.3, two connections that write or checkpoint at once can corrupt the WAL.
    """

    def __init__(self, path_or_url: str | Path) -> None:
        path = path_or_url if isinstance(path_or_url, Path) else parse_sqlite_path(path_or_url)
        self.path = path.absolute()  # absolute, or SQLite would interpret `file:…` and `:memory:`
        reader = _create_engine(self.path, writer=False)
        writer = _create_engine(self.path, writer=True)
        super().__init__(str(path), writer, reader, writers=1)
        self._unpooled_connection: sqlite3.Connection | None = None
        self._version_connection: sqlite3.Connection | None = None

    async def read_data_version(self) -> int:
        """Return a number that changes whenever another connection has committed."""
        return await asyncio.get_running_loop().run_in_executor(
            self._read_threads, self._read_data_version
        )

    def close(self) -> None:
        super().close()
        if self._version_connection is not None:
            self._version_connection.close()

    def backup_to(self, target: Path) -> None:
        """Copy the database to `target` as one consistent snapshot, even while it is in use."""
        with (
            closing(sqlite3.connect(self.path)) as source,
            closing(sqlite3.connect(target.absolute())) as copy,
        ):
            source.backup(copy)

    def _read_data_version(self) -> int:
        # Always on the same connection: the number is comparable only within it.
        pragma = "PRAGMA data_version"
        with translate_driver_errors(self._reader.dialect, pragma):
            if self._version_connection is None:
                self._version_connection = sqlite3.connect(self.path, check_same_thread=False)
                self._version_connection.execute("PRAGMA query_only=ON")
            return int(self._version_connection.execute(pragma).fetchone()[0])

    def _write_raw_sql(self, statement: str, values: tuple[Any, ...]) -> None:
        # The single writer thread keeps its connection: a checkout from the pool costs 40 µs.
        connection, self._unpooled_connection = self._unpooled_connection, None
        if connection is None:
            with closing(self._writer.raw_connection()) as pooled:
                connection = _driver_connection(pooled)
        connection.execute(statement, values)
        self._unpooled_connection = connection  # after an error, ask the pool again


def parse_sqlite_path(url: str) -> Path:
    """Return the path in an SQLite URL."""
    return Path(url.removeprefix(URL_PREFIX))


def create_database_file(path: Path) -> None:
    """Create a missing file, readable by its owner only: it will hold hashes and messages.

    It is a database without tables from the beginning: an empty file is what a copy that was cut
    short leaves, and is refused.
    """
    if path.exists():
        return
    with suppress(FileExistsError), new_private_file(path) as file:  # another process was faster
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")


def _create_engine(path: Path, *, writer: bool) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=1 if writer else READER_THREADS,
        max_overflow=0,
        hide_parameters=True,  # or error messages would contain password and token hashes
        pool_timeout=POOL_TIMEOUT,
        connect_args={
            "timeout": BUSY_TIMEOUT_MS / 1000,
            "check_same_thread": False,
            "cached_statements": CACHED_STATEMENTS,
        },
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver would BEGIN too late for a snapshot
        for pragma in _PRAGMAS["writer" if writer else "reader"]:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(tx: Connection) -> None:
        # Bypasses SQLAlchemy, which would take a third of the cost of an empty transaction.
        execute_in_driver(tx, "BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _driver_connection(connection: PoolProxiedConnection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.driver_connection)


_PRAGMAS = {
    "writer": (
        "journal_mode=WAL",
        "synchronous=FULL",  # an acknowledged delivery must survive a power cut
        "foreign_keys=ON",
        "journal_size_limit=67108864",  # bytes; or a long read would leave a huge WAL behind
        "temp_store=MEMORY",
    ),
    "reader": (
        "query_only=ON",
        "temp_store=MEMORY",
        "cache_size=-512",  # KiB; 2 MB per reader would only duplicate the page cache
    ),
}
