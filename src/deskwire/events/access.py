"""Access: who may hear what. The one place that asks, for pages and streams alike.

Domains contribute selects of grants (person, channel, workspace, why); they are read together,
in one statement, for as many people as are asked about.
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

PeopleParameter = BindParameter[Any]  # stands for the ids of those who are asked about
GrantSource = Callable[[PeopleParameter], Sequence[Select[Any]]]
ReadSessions = Callable[[Connection, Collection[str]], dict[str, Millis]]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks, with everything they may hear at this moment."""

    person: PersonId
    grants: tuple[Grant, ...]

    @property
    def channels(self) -> frozenset[Channel]:
        return frozenset(grant.channel for grant in self.grants)


class Access:
    """Reads grants from the sources the domains offer."""

    def __init__(self, sources: Sequence[GrantSource], read_sessions: ReadSessions) -> None:
        wanted: PeopleParameter = bindparam("people", expanding=True)
        # Built once: to build nine selects takes longer than to run them.
        self._grants = union_all(*(each for source in sources for each in source(wanted)))
        self._read_sessions = read_sessions

    def read_grants(
        self, tx: Connection, people: Collection[PersonId]
    ) -> dict[PersonId, list[Grant]]:
        """Every grant of `people`, in one statement. Who may not hear their own channel (they are
        deactivated) hears nothing, whatever else would let them."""
        found: dict[PersonId, list[Grant]] = {person: [] for person in people}
        if not found:
            return found
        for row in tx.execute(self._grants, {"people": pad_in_list(people)}):
            person, channel, workspace, why = tuple(row)
            found[person].append(Grant(intern(channel), workspace, why))
        return {
            person: held if _holds_own_channel(person, held) else []
            for person, held in found.items()
        }

    def read_viewer(self, tx: Connection, person: PersonId) -> Viewer:
        """`person` as pages and searches see them."""
        return Viewer(person, tuple(self.read_grants(tx, [person])[person]))

    def read_authorization(
        self, tx: Connection, people: Collection[PersonId], sessions: Collection[str]
    ) -> Authorization:
        """What the hub asks: grants and living sessions, from one snapshot."""
        return Authorization(self.read_grants(tx, people), self._read_sessions(tx, sessions))

    async def authorize(
        self, db: Database, people: Collection[PersonId], sessions: Collection[str]
    ) -> Authorization:
        """`read_answer` over `db`."""
        return await db.read(self.read_authorization, list(people), list(sessions))


def _holds_own_channel(person: PersonId, grants: Sequence[Grant]) -> bool:
    own = user(person)
    return any(grant.channel == own for grant in grants)


@dataclass(frozen=True, slots=True)
class Authorization:
    """What access says: the grants of each person, and until when each session lives."""

    grants: Mapping[PersonId, Collection[Grant]]
    sessions: Mapping[str, Millis]
