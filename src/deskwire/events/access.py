"""Decide who may hear what, for pages and streams alike.

Domains contribute selects of grants (person, channel, workspace, reason). They are read together,
in one statement, for any number of people.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, bindparam, union_all

from deskwire.events.channels import Channel, Grant, PersonId, user
from deskwire.kit.clock import Millis
from deskwire.kit.db import Database, pad_in_list

PeopleParameter = BindParameter[Any]  # bound to the ids of the people to read
GrantSource = Callable[[PeopleParameter], Sequence[Select[Any]]]
ReadSessions = Callable[[Connection, Collection[str]], dict[str, Millis]]


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person, with everything they may hear at the moment it was read."""

    person: PersonId
    grants: tuple[Grant, ...]

    @property
    def channels(self) -> frozenset[Channel]:
        return frozenset(grant.channel for grant in self.grants)


class Access:
    """Read grants from the sources of the domains."""

    def __init__(self, sources: Sequence[GrantSource], read_sessions: ReadSessions) -> None:
        people: PeopleParameter = bindparam("people", expanding=True)
        # Built once: building nine selects takes longer than running them.
        self._grants = union_all(*(select for source in sources for select in source(people)))
        self._read_sessions = read_sessions

    def read_grants(
        self, tx: Connection, people: Collection[PersonId]
    ) -> dict[PersonId, list[Grant]]:
        """Return every grant of `people`, in one statement.

        A person who may not hear their own channel (they are deactivated) has no grants at all.
        """
        grants: dict[PersonId, list[Grant]] = {person: [] for person in people}
        if not grants:
            return grants
        for row in tx.execute(self._grants, {"people": pad_in_list(people)}):
            person, channel, workspace, reason = tuple(row)
            grants[person].append(Grant(intern(channel), workspace, reason))
        return {
            person: own if _holds_own_channel(person, own) else [] for person, own in grants.items()
        }

    def read_viewer(self, tx: Connection, person: PersonId) -> Viewer:
        """Return `person` as the viewer of a page or a search."""
        return Viewer(person, tuple(self.read_grants(tx, [person])[person]))

    def read_authorization(
        self, tx: Connection, people: Collection[PersonId], sessions: Collection[str]
    ) -> Authorization:
        """Return the people's grants and the live sessions, from one snapshot."""
        return Authorization(self.read_grants(tx, people), self._read_sessions(tx, sessions))

    async def authorize(
        self, db: Database, people: Collection[PersonId], sessions: Collection[str]
    ) -> Authorization:
        """Run `read_authorization` in a read transaction of `db`."""
        return await db.read(self.read_authorization, list(people), list(sessions))


def _holds_own_channel(person: PersonId, grants: Sequence[Grant]) -> bool:
    own = user(person)
    return any(grant.channel == own for grant in grants)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The grants of each person, and the expiry of each live session."""

    grants: Mapping[PersonId, Collection[Grant]]
    sessions: Mapping[str, Millis]
