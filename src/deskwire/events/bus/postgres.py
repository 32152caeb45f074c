"""Deliver entries to every process on one PostgreSQL: NOTIFY announces the head of the log.

Entries that this process numbers reach its listener at once. Of entries numbered elsewhere only the
head is announced, and they are read from the log. A lost announcement costs a second: the outbox is
polled that often anyway, which also numbers what a process that died has left behind. As often, the
log is compared with what this process knows of it (`events/history.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from deskwire.events.bus import Listener, StartOver
from deskwire.events.cursor import Cursor
from deskwire.events.history import (
    EntryMark,
    History,
    find_break,
    read_cluster,
    read_history,
    replace_epoch,
)
from deskwire.events.log import Entry, OutboxPending, read_after
from deskwire.events.sequencer import BATCH_SIZE, HEAD_TOPIC, number_outbox
from deskwire.kit.backoff import wait_for_event
from deskwire.kit.errors import Upstream

if TYPE_CHECKING:  # its driver is optional
    from deskwire.kit.postgres import Postgres

POLL_INTERVAL = 1.0  # s; also polls, in case a wake-up was lost
RETRY_DELAY = 0.5  # s before a broken connection is opened again

logger = logging.getLogger(__name__)


class PostgresBus:
    """The bus of PostgreSQL; `on_committed` is to be the database's commit listener."""

    def __init__(
        self,
        db: Postgres,
        epoch: str,
        head: int,
        wake_callbacks: Mapping[str, Callable[[], None]],
    ) -> None:
        self._db = db
        self._wake_callbacks = wake_callbacks  # by topic
        self._loop = asyncio.get_running_loop()
        self._listener: Listener | None = None
        self._start_over: StartOver | None = None
        self._known = History(epoch, head)  # its position: of the newest entry passed on
        self._past_epochs: set[str] = set()  # seeing one again means that the log went back
        self._tells_cluster = True  # whether PostgreSQL does; not every provider lets it
        self._checked_at: float | None = None  # s of the loop's clock; None: check now
        self._known_head = head  # position of the newest entry known to exist
        self._has_listened = False
        self._wake_event = asyncio.Event()
        self._is_behind = asyncio.Event()

    def listen(self, listener: Listener, start_over: StartOver | None = None) -> None:
        self._listener = listener
        self._start_over = start_over

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
                tasks.create_task(self._retry_forever(step))

    async def _number_outbox(self) -> None:
        self._wake_event.clear()  # first: any later commit sets it again
        if self._checked_at is None or self._loop.time() >= self._checked_at + POLL_INTERVAL:
            await self._check_history()
        known = self._known
        numbered = await self._db.write_dedicated(number_outbox)
        if numbered.head < known.position:
            self._checked_at = None
            return
        self._emit(numbered.entries)
        self._advance_known_head(numbered.head)
        if len(numbered.entries) < BATCH_SIZE:
            await wait_for_event(self._wake_event, POLL_INTERVAL)

    async def _receive_wakeups(self) -> None:
        is_first = True
        async for notification in self._db.listen(HEAD_TOPIC, *self._wake_callbacks):
            match notification:
                case None if is_first and self._has_listened:
                    for wake in self._wake_callbacks.values():  # what was announced meanwhile?
                        wake()
                case (channel, head) if channel == HEAD_TOPIC:
                    self._advance_known_head(int(head))
                case (channel, _):
                    self._wake_callbacks[channel]()
            is_first, self._has_listened = False, True

    async def _read_missing(self) -> None:
        await self._is_behind.wait()
        known = self._known
        # With the entry before them, which shows that they continue what is known.
        entries = await self._db.read(read_after, known.position - 1, BATCH_SIZE + 1)
        if self._known.epoch != known.epoch:
            return
        if entries and entries[0].position == known.position:
            before = entries.pop(0)
            if known.entry not in (None, _mark(before)):
                self._is_behind.clear()
                self._checked_at = None
                self._wake_event.set()
                return
        self._emit(entries)
        if not entries or self._known.position >= self._known_head:
            self._is_behind.clear()

    async def _check_history(self) -> None:
        """Compare the log with what is known of it; begin a new epoch if it went back in time."""
        known = self._known
        found = await self._db.write_dedicated(self._read_history, known.position)
        self._checked_at = self._loop.time()
        problem = find_break(known, found)
        if problem is None and found.epoch in self._past_epochs:
            problem = f"the log is at epoch {found.epoch} again"
        if problem is None and found.epoch == known.epoch:
            newest = self._known  # further ones may have been passed on meanwhile
            entry = found.entry if newest.position == found.position else newest.entry
            self._known = replace(newest, entry=entry, cluster=found.cluster)
            return
        epoch = found.epoch
        if problem is not None:
            epoch = await self._db.write_dedicated(replace_epoch, found.epoch)
        await self._enter_epoch(epoch, problem or "its epoch was replaced")

    def _read_history(self, tx: Connection, position: int) -> History:
        found = read_history(tx, position)
        if self._tells_cluster:
            found = replace(found, cluster=read_cluster(tx))
            self._tells_cluster = found.cluster is not None
        return found

    async def _enter_epoch(self, epoch: str, reason: str) -> None:
        """Have the listener start over with what the log holds now."""
        logger.error(
            "the database went back in time (%s): recent changes may be lost; "
            "the log continues in epoch %s, and every open page reloads its state",
            reason,
            epoch,
        )
        self._past_epochs.add(self._known.epoch)
        cursor = Cursor(epoch, self._known_head)
        if self._start_over is not None:
            cursor = await self._start_over(reason)
        self._past_epochs.discard(cursor.epoch)
        self._known = History(cursor.epoch, cursor.position)
        self._known_head = cursor.position
        self._checked_at = None  # learn what the log says about the new position

    def _advance_known_head(self, head: int) -> None:
        self._known_head = max(self._known_head, head)
        if self._known_head > self._known.position:
            self._is_behind.set()

    def _emit(self, entries: Sequence[Entry]) -> None:
        """Pass the listener the entries it does not have yet; the same may arrive twice."""
        fresh = [entry for entry in entries if entry.position > self._known.position]
        if not fresh or fresh[0].position != self._known.position + 1:
            return  # entries between were numbered elsewhere: they are read from the log
        newest = fresh[-1]
        self._known = replace(self._known, position=newest.position, entry=_mark(newest))
        if self._listener is not None:
            self._listener(fresh)

    async def _retry_forever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except (SQLAlchemyError, Upstream) as error:
                logger.warning("the bus lost its connection to PostgreSQL; retrying: %s", error)
                self._checked_at = None  # it may be another server that answers next
                await asyncio.sleep(RETRY_DELAY)


def _mark(entry: Entry) -> EntryMark:
    return entry.type, entry.at
