"""What access said last, kept until the log says that it may have changed.

Ten thousand streams that come back at once are seated without asking for anybody's grants again.
The tuples kept here are the ones the seats hold.
An entry that touches a person, or a channel they hold, makes them forgotten; so what is here is
never older than what has been dispatched. (A gain is told to the person's own channel.)
"""

from __future__ import annotations

from collections.abc import Collection

from deskwire.events.channels import Channel, Channels, Grant, PersonId, person_of
from deskwire.realtime.subscription import Held, Scope, wants

PEOPLE = 20_000  # remembered; more than one process has streams for


class Known:
    """The channels people hold, by person."""

    def __init__(self, limit: int = PEOPLE) -> None:
        self.changes = 0  # how often access has changed; an older answer must not be kept
        self._limit = limit
        self._held: dict[PersonId, Held] = {}  # oldest first; an OrderedDict takes twice as much

    def get(self, person: PersonId) -> Held | None:
        return self._held.get(person)

    def keep(self, person: PersonId, held: Held) -> None:
        self._held.pop(person, None)
        self._held[person] = held
        if len(self._held) > self._limit:
            del self._held[next(iter(self._held))]

    def forget(self, person: PersonId) -> None:
        self._held.pop(person, None)

    def forget_touched(self, touches: Collection[Channel]) -> None:
        """Forget everyone whose access an entry may have changed."""
        self.changes += 1
        shared = {channel for channel in touches if person_of(channel) is None}
        for person in filter(None, map(person_of, touches)):
            self.forget(person)
        if shared:
            for person in [p for p, h in self._held.items() if not shared.isdisjoint(h.all)]:
                self.forget(person)


def held_by(grants: Collection[Grant]) -> Held:
    """What somebody with these grants holds."""
    everything = tuple(sorted({grant.channel for grant in grants}))
    return Held(everything, _on("guilds", grants, everything), _on("requests", grants, everything))


def _on(scope: Scope, grants: Collection[Grant], everything: Channels) -> Channels:
    found = {each.channel for each in grants if wants(scope, each.channel, each.workspace)}
    return everything if len(found) == len(everything) else tuple(sorted(found))
