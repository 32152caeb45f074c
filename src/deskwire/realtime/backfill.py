"""The backlog: what a returning stream missed that the window no longer holds, from the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from deskwire.events.channels import Channel
from deskwire.events.log import Entry
from deskwire.realtime.buffer import EventBuffer

MAX_BEHIND = 1000  # visible entries; further behind, reloading the page is cheaper than replaying
MAX_SCAN = 50_000  # entries read from the log for one return; bounds the work, not the right
PAGE_SIZE = 1000  # entries read from the log at once

ReadAfter = Callable[[int, int], Awaitable[list[Entry]]]


class TooFarBehind(Exception):
    """Trimmed away, too much to read, or too much to replay: the stream reloads instead."""


async def read_backfill(
    read_after: ReadAfter,
    buffer: EventBuffer,
    position: int,
    channels: frozenset[Channel],
    max_behind: int,
) -> tuple[list[Entry], int]:
    """What `channels` may hear between `position` and the window, and the position reached.

    Never reads past the window's floor: what lies beyond is dispatched. Raises TooFar.
    """
    reached, scanned, found = position, 0, list[Entry]()
    while reached < buffer.floor:
        page = await read_after(reached, min(PAGE_SIZE, buffer.floor - reached))
        if not page or page[0].position != reached + 1 or scanned > MAX_SCAN:
            raise TooFarBehind
        scanned, reached = scanned + len(page), page[-1].position
        found += [entry for entry in page if not channels.isdisjoint(entry.channels)]
        if len(found) > max_behind:
            raise TooFarBehind
    return found, reached


def has_more_visible_than(
    limit: int, channels: frozenset[Channel], *sources: Iterable[Entry]
) -> bool:
    """Whether the sources hold more than `limit` entries for `channels`."""
    visible = 0
    for source in sources:
        for entry in source:
            visible += not channels.isdisjoint(entry.channels)
            if visible > limit:
                return True
    return False
