"""Read from the log what a returning stream missed and the buffer no longer holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from deskwire.events.channels import Channel
from deskwire.events.log import Entry
from deskwire.realtime.buffer import EventBuffer

MAX_BEHIND = 1000  # visible entries; further behind, reloading the page is cheaper than replaying
MAX_SCAN = 50_000  # entries read from the log per return; bounds the work for quiet viewers
PAGE_SIZE = 1000  # entries read from the log at once

ReadAfter = Callable[[int, int], Awaitable[list[Entry]]]


class TooFarBehind(Exception):
    """The entries were trimmed, or are too many to read or to replay: the page reloads instead."""


async def read_backfill(
    read_after: ReadAfter,
    buffer: EventBuffer,
    position: int,
    channels: frozenset[Channel],
    max_behind: int,
) -> tuple[list[Entry], int]:
    """Return the entries for `channels` between `position` and the buffer, and the end position.

    Never reads past the buffer's floor: later entries come from the buffer. Raises
    TooFarBehind.
    """
    end, scanned, visible = position, 0, list[Entry]()
    while end < buffer.floor:
        page = await read_after(end, min(PAGE_SIZE, buffer.floor - end))
        if not page or page[0].position != end + 1 or scanned > MAX_SCAN:
            raise TooFarBehind
        scanned, end = scanned + len(page), page[-1].position
        visible += [entry for entry in page if not channels.isdisjoint(entry.channels)]
        if len(visible) > max_behind:
            raise TooFarBehind
    return visible, end


def has_more_visible_than(
    limit: int, channels: frozenset[Channel], *sources: Iterable[Entry]
) -> bool:
    """Whether the sources together hold more than `limit` entries for `channels`."""
    visible = 0
    for source in sources:
        for entry in source:
            visible += not channels.isdisjoint(entry.channels)
            if visible > limit:
                return True
    return False
