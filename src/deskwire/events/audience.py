"""The audience: which seats listen to which channel, and writing to them.

Publishing costs only the seats on an event's channels. Several events of one turn leave in one
write per seat: a bit mask says which of them a seat hears, one join is made per distinct mask.
Where very many listen they are written to in slices, one per turn of the loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from time import perf_counter

from deskwire.events.channels import Channel, Channels
from deskwire.events.counts import Counts
from deskwire.events.log import Entry
from deskwire.events.seat import Seat

SLICE = 1_000  # seats per turn of the loop; ten thousand writes at once would hold it for 150 ms

logger = logging.getLogger(__name__)


# The seats on a channel: mostly one, or very many. A set of one is 200 bytes for nothing, and in a
# large set each seat takes two to four times as much as in a dict, in every channel it holds.
Listening = Seat | dict[Seat, None]


class Audience:
    """Seats by channel. A seat that is not live is here too; its `write` skips."""

    def __init__(self, drop: Callable[[Seat], None], counts: Counts, slice_: int = SLICE) -> None:
        self._seats: dict[Channel, Listening] = {}
        self._drop = drop  # a seat whose outlet broke
        self._counts = counts
        self._slice = slice_
        self._run: Sequence[Entry] = ()  # being written
        self._begun = 0.0  # s; when it was
        self._waiting: dict[Seat, int] = {}  # to be written to, and which of the run they hear
        self._joined: dict[int, bytes] = {}

    def tune(self, seat: Seat, channels: Channels) -> None:
        """Let the seat listen to exactly these channels."""
        before, after = set(seat.channels), set(channels)
        for channel in before - after:
            self._remove(channel, seat)
        for channel in after - before:
            self._add(channel, seat)
        seat.channels = channels

    def _add(self, channel: Channel, seat: Seat) -> None:
        match self._seats.get(channel):
            case None:
                self._seats[channel] = seat
            case dict() as listening:
                listening[seat] = None
            case Seat() as only:
                self._seats[channel] = {only: None, seat: None}

    def _remove(self, channel: Channel, seat: Seat) -> None:
        listening = self._seats[channel]
        if isinstance(listening, dict) and len(listening) > 1:
            del listening[seat]
        else:
            del self._seats[channel]

    def on(self, channel: Channel) -> AbstractSet[Seat]:
        """The seats that listen to a channel."""
        listening = self._seats.get(channel, {})
        return {listening} if isinstance(listening, Seat) else listening.keys()

    def write(self, run: Sequence[Entry]) -> None:
        """Begin to write a run of entries: one write per seat for all of it."""
        if logger.isEnabledFor(logging.INFO):
            for entry in run:
                self._announce(entry)
        for entry in run:
            self._counts.dispatch(entry.type, self._count(entry), len(entry.frame))
        self._run, self._joined, self._begun = run, {}, perf_counter()
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
        self._write_slice()
        self._counts.take_back()
        if not self._waiting:
            self._counts.fan_out.add(perf_counter() - self._begun)

    def _write_slice(self) -> None:
        waiting, joined = self._waiting, self._joined
        for _ in range(min(self._slice, len(waiting))):
            seat, mask = waiting.popitem()
            frames = joined.get(mask)
            if frames is None:
                frames = self._join(mask)
            try:
                seat.write(frames)
            except Exception:
                self._drop(seat)  # one broken stream must not silence the others
            if not waiting:
                return

    def take_out(self, seat: Seat) -> int | None:
        """Write to the seat no more; where it stands if the run had not reached it."""
        mask = self._waiting.pop(seat, None)
        if mask is None:
            return None
        self._counts.write(-1, mask.bit_count(), len(self._joined.get(mask) or self._join(mask)))
        return self._run[0].position - 1

    def is_to_come(self, seat: Seat) -> bool:
        """Whether the run has not reached the seat yet."""
        return seat in self._waiting

    def _of(self, entry: Entry) -> Collection[Seat]:
        """The seats that hear an entry, each once however many of its channels they hold."""
        sets = [self.on(name) for name in entry.channels if name in self._seats]
        return set().union(*sets) if len(sets) != 1 else sets[0]

    def _heard_of(self, run: Sequence[Entry]) -> dict[Seat, int]:
        heard: dict[Seat, int] = {}
        for channel, mask in self._masks(run):
            for seat in self.on(channel):
                heard[seat] = heard.get(seat, 0) | mask
        return heard

    def _join(self, mask: int) -> bytes:
        frames = b"".join(entry.frame for bit, entry in enumerate(self._run) if mask >> bit & 1)
        self._joined[mask] = frames
        return frames

    def _masks(self, run: Sequence[Entry]) -> Iterator[tuple[Channel, int]]:
        masks: dict[Channel, int] = {}
        for bit, entry in enumerate(run):
            for channel in entry.channels:
                if channel in self._seats:
                    masks[channel] = masks.get(channel, 0) | 1 << bit
        return iter(masks.items())

    def _count(self, entry: Entry) -> int:
        """How many seats hear an entry; the largest of its channels is not gone through."""
        sets = [self.on(name) for name in entry.channels if name in self._seats]
        sets.sort(key=len, reverse=True)
        count = 0
        for place, listening in enumerate(sets):
            for larger in sets[:place]:
                listening = listening - larger
            count += len(listening)
        return count

    def _announce(self, entry: Entry) -> None:
        count = self._count(entry)
        logger.info(
            "Broadcasting update to %d client%s (%s → %s, position %s)",
            count,
            "" if count == 1 else "s",
            entry.type,
            ", ".join(entry.channels),
            entry.position,
        )
