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
from deskwire.events.log import Entry, Queued, read_after
from deskwire.events.sequencer import AT_ONCE, CHANNEL, number
from deskwire.kit.errors import Upstream

if TYPE_CHECKING:  # its driver is optional
    from deskwire.kit.postgres import Postgres

FLOOR = 1.0  # s; numbered again even if no bell rang
RETRY = 0.5  # s before a connection that broke is opened again

logger = logging.getLogger(__name__)


class PostgresBus:
    """Subscribe `committed` to the database and keep `run` running."""

    def __init__(self, db: Postgres, head: int, bells: Mapping[str, Callable[[], None]]) -> None:
        self._db = db
        self._bells = bells  # what else is announced, and who is to be told
        self._loop = asyncio.get_running_loop()
        self._listener: Listener | None = None
        self._head = head  # the newest entry that was handed over
        self._announced = head  # the newest one there is, as far as we have heard
        self._bell = asyncio.Event()
        self._behind = asyncio.Event()

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def committed(self, noted: Sequence[Any]) -> None:
        """Called in a writer's thread, after its commit."""
        if any(isinstance(thing, Queued) for thing in noted) and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._bell.set)

    async def run(self) -> None:
        """Number, hear and read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for step in (self._number, self._hear, self._read_on):
                tasks.create_task(_again_and_again(step))

    async def _number(self) -> None:
        self._bell.clear()  # before: what is committed from here on rings again
        numbered = await self._db.write_apart(number)
        self._hand_over(numbered.entries)
        self._announce(numbered.head)
        if len(numbered.entries) < AT_ONCE:
            await _wait(self._bell, FLOOR)

    async def _hear(self) -> None:
        async for told in self._db.hear(CHANNEL, *self._bells):
            match told:
                case (channel, head) if channel == CHANNEL:
                    self._announce(int(head))
                case (channel, _):
                    self._bells[channel]()

    async def _read_on(self) -> None:
        await self._behind.wait()
        entries = await self._db.read(read_after, self._head, AT_ONCE)
        self._hand_over(entries)
        if not entries or self._head >= self._announced:
            self._behind.clear()

    def _announce(self, head: int) -> None:
        self._announced = max(self._announced, head)
        if self._announced > self._head:
            self._behind.set()

    def _hand_over(self, entries: Sequence[Entry]) -> None:
        """Give the listener what follows the newest it has; the same may come by two ways."""
        fresh = [entry for entry in entries if entry.position > self._head]
        if not fresh or fresh[0].position != self._head + 1:
            return  # others numbered what lies between: it is announced, and read from the log
        self._head = fresh[-1].position
        if self._listener is not None:
            self._listener(fresh)


async def _again_and_again(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await step()
        except (SQLAlchemyError, Upstream) as error:
            logger.warning("the bus lost PostgreSQL and tries again: %s", error)
            await asyncio.sleep(RETRY)


async def _wait(bell: asyncio.Event, limit: float) -> None:
    try:
        async with asyncio.timeout(limit):
            await bell.wait()
    except TimeoutError:
        return
