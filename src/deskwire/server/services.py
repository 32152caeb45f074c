"""Run the background services of a process, such as hub, worker and retention."""

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

from sqlalchemy import Connection

from deskwire.accounts.api_keys import read_credential_expiries
from deskwire.accounts.grants import personal_grants
from deskwire.direct_edits.change_log import EDITS_TOPIC, has_pending_changes
from deskwire.direct_edits.watcher import Watcher
from deskwire.events import log
from deskwire.events.access import Access, Authorization
from deskwire.events.bus import Listener
from deskwire.events.bus.open_bus import number_on_commit, open_bus
from deskwire.events.channels import PEOPLE_CHANNEL
from deskwire.events.cursor import Cursor
from deskwire.kit.clock import format_iso, now
from deskwire.kit.coalesce import Coalescer
from deskwire.kit.db import CommitListener, Database
from deskwire.kit.open_store import open_store
from deskwire.kit.sqlite import URL_PREFIX, parse_sqlite_path
from deskwire.kit.timing import DurationHistogram, measure_loop_lag
from deskwire.realtime.buffer import BUFFER_BYTES, EventBuffer
from deskwire.realtime.hub import Hub
from deskwire.server import admin_commands
from deskwire.server.control import ControlServer, send_command
from deskwire.server.database_path import check_database_exists
from deskwire.server.erasure import Eraser
from deskwire.server.open_database import OpenedDatabase, open_database
from deskwire.server.reach import Reach, build_reach
from deskwire.server.readiness import Readiness
from deskwire.server.retention import Retention, RetentionDays
from deskwire.settings import Settings
from deskwire.tickets.files.cleanup import FileCleanup
from deskwire.tickets.search_index import SEARCH_TOPIC
from deskwire.tickets.search_reindexer import SearchReindexer
from deskwire.tickets.visibility import (
    select_key_ticket_grants,
    select_ticket_grants,
    select_ticket_grants_of_principals,
)
from deskwire.webhooks.deliveries import DELIVERIES_TOPIC
from deskwire.webhooks.door import Intake
from deskwire.webhooks.source import Source
from deskwire.webhooks.worker import Worker
from deskwire.workspaces.guilds.grants import guild_grants, select_guild_grants_of_principals
from deskwire.workspaces.keys.grants import select_key_grants
from deskwire.workspaces.organizations.grants import organization_grants, staff_grants

BUFFER_ENTRIES = 30_000  # log entries read at start; about as many as fit in BUFFER_BYTES
NOTICE_INTERVAL = 0.15  # s; the least time between two refreshes of a page that lists deliveries
RESTART_DELAY = 1.0  # s before a crashed service is restarted

ServiceFunctions = Mapping[str, Callable[[], Awaitable[None]]]  # name → what runs until the end
NO_SERVICES: ServiceFunctions = {}

logger = logging.getLogger(__name__)

ACCESS = Access(
    [personal_grants, guild_grants, organization_grants, select_ticket_grants, staff_grants],
    read_credential_expiries,
    [select_key_grants, select_key_ticket_grants],
    [select_guild_grants_of_principals, select_ticket_grants_of_principals],
)


@dataclass(frozen=True, slots=True)
class Services:
    """The running services that a request may need."""

    db: Database
    hub: Hub
    intake: Intake
    worker: Worker
    reach: Reach
    loop_lag: DurationHistogram
    broken_services: set[str]  # names of services that crashed and are about to restart
    readiness: Readiness


