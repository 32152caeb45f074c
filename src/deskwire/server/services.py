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

from deskwire.accounts.grants import personal_grants
from deskwire.accounts.sessions import read_expiry_times
from deskwire.direct_edits.change_log import EDITS_TOPIC
from deskwire.direct_edits.processor import record_edits
from deskwire.direct_edits.watcher import Watcher
from deskwire.events import log
from deskwire.events.access import Access, Authorization
from deskwire.events.bus.open_bus import number_on_commit, open_bus
from deskwire.events.channels import PEOPLE_CHANNEL
from deskwire.kit.coalesce import Coalescer
from deskwire.kit.connect import connect_database
from deskwire.kit.db import CommitListener, Database
from deskwire.kit.mail_sender import MailSender
from deskwire.kit.open_store import open_store
from deskwire.kit.sqlite import URL_PREFIX, SQLite, parse_sqlite_path
from deskwire.kit.timing import DurationHistogram, measure_loop_lag
from deskwire.realtime.buffer import BUFFER_BYTES, EventBuffer
from deskwire.realtime.hub import Hub
from deskwire.schema import check_schema, migrate
from deskwire.server import admin_commands
from deskwire.server.control import ControlServer, DatabaseLock, send_command
from deskwire.server.database_path import check_database_exists, prepare_database_path
from deskwire.server.retention import Retention, RetentionDays
from deskwire.settings import Settings
from deskwire.tickets.files.cleanup import FileCleanup
from deskwire.tickets.visibility import select_ticket_grants
from deskwire.webhooks.deliveries import DELIVERIES_TOPIC
from deskwire.webhooks.door import Intake
from deskwire.webhooks.source import Source
from deskwire.webhooks.worker import Worker
from deskwire.workspaces.guilds.grants import guild_grants
from deskwire.workspaces.organizations.grants import organization_grants, staff_grants

BUFFER_ENTRIES = 30_000  # read at start; about what the window's bytes hold
DATABASE_TIMEOUT = 2.0  # s the database has to answer whether we are ready
MAX_LOG_LAG = 1000  # events between the log and the streams; more, and something is stuck
NOTICE_INTERVAL = 0.15  # s; a page that shows deliveries asks no more often, whatever comes in
RESTART_DELAY = 1.0  # s before a service that broke is started again

ServiceFunctions = Mapping[
    str, Callable[[], Awaitable[None]]
]  # what runs until the process ends, by name
NO_SERVICES: ServiceFunctions = {}

logger = logging.getLogger(__name__)

ACCESS = Access(
    [personal_grants, guild_grants, organization_grants, select_ticket_grants, staff_grants],
    read_expiry_times,
)


@dataclass(frozen=True, slots=True)
class Services:
    """The running parts a request may need."""

    db: Database
    hub: Hub
    intake: Intake
    worker: Worker
    loop_lag: DurationHistogram  # of the event loop
    broken_services: set[str]  # services that fell over and are about to be started again

    async def find_problems(self) -> list[str]:
        """What keeps this process from doing its work, as sentences."""
        problems = [
            f"{name} broke and is being started again" for name in sorted(self.broken_services)
        ]
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                head = await self.db.read(log.read_head)
        except Exception:
            logger.exception("the database did not answer")
            return [*problems, "the database does not answer"]
        if self.intake.last_write_failed:  # the last batch was; would the next one be?
            problems += await self._check_write()
        if head > self.hub.buffer.head + MAX_LOG_LAG:
            problems.append(f"streams are {head - self.hub.buffer.head} events behind the log")
        return problems

    async def _check_write(self) -> list[str]:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                await self.db.write(log.check_writable)
        except TimeoutError:
            return ["the database takes nothing: it is locked, or too busy"]
        except DBAPIError as error:
            return [f"the database takes nothing: {error.orig}"]
        self.intake.last_write_failed = False
        return []


@dataclass(frozen=True, slots=True)
class OpenedDatabase:
    """A database this process may write to, at the schema this code needs."""

    db: Database
    lock: DatabaseLock | None  # None: others write to it too

    def close(self) -> None:
        """Let the next process have it."""
        self.db.close()
        if self.lock is not None:
            self.lock.release()


def open_database(url: str) -> OpenedDatabase:
    """Open the database for writing. An SQLite file is taken for this process alone and brought
    up to date; PostgreSQL, which others use meanwhile, must be so already. Raises a Refusal with
    what to do instead.
    """
    db = connect_database(url)
    if isinstance(db, SQLite):
        return _lock_and_migrate(db)
    _check_schema(db)
    return OpenedDatabase(db, None)


def migrate_database(url: str) -> OpenedDatabase:
    """`open_database`, after bringing also PostgreSQL up to date. Two at once wait in turn."""
    db = connect_database(url)
    if isinstance(db, SQLite):
        return _lock_and_migrate(db)
    try:
        migrate(db)
    except BaseException:
        db.close()
        raise
    return OpenedDatabase(db, None)


