"""Bound every wait for PostgreSQL on our side.

What stands between us and the server (a proxy, a NAT, a load balancer) may keep a socket open whose
other end is gone: it acknowledges what we send, and the server's own timeouts never reach us.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import waiting

WAIT_INTERVAL = 0.1  # s between checks of the deadline while nothing arrives; psycopg's own

Y = TypeVar("Y")
S = TypeVar("S")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long we wait for PostgreSQL, in s. Tests choose small ones."""

    connect: int = 3  # for each address; libpq takes 2 for less
    answer: float = 17.0  # to each statement; above the server's own `statement_timeout`
    dedicated_answer: float = 8.0  # the same on the dedicated connection
    listen_answer: float = 5.0  # to each statement of the listening connection
    listen_interval: float = 10.0  # between two statements that only ask whether it is alive
    close: float = 1.0  # for running statements, when the process shuts down


@dataclass(slots=True)
class Shutdown:
    """When the process stops waiting for any answer; never, until `begin`."""

    ends_at: float = field(default=math.inf)  # by `monotonic`

    def begin(self, seconds: float) -> None:
        self.ends_at = monotonic() + seconds


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes itself when a statement is not answered in time."""

    shutdown = Shutdown()  # of its database; `bind_connection_class` sets it
    answer_limit: float | None = None  # s; None: as long as it takes

    @classmethod
    def _connect_gen(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - psycopg's own
        # `connect_timeout` bounds it too; this ends it when the process shuts down.
        return _bound(super()._connect_gen(*args, **kwargs), None, None, cls.shutdown)

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - psycopg's own
        bounded = _bound(gen, self, self.answer_limit, self.shutdown)
        return super().wait(bounded, *args, **kwargs)


class BoundedAsyncConnection(psycopg.AsyncConnection[Any]):
    """The same for asyncio; cancelling a wait closes the connection without asking the server."""

    answer_limit: float | None = None  # s; None: as long as it takes

    async def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        bounded = _bound(gen, self, self.answer_limit, _NEVER)
        if not args:
            kwargs.setdefault("interval", WAIT_INTERVAL)
        try:
            # Not psycopg's own `wait`: when cancelled it asks the server to cancel the statement,
            # and waits for a server that does not answer.
            return await waiting.wait_async(bounded, self.pgconn.socket, *args, **kwargs)
        except BaseException as error:
            if not isinstance(error, Exception):
                self.pgconn.finish()
            raise


_NEVER = Shutdown()


def bind_connection_class(shutdown: Shutdown) -> type[BoundedConnection]:
    """Return a class of connections that stop waiting when `shutdown` says so."""
    return type("DatabaseConnection", (BoundedConnection,), {"shutdown": shutdown})


def _bound(
    generator: Generator[Y, S, R],
    connection: BoundedConnection | BoundedAsyncConnection | None,
    limit: float | None,
    shutdown: Shutdown,
) -> Generator[Y, S, R]:
    """Pass on what `generator` waits for; close the connection and raise once it takes too long.

    psycopg resumes its generators every WAIT_INTERVAL while nothing arrives.
    """
    deadline = math.inf if limit is None else monotonic() + limit
    try:
        wanted = next(generator)
        while True:
            ready = yield wanted
            if not ready and (time := monotonic()) >= min(deadline, shutdown.ends_at):
                if connection is not None:
                    connection.pgconn.finish()  # its late answer must not be taken for another's
                raise psycopg.OperationalError(
                    f"PostgreSQL did not answer within {limit:g} s; the connection was closed"
                    if limit is not None and time >= deadline
                    else "the connection was closed because the process shuts down"
                )
            wanted = generator.send(ready)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
