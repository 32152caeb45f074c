"""Catching up: what a seat that is behind is told next. Pure: nothing here writes to a stream."""

from __future__ import annotations

from collections.abc import Iterable

from deskwire.events.cursor import Cursor
from deskwire.events.frames import connected_frame, control_frame, reset_frame
from deskwire.events.log import Entry
from deskwire.realtime.backfill import has_more_than
from deskwire.realtime.buffer import Window
from deskwire.realtime.subscription import Seat

SLICE_BYTES = 32 * 1024  # one write of a seat that catches up; what the kernel takes at once
SLICE_ENTRIES = 2_000  # entries looked at per slice, so that a quiet viewer holds no one up


def is_lost(seat: Seat, window: Window) -> bool:
    """Whether what the seat has to hear next is in memory no more."""
    return max(seat.position, seat.backlog_end) < window.floor


def must_reload(seat: Seat, window: Window, max_behind: int) -> bool:
    """Whether reloading costs somebody who comes back less than all there is to hear."""
    if not seat.resuming or seat.told is not None:
        return False
    newer = window.after(max(seat.position, seat.backlog_end))
    return has_more_than(max_behind, frozenset(seat.channels), seat.backlog, newer)


def next_slice(seat: Seat, window: Window) -> bytes:
    """The next frames the seat may hear; moves its position past what was looked at."""
    parts, size, held = list[bytes](), 0, frozenset(seat.channels)
    in_backlog = seat.backlog_end > seat.position
    source: Iterable[Entry] = seat.backlog if in_backlog else window.after(seat.position)
    for looked, entry in enumerate(source, 1):
        seat.position = entry.position
        if not held.isdisjoint(entry.channels):
            parts.append(entry.frame)
            size += len(entry.frame)
        if size >= SLICE_BYTES or looked >= SLICE_ENTRIES:
            break
    if in_backlog:
        seat.backlog = [e for e in seat.backlog if e.position > seat.position]
        if not seat.backlog:  # it was filtered when it was read: the rest is not for this seat
            seat.position = seat.backlog_end
    return b"".join(parts)


def first_frames(seat: Seat, epoch: str) -> bytes:
    """How the resume went, and all the seat holds."""
    here = Cursor(epoch, seat.position)
    verdict = seat.verdict or "live"
    first = connected_frame(
        here, verdict=verdict, seat=seat.id, because=seat.because, channels=seat.channels
    )
    return first + reset_frame(here, seat.because) if verdict == "reset" else first


def changes_of(seat: Seat) -> bytes:
    """What was lost and gained since the client was last told."""
    told, held, frames = set(seat.told or ()), set(seat.channels), b""
    if lost := told - held:
        frames += control_frame("revoked", channels=sorted(lost))
    if gained := held - told:
        frames += control_frame("granted", channels=sorted(gained))
    return frames
