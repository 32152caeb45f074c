"""What access said last, kept until the log says that it may have changed.

Ten thousand streams that come back at once are seated without asking for anybody's grants again.
The tuples kept here are the ones the seats hold.
An entry that touches a person, or a channel they hold, makes them forgotten; so what is here is
never older than what has been dispatched. (A gain is told to the person's own channel.)
"""

from __future__ import annotations

from collections.abc import Collection

from deskwire.events.channels import Channel, Channels, Grant, PersonId, person_of_channel
from deskwire.realtime.subscription import ChannelSets, StreamScope, is_in_scope

MAX_PEOPLE = 20_000  # remembered; more than one process has streams for


class GrantCache:
    """The channels people hold, by person."""

    def __init__(self, limit: int = MAX_PEOPLE) -> None:
        self.version = 0  # how often access has changed; an older answer must not be kept
        self._limit = limit
        self._channel_sets: dict[
            PersonId, ChannelSets
        ] = {}  # oldest first; an OrderedDict takes twice as much

    def get(self, person: PersonId) -> ChannelSets | None:
        return self._channel_sets.get(person)

    def put(self, person: PersonId, channel_sets: ChannelSets) -> None:
        self._channel_sets.pop(person, None)
        self._channel_sets[person] = channel_sets
        if len(self._channel_sets) > self._limit:
            del self._channel_sets[next(iter(self._channel_sets))]

    def invalidate(self, person: PersonId) -> None:
        self._channel_sets.pop(person, None)

    def invalidate_channels(self, channels: Collection[Channel]) -> None:
        """Forget everyone whose access an entry may have changed."""
        self.version += 1
        shared = {channel for channel in channels if person_of_channel(channel) is None}
        for person in filter(None, map(person_of_channel, channels)):
            self.invalidate(person)
        if shared:
            for person in [
                p for p, h in self._channel_sets.items() if not shared.isdisjoint(h.all)
            ]:
                self.invalidate(person)


def build_channel_sets(grants: Collection[Grant]) -> ChannelSets:
    """What somebody with these grants holds."""
    everything = tuple(sorted({grant.channel for grant in grants}))
    return ChannelSets(
        everything,
        _channels_in_scope("guilds", grants, everything),
        _channels_in_scope("requests", grants, everything),
    )


def _channels_in_scope(
    scope: StreamScope, grants: Collection[Grant], everything: Channels
) -> Channels:
    found = {each.channel for each in grants if is_in_scope(scope, each.channel, each.workspace)}
    return everything if len(found) == len(everything) else tuple(sorted(found))
