"""The bus among processes on one PostgreSQL: who numbers announces the head, all others read on.

What this process numbers reaches its listener at once. Of what others number only the head is
announced; the entries are read from the log. A lost announcement costs a second, because the head
is looked at that often anyway, and with it whatever a process that died has left to number.
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

POLL_INTERVAL = 1.0  # s; numbered again even if no bell rang
RETRY_DELAY = 0.5  # s before a connection that broke is opened again

logger = logging.getLogger(__name__)


class PostgresBus:
    """Subscribe `committed` to the database and keep `run` running."""

    def __init__(
        self, db: Postgres, head: int, wake_callbacks: Mapping[str, Callable[[], None]]
    ) -> None:
        self._db = db
        self._wake_callbacks = wake_callbacks  # what else is announced, and who is to be told
        self._loop = asyncio.get_running_loop()
        self._listener: Listener | None = None
        self._emitted_head = head  # the newest entry that was handed over
        self._known_head = head  # the newest one there is, as far as we have heard
        self._wake_event = asyncio.Event()
        self._is_behind = asyncio.Event()

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def on_committed(self, committed_items: Sequence[Any]) -> None:
        """Called in a writer's thread, after its commit."""
        if (
            any(isinstance(thing, OutboxPending) for thing in committed_items)
            and not self._loop.is_closed()
        ):
            self._loop.call_soon_threadsafe(self._wake_event.set)

    async def run(self) -> None:
        """Number, hear and read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for step in (self._number_outbox, self._receive_wakeups, self._read_missing):
                tasks.create_task(_retry_forever(step))

    async def _number_outbox(self) -> None:
        self._wake_event.clear()  # before: what is committed from here on rings again
        numbered = await self._db.write_dedicated(number_outbox)
        self._emit(numbered.entries)
        self._advance_known_head(numbered.head)
        if len(numbered.entries) < BATCH_SIZE:
            await _wait_for(self._wake_event, POLL_INTERVAL)

    async def _receive_wakeups(self) -> None:
        async for told in self._db.listen(HEAD_TOPIC, *self._wake_callbacks):
            match told:
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
        """Give the listener what follows the newest it has; the same may come by two ways."""
        fresh = [entry for entry in entries if entry.position > self._emitted_head]
        if not fresh or fresh[0].position != self._emitted_head + 1:
            return  # others numbered what lies between: it is announced, and read from the log
        self._emitted_head = fresh[-1].position
        if self._listener is not None:
            self._listener(fresh)


async def _retry_forever(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await step()
        except (SQLAlchemyError, Upstream) as error:
            logger.warning("the bus lost PostgreSQL and tries again: %s", error)
            await asyncio.sleep(RETRY_DELAY)


async def _wait_for(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
