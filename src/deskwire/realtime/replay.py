"""Decide what a subscription that is behind is sent next. Pure: nothing here writes to a stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from deskwire.events.cursor import Cursor, parse_cursor
from deskwire.events.frames import connected_frame, control_frame, reset_frame
from deskwire.events.log import Entry
from deskwire.realtime.backfill import has_more_visible_than
from deskwire.realtime.buffer import EventBuffer
from deskwire.realtime.subscription import (
    ResumeOutcome,
    ResumeReason,
    Subscription,
    SubscriptionState,
)

SLICE_BYTES = 32 * 1024  # bytes per write during a replay; what the kernel accepts at once
SLICE_ENTRIES = 2_000  # entries examined per slice, so that a quiet viewer delays no one


class StartPosition(NamedTuple):
    """Where a stream begins."""

    outcome: ResumeOutcome
    position: int
    reason: ResumeReason | None


def choose_start(last_event_id: str | None, head: Cursor) -> StartPosition:
    """Choose where a stream begins; `last_event_id` is what the client sent, if anything."""
    if last_event_id is None:
        return StartPosition("live", head.position, None)
    cursor = parse_cursor(last_event_id)
    if cursor is None:
        return StartPosition("reset", head.position, "unreadable")
    if cursor.epoch != head.epoch:
        return StartPosition("reset", head.position, "epoch")
    if cursor.position > head.position:
        return StartPosition("reset", head.position, "future")
    return StartPosition("resumed", cursor.position, None)


def is_evicted(subscription: Subscription, buffer: EventBuffer) -> bool:
    """Whether the next entry of the subscription is no longer in memory."""
    return max(subscription.position, subscription.backfill_end) < buffer.floor


def should_reload(subscription: Subscription, buffer: EventBuffer, max_behind: int) -> bool:
    """Whether reloading the page is cheaper for a returning client than replaying its entries."""
    if (
        subscription.state is not SubscriptionState.RESUMING
        or subscription.announced_channels is not None
    ):
        return False
    newer = buffer.entries_after(max(subscription.position, subscription.backfill_end))
    return has_more_visible_than(
        max_behind, frozenset(subscription.channels), subscription.backfill, newer
    )


def take_next_slice(subscription: Subscription, buffer: EventBuffer) -> bytes:
    """Return the next frames the subscription may hear; move its position past those examined."""
    parts, size, channels = list[bytes](), 0, frozenset(subscription.channels)
    in_backfill = subscription.backfill_end > subscription.position
    source: Iterable[Entry] = (
        subscription.backfill if in_backfill else buffer.entries_after(subscription.position)
    )
    for examined, each in enumerate(source, 1):
        entry = buffer.redact(each) if in_backfill else each
        subscription.position = entry.position
        if not channels.isdisjoint(entry.channels):
            parts.append(entry.frame)
            size += len(entry.frame)
        if size >= SLICE_BYTES or examined >= SLICE_ENTRIES:
            break
    if in_backfill:
        subscription.backfill = [
            e for e in subscription.backfill if e.position > subscription.position
        ]
        if not subscription.backfill:  # the read left out the entries on none of its channels
            subscription.position = subscription.backfill_end
    return b"".join(parts)


def connected_frames(subscription: Subscription, epoch: str) -> bytes:
    """Return the first frame, and a `reset` frame after it where the stream could not resume."""
    cursor = Cursor(epoch, subscription.position)
    outcome = subscription.outcome or "live"
    first = connected_frame(
        cursor,
        outcome=outcome,
        subscription_id=subscription.id,
        reason=subscription.reason,
        channels=subscription.channels,
    )
    return first + reset_frame(cursor, subscription.reason) if outcome == "reset" else first


def access_change_frames(subscription: Subscription) -> bytes:
    """Return the frames that tell the client which channels it has lost and gained."""
    announced, held = set(subscription.announced_channels or ()), set(subscription.channels)
    frames = b""
    if lost := announced - held:
        frames += control_frame("revoked", channels=sorted(lost))
    if gained := held - announced:
        frames += control_frame("granted", channels=sorted(gained))
    return frames
