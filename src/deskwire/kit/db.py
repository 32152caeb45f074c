"""The database: transactions of plain functions, in threads, and what is handed on after a commit.

Work is a plain function over a `Connection`, run off the event loop: a whole transaction costs
one hop, not one per statement (decision 0002). What a transaction `note`s is handed to the
subscriber after its commit, and is forgotten if it rolls back. `sqlite` and `postgres` are the
two engines; `databases` chooses by the URL.

Statements on an event's road are built once, at import, with named parameters: building one and
finding it in SQLAlchemy's cache costs four times what running it does (docs/performance.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import (
    BigInteger,
    Connection,
    CursorResult,
    Engine,
    Integer,
    MetaData,
    event,
    text,
)

from deskwire.kit.timing import TimedThreadPool

READER_THREADS = 4  # threads; reads are short, more only fight for the interpreter
POOL_TIMEOUT = 30  # s; work that cannot start in this time is an error, not a hang

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
TransactionFunction = Callable[Concatenate[Connection, P], T]
CommitListener = Callable[[Sequence[Any]], None]


def on_commit(tx: Connection, signal: object) -> None:
    """Hand `thing` to the database's subscriber once this transaction has committed."""
    tx.info.setdefault("noted", []).append(signal)


@contextmanager
def savepoint(tx: Connection) -> Iterator[None]:
    """A part of a transaction; if it raises, it alone is undone, with what it noted."""
    noted = tx.info.setdefault("noted", [])
    before = len(noted)
    driver: Any = tx.connection.driver_connection  # both drivers have `execute`; it is quicker
    driver.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        del noted[before:]  # or readers would hear of what never happened
        if not _is_rolled_back(driver):
            driver.execute("ROLLBACK TO SAVEPOINT part")
        raise
    finally:
        if not _is_rolled_back(driver):
            driver.execute("RELEASE SAVEPOINT part")


def _is_rolled_back(driver: object) -> bool:
    """Whether the error has ended the transaction already, savepoints and all.

    SQLite does that where the disk is full. To be told then that there is no such savepoint would
    hide the cause, and what is written next would be in no transaction at all.
    """
    return not getattr(driver, "in_transaction", True)


def is_postgresql(tx: Connection) -> bool:
    """Whether others write to this database at the same time: PostgreSQL, not SQLite."""
    return tx.dialect.name == "postgresql"


@dataclass(frozen=True, slots=True)
class WakeSignal:
    """A bell that a transaction rang, as SQLite's subscriber is handed it."""

    topic: str


def wake(tx: Connection, topic: str) -> None:
    """Have every serving process told, once this transaction has committed, that `bell` rang."""
    if is_postgresql(tx):
        tx.execute(_NOTIFY, {"bell": topic})  # twice in one transaction is once
    else:
        on_commit(tx, WakeSignal(topic))


_NOTIFY = text("SELECT pg_notify(:bell, '')")


def acquire_advisory_lock(tx: Connection, *names: str) -> None:
    """Until this transaction ends, nobody else gets past a `lock` of one of these names.

    For what no row stands for yet: one that is made if it is missing, or a count that must not
    be passed. SQLite's one writer needs none. Several are taken in the order given.
    """
    if is_postgresql(tx):
        for name in names:
            tx.execute(_ADVISORY_LOCK, {"name": name})


# A statement of its own: one that went on to read would see what was there before it waited.
_ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def execute_raw_sql(tx: Connection, statement: str, values: tuple[Any, ...]) -> CursorResult[Any]:
    """Run a statement straight in the driver; every `?` in it stands for a value."""
    return tx.exec_driver_sql(
        statement.replace("?", "%s") if is_postgresql(tx) else statement, values
    )


def register_ddl(dialect: str, statements: Sequence[str]) -> None:
    """Triggers and indexes of one engine that no `Table` can say: made after all tables."""

    def make(_: MetaData, tx: Connection, **__: object) -> None:
        if tx.dialect.name == dialect:
            for statement in statements:
                tx.exec_driver_sql(statement)

    event.listen(metadata, "after_create", make)


def pad_in_list(values: Iterable[T]) -> list[T]:
    """`values` for an IN, the last one repeated until there are 1, 2, 4, 8 … of them.

    Each length is a statement of its own, which every connection keeps prepared: asked for 1 to 64
    people at a time, those were megabytes.
    """
    found = list(values)
    return found + found[-1:] * ((1 << (len(found) - 1).bit_length()) - len(found))


class Database:
    """What the rest knows of a database. `write` and `read` run work in its threads."""

    def __init__(self, name: str, writer: Engine, reader: Engine, *, writers: int) -> None:
        self.name = name  # for people: never holds a password
        self._writer, self._reader = writer, reader
        self._write_threads = TimedThreadPool(writers, name="db-writer")
        self._read_threads = TimedThreadPool(READER_THREADS, name="db-reader")
        self._commit_listener: CommitListener | None = None

    @property
    def thread_pools(self) -> dict[str, TimedThreadPool]:
        """Those that write and those that read, for whoever asks how long that takes."""
        return {"write": self._write_threads, "read": self._read_threads}

    def set_commit_listener(self, listener: CommitListener) -> None:
        """Call `subscriber` in the writer's thread with what each committed transaction noted."""
        self._commit_listener = listener

    async def write(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(tx, …)` in a transaction of its own; committed when this returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._write_threads, lambda: self.write_sync(function, *args, **kwargs)
        )

    async def write_raw_sql(self, statement: str, values: tuple[Any, ...]) -> None:
        """Run one statement in a transaction of its own, straight in the driver; committed when
        this returns. Every `?` stands for a value. Half the price of `write`, for where very many
        arrive (docs/performance.md).
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._write_threads, self._write_raw_sql, statement, values)

    async def read(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(tx, …)` over one consistent snapshot; it cannot write."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._read_threads, lambda: self.read_sync(function, *args, **kwargs)
        )

    def write_sync(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`write` in the calling thread (the shell's commands, and the writers' own threads)."""
        with self._writer.connect() as tx:
            tx.info.pop("noted", None)
            with tx.begin():
                result = function(tx, *args, **kwargs)
            noted = tx.info.pop("noted", [])
            if noted and self._commit_listener is not None:
                self._commit_listener(noted)
        return result

    def read_sync(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`read` in the calling thread."""
        with self._reader.connect() as tx, tx.begin():
            return function(tx, *args, **kwargs)

    def close(self) -> None:
        """Wait for what runs, then let go of every connection."""
        self._write_threads.shutdown(wait=True)
        self._read_threads.shutdown(wait=True)
        self._reader.dispose()
        self._writer.dispose()  # last: the last connection to an SQLite file checkpoints its WAL

    def _write_raw_sql(self, statement: str, values: tuple[Any, ...]) -> None:
        raise NotImplementedError
