"""Decide what a subscription that is behind is sent next. Pure: nothing here writes to a stream."""

from __future__ import annotations

from typing import NamedTuple

from deskwire.events.cursor import Cursor, parse_cursor
from deskwire.events.frames import connected_frame, control_frame, reset_frame
from deskwire.realtime.backfill import LogPages, has_more_visible_than
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
    return subscription.position < buffer.floor


def should_reload(subscription: Subscription, buffer: EventBuffer, max_behind: int) -> bool:
    """Whether reloading the page is cheaper for a returning client than replaying its entries.

    Entries in the buffer count if they are visible. Behind the buffer every position counts, so
    that nothing is read for a stream that reloads anyway.
    """
    if subscription.state is not SubscriptionState.RESUMING:
        return False
    if is_evicted(subscription, buffer):
        return buffer.head - subscription.position > max_behind
    return subscription.announced_channels is None and has_more_visible_than(
        max_behind,
        frozenset(subscription.channels),
        buffer.entries_after(subscription.position),
    )


def needs_page(subscription: Subscription, buffer: EventBuffer, pages: LogPages) -> bool:
    """Whether the next entry of a returning stream has to be read from the log."""
    return (
        subscription.state is SubscriptionState.RESUMING
        and is_evicted(subscription, buffer)
        and not pages.has(subscription.position)
    )


def take_next_slice(subscription: Subscription, source: EventBuffer | LogPages) -> bytes:
    """Return the next frames the subscription may hear; move its position past those examined."""
    parts, size, channels = list[bytes](), 0, frozenset(subscription.channels)
    for examined, entry in enumerate(source.entries_after(subscription.position), 1):
        subscription.position = entry.position
        if not channels.isdisjoint(entry.channels):
            parts.append(entry.frame)
            size += len(entry.frame)
        if size >= SLICE_BYTES or examined >= SLICE_ENTRIES:
            break
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
