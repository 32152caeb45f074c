"""Run transactions as plain functions in threads, and pass on their signals after the commit.

A transaction is a plain function over a `Connection` that runs off the event loop, so that it
costs one hop to a thread and not one per statement (decision 0002). The commit listener receives
the signals that a transaction registered with `on_commit`; a rollback drops them. `sqlite` and
`postgres` are the two engines; `connect` chooses by the URL.

Statements on the path of every event are built once, at import, with named parameters: building
one and finding it in SQLAlchemy's cache costs four times as much as running it
(docs/performance.md).
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
    Dialect,
    Engine,
    Integer,
    MetaData,
    event,
    text,
)
from sqlalchemy.exc import DBAPIError, OperationalError

from deskwire.kit.timing import TimedThreadPool

READER_THREADS = 4  # threads; reads are short, and more threads only compete for the GIL
POOL_TIMEOUT = 30  # s; work that gets no connection in this time fails instead of hanging
QUEUE_TIMEOUT = 10.0  # s; work that gets no thread in this time fails, or it would all pile up

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
    """Pass `signal` to the database's commit listener once this transaction has committed."""
    tx.info.setdefault(_SIGNALS_KEY, []).append(signal)


_SIGNALS_KEY = "on_commit"  # in `Connection.info`


@contextmanager
def savepoint(tx: Connection) -> Iterator[None]:
    """Run the block in a savepoint.

    On an exception, roll back to it, drop the signals registered inside, and re-raise.
    """
    signals = tx.info.setdefault(_SIGNALS_KEY, [])
    count_before = len(signals)
    execute_in_driver(tx, "SAVEPOINT deskwire")
    try:
        yield
    except BaseException:
        del signals[count_before:]  # or listeners would receive what never happened
        if not _is_over(tx):
            execute_in_driver(tx, "ROLLBACK TO SAVEPOINT deskwire")
            execute_in_driver(tx, "RELEASE SAVEPOINT deskwire")
        raise
    else:
        execute_in_driver(tx, "RELEASE SAVEPOINT deskwire")


def _is_over(tx: Connection) -> bool:
    """Whether the error has already ended the whole transaction, savepoints included.

    SQLite rolls it back when the disk is full, and a connection may break. The complaint about a
    missing savepoint would then hide the cause, and on SQLite later statements would run in
    autocommit.
    """
    if tx.invalidated:
        return True
    driver: Any = tx.connection.driver_connection
    return getattr(driver, "closed", False) or not getattr(driver, "in_transaction", True)


def execute_in_driver(tx: Connection, statement: str) -> None:
    """Run a statement without values past SQLAlchemy, at a third of the cost.

    Raises SQLAlchemy's errors all the same, see `translate_driver_errors`.
    """
    driver: Any = tx.connection.driver_connection  # both drivers have `execute`
    try:
        driver.execute(statement)
    except tx.dialect.loaded_dbapi.Error as error:
        if tx.dialect.is_disconnect(error, driver, None):
            tx.invalidate(error)  # or rolling back would fail too, and hide this error
        raise _translate(tx.dialect, statement, error) from error


