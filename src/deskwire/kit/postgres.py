"""Connect to PostgreSQL, which several processes can share, through psycopg.

Writers run concurrently, within a process and across processes, at READ COMMITTED: an action locks
the row it changes, or takes an advisory lock where there is no row yet (decision 0022). A reader
sees one snapshot.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import (
    DeadlockDetected,
    IdleInTransactionSessionTimeout,
    ReadOnlySqlTransaction,
    SerializationFailure,
)
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import OperationalError

from deskwire.kit.db import POOL_TIMEOUT, READER_THREADS, Database, P, T, TransactionFunction
from deskwire.kit.errors import Invalid, Upstream
from deskwire.kit.postgres_limits import (
    BoundedAsyncConnection,
    BoundedConnection,
    Limits,
    Shutdown,
    bind_connection_class,
)

WRITER_CONNECTIONS = 4  # connections; an action that waits for a row lock must not block webhooks
MAX_ATTEMPTS = 4  # of a transaction that failed by deadlock or serialization
RETRY_DELAY_MS = 50  # ms at most before the first retry; grows with each attempt
IDLE_INTERVAL = 1.0  # s without a notification until `listen` yields None

DEFAULT_LIMITS = Limits()

_CONNECTION_PARAMETERS = {
    "application_name": "deskwire",
    "client_encoding": "utf8",
    "keepalives_idle": 10,  # s; a server that vanished silently is noticed in 25 s
    "keepalives_interval": 5,  # s
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # ms until what was sent must have been acknowledged
}
# The server's own limits. Ours are in `postgres_limits`, for when its answers do not arrive.
_WRITER_SETTINGS = {
    "jit": "off",  # compiling a short statement costs twenty times as much as running it
    "synchronous_commit": "on",  # an acknowledged delivery must survive a power cut
    "lock_timeout": "10s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "30s",  # a frozen process must not hold its locks
}
_READER_SETTINGS = {**_WRITER_SETTINGS, "default_transaction_read_only": "on"}
_DEDICATED_SETTINGS = {
    **_WRITER_SETTINGS,
    "lock_timeout": "5s",
    "statement_timeout": "6s",
    "idle_in_transaction_session_timeout": "3s",  # all other processes wait for its lock
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
}


class Postgres(Database):
    """A PostgreSQL database, by its libpq URL. Connections open on first use."""

    def __init__(self, url: str, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._shutdown = Shutdown()
        self._connection_class = bind_connection_class(self._shutdown)
        self._parameters = {
            "connect_timeout": limits.connect,
            **_CONNECTION_PARAMETERS,
            **_parse_url(url),
        }
        self._dedicated_engine = self._create_engine(
            _DEDICATED_SETTINGS, 1, limits.dedicated_answer
        )
        self._dedicated_thread = ThreadPoolExecutor(1, thread_name_prefix="db-dedicated")
        reader = self._create_engine(
            _READER_SETTINGS, READER_THREADS, limits.answer, isolation_level="REPEATABLE READ"
        )
        super().__init__(
            _format_name(self._parameters),
            self._create_engine(_WRITER_SETTINGS, WRITER_CONNECTIONS, limits.answer),
            reader,
            writers=WRITER_CONNECTIONS,
        )

    def write_sync(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `write` in the calling thread; retry after deadlocks and serialization failures."""
        for attempt in range(1, MAX_ATTEMPTS):
            try:
                return super().write_sync(function, *args, **kwargs)
            except OperationalError as error:
                if not isinstance(error.orig, DeadlockDetected | SerializationFailure):
                    raise
            time.sleep(attempt * RETRY_DELAY_MS * random.random() / 1000)  # noqa: S311 - only jitter
        return super().write_sync(function, *args, **kwargs)

    async def write_dedicated(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `write` on a dedicated connection with short timeouts; it never has to queue."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._dedicated_thread, lambda: self.write_dedicated_sync(function, *args, **kwargs)
        )

    def write_dedicated_sync(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `write_dedicated` in the calling thread. Passes no signals to the commit listener."""
        with self._dedicated_engine.begin() as tx:
            return function(tx, *args, **kwargs)

    async def listen(self, *topics: str) -> AsyncIterator[tuple[str, str] | None]:
        """Yield (topic, payload) of each notification on one of `topics`.

        Yields None once it is listening, and again after every IDLE_INTERVAL without a
        notification. Raises Upstream when the connection breaks, or is silent although asked.
        """
        try:
            connection = await BoundedAsyncConnection.connect(
                **self._copy_parameters(), autocommit=True
            )
            async with connection:
                connection.answer_limit = self._limits.listen_answer
                for topic in topics:
                    await connection.execute(f"LISTEN {topic}".encode())
                answered_at = time.monotonic()
                while True:
                    yield None
                    async for notice in connection.notifies(timeout=IDLE_INTERVAL):
                        yield notice.channel, notice.payload
                    if time.monotonic() >= answered_at + self._limits.listen_interval:
                        await connection.execute(b"SELECT 1")  # a dead one announces nothing either
                        answered_at = time.monotonic()
        except psycopg.Error as error:
            raise Upstream(
                f"the connection listening to PostgreSQL broke: {_first_line(error)}",
                permanent=False,
            ) from None

    def close(self) -> None:
        """Wait for running transactions, at most `Limits.close`, then close every connection."""
        self._shutdown.begin(self._limits.close)
        super().close()
        self._dedicated_thread.shutdown(wait=True)
        self._dedicated_engine.dispose()

    def _write_raw_sql(self, statement: str, values: tuple[Any, ...]) -> None:
        with closing(self._writer.raw_connection()) as connection:
            try:
                connection.cursor().execute(statement.replace("?", "%s"), values)
                connection.commit()
            except psycopg.Error as error:
                error.args = (_first_line(error),)
                raise

    def _create_engine(
        self, session: Mapping[str, str], size: int, answer_limit: float, **options: str
    ) -> Engine:
        def connect() -> psycopg.Connection[Any]:
            connection = self._connection_class.connect(**self._copy_parameters())
            connection.answer_limit = answer_limit
            return connection

        engine = _create_engine(connect, session, size, **options)

        @event.listens_for(engine, "checkout")
        def restore_limit(connection: BoundedConnection, *_: object) -> None:
            connection.answer_limit = answer_limit  # a migration lifts it

        return engine

    def _copy_parameters(self) -> dict[str, Any]:
        return dict(self._parameters)


class _NulReplacingDumper(StrDumperUnknown):
    """Replace NUL, which PostgreSQL cannot store in text; a message must not fail because of it."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\ufffd"))


