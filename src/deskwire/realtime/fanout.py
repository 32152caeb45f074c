"""Index subscriptions by channel, and write events to those that are live.

Publishing costs only the subscriptions on an event's channels. Several events of one turn leave in
one write per subscription: a bit mask says which of them it hears, and the frames are joined once
per distinct mask. Where a channel has very many listeners, they are written to in slices, one per
turn of the loop.
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


# The subscriptions on a channel: mostly one, or very many. A set for only one wastes 200 bytes, and
# in a large set each subscription takes two to four times as much as in a dict, in every channel it
# holds. The dict's value is the transport to write to (None: not live). Looking it up in each
# subscription made a fan-out a tenth slower: ten thousand of them do not fit into a CPU's cache.
ChannelSubscriptions = Subscription | dict[Subscription, Transport | None]


class Fanout:
    """Index subscriptions by channel, and write to those that are live."""

    def __init__(
        self, on_broken: Callable[[Transport], None], stats: HubStats, slice_size: int = SLICE_SIZE
    ) -> None:
        self._by_channel: dict[Channel, ChannelSubscriptions] = {}
        self._on_broken = on_broken  # gets each transport that failed
        self._stats = stats
        self._slice_size = slice_size
        self._batch: Sequence[Entry] = ()  # being written
        self._started_at = 0.0  # s; when writing it began
        self._pending: list[Transport | None] = []  # to be written to, the last one next
        self._pending_index: dict[Transport | None, int] | None = None  # built when first needed
        self._transport_masks: dict[Transport, int] = {}  # entries each hears, in a larger batch

    def set_channels(self, subscription: Subscription, channels: Channels) -> None:
        """Make `channels` exactly the ones the subscription listens to."""
        before, after = set(subscription.channels), set(channels)
        for channel in before - after:
            self._remove(channel, subscription)
        for channel in after - before:
            self._add(channel, subscription)
        subscription.channels = channels

    def activate(self, subscription: Subscription) -> None:
        """Write to a subscription, which has become live, from the next batch on.

        Its pending notices are written now.
        """
        self._update_transport(subscription)
        notices, subscription.pending_notices = subscription.pending_notices, NO_PENDING_NOTICES
        for channel, notice in notices.items():
            if channel in subscription.channels:
                self._write_notice(subscription, notice)

    def deactivate(self, subscription: Subscription, head: int) -> int:
        """Stop writing to a subscription that was live; return the position it has reached.

        That is `head`, unless the batch being written has not reached it yet.
        """
        self._update_transport(subscription)
        index = self._index_of(subscription)
        if index is None:
            return head
        self._pending[index] = None
        return self._batch[0].position - 1

    def send_notice(self, channel: Channel, notice: bytes) -> None:
        """Write a frame that has no position in the log.

        A subscription that is not live gets the newest one per channel once it is live again.
        """
        for subscription in list(self.subscriptions_on(channel)):
            if subscription.is_live:
                self._write_notice(subscription, notice)
            else:
                subscription.pending_notices = {**subscription.pending_notices, channel: notice}

    def _write_notice(self, subscription: Subscription, notice: bytes) -> None:
        try:
            subscription.writer.write(notice)
        except Exception:
            self._on_broken(subscription.writer.transport)

    def subscriptions_on(self, channel: Channel) -> AbstractSet[Subscription]:
        """Return the subscriptions that listen to a channel."""
        return self._transports_by_subscription(channel).keys()

    def _transports_by_subscription(
        self, channel: Channel
    ) -> Mapping[Subscription, Transport | None]:
        listeners = self._by_channel.get(channel, {})
        if isinstance(listeners, Subscription):
            return {listeners: _live_transport(listeners)}
        return listeners

    def _add(self, channel: Channel, subscription: Subscription) -> None:
        match self._by_channel.get(channel):
            case None:
                self._by_channel[channel] = subscription
            case dict() as listeners:
                listeners[subscription] = _live_transport(subscription)
            case Subscription() as only:
                self._by_channel[channel] = {
                    only: _live_transport(only),
                    subscription: _live_transport(subscription),
                }

    def _remove(self, channel: Channel, subscription: Subscription) -> None:
        listeners = self._by_channel[channel]
        if isinstance(listeners, dict) and len(listeners) > 1:
            del listeners[subscription]
        else:
            del self._by_channel[channel]

    def _update_transport(self, subscription: Subscription) -> None:
        transport = _live_transport(subscription)
        for channel in subscription.channels:
            listeners = self._by_channel[channel]
            if isinstance(listeners, dict):
                listeners[subscription] = transport

    def start_batch(self, batch: Sequence[Entry]) -> None:
        """Begin to write a batch of entries: one write per subscription for all of it."""
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
        """Whether slices are left; `write_next_slice` is then to be called once per loop turn."""
        return bool(self._pending)

    def is_pending(self, subscription: Subscription) -> bool:
        """Whether the batch has not been written to the subscription yet."""
        return self._index_of(subscription) is not None

    def write_next_slice(self) -> None:
        """Write the batch to the next slice of its listeners."""
        transports = [each for each in self._pending[-self._slice_size :] if each is not None]
        del self._pending[-self._slice_size :]
        for transport, frames in zip(transports, self._frames_for(transports), strict=False):
            try:
                transport.write(frames)
            except Exception:
                self._on_broken(transport)  # one broken stream must not silence the others
        if not self._pending:
            self._stats.fanout_durations.observe(perf_counter() - self._started_at)

    def _frames_for(self, transports: Sequence[Transport]) -> Iterable[bytes]:
        """Return the bytes for each transport; one join for all that hear the same entries."""
        if not self._transport_masks:
            frame = self._batch[0].frame
            self._stats.count_sent(len(transports), len(transports) * len(frame))
            return repeat(frame)
        masks = [self._transport_masks[transport] for transport in transports]
        joined = {mask: self._join(mask) for mask in set(masks)}
        frames = [joined[mask] for mask in masks]
        self._stats.count_sent(sum(map(int.bit_count, masks)), sum(map(len, frames)))
        return frames

    def _join(self, mask: int) -> bytes:
        return b"".join(entry.frame for bit, entry in enumerate(self._batch) if mask >> bit & 1)

    def _index_of(self, subscription: Subscription) -> int | None:
        """Return the subscription's index in `_pending`, or None once it was written to."""
        pending = self._pending
        if not pending:
            return None
        if self._pending_index is None:
            self._pending_index = {transport: index for index, transport in enumerate(pending)}
        index = self._pending_index.get(subscription.writer.transport, len(pending))
        return index if index < len(pending) and pending[index] is not None else None

    def _transports_of(self, entry: Entry) -> list[Transport | None]:
        """Return the transports of the live subscriptions that hear an entry, each once."""
        transports: list[Transport | None] = []
        for listeners, new in self._iter_disjoint(entry):
            is_whole = len(new) == len(listeners)
            transports += listeners.values() if is_whole else [listeners[each] for each in new]
        return [transport for transport in transports if transport is not None]

    def _iter_disjoint(
        self, entry: Entry
    ) -> Iterator[tuple[Mapping[Subscription, Transport | None], AbstractSet[Subscription]]]:
        """Yield each channel's listeners, and those of them that are on no larger channel.

        The largest channel comes first and is not iterated over.
        """
        channels = [
            self._transports_by_subscription(channel)
            for channel in entry.channels
            if channel in self._by_channel
        ]
        channels.sort(key=len, reverse=True)
        for index, listeners in enumerate(channels):
            new: AbstractSet[Subscription] = listeners.keys()
            for larger in channels[:index]:
                new = new - larger.keys()
            yield listeners, new

    def _build_masks(self, batch: Sequence[Entry]) -> dict[Transport, int]:
        masks: dict[Transport, int] = {}
        for channel, mask in self._masks_by_channel(batch):
            for transport in self._transports_by_subscription(channel).values():
                if transport is not None:
                    masks[transport] = masks.get(transport, 0) | mask
        return masks

    def _masks_by_channel(self, batch: Sequence[Entry]) -> Iterable[tuple[Channel, int]]:
        masks: dict[Channel, int] = {}
        for bit, entry in enumerate(batch):
            for channel in entry.channels:
                if channel in self._by_channel:
                    masks[channel] = masks.get(channel, 0) | 1 << bit
        return masks.items()

    def _log_broadcast(self, entry: Entry) -> None:
        count = sum(len(new) for _, new in self._iter_disjoint(entry))
        logger.info(
            "Broadcasting update to %d client%s (%s → %s, position %s)",
            count,
            "" if count == 1 else "s",
            entry.type,
            ", ".join(entry.channels),
            entry.position,
        )


def _live_transport(subscription: Subscription) -> Transport | None:
    return subscription.writer.transport if subscription.is_live else None
