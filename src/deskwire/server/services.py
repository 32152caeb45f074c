"""What one process runs beside its pages: hub, worker, the shell's entrance, retention."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.exc import DBAPIError

from deskwire.accounts.sessions import read_living
from deskwire.direct_edits.change_log import CHANNEL
from deskwire.direct_edits.processor import work_off
from deskwire.direct_edits.watcher import Watch
from deskwire.events import log
from deskwire.events.access import Access, Answer
from deskwire.events.bus.open_bus import number_alone, open_bus
from deskwire.events.channels import PEOPLE
from deskwire.kit.coalesce import Pace
from deskwire.kit.connect import connect
from deskwire.kit.db import Database, Subscriber
from deskwire.kit.mail_sender import Postman
from deskwire.kit.open_store import open_store
from deskwire.kit.sqlite import SCHEME, SQLite, path_of
from deskwire.kit.timing import Durations, watch_loop
from deskwire.realtime.buffer import WINDOW_BYTES, Window
from deskwire.realtime.hub import Hub
from deskwire.schema import check_ready, migrate
from deskwire.server import admin_commands
from deskwire.server.control import ControlServer, Lock, ask_server
from deskwire.server.database_path import check_place, check_written
from deskwire.server.retention import Keep, Retention
from deskwire.settings import Settings
from deskwire.tickets.files.cleanup import Keeper
from deskwire.tickets.visibility import ticket_grants
from deskwire.webhooks.deliveries import BELL
from deskwire.webhooks.door import Intake
from deskwire.webhooks.source import Source
from deskwire.webhooks.worker import Worker
from deskwire.workspaces.guilds.grants import guild_grants, personal_grants
from deskwire.workspaces.organizations.organizations import organization_grants, staff_grants

WINDOW_ENTRIES = 30_000  # read at start; about what the window's bytes hold
PATIENCE = 2.0  # s the database has to answer whether we are ready
MAX_LAG = 1000  # events between the log and the streams; more, and something is stuck
NOTICE_EVERY = 0.15  # s; a page that shows deliveries asks no more often, whatever comes in
RESTART_AFTER = 1.0  # s before a service that broke is started again

Runs = Mapping[str, Callable[[], Awaitable[None]]]  # what runs until the process ends, by name
NOTHING: Runs = {}

logger = logging.getLogger(__name__)

ACCESS = Access(
    [personal_grants, guild_grants, organization_grants, ticket_grants, staff_grants], read_living
)


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
        if self.intake.is_refused:  # the last batch was; would the next one be?
            problems += await self._try_to_write()
        if head > self.hub.window.head + MAX_LAG:
            problems.append(f"streams are {head - self.hub.window.head} events behind the log")
        return problems

    async def _try_to_write(self) -> list[str]:
        try:
            async with asyncio.timeout(PATIENCE):
                await self.db.write(log.touch)
        except TimeoutError:
            return ["the database takes nothing: it is locked, or too busy"]
        except DBAPIError as error:
            return [f"the database takes nothing: {error.orig}"]
        self.intake.is_refused = False
        return []


@dataclass(frozen=True, slots=True)
class Opened:
    """A database this process may write to, at the schema this code needs."""

    db: Database
    lock: Lock | None  # None: others write to it too

    def close(self) -> None:
        """Let the next process have it."""
        self.db.close()
        if self.lock is not None:
            self.lock.release()


def open_database(url: str) -> Opened:
    """Open the database for writing. An SQLite file is taken for this process alone and brought
    up to date; PostgreSQL, which others use meanwhile, must be so already. Raises a Refusal with
    what to do instead.
    """
    db = connect(url)
    if isinstance(db, SQLite):
        return _take(db)
    _check(db)
    return Opened(db, None)


def migrate_database(url: str) -> Opened:
    """`open_database`, after bringing also PostgreSQL up to date. Two at once wait in turn."""
    db = connect(url)
    if isinstance(db, SQLite):
        return _take(db)
    try:
        migrate(db)
    except BaseException:
        db.close()
        raise
    return Opened(db, None)


def look_at(url: str, *, ready: bool) -> Database:
    """The database, to be read beside whoever serves it. Raises a Refusal where none was begun;
    `ready`: also where it is not at the schema this code needs (an SQLite file is read as it is).
    """
    db = connect(url)
    if isinstance(db, SQLite):
        check_written(db.path)
    elif ready:
        _check(db)
    return db


def _check(db: Database) -> None:
    try:
        db.read_here(check_ready, db.name)
    except BaseException:
        db.close()
        raise


def _take(db: SQLite) -> Opened:
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


def run_command(url: str, name: str, arguments: dict[str, Any], *, may_begin: bool = False) -> Any:  # noqa: ANN401 - JSON
    """Run a command of the shell: in the process that serves an SQLite file, else in this one.

    Open streams hear of it at once either way. `may_begin`: an SQLite file may be made for it.
    """
    if url.startswith(SCHEME):
        reply = ask_server(path_of(url), name, arguments)
        if reply is not None:
            return reply["result"]
        if not may_begin:
            check_written(path_of(url))
    opened = open_database(url)
    try:
        return number_alone(opened.db).write_here(admin_commands.run, name, arguments)
    finally:
        opened.close()


@asynccontextmanager
async def running(
    settings: Settings, opened: Opened, sources: Iterable[Source], beside: Runs = NOTHING
) -> AsyncIterator[Services]:
    """Run the services over an opened database until the block ends; `beside`: and these."""
    db = opened.db
    watch = Watch(db)
    hub = await _open_hub(settings, db)
    pages = Pace(partial(hub.notify, PEOPLE, "deliveries"), NOTICE_EVERY)
    bells = {CHANNEL: watch.ring, BELL: pages.ask}
    bus = open_bus(db, hub.epoch, hub.window.head, bells)
    bus.listen(hub.dispatch)
    postman = None if settings.relay is None else Postman(db, settings.relay)
    _tell(db, bus.committed, *([postman.committed] if postman else []))
    worker = Worker(db, sources, before=work_off)  # or a delivery would undo what nobody has seen
    url = settings.address if settings.port else ""  # 0: a port nobody could have known
    control = _control(opened, url)
    if control is not None:
        await control.start()
    broken, lags = set[str](), Durations()
    runs: Runs = {
        "bus": bus.run,
        "hub": hub.run,
        "worker": worker.run,
        "edits": watch.run,
        "retention": Retention(db, hub.window, Keep(settings.log_days, settings.delivery_days)).run,
        "files": Keeper(db, open_store(settings.files_url)).run,
        "lag": partial(watch_loop, lags),
        **({"postman": postman.run} if postman else {}),
        **beside,
    }
    tasks = [
        asyncio.create_task(_keep_running(name, service, broken), name=name)
        for name, service in runs.items()
    ]
    try:
        yield Services(db, hub, Intake(db, worker.ring, pages.ask), worker, lags, broken)
    finally:
        if control is not None:
            await control.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _control(opened: Opened, url: str) -> ControlServer | None:
    """The shell's entrance; none where the shell can write beside us."""
    if opened.lock is None:
        return None
    return ControlServer(opened.lock, partial(_run_command, opened.db), url)


async def _open_hub(settings: Settings, db: Database) -> Hub:
    epoch = await db.read(log.read_epoch)
    window = Window(WINDOW_BYTES)
    entries, head = await db.read(log.read_window, WINDOW_ENTRIES)
    window.start(entries, head)

    async def authorise(people: Collection[str], sessions: Collection[str]) -> Answer:
        return await ACCESS.authorise(db, people, sessions)

    async def read_after(position: int, limit: int) -> list[log.Entry]:
        return await db.read(log.read_after, position, limit)

    return Hub(
        epoch,
        window,
        authorise,
        read_after,
        max_behind=settings.max_behind,
        streams_per_person=settings.streams_per_person,
    )


def _tell(db: Database, *subscribers: Subscriber) -> None:
    """Hand what a transaction noted to each of these after its commit."""

    def committed(noted: Sequence[Any]) -> None:
        for subscriber in subscribers:
            subscriber(noted)

    db.subscribe(committed)


async def _run_command(db: Database, name: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401
    do = db.read if admin_commands.is_reading(name, arguments) else db.write
    return await do(admin_commands.run, name, arguments)


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
