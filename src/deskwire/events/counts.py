"""Counts: what one hub has done since it began, as plain numbers that whoever wants them reads.

Counting costs nothing for each send (decision 0018): seats are multiplied once per event, and one
that stands still leaves the frame it did not take in a list that is counted after the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from deskwire.events.seat import Because, Farewell, Scope, Seat, Verdict
from deskwire.kit.timing import Durations

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
    skip: Callable[[bytes], None] = field(init=False)  # the `write` of a seat that stands still
    _skipped: list[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._skipped = []
        self.skip = self._skipped.append  # cheaper than a function of ours that does nothing

    def dispatch(self, type_: str, seats: int, size: int) -> None:
        """An event of so many bytes goes to so many seats."""
        self.events[type_] += 1
        self.write(seats, 1, size)

    def write(self, seats: int, frames: int, size: int) -> None:
        """So many seats are written this many frames, of `size` bytes together."""
        self.sends += seats * frames
        self.sent_bytes += seats * size

    def take_back(self) -> None:
        """Those that stood still were not written to after all."""
        skipped = self._skipped
        if not skipped:
            return
        if len(set(skipped)) == 1:  # nearly always, and half the price of counting each
            self.write(-len(skipped), skipped[0].count(END), len(skipped[0]))
        else:
            for frames, seats in Counter(skipped).items():
                self.write(-seats, frames.count(END), len(frames))
        skipped.clear()

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
