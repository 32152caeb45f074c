"""PostgreSQL: a database that several processes share, through psycopg.

Writers of one process and of others run side by side, READ COMMITTED: an action locks the row it
changes, or a `lock` where there is no row yet (decision 0022). Readers see one snapshot.
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
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import OperationalError

from deskwire.kit.db import POOL_TIMEOUT, READER_THREADS, Database, P, T, TransactionFunction
from deskwire.kit.errors import Invalid, Upstream

WRITER_CONNECTIONS = 4  # connections; an action that waits for a row must not hold up the door
MAX_ATTEMPTS = 4  # of a transaction that another one's locks made impossible
RETRY_DELAY_MS = 50  # ms at most before the first of them; longer each time
IDLE_INTERVAL = 1.0  # s without a word until a listener is told so

_CONNECTION_PARAMETERS = {
    "application_name": "deskwire",
    "client_encoding": "utf8",
    "connect_timeout": 5,  # s
    "keepalives_idle": 10,  # s; a server that vanished without a word is noticed in 25 s
    "keepalives_interval": 5,  # s
    "keepalives_count": 3,
}
_WRITER_SETTINGS = {
    "jit": "off",  # compiling a short statement costs twenty times what running it does
    "synchronous_commit": "on",  # a yes to a sender must survive a power cut
    "lock_timeout": "10s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",  # a frozen process must not keep its locks
}
_READER_SETTINGS = {**_WRITER_SETTINGS, "default_transaction_read_only": "on"}
_DEDICATED_SETTINGS = {
    **_WRITER_SETTINGS,
    "lock_timeout": "5s",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "3s",  # all other processes wait for this one's lock
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
}


class Postgres(Database):
    """A PostgreSQL database, by a URL as libpq takes it. Connections open when first needed."""

    def __init__(self, url: str) -> None:
        self._parameters = {**_CONNECTION_PARAMETERS, **_parse_url(url)}
        self._dedicated_engine = _create_engine(self._connect, _DEDICATED_SETTINGS, 1)
        self._dedicated_thread = ThreadPoolExecutor(1, thread_name_prefix="db-apart")
        super().__init__(
            _format_name(self._parameters),
            _create_engine(self._connect, _WRITER_SETTINGS, WRITER_CONNECTIONS),
            _create_engine(
                self._connect, _READER_SETTINGS, READER_THREADS, isolation_level="REPEATABLE READ"
            ),
            writers=WRITER_CONNECTIONS,
        )

    def write_sync(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `Database`; tried again where other transactions' locks left no way but to give up."""
        for tried in range(1, MAX_ATTEMPTS):
            try:
                return super().write_sync(function, *args, **kwargs)
            except OperationalError as error:
                if not isinstance(error.orig, DeadlockDetected | SerializationFailure):
                    raise
            time.sleep(tried * RETRY_DELAY_MS * random.random() / 1000)  # noqa: S311 - or both meet again
        return super().write_sync(function, *args, **kwargs)

    async def write_dedicated(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`write` on a connection of its own with short limits, never waiting for an action."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._dedicated_thread, lambda: self.write_dedicated_sync(function, *args, **kwargs)
        )

    def write_dedicated_sync(
        self, function: TransactionFunction[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`write_apart` in the calling thread. Nothing is noted."""
        with self._dedicated_engine.begin() as tx:
            return function(tx, *args, **kwargs)

    async def listen(self, *topics: str) -> AsyncIterator[tuple[str, str] | None]:
        """Whatever is announced on one of `channels` from now on, with the channel's name; None at
        first, and after each quiet second.

        Raises Upstream when the connection breaks.
        """
        try:
            connection = await psycopg.AsyncConnection.connect(
                **self._copy_parameters(), autocommit=True
            )
            async with connection:
                for channel in topics:
                    await connection.execute(f"LISTEN {channel}".encode())
                while True:
                    yield None
                    async for notice in connection.notifies(timeout=IDLE_INTERVAL):
                        yield notice.channel, notice.payload
        except psycopg.Error as error:
            raise Upstream(
                f"PostgreSQL stopped announcing: {_first_line(error)}", permanent=False
            ) from None

    def close(self) -> None:
        super().close()
        self._dedicated_thread.shutdown(wait=True)
        self._dedicated_engine.dispose()

    def _write_raw_sql(self, statement: str, values: tuple[Any, ...]) -> None:
        with closing(self._writer.raw_connection()) as connection:
            connection.cursor().execute(statement.replace("?", "%s"), values)
            connection.commit()

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**self._copy_parameters())

    def _copy_parameters(self) -> dict[str, Any]:
        return dict(self._parameters)


class _NulReplacingDumper(StrDumperUnknown):
    """PostgreSQL keeps no NUL in a text; a message must not fail for one."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\ufffd"))


def _create_engine(
    connect: Callable[[], psycopg.Connection[Any]],
    session: Mapping[str, str],
    size: int,
    **options: Any,  # noqa: ANN401 - SQLAlchemy's own
) -> Engine:
    engine = create_engine(
        "postgresql+psycopg://",  # the address is `connect`'s, so no error can show it
        creator=connect,
        pool_size=size,
        max_overflow=0,
        hide_parameters=True,  # or an error's text would hold password and token hashes
        pool_timeout=POOL_TIMEOUT,
        **options,
    )
    chosen = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in session.items())

    @event.listens_for(engine, "connect")
    def prepare(connection: psycopg.Connection[Any], _record: object) -> None:
        connection.adapters.register_dumper(str, _NulReplacingDumper)
        connection.execute(f"SELECT {chosen}".encode())
        connection.commit()

    event.listen(engine, "handle_error", _strip_error_detail)
    return engine


def _strip_error_detail(context: ExceptionContext) -> None:
    """Leave out an error's DETAIL: it names values (`Key (email)=(…) already exists`)."""
    original, raised = context.original_exception, context.sqlalchemy_exception
    if isinstance(original, psycopg.Error):
        whole, brief = str(original), _first_line(original)
        original.args = (brief,)
        if raised is not None:
            raised.args = tuple(str(each).replace(whole, brief) for each in raised.args)


def _first_line(error: psycopg.Error) -> str:
    """An error's first sentence; the rest may quote rows."""
    return str(error).partition("\n")[0] or type(error).__name__


def _parse_url(url: str) -> dict[str, Any]:
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its text quotes the URL, and so a password
        raise Invalid(
            "DATABASE_URL cannot be read. It must look like postgresql://USER:PASSWORD@HOST/NAME; "
            "write special characters in the password as %40 (@), %2F (/), %25 (%) and so on."
        ) from None
    return {name: value for name, value in found.items() if value is not None}


def _format_name(parameters: Mapping[str, Any]) -> str:
    host, port = parameters.get("host", "localhost"), parameters.get("port")
    place = f"{host}:{port}" if port else host
    return f"postgresql://{place}/{parameters.get('dbname', '')}"
