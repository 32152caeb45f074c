"""The audience: which seats listen to which channel, and writing to them.

Publishing costs only the seats on an event's channels. Several events of one turn leave in one
write per seat: a bit mask says which of them a seat hears, one join is made per distinct mask.
Where very many listen they are written to in slices, one per turn of the loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence

from deskwire.events.channels import Channel
from deskwire.events.log import Entry
from deskwire.events.seat import Seat

SLICE = 1_000  # seats per turn of the loop; ten thousand writes at once would hold it for 150 ms

logger = logging.getLogger(__name__)


class Audience:
    """Seats by channel. A seat that is not live is here too; its `write` skips."""

    def __init__(self, drop: Callable[[Seat], None], slice_: int = SLICE) -> None:
        self._seats: dict[Channel, set[Seat]] = {}
        self._drop = drop  # a seat whose outlet broke
        self._slice = slice_
        self._run: Sequence[Entry] = ()  # being written
        self._waiting: dict[Seat, int] = {}  # to be written to, and which of the run they hear
        self._joined: dict[int, bytes] = {}

    def tune(self, seat: Seat, channels: frozenset[Channel]) -> None:
        """Let the seat listen to exactly these channels."""
        for channel in seat.channels - channels:
            listening = self._seats[channel]
            listening.discard(seat)
            if not listening:
                del self._seats[channel]
        for channel in channels - seat.channels:
            self._seats.setdefault(channel, set()).add(seat)
        seat.channels = channels

    def on(self, channel: Channel) -> Collection[Seat]:
        """The seats that listen to a channel."""
        return self._seats.get(channel, ())

    def write(self, run: Sequence[Entry]) -> None:
        """Begin to write a run of entries: one write per seat for all of it."""
        if logger.isEnabledFor(logging.INFO):
            for entry in run:
                self._announce(entry)
        self._run, self._joined = run, {}
        if len(run) == 1:
            self._waiting = dict.fromkeys(self._of(run[0]), 1)
        else:
            self._waiting = self._heard_of(run)
        self.go_on()

    @property
    def is_writing(self) -> bool:
        """Whether some have not been written to yet; `go_on` is to be called, once per turn."""
        return bool(self._waiting)

    def go_on(self) -> None:
        """Write to the next slice of those who wait."""
        waiting, joined = self._waiting, self._joined
        for _ in range(min(self._slice, len(waiting))):
            seat, mask = waiting.popitem()
            frames = joined.get(mask)
            if frames is None:
                frames = joined[mask] = self._join(mask)
            try:
                seat.write(frames)
            except Exception:
                self._drop(seat)  # one broken stream must not silence the others
            if not waiting:
                return

    def take_out(self, seat: Seat) -> int | None:
        """Write to the seat no more; where it stands if the run had not reached it."""
        if self._waiting.pop(seat, None) is None:
            return None
        return self._run[0].position - 1

    def is_to_come(self, seat: Seat) -> bool:
        """Whether the run has not reached the seat yet."""
        return seat in self._waiting

    def _of(self, entry: Entry) -> Collection[Seat]:
        """The seats that hear an entry, each once however many of its channels they hold."""
        sets = [self._seats[name] for name in entry.channels if name in self._seats]
        return set().union(*sets) if len(sets) != 1 else sets[0]

    def _heard_of(self, run: Sequence[Entry]) -> dict[Seat, int]:
        heard: dict[Seat, int] = {}
        for channel, mask in self._masks(run):
            for seat in self._seats[channel]:
                heard[seat] = heard.get(seat, 0) | mask
        return heard

    def _join(self, mask: int) -> bytes:
        return b"".join(entry.frame for bit, entry in enumerate(self._run) if mask >> bit & 1)

    def _masks(self, run: Sequence[Entry]) -> Iterator[tuple[Channel, int]]:
        masks: dict[Channel, int] = {}
        for bit, entry in enumerate(run):
            for channel in entry.channels:
                if channel in self._seats:
                    masks[channel] = masks.get(channel, 0) | 1 << bit
        return iter(masks.items())

    def _announce(self, entry: Entry) -> None:
        count = len(self._of(entry))
        logger.info(
            "Broadcasting update to %d client%s (%s → %s, position %s)",
            count,
            "" if count == 1 else "s",
            entry.type,
            ", ".join(entry.channels),
            entry.position,
        )
