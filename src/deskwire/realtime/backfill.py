"""Read from the log what returning streams missed and the buffer no longer holds.

The log is read in pages, which all streams share: a page holds every entry of a range of positions,
and each stream filters it as it is written to. So a hundred streams that return together from the
same position cost one read and one copy, and a stream itself holds nothing but its position.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from deskwire.events.channels import Channel
from deskwire.events.log import Entry
from deskwire.realtime.buffer import ENTRY_OVERHEAD, EventBuffer

MAX_BEHIND = 1000  # entries; further behind, reloading the page is cheaper than replaying
PAGE_SIZE = 100  # entries read from the log at once
MAX_READS = 4  # pages being read at once; the database's reader threads serve pages as well
CACHE_BYTES = 8 * 1024 * 1024  # bytes of pages kept; four times what MAX_BEHIND common events need
MIN_PAGES = 2 * MAX_READS  # pages kept at least, or a page could be gone before it is replayed
MAX_ATTEMPTS = 3  # reads of a page that is redacted meanwhile; then the stream reloads

ReadAfter = Callable[[int, int], Awaitable[list[Entry]]]


class TooFarBehind(Exception):
    """The entries cannot be replayed: they were trimmed from the log, or are being redacted."""


class LogPage(NamedTuple):
    """Consecutive entries of the log."""

    entries: Sequence[Entry]
    size: int  # bytes
    redaction_count: int  # the buffer's when the page was read; another one means it is outdated


class LogPages:
    """The pages that were needed last, over the log that `read_after` reads."""

    def __init__(
        self,
        read_after: ReadAfter,
        buffer: EventBuffer,
        *,
        max_reads: int = MAX_READS,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._read_after = read_after
        self._buffer = buffer
        self._cache_bytes = cache_bytes
        self._semaphore = asyncio.Semaphore(max_reads)
        self._pages = OrderedDict[int, LogPage]()  # by the position before the page, oldest first
        self._reads: dict[int, asyncio.Task[None]] = {}
        self._size = 0

    def has(self, position: int) -> bool:
        """Whether the entry after `position` is on a page in memory."""
        page = self._pages.get(_page_start(position))
        return (
            page is not None
            and page.redaction_count == self._buffer.redaction_count
            and page.entries[0].position <= position + 1 <= page.entries[-1].position
        )

    def entries_after(self, position: int) -> Iterator[Entry]:
        """Yield the entries after `position` on its page, which is in memory, up to the buffer."""
        start = _page_start(position)
        self._pages.move_to_end(start)
        entries = self._pages[start].entries
        for entry in islice(entries, position + 1 - entries[0].position, None):
            if entry.position > self._buffer.floor:
                return
            yield entry

    async def load(self, position: int) -> None:
        """Read the page with the entry after `position`; one read serves all who wait for it.

        Raises TooFarBehind, or the database's error.
        """
        start = _page_start(position)
        for _ in range(MAX_ATTEMPTS):
            if start not in self._reads:
                self._reads[start] = task = asyncio.create_task(self._read_page(start))
                task.add_done_callback(lambda _: self._reads.pop(start))
            await asyncio.shield(self._reads[start])
            if self.has(position):
                return
        raise TooFarBehind

    async def _read_page(self, start: int) -> None:
        async with self._semaphore:
            redaction_count = self._buffer.redaction_count  # before reading: it may grow meanwhile
            entries = await self._read_after(start, PAGE_SIZE)
        if entries:
            self._keep(start, LogPage(entries, _size_of(entries), redaction_count))

    def _keep(self, start: int, page: LogPage) -> None:
        replaced = self._pages.pop(start, None)
        self._size += page.size - (replaced.size if replaced else 0)
        self._pages[start] = page
        while self._size > self._cache_bytes and len(self._pages) > MIN_PAGES:
            self._size -= self._pages.popitem(last=False)[1].size


def has_more_visible_than(
    limit: int, channels: frozenset[Channel], entries: Iterable[Entry]
) -> bool:
    """Whether `entries` holds more than `limit` entries for `channels`."""
    visible = 0
    for entry in entries:
        visible += not channels.isdisjoint(entry.channels)
        if visible > limit:
            return True
    return False


def _page_start(position: int) -> int:
    return position - position % PAGE_SIZE


def _size_of(entries: Iterable[Entry]) -> int:
    return sum(len(entry.frame) + ENTRY_OVERHEAD for entry in entries)
