"""What one process runs beside its pages: the hub, the worker, the shell's entrance, the purge."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from deskwire import commands
from deskwire.accounts.purge import purge
from deskwire.accounts.sessions import read_living
from deskwire.control import ControlServer, Lock
from deskwire.events import log
from deskwire.events.access import Access
from deskwire.events.bus.memory import MemoryBus
from deskwire.events.hub import Hub
from deskwire.events.questions import Answer
from deskwire.events.window import WINDOW_BYTES, Window
from deskwire.kit.clock import now
from deskwire.kit.db import Database
from deskwire.kit.timing import Durations, watch_loop
from deskwire.place import check_place
from deskwire.schema import migrate
from deskwire.settings import Settings
from deskwire.tickets.tickets import ticket_grants
from deskwire.webhooks.door import Intake
from deskwire.webhooks.source import Source
from deskwire.webhooks.worker import Worker
from deskwire.workspaces.grants import guild_grants, personal_grants
from deskwire.workspaces.organizations import staff_grants

WINDOW_ENTRIES = 30_000  # read at start; about what the window's bytes hold
PURGE_EVERY = 3600  # s
PATIENCE = 2.0  # s the database has to answer whether we are ready
MAX_LAG = 1000  # events between the log and the streams; more, and something is stuck
RESTART_AFTER = 1.0  # s before a service that broke is started again

logger = logging.getLogger(__name__)

ACCESS = Access([personal_grants, guild_grants, ticket_grants, staff_grants], read_living)


@dataclass(frozen=True, slots=True)
class Services:
    """The running parts a request may need."""

    db: Database
    hub: Hub
    intake: Intake
    worker: Worker
    lags: Durations  # of the event loop
    broken: set[str]  # services that fell over and are about to be started again

    async def find_problems(self) -> list[str]:
        """What keeps this process from doing its work, as sentences."""
        problems = [f"{name} broke and is being started again" for name in sorted(self.broken)]
        try:
            async with asyncio.timeout(PATIENCE):
                head = await self.db.read(log.read_head)
        except Exception:
            logger.exception("the database did not answer")
            return [*problems, "the database does not answer"]
        if head > self.hub.window.head + MAX_LAG:
            problems.append(f"streams are {head - self.hub.window.head} events behind the log")
        return problems


@dataclass(frozen=True, slots=True)
class Opened:
    """A database that is this process's to write to, at the schema this code needs."""

    db: Database
    lock: Lock

    def close(self) -> None:
        """Let the next process have it."""
        self.db.close()
        self.lock.release()


def open_database(url: str) -> Opened:
    """Take the database and bring it up to date. Raises Conflict with what to do instead."""
    db = Database(url)
    check_place(db.path)
    lock = Lock(db.path)
    lock.take()
    try:
        before, after = migrate(db)
    except BaseException:
        lock.release()
        raise
    if before != after:
        logger.info("database migrated from %s to %s", before or "nothing", after)
    return Opened(db, lock)


@asynccontextmanager
async def running(
    settings: Settings, opened: Opened, sources: Iterable[Source]
) -> AsyncIterator[Services]:
    """Run the services over an opened database until the block ends."""
    db = opened.db
    hub = await _open_hub(settings, db)
    worker = Worker(db, sources)
    url = settings.address if settings.port else ""  # 0: a port nobody could have known
    control = ControlServer(opened.lock, partial(_run_command, db), url)
    await control.start()
    broken, lags = set[str](), Durations()
    runs: dict[str, Callable[[], Awaitable[None]]] = {
        "hub": hub.run,
        "worker": worker.run,
        "purge": _purger(db),
        "lag": partial(watch_loop, lags),
    }
    tasks = [
        asyncio.create_task(_keep_running(name, service, broken), name=name)
        for name, service in runs.items()
    ]
    try:
        yield Services(db, hub, Intake(db, worker.ring), worker, lags, broken)
    finally:
        await control.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _open_hub(settings: Settings, db: Database) -> Hub:
    epoch = await db.read(log.read_epoch)
    window = Window(WINDOW_BYTES)
    entries = await db.read(log.read_latest, WINDOW_ENTRIES)
    window.start(entries, await db.read(log.read_head))

    async def authorise(people: Collection[str], sessions: Collection[str]) -> Answer:
        return await ACCESS.authorise(db, people, sessions)

    async def read_after(position: int, limit: int) -> list[log.Entry]:
        return await db.read(log.read_after, position, limit)

    hub = Hub(
        epoch,
        window,
        authorise,
        read_after,
        max_behind=settings.max_behind,
        streams_per_person=settings.streams_per_person,
    )
    bus = MemoryBus(epoch)
    bus.listen(hub.dispatch)
    db.subscribe(bus.committed)
    return hub


async def _run_command(db: Database, name: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401
    return await db.write(commands.run, name, arguments)


def _purger(db: Database) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        while True:
            await db.write(purge, now())
            await asyncio.sleep(PURGE_EVERY)

    return run


async def _keep_running(
    name: str, service: Callable[[], Awaitable[None]], broken: set[str]
) -> None:
    while True:
        try:
            await service()
        except Exception:
            logger.exception("%s broke and is started again", name)
        broken.add(name)
        await asyncio.sleep(RESTART_AFTER)
        broken.discard(name)
