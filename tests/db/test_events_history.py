"""Test servers whose PostgreSQL goes back in time while they run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from deskwire import schema
from deskwire.events import log
from deskwire.events.bus import postgres as bus_module
from deskwire.events.history import History, read_cluster, read_history, replace_epoch
from deskwire.kit.postgres import Postgres
from tests.fixtures.databases import create_database_url
from tests.fixtures.hub import FakeWriter, wait_until
from tests.fixtures.postgres import SETTINGS, Cluster, create_cluster, get_server
from tests.fixtures.running_desk import RunningDesk, open_running_desk, run_sql_directly

pytestmark = pytest.mark.database("postgresql")

ENOUGH = 30.0  # s
# What is left in the tables when a lagging standby is promoted, or a snapshot put back.
LOSE_THE_LATEST = "DELETE FROM log WHERE position > (SELECT max(position) - 3 FROM log)"
REUSE_THEIR_POSITIONS = (
    "INSERT INTO log (position, type, at, actor, channels, touches, data) "
    "SELECT max(position) + number, 'person.changed', 1, 'shell', '[]', '[]', '{}' "
    "FROM log, generate_series(1, 5) AS number GROUP BY number"
)


@asynccontextmanager
async def desks_with_history(folder: Path, count: int = 1) -> AsyncIterator[list[RunningDesk]]:
    """Servers on one database, after a few events."""
    url = create_database_url(folder)
    async with AsyncExitStack() as stack:
        desks = [
            await stack.enter_async_context(open_running_desk(folder, url)) for _ in range(count)
        ]
        for number in range(4):
            await change_something(desks[0], number)
        for desk in desks:
            await desk.wait_until_idle()
        yield desks


async def change_something(desk: RunningDesk, number: int) -> None:
    await desk.post_event(
        "guild.joined",
        guildId=f"80000000000000000{number}",
        guildName=f"Harbour {number}",
        ownerId="900000000000000006",
        memberCount=number,
    )


async def open_stream(desk: RunningDesk, name: str) -> FakeWriter:
    return await desk.open_stream(await desk.create_person(name))


async def wait_for_reset(stream: FakeWriter) -> dict[str, object]:
    await wait_until(lambda: "reset" in stream.control_frame_names, ENOUGH)
    return dict(stream.frames)["reset"]


@pytest.mark.parametrize(
    "statements",
    [(LOSE_THE_LATEST,), (LOSE_THE_LATEST, REUSE_THEIR_POSITIONS)],
    ids=["shorter", "other entries"],
)
async def test_every_stream_is_reset_and_receives_later_events(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, statements: tuple[str, ...]
) -> None:
    async with desks_with_history(tmp_path) as [desk]:
        stream = await open_stream(desk, "mo")
        old = desk.hub.cursor

        run_sql_directly(desk.url, *statements)

        reset = await wait_for_reset(stream)
        assert reset["because"] == "epoch"
        assert desk.hub.epoch != old.epoch
        assert desk.hub.epoch == await desk.db.read(log.read_epoch)
        assert "the database went back in time" in caplog.text
        assert "went back in time" in desk.services.readiness.notes[0]

        await change_something(desk, 7)
        assert desk.hub.cursor.position == await desk.db.read(log.read_head)
        returning = await desk.open_stream(stream.subscription.caller.subject, str(old))  # type: ignore[union-attr]
        assert returning.connected_frame["verdict"] == "reset"


async def test_servers_that_notice_a_restore_at_once_agree_on_one_epoch(tmp_path: Path) -> None:
    async with desks_with_history(tmp_path, 3) as desks:
        streams = [await open_stream(desk, f"mo{n}") for n, desk in enumerate(desks)]
        for desk in desks:
            await desk.wait_until_idle()

        run_sql_directly(desks[0].url, LOSE_THE_LATEST)

        for stream in streams:
            await wait_for_reset(stream)
        await change_something(desks[0], 7)
        epoch = await desks[0].db.read(log.read_epoch)
        await wait_until(lambda: {desk.hub.epoch for desk in desks} == {epoch}, ENOUGH)
        head = await desks[0].db.read(log.read_head)
        await wait_until(lambda: {desk.hub.buffer.head for desk in desks} == {head}, ENOUGH)


async def test_an_epoch_begun_by_an_operator_reaches_running_servers(tmp_path: Path) -> None:
    async with desks_with_history(tmp_path) as [desk]:
        stream = await open_stream(desk, "mo")

        epoch = await desk.db.write(log.begin_epoch)

        reset = await wait_for_reset(stream)
        assert str(reset["position"]).startswith(f"{epoch}-")


async def test_a_growing_and_trimmed_log_causes_no_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = 0

    def count_and_read(tx: Connection, position: int) -> History:
        nonlocal checks
        checks += 1
        return read_history(tx, position)

    monkeypatch.setattr(bus_module, "read_history", count_and_read)
    async with desks_with_history(tmp_path) as [desk]:
        epoch, head = desk.hub.epoch, desk.hub.buffer.head

        run_sql_directly(desk.url, f"UPDATE log_state SET floor = {head}", "DELETE FROM log")
        seen = checks
        await wait_until(lambda: checks >= seen + 2, ENOUGH)
        await change_something(desk, 7)
        seen = checks
        await wait_until(lambda: checks >= seen + 2, ENOUGH)

        assert desk.hub.epoch == epoch
        assert desk.services.readiness.notes == []


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    created = create_cluster({**SETTINGS, "restore_command": "false"})
    created.start()
    db = Postgres(created.url)
    schema.migrate(db)
    db.close()
    yield created
    created.remove()


async def retry(action: Callable[[], Awaitable[object]]) -> None:
    """Do something once the server's connections work again."""
    async with asyncio.timeout(ENOUGH):
        while True:
            with suppress(OperationalError):
                await action()
                return
            await asyncio.sleep(0.05)


