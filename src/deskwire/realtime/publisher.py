"""Write the log's entries to the live subscriptions, in order and in batches.

An entry that changes access ends its batch: the batch is written completely, the subscriptions
whose access may have changed are suspended and authorized again, and only then does the next batch
start. Those that the entry gives its channel hear it after that. The bus may lose entries; they
are then read from the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from deskwire.events.log import Entry
from deskwire.realtime.backfill import ReadAfter
from deskwire.realtime.buffer import EventBuffer
from deskwire.realtime.fanout import Fanout

PAGE_SIZE = 1000  # entries read from the log at once

logger = logging.getLogger(__name__)


class Publisher:
    """Feed `buffer` and `fanout`.

    Each entry that changes access is passed to `expect_access_change` before its batch is written,
    and to `apply_access_change` after it.
    """

    def __init__(
        self,
        buffer: EventBuffer,
        fanout: Fanout,
        read_after: ReadAfter,
        expect_access_change: Callable[[Entry], None],
        apply_access_change: Callable[[Entry], None],
    ) -> None:
        self._buffer = buffer
        self._fanout = fanout
        self._read_after = read_after
        self._expect_access_change = expect_access_change
        self._apply_access_change = apply_access_change
        self._batch: Sequence[Entry] = ()  # being written
        self._queue = deque[Entry]()  # to be written after `_batch`
        self._has_gap = False  # the bus delivered an entry before the ones preceding it
        self._gap_task: asyncio.Task[None] | None = None

    def publish(self, entries: Sequence[Entry]) -> None:
        """Write `entries`, the next ones of the log; see `Hub.publish`."""
        self._queue.extend(entries)
        if not self._fanout.is_writing:
            self._write_batches()

    def start_over(self, entries: list[Entry], head: int) -> None:
        """Continue from another log: drop what is queued, and refill the buffer."""
        self._queue.clear()
        self._buffer.load(entries, head)

    def _write_batches(self) -> None:
        """Write one batch after another, until one takes more than this turn of the loop."""
        if self._fanout.is_writing:
            self._fanout.write_next_slice()
        while not self._fanout.is_writing:
            if self._batch and self._batch[-1].access_changes:
                self._apply_access_change(self._batch[-1])
            self._batch = batch = self._next_batch()
            if not batch:
                return
            if batch[-1].access_changes:
                self._expect_access_change(batch[-1])
            self._fanout.start_batch(batch)
        asyncio.get_running_loop().call_soon(self._write_batches)

    def _next_batch(self) -> list[Entry]:
        """Take the next entries from the queue, up to one that changes access."""
        batch: list[Entry] = []
        while self._queue and not (batch and batch[-1].access_changes):
            entry = self._queue.popleft()
            if entry.position > self._buffer.head + 1:
                self._queue.clear()
                self._start_gap_fill()
            elif entry.position == self._buffer.head + 1:  # else already read from the log
                self._buffer.append(entry)
                batch.append(entry)
        return batch

    def _start_gap_fill(self) -> None:
        """Read from the log what the bus lost."""
        self._has_gap = True
        if self._gap_task is None:
            logger.warning(
                "the bus lost events; reading those after position %s from the log",
                self._buffer.head,
            )
            self._gap_task = asyncio.get_running_loop().create_task(self._read_gap())

    async def _read_gap(self) -> None:
        try:
            while self._has_gap:
                self._has_gap = False
                while page := await self._read_after(self._buffer.head, PAGE_SIZE):
                    self.publish(page)
                    while self._queue:  # noqa: ASYNC110 - slices, each a turn of the loop
                        await asyncio.sleep(0)
        finally:
            self._gap_task = None
