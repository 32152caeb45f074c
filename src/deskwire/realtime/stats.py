"""Count what a hub has done since it started, as plain numbers for the metrics to read.

Counting costs nothing per send (decision 0018): a slice of the subscriptions is counted at once.
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
    """Counters that only grow. Written and read on the event loop."""

    events: Counter[str] = field(default_factory=Counter)  # by type
    sends: int = 0  # frames of events × live streams they were written to
    sent_bytes: int = 0
    replayed: int = 0  # frames of events replayed from the buffer or the log
    replayed_bytes: int = 0
    fanout_durations: DurationHistogram = field(default_factory=DurationHistogram)  # per batch
    opened: Counter[StreamScope] = field(default_factory=Counter)
    closed: Counter[StreamScope] = field(default_factory=Counter)
    close_reasons: Counter[CloseReason] = field(default_factory=Counter)
    starts: Counter[tuple[ResumeOutcome, ResumeReason | None]] = field(default_factory=Counter)
    resets: Counter[ResumeReason] = field(default_factory=Counter)  # of connected streams

    def count_sent(self, frame_count: int, size: int) -> None:
        """Count frames written to live streams; `size` is the sum of their bytes."""
        self.sends += frame_count
        self.sent_bytes += size

    def count_replayed(self, frames: bytes) -> None:
        """Count a slice of a replay."""
        self.replayed += frames.count(FRAME_END)
        self.replayed_bytes += len(frames)

    def count_start(self, subscription: Subscription) -> None:
        """Count the outcome of a stream's start, when its first frame is written."""
        if subscription.announced_channels is None:
            self.starts[subscription.outcome or "live", subscription.reason] += 1

    def count_closed(self, scope: StreamScope, reason: CloseReason) -> None:
        """Count a stream that has ended."""
        self.closed[scope] += 1
        self.close_reasons[reason] += 1
