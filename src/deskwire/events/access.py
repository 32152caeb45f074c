"""Decide who may hear what, for pages and streams alike.

Domains contribute selects of grants (person, channel, workspace, reason). They are read together,
in one statement, for any number of people.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any

from sqlalchemy import BindParameter, CompoundSelect, Connection, Select, bindparam, union_all

from deskwire.events.channels import Channel, Grant, SubjectId, is_key, own_channel
from deskwire.kit.clock import Millis
from deskwire.kit.db import Database, pad_in_list

PeopleParameter = BindParameter[Any]  # bound to the ids of the people to read
GrantSource = Callable[[PeopleParameter], Sequence[Select[Any]]]
ReadSessions = Callable[[Connection, Collection[str]], dict[str, Millis]]


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person or an API key, with everything they may hear at the moment it was read."""

    subject: SubjectId
    grants: tuple[Grant, ...]

    @property
    def channels(self) -> frozenset[Channel]:
        return frozenset(grant.channel for grant in self.grants)

    @property
    def is_key(self) -> bool:
        """Whether the viewer is an API key, not a person."""
        return is_key(self.subject)

    @property
    def is_person(self) -> bool:
        """Whether the viewer is a person: no API key, and no Discord user that one acts for."""
        return ":" not in self.subject


class Access:
    """Read grants from the sources of the domains: those of people, and those of API keys."""

    def __init__(
        self,
        sources: Sequence[GrantSource],
        read_sessions: ReadSessions,
        key_sources: Sequence[GrantSource] = (),
        principal_sources: Sequence[GrantSource] = (),
    ) -> None:
        self._grants = _union(sources)
        self._key_grants = _union(key_sources)
        self._principal_grants = _union(principal_sources)
        self._read_sessions = read_sessions

    def read_grants(
        self, tx: Connection, people: Collection[SubjectId]
    ) -> dict[SubjectId, list[Grant]]:
        """Return every grant of `people`, in one statement; in another for API keys among them.

        A subject that may not hear its own channel has no grants at all: a deactivated person, a
        revoked key.
        """
        grants: dict[SubjectId, list[Grant]] = {person: [] for person in people}
        keys = [person for person in people if is_key(person)]
        persons = [person for person in people if not is_key(person)] if keys else people
        for statement, subjects in ((self._grants, persons), (self._key_grants, keys)):
            if statement is None or not subjects:
                continue
            for row in tx.execute(statement, {"people": pad_in_list(subjects)}):
                person, channel, workspace, reason = tuple(row)
                grants[person].append(Grant(intern(channel), workspace, reason))
        return {
            person: own if _holds_own_channel(person, own) else [] for person, own in grants.items()
        }

    def read_viewer(self, tx: Connection, person: SubjectId) -> Viewer:
        """Return `person`, who may be an API key, as the viewer of a page or a search."""
        return Viewer(person, tuple(self.read_grants(tx, [person])[person]))

    def read_principal_viewer(self, tx: Connection, principal: SubjectId) -> Viewer:
        """Return a Discord user, with or without an account, as the viewer of a call for them.

        They have the grants of their Discord identity, and no others.
        """
        if self._principal_grants is None:
            return Viewer(principal, ())
        rows = tx.execute(self._principal_grants, {"people": [principal]})
        return Viewer(principal, tuple(Grant(intern(row[1]), row[2], row[3]) for row in rows))

    def read_authorization(
        self, tx: Connection, people: Collection[SubjectId], sessions: Collection[str]
    ) -> Authorization:
        """Return the people's grants and the live sessions, from one snapshot."""
        return Authorization(self.read_grants(tx, people), self._read_sessions(tx, sessions))

    async def authorize(
        self, db: Database, people: Collection[SubjectId], sessions: Collection[str]
    ) -> Authorization:
        """Run `read_authorization` in a read transaction of `db`."""
        return await db.read(self.read_authorization, list(people), list(sessions))


def _union(sources: Sequence[GrantSource]) -> CompoundSelect[Any] | None:
    # Built once: building nine selects takes longer than running them.
    people: PeopleParameter = bindparam("people", expanding=True)
    selects = [select for source in sources for select in source(people)]
    return union_all(*selects) if selects else None


def _holds_own_channel(person: SubjectId, grants: Sequence[Grant]) -> bool:
    own = own_channel(person)
    return any(grant.channel == own for grant in grants)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The grants of each person, and the expiry of each live session."""

    grants: Mapping[SubjectId, Collection[Grant]]
    sessions: Mapping[str, Millis]
