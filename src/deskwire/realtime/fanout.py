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
from deskwire.realtime.stats import HubStats
from deskwire.realtime.subscription import NO_PENDING_NOTICES, Subscription, Transport

SLICE_SIZE = 1_000  # subscriptions per loop turn; 10,000 writes in one would hold it 150 ms

logger = logging.getLogger(__name__)


# The seats on a channel: mostly one, or very many. A set of one is 200 bytes for nothing, and in a
# large set each seat takes two to four times as much as in a dict, in every channel it holds. The
# dict also says where its frames go (None: it stands still). A fan-out that had to look at every
# seat for that took a tenth more: ten thousand of them do not fit into a CPU's cache.
ChannelSubscriptions = Subscription | dict[Subscription, Transport | None]


class Fanout:
    """Seats by channel, live or standing still. Only the live ones are written to."""

    def __init__(
        self, on_broken: Callable[[Transport], None], stats: HubStats, slice_size: int = SLICE_SIZE
    ) -> None:
        self._by_channel: dict[Channel, ChannelSubscriptions] = {}
        self._on_broken = on_broken  # a way out that broke
        self._stats = stats
        self._slice_size = slice_size
        self._batch: Sequence[Entry] = ()  # being written
        self._started_at = 0.0  # s; when it was
        self._pending: list[Transport | None] = []  # to be written to, the last one next
        self._pending_index: dict[Transport | None, int] | None = (
            None  # in it, once somebody has asked
        )
        self._transport_masks: dict[
            Transport, int
        ] = {}  # which of the run they hear, where it is more than one

    # Who listens

    def set_channels(self, subscription: Subscription, channels: Channels) -> None:
        """Let the seat listen to exactly these channels."""
        before, after = set(subscription.channels), set(channels)
        for channel in before - after:
            self._remove(channel, subscription)
        for channel in after - before:
            self._add(channel, subscription)
        subscription.channels = channels

    def activate(self, subscription: Subscription) -> None:
        """Write to the seat from the next run on."""
        subscription.live = True
        self._update_transport(subscription)
        owed, subscription.pending_notices = subscription.pending_notices, NO_PENDING_NOTICES
        for channel, notice in owed.items():
            if channel in subscription.channels:
                self._write_notice(subscription, notice)

    def suspend(self, subscription: Subscription) -> int | None:
        """Write to a live seat no more; where it stands if the run had not reached it."""
        subscription.live = False
        self._update_transport(subscription)
        place = self._index_of(subscription)
        if place is None:
            return None
        self._pending[place] = None
        return self._batch[0].position - 1

    def send_notice(self, channel: Channel, notice: bytes) -> None:
        """Write a frame without a place in the log; who stands still gets the newest one later."""
        for seat in list(self.subscriptions_on(channel)):
            if seat.live:
                self._write_notice(seat, notice)
            else:
                seat.pending_notices = {**seat.pending_notices, channel: notice}

    def _write_notice(self, subscription: Subscription, notice: bytes) -> None:
        try:
            subscription.writer.write(notice)
        except Exception:
            self._on_broken(subscription.writer.transport)

    def subscriptions_on(self, channel: Channel) -> AbstractSet[Subscription]:
        """The seats that listen to a channel."""
        return self._subscriptions_of(channel).keys()

    def _subscriptions_of(self, channel: Channel) -> Mapping[Subscription, Transport | None]:
        found = self._by_channel.get(channel, {})
        return {found: _live_transport(found)} if isinstance(found, Subscription) else found

    def _add(self, channel: Channel, subscription: Subscription) -> None:
        match self._by_channel.get(channel):
            case None:
                self._by_channel[channel] = subscription
            case dict() as listening:
                listening[subscription] = _live_transport(subscription)
            case Subscription() as only:
                self._by_channel[channel] = {
                    only: _live_transport(only),
                    subscription: _live_transport(subscription),
                }

    def _remove(self, channel: Channel, subscription: Subscription) -> None:
        listening = self._by_channel[channel]
        if isinstance(listening, dict) and len(listening) > 1:
            del listening[subscription]
        else:
            del self._by_channel[channel]

    def _update_transport(self, subscription: Subscription) -> None:
        way = _live_transport(subscription)
        for channel in subscription.channels:
            listening = self._by_channel[channel]
            if isinstance(listening, dict):
                listening[subscription] = way

    # Writing to them

    def start_batch(self, batch: Sequence[Entry]) -> None:
        """Begin to write a run of entries: one write per seat for all of it."""
        for entry in batch:
            self._stats.events[entry.type] += 1
            if logger.isEnabledFor(logging.INFO):
                self._log_broadcast(entry)
        self._batch, self._started_at, self._pending_index = batch, perf_counter(), None
        self._transport_masks = self._build_masks(batch) if len(batch) > 1 else {}
        self._pending = (
            list(self._transport_masks) if len(batch) > 1 else self._transports_of(batch[0])
        )
        self.write_next_slice()

    @property
    def is_writing(self) -> bool:
        """Whether some have not been written to yet; `go_on` is to be called, once per turn."""
        return bool(self._pending)

    def is_pending(self, subscription: Subscription) -> bool:
        """Whether the run has not reached the seat yet."""
        return self._index_of(subscription) is not None

    def write_next_slice(self) -> None:
        """Write to the next slice of those who wait."""
        part = [sink for sink in self._pending[-self._slice_size :] if sink is not None]
        del self._pending[-self._slice_size :]
        for sink, frames in zip(part, self._frames_for(part), strict=False):
            try:
                sink.write(frames)
            except Exception:
                self._on_broken(sink)  # one broken stream must not silence the others
        if not self._pending:
            self._stats.fanout_durations.observe(perf_counter() - self._started_at)

    def _frames_for(self, transports: Sequence[Transport]) -> Iterable[bytes]:
        """What each is written; one join for all who hear the same."""
        if not self._transport_masks:
            frame = self._batch[0].frame
            self._stats.count_sent(len(transports), len(transports) * len(frame))
            return repeat(frame)
        masks = [self._transport_masks[sink] for sink in transports]
        joined = {mask: self._join(mask) for mask in set(masks)}
        frames = [joined[mask] for mask in masks]
        self._stats.count_sent(sum(map(int.bit_count, masks)), sum(map(len, frames)))
        return frames

    def _join(self, mask: int) -> bytes:
        return b"".join(entry.frame for bit, entry in enumerate(self._batch) if mask >> bit & 1)

    def _index_of(self, subscription: Subscription) -> int | None:
        """Where the seat is among those who wait."""
        waiting = self._pending
        if not waiting:
            return None
        if self._pending_index is None:
            self._pending_index = {sink: place for place, sink in enumerate(waiting)}
        place = self._pending_index.get(subscription.writer.transport, len(waiting))
        return place if place < len(waiting) and waiting[place] is not None else None

    # Who hears what

    def _transports_of(self, entry: Entry) -> list[Transport | None]:
        """Where an entry goes, once to each seat that is live."""
        ways: list[Transport | None] = []
        for listening, seats in self._iter_disjoint(entry):
            is_whole = len(seats) == len(listening)
            ways += listening.values() if is_whole else [listening[seat] for seat in seats]
        return [way for way in ways if way is not None]

    def _iter_disjoint(
        self, entry: Entry
    ) -> Iterator[tuple[Mapping[Subscription, Transport | None], AbstractSet[Subscription]]]:
        """Each channel's seats, without those on a larger one; the largest is not gone through."""
        found = [
            self._subscriptions_of(name) for name in entry.channels if name in self._by_channel
        ]
        found.sort(key=len, reverse=True)
        for place, listening in enumerate(found):
            seats: AbstractSet[Subscription] = listening.keys()
            for larger in found[:place]:
                seats = seats - larger.keys()
            yield listening, seats

    def _build_masks(self, batch: Sequence[Entry]) -> dict[Transport, int]:
        heard: dict[Transport, int] = {}
        for channel, mask in self._masks_by_channel(batch):
            for way in self._subscriptions_of(channel).values():
                if way is not None:
                    heard[way] = heard.get(way, 0) | mask
        return heard

    def _masks_by_channel(self, batch: Sequence[Entry]) -> Iterable[tuple[Channel, int]]:
        masks: dict[Channel, int] = {}
        for bit, entry in enumerate(batch):
            for channel in entry.channels:
                if channel in self._by_channel:
                    masks[channel] = masks.get(channel, 0) | 1 << bit
        return masks.items()

    def _log_broadcast(self, entry: Entry) -> None:
        count = sum(len(seats) for _, seats in self._iter_disjoint(entry))
        logger.info(
            "Broadcasting update to %d client%s (%s → %s, position %s)",
            count,
            "" if count == 1 else "s",
            entry.type,
            ", ".join(entry.channels),
            entry.position,
        )


def _live_transport(subscription: Subscription) -> Transport | None:
    return subscription.writer.transport if subscription.live else None
