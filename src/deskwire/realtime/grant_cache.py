"""Cache the channels of people until the log says that their access may have changed.

Ten thousand streams that reconnect at once are authorized without reading any grants again. The
tuples in the cache are the ones the subscriptions hold.

An entry that changes the access of a person, or of a channel they hold, removes them from the
cache, so that the cache is never older than what has been published. (A gain of access is
announced on the person's own channel.)
"""

from __future__ import annotations

from collections.abc import Collection

from deskwire.events.channels import Channel, Channels, Grant, SubjectId, subject_of_channel
from deskwire.realtime.subscription import ChannelSets, StreamScope, is_in_scope

MAX_PEOPLE = 20_000  # people; no process has streams for that many


class GrantCache:
    """Cache the channels that people hold, by person; at most `limit` people."""

    def __init__(self, limit: int = MAX_PEOPLE) -> None:
        self.version = 0  # counts access changes; a result read before the latest is not cached
        self._limit = limit
        # Oldest first; an OrderedDict takes twice as much memory.
        self._channel_sets: dict[SubjectId, ChannelSets] = {}

    def get(self, person: SubjectId) -> ChannelSets | None:
        return self._channel_sets.get(person)

    def put(self, person: SubjectId, channel_sets: ChannelSets) -> None:
        self._channel_sets.pop(person, None)
        self._channel_sets[person] = channel_sets
        if len(self._channel_sets) > self._limit:
            del self._channel_sets[next(iter(self._channel_sets))]

    def invalidate(self, person: SubjectId) -> None:
        self._channel_sets.pop(person, None)

    def clear(self) -> None:
        """Remove everyone: what was read is no longer true."""
        self.version += 1
        self._channel_sets.clear()

    def invalidate_channels(self, channels: Collection[Channel]) -> None:
        """Remove everyone whose access an entry that names these channels may have changed."""
        self.version += 1
        shared = {channel for channel in channels if subject_of_channel(channel) is None}
        for person in filter(None, map(subject_of_channel, channels)):
            self.invalidate(person)
        if shared:
            holders = [
                person
                for person, sets in self._channel_sets.items()
                if not shared.isdisjoint(sets.all)
            ]
            for person in holders:
                self.invalidate(person)


def build_channel_sets(grants: Collection[Grant]) -> ChannelSets:
    """Return the channels that `grants` allow on each kind of stream."""
    everything = tuple(sorted({grant.channel for grant in grants}))
    return ChannelSets(
        everything,
        _channels_in_scope("guilds", grants, everything),
        _channels_in_scope("requests", grants, everything),
    )


def _channels_in_scope(
    scope: StreamScope, grants: Collection[Grant], everything: Channels
) -> Channels:
    channels = {each.channel for each in grants if is_in_scope(scope, each.channel, each.workspace)}
    return everything if len(channels) == len(everything) else tuple(sorted(channels))
