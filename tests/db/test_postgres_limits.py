"""Test PostgreSQL behind a middle that keeps dead sockets open: every wait ends on our side."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, closing, suppress
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from deskwire.events import log
from deskwire.kit import db as kit_db
from deskwire.kit.db import allow_long_statements, savepoint
from deskwire.kit.errors import Upstream
from deskwire.kit.postgres import Postgres
from deskwire.kit.postgres_limits import BoundedAsyncConnection, BoundedConnection, Limits
from tests.fixtures.postgres import get_server
from tests.fixtures.silent_proxy import SilentProxy

pytestmark = pytest.mark.database("postgresql")

SHORT = 1.0  # s; a busy machine may take longer, so what must succeed is tried again
LONG = 3600.0  # s; far more than a test waits
ENOUGH = 60.0  # s for anything that must end
SHORT_LIMITS = Limits(2, SHORT, SHORT, SHORT, SHORT, SHORT)
USER_TIMEOUT = 10_000  # ms
SET_FLOOR = "UPDATE log_state SET floor = floor"


@pytest.fixture
def proxy() -> Iterator[SilentProxy]:
    with SilentProxy(urlsplit(get_server().admin_url).port or 5432) as started:
        yield started


@pytest.fixture
def url(proxy: SilentProxy) -> str:
    direct = get_server().create_migrated()
    return direct.replace(f":{urlsplit(direct).port}/", f":{proxy.port}/")


@pytest.fixture
async def db(url: str) -> AsyncIterator[Postgres]:
    opened = Postgres(url, SHORT_LIMITS)
    yield opened
    await asyncio.to_thread(opened.close)


def test_every_connection_has_our_limits(url: str) -> None:
    defaults = Limits()
    with closing(Postgres(url)) as db:
        engines = {
            db._writer: ("15s", defaults.answer),
            db._reader: ("15s", defaults.answer),
            db._dedicated_engine: ("6s", defaults.dedicated_answer),
        }
        for engine, (statement_timeout, answer_limit) in engines.items():
            with engine.connect() as tx:
                connection = cast("BoundedConnection", tx.connection.driver_connection)
                assert read_user_timeout(connection.fileno()) == USER_TIMEOUT
                assert connection.answer_limit == answer_limit
                asked = tx.exec_driver_sql("SHOW statement_timeout").scalar_one()
                assert asked == statement_timeout


async def test_the_listening_connection_has_our_limits(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = list[BoundedAsyncConnection]()
    connect = BoundedAsyncConnection.connect

    async def record(**parameters: Any) -> BoundedAsyncConnection:
        opened.append(await connect(**parameters))
        return opened[-1]

    monkeypatch.setattr(BoundedAsyncConnection, "connect", record)
    async with asyncio.timeout(ENOUGH):
        with closing(Postgres(url)) as db:
            async with aclosing(cast("AsyncGenerator[object]", db.listen("bell"))) as heard:
                await anext(heard)

                [connection] = opened
                assert read_user_timeout(connection.fileno()) == USER_TIMEOUT
                assert connection.answer_limit == Limits().listen_answer


def read_user_timeout(descriptor: int) -> int:
    """Return the ms after which the kernel gives up what the other side has not acknowledged."""
    with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as copy:
        return copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


def update_in_savepoint(tx: Connection) -> None:
    with savepoint(tx):
        tx.execute(text(SET_FLOOR))


async def succeed(run: RunTransaction, db: Postgres) -> None:
    while True:
        with suppress(OperationalError):
            await run(db)
            return


RunTransaction = Callable[[Postgres], Awaitable[object]]
PATHS: dict[str, RunTransaction] = {
    "read": lambda db: db.read(log.read_head),
    "write": lambda db: db.write(log.begin_epoch),
    "savepoint": lambda db: db.write(update_in_savepoint),
    "raw": lambda db: db.write_raw_sql(f"{SET_FLOOR} WHERE id = ?", (1,)),
    "dedicated": lambda db: db.write_dedicated(log.begin_epoch),
}


@pytest.mark.parametrize("path", PATHS)
async def test_a_silent_connection_is_abandoned_and_replaced(
    db: Postgres, proxy: SilentProxy, path: str
) -> None:
    run = PATHS[path]
    async with asyncio.timeout(ENOUGH):
        await succeed(run, db)  # the connection is in the pool

        proxy.go_silent()
        with pytest.raises(OperationalError, match="did not answer within"):
            await run(db)
        proxy.recover()

        await succeed(run, db)


async def test_a_connection_silent_before_its_commit_is_abandoned(
    db: Postgres, proxy: SilentProxy
) -> None:
    def fall_silent(tx: Connection) -> None:
        log.begin_epoch(tx)
        proxy.go_silent()

    async with asyncio.timeout(ENOUGH):
        await succeed(PATHS["write"], db)
        with pytest.raises(OperationalError, match="did not answer within"):
            await db.write(fall_silent)


async def test_an_unanswered_new_connection_is_abandoned(db: Postgres, proxy: SilentProxy) -> None:
    proxy.go_silent()

    async with asyncio.timeout(ENOUGH):
        with pytest.raises(OperationalError, match="timeout"):
            await db.read(log.read_head)


async def drain(heard: AsyncIterator[object]) -> None:
    async for _ in heard:
        pass


async def test_a_silent_listening_connection_is_abandoned(url: str, proxy: SilentProxy) -> None:
    db = Postgres(url, Limits(listen_answer=5 * SHORT, listen_interval=0))
    async with asyncio.timeout(ENOUGH):
        heard = db.listen("bell")
        await anext(heard)
        proxy.go_silent()

        with pytest.raises(Upstream, match="did not answer within"):
            await drain(heard)
    db.close()


async def test_listening_ends_at_once_when_it_is_cancelled(url: str, proxy: SilentProxy) -> None:
    db = Postgres(url, Limits(listen_answer=LONG, listen_interval=0))

    async def listen() -> None:
        async for _ in db.listen("bell"):
            proxy.go_silent()

    async with asyncio.timeout(ENOUGH):
        listening = asyncio.create_task(listen())
        await asyncio.to_thread(proxy.has_swallowed.wait, ENOUGH)  # it asks for a sign of life
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    db.close()


async def test_closing_does_not_wait_for_the_server(url: str, proxy: SilentProxy) -> None:
    db, has_begun = Postgres(url, Limits(connect=60, answer=LONG, close=SHORT)), threading.Event()

    def wait_for_silence(tx: Connection) -> int:
        proxy.go_silent()
        has_begun.set()
        return log.read_head(tx)

    reading = asyncio.ensure_future(db.read(wait_for_silence))
    await asyncio.to_thread(has_begun.wait, ENOUGH)
    connecting = asyncio.ensure_future(db.write(log.begin_epoch))
    await asyncio.sleep(0)

    async with asyncio.timeout(ENOUGH):
        await asyncio.to_thread(db.close)
        for ended in await asyncio.gather(reading, connecting, return_exceptions=True):
            assert isinstance(ended, OperationalError | asyncio.CancelledError)


def test_a_migration_may_take_longer_than_the_response_timeout(url: str) -> None:
    db = Postgres(url, SHORT_LIMITS)

    def migrate_slowly(tx: Connection) -> None:
        allow_long_statements(tx)
        tx.exec_driver_sql(f"SELECT pg_sleep({2 * SHORT})")

    for _ in range(3):  # connecting may take too long on a busy machine
        with suppress(OperationalError):
            db.write_sync(migrate_slowly)
            break
    else:
        raise AssertionError("it was given up")
    with pytest.raises(OperationalError, match="did not answer within"):
        db.write_sync(lambda tx: tx.exec_driver_sql(f"SELECT pg_sleep({2 * SHORT})"))

    db.close()


async def test_a_call_that_waited_too_long_for_a_thread_is_refused(
    db: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    await succeed(PATHS["read"], db)

    monkeypatch.setattr(kit_db, "QUEUE_TIMEOUT", -1.0)

    with pytest.raises(OperationalError, match="the database was busy"):
        await db.read(log.read_head)