def _create_engine(
    connect: Callable[[], psycopg.Connection[Any]],
    session: Mapping[str, str],
    size: int,
    **options: Any,  # noqa: ANN401 - SQLAlchemy's own
) -> Engine:
    engine = create_engine(
        "postgresql+psycopg://",  # `connect` has the address, so no error can reveal it
        creator=connect,
        pool_size=size,
        max_overflow=0,
        hide_parameters=True,  # or error messages would contain password and token hashes
        pool_timeout=POOL_TIMEOUT,
        **options,
    )
    calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in session.items())

    @event.listens_for(engine, "connect")
    def prepare(connection: psycopg.Connection[Any], _record: object) -> None:
        connection.adapters.register_dumper(str, _NulReplacingDumper)
        try:
            connection.execute(f"SELECT {calls}".encode())
            connection.commit()
        except BaseException:
            connection.close()  # the pool only forgets it
            raise

    event.listen(engine, "handle_error", _correct_error)
    return engine


def _correct_error(context: ExceptionContext) -> OperationalError | None:
    """Strip an error's DETAIL; return an OperationalError for what the driver calls internal.

    A standby that takes no writes yet, and a session that the server ended, are outages.
    """
    _strip_error_detail(context)
    original = context.original_exception
    if isinstance(original, ReadOnlySqlTransaction | IdleInTransactionSessionTimeout):
        return OperationalError(context.statement, None, original, hide_parameters=True)
    return None


def _strip_error_detail(context: ExceptionContext) -> None:
    """Strip an error's DETAIL, which contains values (`Key (email)=(…) already exists`)."""
    original, raised = context.original_exception, context.sqlalchemy_exception
    if isinstance(original, psycopg.Error):
        whole, brief = str(original), _first_line(original)
        original.args = (brief,)
        if raised is not None:
            raised.args = tuple(str(each).replace(whole, brief) for each in raised.args)


def _first_line(error: psycopg.Error) -> str:
    """Return the first line of an error; the rest may quote rows."""
    return str(error).partition("\n")[0] or type(error).__name__


def _parse_url(url: str) -> dict[str, Any]:
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its message quotes the URL, password included
        raise Invalid(
            "DATABASE_URL is malformed. It must look like postgresql://USER:PASSWORD@HOST/NAME; "
            "write special characters in the password as %40 (@), %2F (/), %25 (%) and so on."
        ) from None
    return {name: value for name, value in parameters.items() if value is not None}


def _format_name(parameters: Mapping[str, Any]) -> str:
    host, port = parameters.get("host", "localhost"), parameters.get("port")
    address = f"{host}:{port}" if port else host
    return f"postgresql://{address}/{parameters.get('dbname', '')}"