@contextmanager
def translate_driver_errors(dialect: Dialect, statement: str) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy would: callers know no others.

    Whatever goes past SQLAlchemy belongs inside. A locked database would otherwise be an error
    that no page, service or command expects.
    """
    try:
        yield
    except dialect.loaded_dbapi.Error as error:
        raise _translate(dialect, statement, error) from error


def _translate(dialect: Dialect, statement: str, error: Exception) -> BaseException:
    driver_error = dialect.loaded_dbapi.Error
    return DBAPIError.instance(
        statement, None, error, driver_error, hide_parameters=True, dialect=dialect
    )


def is_postgresql(tx: Connection) -> bool:
    """Whether the engine is PostgreSQL, where other connections write at the same time."""
    return tx.dialect.name == "postgresql"


@dataclass(frozen=True, slots=True)
class WakeSignal:
    """A wake-up for a topic, as the commit listener of an SQLite database receives it."""

    topic: str


def wake(tx: Connection, topic: str) -> None:
    """Wake the subscribers of `topic` in every serving process once this transaction commits."""
    if is_postgresql(tx):
        tx.execute(_NOTIFY, {"topic": topic})  # PostgreSQL merges repeats within a transaction
    else:
        on_commit(tx, WakeSignal(topic))


_NOTIFY = text("SELECT pg_notify(:topic, '')")


def allow_long_statements(tx: Connection) -> None:
    """Lift the limits of statements and locks for this transaction; a migration may need hours."""
    if is_postgresql(tx):
        tx.exec_driver_sql(
            "SELECT set_config('lock_timeout', '0', true), "
            "set_config('statement_timeout', '0', true)"
        )
        driver: Any = tx.connection.driver_connection
        driver.answer_limit = None


def acquire_advisory_lock(tx: Connection, *names: str) -> None:
    """Lock `names`, in the order given, until this transaction ends.

    Use it where there is no row to lock yet: for get-or-create, or a count with an upper limit.
    SQLite has a single writer and needs no locks.
    """
    if is_postgresql(tx):
        for name in names:
            tx.execute(_ADVISORY_LOCK, {"name": name})


# A separate statement: one that also read would use a snapshot from before it got the lock.
_ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def execute_raw_sql(tx: Connection, statement: str, values: tuple[Any, ...]) -> CursorResult[Any]:
    """Run a statement directly in the driver; each `?` is a placeholder for one of `values`."""
    return tx.exec_driver_sql(
        statement.replace("?", "%s") if is_postgresql(tx) else statement, values
    )


def register_ddl(dialect: str, statements: Sequence[str]) -> None:
    """Register DDL of one dialect that `Table` cannot express; it runs after all CREATE TABLEs."""

    def execute_ddl(_: MetaData, tx: Connection, **__: object) -> None:
        if tx.dialect.name == dialect:
            for statement in statements:
                tx.exec_driver_sql(statement)

    event.listen(metadata, "after_create", execute_ddl)


def pad_in_list(values: Iterable[T]) -> list[T]:
    """Pad `values` for an IN list to the next power of two by repeating the last one.

    Every length is a separate statement that each connection keeps prepared: for 1 to 64 people
    at a time, they took megabytes.
    """
    padded = list(values)
    return padded + padded[-1:] * ((1 << (len(padded) - 1).bit_length()) - len(padded))


def _refuse_late(waited: float) -> None:
    """Raise OperationalError if work has waited too long for a thread, in s."""
    if waited > QUEUE_TIMEOUT:
        cause = TimeoutError(f"the database was busy for {waited:.0f} s")
        raise OperationalError("", None, cause, hide_parameters=True)


class Database:
    """A database whose `write` and `read` run transactions in its own threads."""

    def __init__(self, name: str, writer: Engine, reader: Engine, *, writers: int) -> None:
        self.name = name  # for logs and messages; never contains a password
        self._writer, self._reader = writer, reader
        self._write_threads = TimedThreadPool(writers, name="db-writer", refuse=_refuse_late)
        self._read_threads = TimedThreadPool(READER_THREADS, name="db-reader", refuse=_refuse_late)
        self._commit_listener: CommitListener | None = None
        self.failed_writes = 0  # transactions that failed because the database did

    @property
    def thread_pools(self) -> dict[str, TimedThreadPool]:
        """The thread pools by kind, `write` and `read`, for metrics."""
        return {"write": self._write_threads, "read": self._read_threads}

    def set_commit_listener(self, listener: CommitListener) -> None:
        """Call `listener` in the writer thread with the signals of each committed transaction."""
        self._commit_listener = listener

    async def write(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(tx, …)` in a transaction and return its result once it has committed."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._write_threads, lambda: self.write_sync(function, *args, **kwargs)
        )

    async def write_raw_sql(self, statement: str, values: tuple[Any, ...]) -> None:
        """Run one statement in its own transaction, directly in the driver, and commit it.

        Each `?` is a placeholder for one of `values`. Costs half as much as `write`, for statements
        that run very often (docs/performance.md). Passes no signals to the commit listener.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._write_threads, self._write_translated, statement, values)

    async def read(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(tx, …)` over one consistent snapshot, read-only, and return its result."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._read_threads, lambda: self.read_sync(function, *args, **kwargs)
        )

    def write_sync(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `write` in the calling thread (for the command line, and for the writer threads)."""
        try:
            with self._writer.connect() as tx:
                tx.info.pop(_SIGNALS_KEY, None)
                with tx.begin():
                    result = function(tx, *args, **kwargs)
                signals = tx.info.pop(_SIGNALS_KEY, [])
                if signals and self._commit_listener is not None:
                    self._commit_listener(signals)
        except OperationalError:
            self.failed_writes += 1
            raise
        return result

    def read_sync(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `read` in the calling thread."""
        with self._reader.connect() as tx, tx.begin():
            return function(tx, *args, **kwargs)

    def close(self) -> None:
        """Wait for running transactions, then close every connection."""
        self._write_threads.shutdown(wait=True, cancel_futures=True)
        self._read_threads.shutdown(wait=True, cancel_futures=True)
        self._reader.dispose()
        self._writer.dispose()  # last: SQLite's last connection checkpoints the WAL

    def _write_translated(self, statement: str, values: tuple[Any, ...]) -> None:
        try:
            self._write_raw_sql(statement, values)
        except self._writer.dialect.loaded_dbapi.Error as error:
            self.failed_writes += 1
            raise _translate(self._writer.dialect, statement, error) from error

    def _write_raw_sql(self, statement: str, values: tuple[Any, ...]) -> None:
        raise NotImplementedError
