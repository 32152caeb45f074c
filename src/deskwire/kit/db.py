"""The database: one writer whose transactions follow each other, and readers beside it.

Work is a plain function over a `Connection`, run off the event loop: a whole transaction costs
one hop, not one per statement (decision 0002). What a transaction `note`s is handed to the
subscriber after its commit, in commit order, and is forgotten if it rolls back.

Statements on an event's road are built once, at import, with named parameters: building one and
finding it in SQLAlchemy's cache costs four times what running it does (docs/performance.md).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    Engine,
    Integer,
    MetaData,
    PoolProxiedConnection,
    create_engine,
    event,
)

from deskwire.kit.timing import TimedThreads

READERS = 4  # threads; SQLite reads are short, more only fight for the interpreter
STATEMENTS = 256  # kept prepared by a connection; an INSERT of n rows is one for each n
BUSY_MS = 5_000  # ms; how long a statement waits for another process (backup, sqlite3 shell)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigId = BigInteger().with_variant(Integer(), "sqlite")  # SQLite autoincrements INTEGER only

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[Concatenate[Connection, P], T]
Subscriber = Callable[[Sequence[Any]], None]


def note(tx: Connection, thing: object) -> None:
    """Hand `thing` to the database's subscriber once this transaction has committed."""
    tx.info.setdefault("noted", []).append(thing)


@contextmanager
def part(tx: Connection) -> Iterator[None]:
    """A part of a transaction; if it raises, it alone is undone, with what it noted."""
    noted = tx.info.setdefault("noted", [])
    before = len(noted)
    driver = _driver(tx.connection)
    driver.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        del noted[before:]  # or readers would hear of what never happened
        driver.execute("ROLLBACK TO SAVEPOINT part")
        raise
    finally:
        driver.execute("RELEASE SAVEPOINT part")


class Database:
    """An embedded SQLite file. `write` and `read` run work in its threads.

    Only one process may hold it for writing (`deskwire serve` takes a lock file), because two
    connections writing or checkpointing at once can corrupt a WAL before SQLite 3.51.3.
    """

    def __init__(self, where: str | Path) -> None:
        path = where if isinstance(where, Path) else Path(where.removeprefix("sqlite:///"))
        self.path = path.absolute()  # SQLite reads `file:…` and `:memory:` as something else
        self._writer = _engine(self.path, writer=True)
        self._readers = _engine(self.path, writer=False)
        self._write_thread = TimedThreads(1, name="db-writer")
        self._read_threads = TimedThreads(READERS, name="db-reader")
        self._subscriber: Subscriber | None = None

    @property
    def threads(self) -> dict[str, TimedThreads]:
        """Those that write and those that read, for whoever asks how long that takes."""
        return {"write": self._write_thread, "read": self._read_threads}

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` in the writer's thread with what each committed transaction noted."""
        self._subscriber = subscriber

    async def write(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(tx, …)` in a transaction of its own; committed when this returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._write_thread, lambda: self.write_here(work, *args, **kwargs)
        )

    async def write_alone(self, statement: str, values: tuple[Any, ...]) -> None:
        """Run one statement in a transaction of its own, straight in the driver; committed when
        this returns. Half the price of `write`, for where very many arrive (docs/performance.md).
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._write_thread, self._write_alone, statement, values)

    async def read(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(tx, …)` over one consistent snapshot; it cannot write."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._read_threads, lambda: self.read_here(work, *args, **kwargs)
        )

    def write_here(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`write` in the calling thread (the shell's commands, and the writer's own thread)."""
        with self._writer.connect() as tx:
            tx.info.pop("noted", None)
            with tx.begin():
                result = work(tx, *args, **kwargs)
            noted = tx.info.pop("noted", [])
            if noted and self._subscriber is not None:
                self._subscriber(noted)
        return result

    def _write_alone(self, statement: str, values: tuple[Any, ...]) -> None:
        with closing(self._writer.raw_connection()) as connection:
            _driver(connection).execute(statement, values)

    def read_here(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`read` in the calling thread."""
        with self._readers.connect() as tx, tx.begin():
            return work(tx, *args, **kwargs)

    def backup_to(self, target: Path) -> None:
        """Copy the database to `target`, consistent, while others use it."""
        with (
            closing(sqlite3.connect(self.path)) as source,
            closing(sqlite3.connect(target.absolute())) as copy,
        ):
            source.backup(copy)

    def close(self) -> None:
        """Wait for what runs, then let go of every connection."""
        self._write_thread.shutdown(wait=True)
        self._read_threads.shutdown(wait=True)
        self._readers.dispose()
        self._writer.dispose()  # last: the last connection to close checkpoints the WAL


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
        pool_timeout=30,  # s; a read that cannot start in this time is an error, not a hang
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
    "reader": ("query_only=ON", "temp_store=MEMORY"),
}
