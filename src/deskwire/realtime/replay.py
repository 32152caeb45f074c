"""Catching up: what a seat that is behind is told next. Pure: nothing here writes to a stream."""

from __future__ import annotations

from collections.abc import Iterable

from deskwire.events.cursor import Cursor
from deskwire.events.frames import connected_frame, control_frame, reset_frame
from deskwire.events.log import Entry
from deskwire.realtime.backfill import has_more_visible_than
from deskwire.realtime.buffer import EventBuffer
from deskwire.realtime.subscription import Subscription

SLICE_BYTES = 32 * 1024  # one write of a seat that catches up; what the kernel takes at once
SLICE_ENTRIES = 2_000  # entries looked at per slice, so that a quiet viewer holds no one up


def is_evicted(subscription: Subscription, buffer: EventBuffer) -> bool:
    """Whether what the seat has to hear next is in memory no more."""
    return max(subscription.position, subscription.backfill_end) < buffer.floor


def should_reload(subscription: Subscription, buffer: EventBuffer, max_behind: int) -> bool:
    """Whether reloading costs somebody who comes back less than all there is to hear."""
    if not subscription.resuming or subscription.announced_channels is not None:
        return False
    newer = buffer.entries_after(max(subscription.position, subscription.backfill_end))
    return has_more_visible_than(
        max_behind, frozenset(subscription.channels), subscription.backfill, newer
    )


def take_next_slice(subscription: Subscription, buffer: EventBuffer) -> bytes:
    """The next frames the seat may hear; moves its position past what was looked at."""
    parts, size, held = list[bytes](), 0, frozenset(subscription.channels)
    in_backlog = subscription.backfill_end > subscription.position
    source: Iterable[Entry] = (
        subscription.backfill if in_backlog else buffer.entries_after(subscription.position)
    )
    for looked, entry in enumerate(source, 1):
        subscription.position = entry.position
        if not held.isdisjoint(entry.channels):
            parts.append(entry.frame)
            size += len(entry.frame)
        if size >= SLICE_BYTES or looked >= SLICE_ENTRIES:
            break
    if in_backlog:
        subscription.backfill = [
            e for e in subscription.backfill if e.position > subscription.position
        ]
        if (
            not subscription.backfill
        ):  # it was filtered when it was read: the rest is not for this seat
            subscription.position = subscription.backfill_end
    return b"".join(parts)


def connected_frames(subscription: Subscription, epoch: str) -> bytes:
    """How the resume went, and all the seat holds."""
    here = Cursor(epoch, subscription.position)
    verdict = subscription.outcome or "live"
    first = connected_frame(
        here,
        outcome=verdict,
        subscription_id=subscription.id,
        reason=subscription.reason,
        channels=subscription.channels,
    )
    return first + reset_frame(here, subscription.reason) if verdict == "reset" else first


def access_change_frames(subscription: Subscription) -> bytes:
    """What was lost and gained since the client was last told."""
    told, held, frames = set(subscription.announced_channels or ()), set(subscription.channels), b""
    if lost := told - held:
        frames += control_frame("revoked", channels=sorted(lost))
    if gained := held - told:
        frames += control_frame("granted", channels=sorted(gained))
    return frames
