"""Counts: what one hub has done since it began, as plain numbers that whoever wants them reads.

Counting costs nothing for each send (decision 0018): a slice of the seats is counted at once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from deskwire.kit.timing import DurationHistogram
from deskwire.realtime.subscription import (
    GoodbyeReason,
    ResumeOutcome,
    ResumeReason,
    StreamScope,
    Subscription,
)

CloseReason = GoodbyeReason | Literal["left", "slow", "broken"]

FRAME_END = b"\n\n"  # of a frame, and nowhere within an event's (WHATWG HTML, 9.2.5)


@dataclass(slots=True)
class HubStats:
    """All of it grows only. Written and read on the event loop."""

    events: Counter[str] = field(default_factory=Counter)  # by type
    sends: int = 0  # frames of events × seats they were written to as they happened
    sent_bytes: int = 0
    replayed: int = 0  # frames of events that a seat read from the window or the log
    replayed_bytes: int = 0
    fanout_durations: DurationHistogram = field(default_factory=DurationHistogram)  # per run
    opened: Counter[StreamScope] = field(default_factory=Counter)
    closed: Counter[StreamScope] = field(default_factory=Counter)
    close_reasons: Counter[CloseReason] = field(default_factory=Counter)
    starts: Counter[tuple[ResumeOutcome, ResumeReason | None]] = field(default_factory=Counter)
    resets: Counter[ResumeReason] = field(default_factory=Counter)  # of streams that were connected

    def count_sent(self, frame_count: int, size: int) -> None:
        """Seats are written this many frames, of `size` bytes together."""
        self.sends += frame_count
        self.sent_bytes += size

    def count_replayed(self, frames: bytes) -> None:
        """A seat that was behind was written a slice."""
        self.replayed += frames.count(FRAME_END)
        self.replayed_bytes += len(frames)

    def count_start(self, subscription: Subscription) -> None:
        """A stream is told what it holds; the first time, also how its resume went."""
        if subscription.announced_channels is None:
            self.starts[subscription.outcome or "live", subscription.reason] += 1

    def count_closed(self, scope: StreamScope, reason: CloseReason) -> None:
        """A stream is over."""
        self.closed[scope] += 1
        self.close_reasons[reason] += 1
