"""Find whose access an entry may change, and let streams hear the entry that admits them to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from deskwire.events.channels import SubjectId, subject_of_channel
from deskwire.events.log import Entry
from deskwire.realtime.fanout import Fanout
from deskwire.realtime.subscription import Subscription

SubscriptionsByPerson = Mapping[SubjectId, Sequence[Subscription]]


def find_affected_people(
    entry: Entry, fanout: Fanout, in_flight: Collection[SubjectId]
) -> set[SubjectId]:
    """Return the people whose access `entry` may change.

    `in_flight` are those who are being authorized.
    """
    affected: set[SubjectId] = set()
    for channel in entry.access_changes:
        affected.update(each.caller.subject for each in fanout.subscriptions_on(channel))
        if person := subject_of_channel(channel):
            affected.add(person)  # even if their first authorization is still in flight
        else:
            affected.update(in_flight)  # they may hold the channel
    return affected


class AdmittingEntry:
    """Remember which streams do not hear an entry that may give them one of its channels.

    `ticket.created` gives its opener `ticket:ID`, and is sent on it. While the entry is written the
    opener does not hold the channel yet; once they have been authorized, they examine it again.
    """

    def __init__(self) -> None:
        self._entry: Entry | None = None
        self._people: frozenset[SubjectId] = frozenset()  # those the entry may admit
        self._untold: set[Subscription] = set()

    def expect(self, entry: Entry, by_person: SubscriptionsByPerson) -> None:
        """Note who does not hear `entry`, which is about to be written."""
        self._entry = entry
        self._people = frozenset(filter(None, map(subject_of_channel, entry.access_changes)))
        self._untold = {
            subscription
            for person in self._people
            for subscription in by_person.get(person, ())
            if not _hears(subscription, entry)
        }

    def note_replay(self, subscription: Subscription) -> None:
        """Note whether a stream has heard the entry in a replay, after all or not.

        One that was opened while the entry is written to very many others may have been authorized
        from the grant cache, which does not know of the entry yet.
        """
        entry = self._entry
        if entry is None or subscription.position < entry.position:
            return
        if _hears(subscription, entry):
            self._untold.discard(subscription)
        elif subscription.caller.subject in self._people:
            self._untold.add(subscription)

    def rewind(self) -> None:
        """Move the streams that did not hear the entry back to it; all of them are suspended."""
        for subscription in self._untold:
            if self._entry is not None and subscription.position == self._entry.position:
                subscription.position -= 1
        self._entry, self._people, self._untold = None, frozenset(), set()


def _hears(subscription: Subscription, entry: Entry) -> bool:
    return not set(subscription.channels).isdisjoint(entry.channels)
