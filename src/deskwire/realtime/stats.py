"""Counts: what one hub has done since it began, as plain numbers that whoever wants them reads.

Counting costs nothing for each send (decision 0018): a slice of the seats is counted at once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from deskwire.kit.timing import Durations
from deskwire.realtime.subscription import Because, Farewell, Scope, Seat, Verdict

Ending = Farewell | Literal["left", "slow", "broken"]

END = b"\n\n"  # of a frame, and nowhere within an event's (WHATWG HTML, 9.2.5)


@dataclass(slots=True)
class Counts:
    """All of it grows only. Written and read on the event loop."""

    events: Counter[str] = field(default_factory=Counter)  # by type
    sends: int = 0  # frames of events × seats they were written to as they happened
    sent_bytes: int = 0
    caught_up: int = 0  # frames of events that a seat read from the window or the log
    caught_up_bytes: int = 0
    fan_out: Durations = field(default_factory=Durations)  # per run
    opened: Counter[Scope] = field(default_factory=Counter)
    closed: Counter[Scope] = field(default_factory=Counter)
    endings: Counter[Ending] = field(default_factory=Counter)
    starts: Counter[tuple[Verdict, Because | None]] = field(default_factory=Counter)
    resets: Counter[Because] = field(default_factory=Counter)  # of streams that were connected

    def write(self, frames: int, size: int) -> None:
        """Seats are written this many frames, of `size` bytes together."""
        self.sends += frames
        self.sent_bytes += size

    def catch_up(self, part: bytes) -> None:
        """A seat that was behind was written a slice."""
        self.caught_up += part.count(END)
        self.caught_up_bytes += len(part)

    def tell(self, seat: Seat) -> None:
        """A stream is told what it holds; the first time, also how its resume went."""
        if seat.told is None:
            self.starts[seat.verdict or "live", seat.because] += 1

    def end(self, scope: Scope, why: Ending) -> None:
        """A stream is over."""
        self.closed[scope] += 1
        self.endings[why] += 1