async def test_a_restored_snapshot_is_noticed(cluster: Cluster, tmp_path: Path) -> None:
    def take_snapshot() -> None:
        cluster.stop()
        cluster.copy_data("data", "snapshot")
        cluster.start()

    def put_back() -> None:
        cluster.stop()
        cluster.copy_data("snapshot", "data")
        cluster.start()

    async with open_running_desk(tmp_path, cluster.url) as desk:
        stream = await open_stream(desk, "mo")
        await change_something(desk, 1)
        await asyncio.to_thread(take_snapshot)
        await retry(lambda: change_something(desk, 2))

        await asyncio.to_thread(put_back)

        await wait_for_reset(stream)
        assert "the log ends at" in desk.services.readiness.notes[0]


async def test_a_promoted_standby_is_noticed_even_if_it_has_everything(
    cluster: Cluster, tmp_path: Path
) -> None:
    def promote() -> None:
        cluster.stop()
        cluster.promote_at_start()
        cluster.start()

    async with open_running_desk(tmp_path, cluster.url) as desk:
        stream = await open_stream(desk, "mo")
        await change_something(desk, 1)

        await asyncio.to_thread(promote)

        await wait_for_reset(stream)
        assert "timeline" in desk.services.readiness.notes[0]


def test_an_epoch_is_replaced_once(tmp_path: Path) -> None:
    db = Postgres(create_database_url(tmp_path))
    epoch = db.read_sync(log.read_epoch)

    first, second = (db.write_sync(replace_epoch, epoch) for _ in range(2))

    assert first == second != epoch
    db.close()


def test_servers_that_replace_an_epoch_at_the_same_moment_agree(tmp_path: Path) -> None:
    url = create_database_url(tmp_path)
    with ExitStack() as stack:
        servers = [stack.enter_context(closing(Postgres(url))) for _ in range(3)]
        epoch = servers[0].read_sync(log.read_epoch)
        blocker, observer = (stack.enter_context(psycopg.connect(url)) for _ in range(2))
        observer.autocommit = True
        blocker.execute("UPDATE log_state SET floor = floor")
        with ThreadPoolExecutor(len(servers)) as threads:
            replacing = [
                threads.submit(server.write_sync, replace_epoch, epoch) for server in servers
            ]
            poll_until(lambda: count_blocked(observer) == len(servers))
            assert not any(each.done() for each in replacing)

            blocker.commit()  # all have asked for the row while it had the old epoch

            replaced = {each.result(ENOUGH) for each in replacing}

        assert replaced == {servers[0].read_sync(log.read_epoch)}
        assert epoch not in replaced


def count_blocked(observer: psycopg.Connection[Any]) -> int:
    """Count the sessions of this database that wait for a lock of another one."""
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    return int(observer.execute(query).fetchone()[0])  # type: ignore[index]


def poll_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ENOUGH
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_unprivileged_role_can_read_the_cluster_timeline() -> None:
    db = Postgres(get_server().create_migrated())

    assert (db.write_sync(read_cluster) or "").endswith("/00000001")

    db.close()