def connect_for_reading(url: str, *, require_current_schema: bool) -> Database:
    """The database, to be read beside whoever serves it. Raises a Refusal where none was begun;
    `ready`: also where it is not at the schema this code needs (an SQLite file is read as it is).
    """
    db = connect_database(url)
    if isinstance(db, SQLite):
        check_database_exists(db.path)
    elif require_current_schema:
        _check_schema(db)
    return db


def _check_schema(db: Database) -> None:
    try:
        db.read_sync(check_schema, db.name)
    except BaseException:
        db.close()
        raise


def _lock_and_migrate(db: SQLite) -> OpenedDatabase:
    prepare_database_path(db.path)
    lock = DatabaseLock(db.path)
    lock.acquire()
    try:
        before, after = migrate(db)
    except BaseException:
        lock.release()
        raise
    if before != after:
        logger.info("database migrated from %s to %s", before or "nothing", after)
    return OpenedDatabase(db, lock)


def run_admin_command(
    url: str, name: str, arguments: dict[str, Any], *, create_if_missing: bool = False
) -> Any:  # noqa: ANN401 - JSON
    """Run a command of the shell: in the process that serves an SQLite file, else in this one.

    Open streams hear of it at once either way. `may_begin`: an SQLite file may be made for it.
    """
    if url.startswith(URL_PREFIX):
        reply = send_command(parse_sqlite_path(url), name, arguments)
        if reply is not None:
            return reply["result"]
        if not create_if_missing:
            check_database_exists(parse_sqlite_path(url))
    opened = open_database(url)
    try:
        return number_on_commit(opened.db).write_sync(
            admin_commands.execute_command, name, arguments
        )
    finally:
        opened.close()


@asynccontextmanager
async def run_services(
    settings: Settings,
    opened: OpenedDatabase,
    sources: Iterable[Source],
    extra_services: ServiceFunctions = NO_SERVICES,
) -> AsyncIterator[Services]:
    """Run the services over an opened database until the block ends; `beside`: and these."""
    db = opened.db
    watch = Watcher(db)
    hub = await _create_hub(settings, db)
    pages = Coalescer(partial(hub.send_notice, PEOPLE_CHANNEL, "deliveries"), NOTICE_INTERVAL)
    bells = {EDITS_TOPIC: watch.wake, DELIVERIES_TOPIC: pages.schedule}
    bus = open_bus(db, hub.epoch, hub.buffer.head, bells)
    bus.listen(hub.publish)
    postman = None if settings.smtp_server is None else MailSender(db, settings.smtp_server)
    _forward_commits(db, bus.on_committed, *([postman.on_committed] if postman else []))
    worker = Worker(
        db, sources, before_batch=record_edits
    )  # or a delivery would undo what nobody has seen
    url = settings.local_url if settings.port else ""  # 0: a port nobody could have known
    control = _create_control_server(opened, url)
    if control is not None:
        await control.start()
    broken, lags = set[str](), DurationHistogram()
    runs: ServiceFunctions = {
        "bus": bus.run,
        "hub": hub.run,
        "worker": worker.run,
        "edits": watch.run,
        "retention": Retention(
            db, hub.buffer, RetentionDays(settings.log_days, settings.delivery_days)
        ).run,
        "files": FileCleanup(db, open_store(settings.files_url)).run,
        "lag": partial(measure_loop_lag, lags),
        **({"postman": postman.run} if postman else {}),
        **extra_services,
    }
    tasks = [
        asyncio.create_task(_run_with_restarts(name, service, broken), name=name)
        for name, service in runs.items()
    ]
    try:
        yield Services(db, hub, Intake(db, worker.wake, pages.schedule), worker, lags, broken)
    finally:
        if control is not None:
            await control.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _create_control_server(opened: OpenedDatabase, url: str) -> ControlServer | None:
    """The shell's entrance; none where the shell can write beside us."""
    if opened.lock is None:
        return None
    return ControlServer(opened.lock, partial(_execute_command, opened.db), url)


async def _create_hub(settings: Settings, db: Database) -> Hub:
    epoch = await db.read(log.read_epoch)
    window = EventBuffer(BUFFER_BYTES)
    entries, head = await db.read(log.read_buffer, BUFFER_ENTRIES)
    window.load(entries, head)

    async def authorise(people: Collection[str], sessions: Collection[str]) -> Authorization:
        return await ACCESS.authorize(db, people, sessions)

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


def _forward_commits(db: Database, *listeners: CommitListener) -> None:
    """Hand what a transaction noted to each of these after its commit."""

    def committed(noted: Sequence[Any]) -> None:
        for subscriber in listeners:
            subscriber(noted)

    db.set_commit_listener(committed)


async def _execute_command(db: Database, name: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401
    do = db.read if admin_commands.is_read_only_command(name, arguments) else db.write
    return await do(admin_commands.execute_command, name, arguments)


async def _run_with_restarts(
    name: str, service: Callable[[], Awaitable[None]], broken: set[str]
) -> None:
    while True:
        try:
            await service()
        except Exception:
            logger.exception("%s broke and is started again", name)
        broken.add(name)
        await asyncio.sleep(RESTART_DELAY)
        broken.discard(name)
