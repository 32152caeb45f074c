"""Test every bus: entries reach the listener once and in log order, whatever process committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection

from deskwire.events import log
from deskwire.events.bus import Bus
from deskwire.events.bus.open_bus import NO_WAKE_CALLBACKS, number_on_commit, open_bus
from deskwire.events.sequencer import HEAD_TOPIC, number_outbox
from deskwire.events.types.registry import PersonChanged
from deskwire.kit.connect import connect_database
from deskwire.kit.db import Database, savepoint, wake
from deskwire.kit.postgres import Postgres
from tests.fixtures.databases import create_database
from tests.fixtures.postgres import get_server

TIMEOUT = 10.0  # s
CUT_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class Listener:
    """Everything a bus handed over, and how often it did."""

    def __init__(self) -> None:
        self.heard: list[log.Entry] = []
        self.bursts = 0

    def __call__(self, entries: object) -> None:
        assert isinstance(entries, list)
        self.heard += entries
        self.bursts += 1

    async def wait_for(self, count: int) -> list[int]:
        """The positions heard once there are `count`."""
        async with asyncio.timeout(TIMEOUT):
            while len(self.heard) < count:  # noqa: ASYNC110 - a listener is called, not awaited
                await asyncio.sleep(0.001)
        return [entry.position for entry in self.heard]


@asynccontextmanager
async def running_bus(
    db: Database, wake_callbacks: Mapping[str, Callable[[], None]] = NO_WAKE_CALLBACKS
) -> AsyncIterator[Listener]:
    """What a process with the database open hears from now on."""
    listener = Listener()
    head = await db.read(log.read_head)
    bus: Bus = open_bus(db, await db.read(log.read_epoch), head, wake_callbacks)
    bus.listen(listener)
    db.set_commit_listener(bus.on_committed)
    running = asyncio.create_task(bus.run())
    yield listener
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    opened = create_database(tmp_path)
    yield opened
    opened.close()


def append(tx: Connection, *names: str) -> None:
    for name in names:
        event = PersonChanged(actor="shell", person="p", name=name, revision=1)
        log.append(tx, event, channels=["a"])


def second_connection(db: Database, work: Callable[[Postgres], object]) -> None:
    """Let another process do something to the same database."""
    other = reopen(db)
    work(other)
    other.close()


def reopen(db: Database) -> Postgres:
    """The same database, as another process opens it."""
    return Postgres(get_server().url_of(db.name.rpartition("/")[2]))


async def test_committed_entries_are_received_in_order_and_once(db: Database) -> None:
    async with running_bus(db) as listener:
        await asyncio.gather(*(db.write(append, f"{n}a", f"{n}b") for n in range(50)))

        assert await listener.wait_for(100) == list(range(1, 101))


async def test_entries_from_before_the_start_are_not_received(db: Database) -> None:
    await db.write(append, "before")
    async with running_bus(db) as listener:
        await db.write(append, "after")

        assert await listener.wait_for(1) == [2]


async def test_rolled_back_entries_are_not_received(db: Database) -> None:
    def give_up(tx: Connection) -> None:
        append(tx, "never")
        raise LookupError

    async with running_bus(db) as listener:
        with pytest.raises(LookupError):
            await db.write(give_up)
        await db.write(append, "after")

        assert await listener.wait_for(1) == [1]


async def test_the_entries_of_one_transaction_arrive_in_one_batch(db: Database) -> None:
    async with running_bus(db) as listener:
        await db.write(append, *"abcdefgh")

        await listener.wait_for(8)
        assert listener.bursts == 1


async def test_received_entries_equal_those_in_the_log(db: Database) -> None:
    async with running_bus(db) as listener:
        await db.write(append, "é", "b")
        await listener.wait_for(2)

        assert listener.heard == await db.read(log.read_after, 0, 10)


postgres = pytest.mark.database("postgresql")


@postgres
async def test_two_processes_receive_each_others_entries(db: Database) -> None:
    other = reopen(db)
    async with running_bus(db) as here, running_bus(other) as there:
        await asyncio.gather(*(d.write(append, str(n)) for n in range(100) for d in (db, other)))

        assert await here.wait_for(200) == list(range(1, 201))
        assert await there.wait_for(200) == list(range(1, 201))
    assert here.heard == there.heard
    other.close()


@postgres
async def test_entries_written_by_the_cli_are_received_at_once(db: Database) -> None:
    async with running_bus(db) as listener:
        await asyncio.to_thread(
            second_connection,
            db,
            lambda shell: number_on_commit(shell).write_sync(append, "by the shell"),
        )

        assert await listener.wait_for(1) == [1]


@postgres
async def test_an_entry_without_a_notification_arrives_by_polling(db: Database) -> None:
    """A process died after its commit; no one rang, no one numbered."""
    async with running_bus(db) as listener:
        await db.write(append, "first")
        await listener.wait_for(1)
        await asyncio.to_thread(
            second_connection, db, lambda dead: dead.write_sync(append, "its last words")
        )

        assert await listener.wait_for(2) == [1, 2]


@postgres
async def test_a_lost_notification_delays_an_entry_by_a_second(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(_self: Postgres, _channel: str) -> AsyncIterator[str | None]:
        await asyncio.Event().wait()
        yield None

    monkeypatch.setattr(Postgres, "listen", deaf)
    async with running_bus(db) as listener:
        await asyncio.to_thread(
            second_connection,
            db,
            lambda shell: number_on_commit(shell).write_sync(append, "unheard"),
        )

        assert await listener.wait_for(1) == [1]


@postgres
async def test_a_bus_recovers_from_broken_connections(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_bus(db) as listener:
        await db.write(append, "before")
        await listener.wait_for(1)
        await asyncio.to_thread(
            second_connection,
            db,
            lambda admin: admin.write_sync(lambda tx: tx.exec_driver_sql(CUT_OTHERS).all()),
        )
        await asyncio.to_thread(
            second_connection, db, lambda shell: number_on_commit(shell).write_sync(append, "after")
        )

        assert await listener.wait_for(2) == [1, 2]
    assert any("the bus lost its connection to PostgreSQL" in each for each in caplog.messages)


@postgres
async def test_wake_ups_missed_during_a_disconnect_are_made_up_for(db: Database) -> None:
    rung = asyncio.Event()
    async with running_bus(db, {"topic": rung.set}), asyncio.timeout(TIMEOUT):
        while not rung.is_set():
            await db.write(wake, "topic")
            await asyncio.sleep(0.01)
        rung.clear()

        await asyncio.to_thread(
            second_connection,
            db,
            lambda admin: admin.write_sync(lambda tx: tx.exec_driver_sql(CUT_OTHERS).all()),
        )

        await rung.wait()


@postgres
async def test_the_head_is_announced_whenever_entries_are_numbered(db: Database) -> None:
    assert isinstance(db, Postgres)
    heard = db.listen(HEAD_TOPIC)
    assert await anext(heard) is None  # listening from here on
    db.write_sync(append, "a", "b")
    await db.write_dedicated(number_outbox)

    async with asyncio.timeout(TIMEOUT):
        entry = await anext(heard)
        while entry is None:
            entry = await anext(heard)
    assert entry == (HEAD_TOPIC, "2")
    await heard.aclose()  # type: ignore[attr-defined]


@postgres
def test_an_unreachable_database_is_reported_without_its_password() -> None:
    db = connect_database("postgresql://desk:hidden-word@127.0.0.1:1/desk")

    with pytest.raises(Exception, match="connection failed") as refused:
        db.read_sync(log.read_head)

    assert "hidden-word" not in str(refused.value)
    assert "hidden-word" not in repr(db)
    db.close()


async def test_a_wake_up_is_sent_after_the_commit_and_not_after_a_rollback(db: Database) -> None:
    rung = asyncio.Event()

    def undo(tx: Connection) -> None:
        with suppress(LookupError), savepoint(tx):
            wake(tx, "topic")
            raise LookupError
        append(tx, "after")

    async with running_bus(db, {"topic": rung.set}) as listener:
        await db.write(undo)
        await listener.wait_for(1)
        assert not rung.is_set()
        await db.write(wake, "topic")

        async with asyncio.timeout(TIMEOUT):
            await rung.wait()
