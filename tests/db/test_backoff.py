"""Test that the services which wait for the database try again as soon as they are woken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from deskwire.direct_edits import watcher
from deskwire.direct_edits.watcher import Watcher
from deskwire.dispatches.dispatcher import Dispatcher
from deskwire.dispatches.store import DispatchQueued
from deskwire.kit.clock import now
from deskwire.webhooks.door import Intake
from deskwire.webhooks.worker import Worker
from tests.db.test_full_disk import message
from tests.fixtures.databases import create_database
from tests.fixtures.hub import wait_until

AN_HOUR = 3600.0  # s; far more than a test waits


class Outage:
    """A database that fails until it is back."""

    def __init__(self) -> None:
        self.is_over = False
        self.tries = 0

    def check(self, *_: object) -> bool:
        self.tries += 1
        if not self.is_over:
            raise OperationalError("", None, ConnectionError("it is down"))
        return False

    def check_texts(self, *_: object) -> None:
        self.check()


@asynccontextmanager
async def running(service: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(service())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_stored_delivery_ends_the_workers_backoff(tmp_path: Path) -> None:
    db, outage = create_database(tmp_path), Outage()
    await Intake(db).store(message(1, now()))
    worker = Worker(db, [], is_blocked=outage.check, first_retry_delay=AN_HOUR)
    async with running(worker.run):
        await wait_until(lambda: outage.tries == 1)
        outage.is_over = True

        await Intake(db, worker.wake).store(message(2, now()))

        await wait_until(lambda: worker.outcomes.total() == 2)
    db.close()


async def test_a_delivery_that_could_not_be_stored_wakes_no_worker(tmp_path: Path) -> None:
    db, woken = create_database(tmp_path), 0

    def wake() -> None:
        nonlocal woken
        woken += 1

    def drop(tx: Connection) -> None:
        tx.exec_driver_sql("DROP TABLE deliveries")

    db.write_sync(drop)

    with pytest.raises(Exception, match="deliveries"):
        await Intake(db, wake).store(message(1, now()))

    assert woken == 0
    db.close()


async def test_an_announced_edit_ends_the_watchers_backoff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, outage = create_database(tmp_path), Outage()
    monkeypatch.setattr(watcher, "prepare_edited_texts", outage.check_texts)
    watching = Watcher(db, first_retry_delay=AN_HOUR)
    async with running(watching.run):
        await wait_until(lambda: outage.tries == 1)
        outage.is_over = True

        watching.wake()

        await wait_until(lambda: outage.tries == 2)
    db.close()


async def test_a_queued_dispatch_ends_the_dispatchers_backoff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, outage = create_database(tmp_path), Outage()
    sender = Dispatcher(db, [], first_retry_delay=AN_HOUR)

    async def send_due() -> None:
        outage.check()

    monkeypatch.setattr(sender, "send_due", send_due)
    async with running(sender.run):
        await wait_until(lambda: outage.tries == 1)
        outage.is_over = True

        sender.on_committed([DispatchQueued("mail")])

        await wait_until(lambda: outage.tries == 2)
    db.close()
