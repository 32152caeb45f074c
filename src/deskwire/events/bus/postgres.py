"""Deliver entries to every process on one PostgreSQL: NOTIFY announces the head of the log.

Entries that this process numbers reach its listener at once. Of entries numbered elsewhere only the
head is announced, and they are read from the log. A lost announcement costs a second: the outbox is
polled that often anyway, which also numbers what a process that died has left behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from deskwire.events.bus import Listener
from deskwire.events.log import Entry, OutboxPending, read_after
from deskwire.events.sequencer import BATCH_SIZE, HEAD_TOPIC, number_outbox
from deskwire.kit.errors import Upstream

if TYPE_CHECKING:  # its driver is optional
    from deskwire.kit.postgres import Postgres

POLL_INTERVAL = 1.0  # s; also polls, in case a wake-up was lost
RETRY_DELAY = 0.5  # s before a broken connection is opened again

logger = logging.getLogger(__name__)


class PostgresBus:
    """The bus of PostgreSQL; `on_committed` is to be the database's commit listener."""

    def __init__(
        self, db: Postgres, head: int, wake_callbacks: Mapping[str, Callable[[], None]]
    ) -> None:
        self._db = db
        self._wake_callbacks = wake_callbacks  # by topic
        self._loop = asyncio.get_running_loop()
        self._listener: Listener | None = None
        self._emitted_head = head  # position of the newest entry passed to the listener
        self._known_head = head  # position of the newest entry known to exist
        self._wake_event = asyncio.Event()
        self._is_behind = asyncio.Event()

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def on_committed(self, committed_items: Sequence[Any]) -> None:
        """Called in a writer's thread, after its commit."""
        if (
            any(isinstance(item, OutboxPending) for item in committed_items)
            and not self._loop.is_closed()
        ):
            self._loop.call_soon_threadsafe(self._wake_event.set)

    async def run(self) -> None:
        """Number events, receive announcements and read entries until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for step in (self._number_outbox, self._receive_wakeups, self._read_missing):
                tasks.create_task(_retry_forever(step))

    async def _number_outbox(self) -> None:
        self._wake_event.clear()  # first: any later commit sets it again
        numbered = await self._db.write_dedicated(number_outbox)
        self._emit(numbered.entries)
        self._advance_known_head(numbered.head)
        if len(numbered.entries) < BATCH_SIZE:
            await _wait_for(self._wake_event, POLL_INTERVAL)

    async def _receive_wakeups(self) -> None:
        async for notification in self._db.listen(HEAD_TOPIC, *self._wake_callbacks):
            match notification:
                case (channel, head) if channel == HEAD_TOPIC:
                    self._advance_known_head(int(head))
                case (channel, _):
                    self._wake_callbacks[channel]()

    async def _read_missing(self) -> None:
        await self._is_behind.wait()
        entries = await self._db.read(read_after, self._emitted_head, BATCH_SIZE)
        self._emit(entries)
        if not entries or self._emitted_head >= self._known_head:
            self._is_behind.clear()

    def _advance_known_head(self, head: int) -> None:
        self._known_head = max(self._known_head, head)
        if self._known_head > self._emitted_head:
            self._is_behind.set()

    def _emit(self, entries: Sequence[Entry]) -> None:
        """Pass the listener the entries it does not have yet; the same may arrive twice."""
        fresh = [entry for entry in entries if entry.position > self._emitted_head]
        if not fresh or fresh[0].position != self._emitted_head + 1:
            return  # entries between were numbered elsewhere: they are read from the log
        self._emitted_head = fresh[-1].position
        if self._listener is not None:
            self._listener(fresh)


async def _retry_forever(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await step()
        except (SQLAlchemyError, Upstream) as error:
            logger.warning("the bus lost its connection to PostgreSQL; retrying: %s", error)
            await asyncio.sleep(RETRY_DELAY)


async def _wait_for(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
