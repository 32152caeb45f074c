"""The audience: which seats listen to which channel, and writing to them.

Publishing costs only the seats on an event's channels. Several events of one turn leave in one
write per seat: a bit mask says which of them a seat hears, one join is made per distinct mask.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from time import perf_counter

from deskwire.events.channels import Channel
from deskwire.events.counts import Counts
from deskwire.events.log import Entry
from deskwire.events.seat import Seat

logger = logging.getLogger(__name__)


class Audience:
    """Seats by channel. A seat that is not live is here too; its `write` skips."""

    def __init__(self, drop: Callable[[Seat], None], counts: Counts) -> None:
        self._seats: dict[Channel, set[Seat]] = {}
        self._drop = drop  # a seat whose outlet broke
        self._counts = counts

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

    def of(self, entry: Entry) -> Collection[Seat]:
        """The seats that hear an entry, each once however many of its channels they hold."""
        sets = [self._seats[name] for name in entry.channels if name in self._seats]
        # A copy: an outlet that fails may leave its seat while we write.
        return set().union(*sets) if len(sets) != 1 else list(sets[0])

    def write(self, run: Sequence[Entry]) -> None:
        """Write a run of entries: one write per seat for all of it."""
        if logger.isEnabledFor(logging.INFO):
            for entry in run:
                self._announce(entry)
        begun = perf_counter()
        for entry in run:
            self._counts.write(self._count(entry), 1, len(entry.frame))
        if len(run) == 1:
            frame = run[0].frame
            for seat in self.of(run[0]):
                try:
                    seat.write(frame)
                except Exception:
                    self._drop(seat)  # one broken stream must not silence the others
        else:
            self._write_joined(run)
        self._counts.finish([entry.type for entry in run], perf_counter() - begun)

    def _write_joined(self, run: Sequence[Entry]) -> None:
        heard: dict[Seat, int] = {}
        for channel, mask in self._masks(run):
            for seat in self._seats[channel]:
                heard[seat] = heard.get(seat, 0) | mask
        joined: dict[int, bytes] = {}
        for seat, mask in heard.items():
            frames = joined.get(mask)
            if frames is None:
                frames = b"".join(e.frame for bit, e in enumerate(run) if mask >> bit & 1)
                joined[mask] = frames
            try:
                seat.write(frames)
            except Exception:
                self._drop(seat)

    def _masks(self, run: Sequence[Entry]) -> Iterator[tuple[Channel, int]]:
        masks: dict[Channel, int] = {}
        for bit, entry in enumerate(run):
            for channel in entry.channels:
                if channel in self._seats:
                    masks[channel] = masks.get(channel, 0) | 1 << bit
        return iter(masks.items())

    def _count(self, entry: Entry) -> int:
        """How many seats hear an entry; the largest of its channels is not gone through."""
        sets = [self._seats[name] for name in entry.channels if name in self._seats]
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