def run_admin_command(
    url: str, name: str, arguments: dict[str, Any], *, create_if_missing: bool = False
) -> Any:  # noqa: ANN401 - JSON
    """Run an admin command: in the server that holds the SQLite file, else in this process.

    Open streams receive its events at once either way. Raises NotFound if there is no SQLite file,
    unless `create_if_missing`; also raises what the command raises.
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
    sources: Collection[Source],
    extra_services: ServiceFunctions = NO_SERVICES,
) -> AsyncIterator[Services]:
    """Run all background services, and `extra_services`, until the context exits."""
    db = opened.db
    watcher = Watcher(db)
    hub = await _create_hub(settings, db)
    notices = Coalescer(partial(hub.send_notice, PEOPLE_CHANNEL, "deliveries"), NOTICE_INTERVAL)
    reindexer = SearchReindexer(db)
    reach = build_reach(settings, db)
    wake_callbacks = {
        EDITS_TOPIC: watcher.wake,
        DELIVERIES_TOPIC: notices.schedule,
        SEARCH_TOPIC: reindexer.wake,
        **reach.list_wake_callbacks(partial(hub.send_notice, PEOPLE_CHANNEL)),
    }
    bus = open_bus(db, hub.epoch, hub.buffer.head, wake_callbacks)
    store = open_store(settings.files_url)
    eraser = Eraser(db, store, sources)
    notes: list[str] = []
    bus.listen(
        partial(_pass_on, (hub.publish, eraser.on_entries, reach.consumers.on_entries)),
        partial(_start_over, db, hub, notes),
    )
    _forward_commits(db, bus.on_committed, reach.dispatcher.on_committed)
    # Record direct edits first, or a delivery could overwrite one before it becomes an event.
    worker = Worker(
        db, sources, is_blocked=has_pending_changes, unblock=watcher.record_pending_edits
    )
    url = settings.local_url if settings.port else ""  # PORT=0: the port is not known yet
    control = _create_control_server(opened, url)
    broken, loop_lag = set[str](), DurationHistogram()
    services: ServiceFunctions = {
        "bus": bus.run,
        "hub": hub.run,
        "worker": worker.run,
        "edits": watcher.run,
        "search": reindexer.run,
        "retention": Retention(
            db, hub.buffer, RetentionDays(settings.log_days, settings.delivery_days)
        ).run,
        "files": FileCleanup(db, store).run,
        "erasure": eraser.run,
        "lag": partial(measure_loop_lag, loop_lag),
        **reach.services,
        **extra_services,
    }
    async with _running(services, broken, control):
        intake = Intake(db, worker.wake, notices.schedule)
        readiness = Readiness(db, hub, broken, notes=notes)
        yield Services(db, hub, intake, worker, reach, loop_lag, broken, readiness)


@asynccontextmanager
async def _running(
    services: ServiceFunctions, broken: set[str], control: ControlServer | None
) -> AsyncIterator[None]:
    """Run the services and the control socket until the context exits."""
    if control is not None:
        await control.start()
    tasks = [
        asyncio.create_task(_run_with_restarts(name, service, broken), name=name)
        for name, service in services.items()
    ]
    try:
        yield
    finally:
        if control is not None:
            await control.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _create_control_server(opened: OpenedDatabase, url: str) -> ControlServer | None:
    """Create the control socket; None for PostgreSQL, where the command line writes directly."""
    if opened.lock is None:
        return None
    return ControlServer(opened.lock, partial(_execute_command, opened.db), url)


async def _create_hub(settings: Settings, db: Database) -> Hub:
    epoch, entries, head = await db.read(_read_log)
    buffer = EventBuffer(BUFFER_BYTES)
    buffer.load(entries, head)

    async def authorize(people: Collection[str], sessions: Collection[str]) -> Authorization:
        return await ACCESS.authorize(db, people, sessions)

    async def read_after(position: int, limit: int) -> list[log.Entry]:
        return await db.read(log.read_after, position, limit)

    return Hub(
        epoch,
        buffer,
        authorize,
        read_after,
        max_behind=settings.max_behind,
        streams_per_person=settings.streams_per_person,
    )


def _pass_on(listeners: Iterable[Listener], entries: Sequence[log.Entry]) -> None:
    for listener in listeners:
        listener(entries)


async def _start_over(db: Database, hub: Hub, notes: list[str], reason: str) -> Cursor:
    """Have every open page reload its state from a database that went back in time."""
    epoch, entries, head = await db.read(_read_log)
    hub.begin_epoch(epoch, entries, head)
    notes.append(
        f"the database went back in time at {format_iso(now())}, and recent changes may be lost: "
        f"{reason}; the log continued in epoch {epoch}"
    )
    return hub.cursor


def _read_log(tx: Connection) -> tuple[str, list[log.Entry], int]:
    """Return the epoch, the newest entries and the head."""
    return log.read_epoch(tx), *log.read_buffer(tx, BUFFER_ENTRIES)


def _forward_commits(db: Database, *listeners: CommitListener) -> None:
    def forward(signals: Sequence[Any]) -> None:
        for listener in listeners:
            listener(signals)

    db.set_commit_listener(forward)


async def _execute_command(db: Database, name: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401
    run = db.read if admin_commands.is_read_only_command(name, arguments) else db.write
    return await run(admin_commands.execute_command, name, arguments)


async def _run_with_restarts(
    name: str, service: Callable[[], Awaitable[None]], broken: set[str]
) -> None:
    while True:
        try:
            await service()
        except Exception:
            logger.exception("%s crashed and is being restarted", name)
        broken.add(name)
        await asyncio.sleep(RESTART_DELAY)
        broken.discard(name)
