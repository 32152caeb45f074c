"""The audience: which seats listen to which channel, and writing to them.

Publishing costs only the seats on an event's channels. Several events of one turn leave in one
write per seat: a bit mask says which of them a seat hears, one join is made per distinct mask.
Where very many listen they are written to in slices, one per turn of the loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import repeat
from time import perf_counter

from deskwire.events.channels import Channel, Channels
from deskwire.events.log import Entry
from deskwire.realtime.stats import Counts
from deskwire.realtime.subscription import NOTHING_OWED, Seat, Sink

SLICE = 1_000  # seats per turn of the loop; ten thousand writes at once would hold it for 150 ms

logger = logging.getLogger(__name__)


# The seats on a channel: mostly one, or very many. A set of one is 200 bytes for nothing, and in a
# large set each seat takes two to four times as much as in a dict, in every channel it holds. The
# dict also says where its frames go (None: it stands still). A fan-out that had to look at every
# seat for that took a tenth more: ten thousand of them do not fit into a CPU's cache.
Listening = Seat | dict[Seat, Sink | None]


class Audience:
    """Seats by channel, live or standing still. Only the live ones are written to."""

    def __init__(self, drop: Callable[[Sink], None], counts: Counts, slice_: int = SLICE) -> None:
        self._seats: dict[Channel, Listening] = {}
        self._drop = drop  # a way out that broke
        self._counts = counts
        self._slice = slice_
        self._run: Sequence[Entry] = ()  # being written
        self._begun = 0.0  # s; when it was
        self._waiting: list[Sink | None] = []  # to be written to, the last one next
        self._places: dict[Sink | None, int] | None = None  # in it, once somebody has asked
        self._heard: dict[Sink, int] = {}  # which of the run they hear, where it is more than one

    # Who listens

    def tune(self, seat: Seat, channels: Channels) -> None:
        """Let the seat listen to exactly these channels."""
        before, after = set(seat.channels), set(channels)
        for channel in before - after:
            self._remove(channel, seat)
        for channel in after - before:
            self._add(channel, seat)
        seat.channels = channels

    def enliven(self, seat: Seat) -> None:
        """Write to the seat from the next run on."""
        seat.live = True
        self._note(seat)
        owed, seat.owed = seat.owed, NOTHING_OWED
        for channel, notice in owed.items():
            if channel in seat.channels:
                self._hand(seat, notice)

    def silence(self, seat: Seat) -> int | None:
        """Write to a live seat no more; where it stands if the run had not reached it."""
        seat.live = False
        self._note(seat)
        place = self._place_of(seat)
        if place is None:
            return None
        self._waiting[place] = None
        return self._run[0].position - 1

    def notify(self, channel: Channel, notice: bytes) -> None:
        """Write a frame without a place in the log; who stands still gets the newest one later."""
        for seat in list(self.on(channel)):
            if seat.live:
                self._hand(seat, notice)
            else:
                seat.owed = {**seat.owed, channel: notice}

    def _hand(self, seat: Seat, notice: bytes) -> None:
        try:
            seat.outlet.write(notice)
        except Exception:
            self._drop(seat.outlet.sink)

    def on(self, channel: Channel) -> AbstractSet[Seat]:
        """The seats that listen to a channel."""
        return self._listening(channel).keys()

    def _listening(self, channel: Channel) -> Mapping[Seat, Sink | None]:
        found = self._seats.get(channel, {})
        return {found: _way_to(found)} if isinstance(found, Seat) else found

    def _add(self, channel: Channel, seat: Seat) -> None:
        match self._seats.get(channel):
            case None:
                self._seats[channel] = seat
            case dict() as listening:
                listening[seat] = _way_to(seat)
            case Seat() as only:
                self._seats[channel] = {only: _way_to(only), seat: _way_to(seat)}

    def _remove(self, channel: Channel, seat: Seat) -> None:
        listening = self._seats[channel]
        if isinstance(listening, dict) and len(listening) > 1:
            del listening[seat]
        else:
            del self._seats[channel]

    def _note(self, seat: Seat) -> None:
        way = _way_to(seat)
        for channel in seat.channels:
            listening = self._seats[channel]
            if isinstance(listening, dict):
                listening[seat] = way

    # Writing to them

    def write(self, run: Sequence[Entry]) -> None:
        """Begin to write a run of entries: one write per seat for all of it."""
        for entry in run:
            self._counts.events[entry.type] += 1
            if logger.isEnabledFor(logging.INFO):
                self._announce(entry)
        self._run, self._begun, self._places = run, perf_counter(), None
        self._heard = self._heard_of(run) if len(run) > 1 else {}
        self._waiting = list(self._heard) if len(run) > 1 else self._ways_of(run[0])
        self.go_on()

    @property
    def is_writing(self) -> bool:
        """Whether some have not been written to yet; `go_on` is to be called, once per turn."""
        return bool(self._waiting)

    def is_to_come(self, seat: Seat) -> bool:
        """Whether the run has not reached the seat yet."""
        return self._place_of(seat) is not None

    def go_on(self) -> None:
        """Write to the next slice of those who wait."""
        part = [sink for sink in self._waiting[-self._slice :] if sink is not None]
        del self._waiting[-self._slice :]
        for sink, frames in zip(part, self._frames_for(part), strict=False):
            try:
                sink.write(frames)
            except Exception:
                self._drop(sink)  # one broken stream must not silence the others
        if not self._waiting:
            self._counts.fan_out.add(perf_counter() - self._begun)

    def _frames_for(self, part: Sequence[Sink]) -> Iterable[bytes]:
        """What each is written; one join for all who hear the same."""
        if not self._heard:
            frame = self._run[0].frame
            self._counts.write(len(part), len(part) * len(frame))
            return repeat(frame)
        masks = [self._heard[sink] for sink in part]
        joined = {mask: self._join(mask) for mask in set(masks)}
        frames = [joined[mask] for mask in masks]
        self._counts.write(sum(map(int.bit_count, masks)), sum(map(len, frames)))
        return frames

    def _join(self, mask: int) -> bytes:
        return b"".join(entry.frame for bit, entry in enumerate(self._run) if mask >> bit & 1)

    def _place_of(self, seat: Seat) -> int | None:
        """Where the seat is among those who wait."""
        waiting = self._waiting
        if not waiting:
            return None
        if self._places is None:
            self._places = {sink: place for place, sink in enumerate(waiting)}
        place = self._places.get(seat.outlet.sink, len(waiting))
        return place if place < len(waiting) and waiting[place] is not None else None

    # Who hears what

    def _ways_of(self, entry: Entry) -> list[Sink | None]:
        """Where an entry goes, once to each seat that is live."""
        ways: list[Sink | None] = []
        for listening, seats in self._each_once(entry):
            is_whole = len(seats) == len(listening)
            ways += listening.values() if is_whole else [listening[seat] for seat in seats]
        return [way for way in ways if way is not None]

    def _each_once(
        self, entry: Entry
    ) -> Iterator[tuple[Mapping[Seat, Sink | None], AbstractSet[Seat]]]:
        """Each channel's seats, without those on a larger one; the largest is not gone through."""
        found = [self._listening(name) for name in entry.channels if name in self._seats]
        found.sort(key=len, reverse=True)
        for place, listening in enumerate(found):
            seats: AbstractSet[Seat] = listening.keys()
            for larger in found[:place]:
                seats = seats - larger.keys()
            yield listening, seats

    def _heard_of(self, run: Sequence[Entry]) -> dict[Sink, int]:
        heard: dict[Sink, int] = {}
        for channel, mask in self._masks(run):
            for way in self._listening(channel).values():
                if way is not None:
                    heard[way] = heard.get(way, 0) | mask
        return heard

    def _masks(self, run: Sequence[Entry]) -> Iterable[tuple[Channel, int]]:
        masks: dict[Channel, int] = {}
        for bit, entry in enumerate(run):
            for channel in entry.channels:
                if channel in self._seats:
                    masks[channel] = masks.get(channel, 0) | 1 << bit
        return masks.items()

    def _announce(self, entry: Entry) -> None:
        count = sum(len(seats) for _, seats in self._each_once(entry))
        logger.info(
            "Broadcasting update to %d client%s (%s → %s, position %s)",
            count,
            "" if count == 1 else "s",
            entry.type,
            ", ".join(entry.channels),
            entry.position,
        )


def _way_to(seat: Seat) -> Sink | None:
    return seat.outlet.sink if seat.live else None
