"""Decide who may hear what, for pages and streams alike.

Domains contribute selects of grants (subject, channel, workspace, reason). They are read together,
for any number of subjects: one statement for people, another for API keys.
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

PeopleParameter = BindParameter[Any]  # bound to the subjects to read
GrantSource = Callable[[PeopleParameter], Sequence[Select[Any]]]
ReadExpiries = Callable[[Connection, Collection[str]], dict[str, Millis]]


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
        read_expiries: ReadExpiries,
        key_sources: Sequence[GrantSource] = (),
        principal_sources: Sequence[GrantSource] = (),
    ) -> None:
        self._grants = _union(sources)
        self._key_grants = _union(key_sources)
        self._principal_grants = _union(principal_sources)
        self._read_expiries = read_expiries

    def read_grants(
        self, tx: Connection, subjects: Collection[SubjectId]
    ) -> dict[SubjectId, list[Grant]]:
        """Return every grant of `subjects`: one statement for people, another for API keys.

        A subject that may not hear its own channel has no grants at all: a deactivated person, a
        revoked key.
        """
        grants: dict[SubjectId, list[Grant]] = {subject: [] for subject in subjects}
        keys = [subject for subject in subjects if is_key(subject)]
        people = [subject for subject in subjects if not is_key(subject)] if keys else subjects
        for statement, some in ((self._grants, people), (self._key_grants, keys)):
            if statement is None or not some:
                continue
            for row in tx.execute(statement, {"people": pad_in_list(some)}):
                subject, channel, workspace, reason = tuple(row)
                grants[subject].append(Grant(intern(channel), workspace, reason))
        return {
            subject: own if _holds_own_channel(subject, own) else []
            for subject, own in grants.items()
        }

    def read_viewer(self, tx: Connection, subject: SubjectId) -> Viewer:
        """Return a person or an API key as the viewer of a page, a search or a call."""
        return Viewer(subject, tuple(self.read_grants(tx, [subject])[subject]))

    def read_principal_viewer(self, tx: Connection, principal: SubjectId) -> Viewer:
        """Return a Discord user, with or without an account, as the viewer of a call for them.

        They have the grants of their Discord identity, and no others.
        """
        if self._principal_grants is None:
            return Viewer(principal, ())
        rows = tx.execute(self._principal_grants, {"people": [principal]})
        return Viewer(principal, tuple(Grant(intern(row[1]), row[2], row[3]) for row in rows))

    def read_authorization(
        self, tx: Connection, subjects: Collection[SubjectId], credentials: Collection[str]
    ) -> Authorization:
        """Return the grants of subjects and the expiry of their credentials, from one snapshot.

        `credentials` are ids of sessions, or `key:ID`.
        """
        return Authorization(self.read_grants(tx, subjects), self._read_expiries(tx, credentials))

    async def authorize(
        self, db: Database, subjects: Collection[SubjectId], credentials: Collection[str]
    ) -> Authorization:
        """Run `read_authorization` in a read transaction of `db`."""
        return await db.read(self.read_authorization, list(subjects), list(credentials))


def _union(sources: Sequence[GrantSource]) -> CompoundSelect[Any] | None:
    # Built once: building nine selects takes longer than running them.
    people: PeopleParameter = bindparam("people", expanding=True)
    selects = [select for source in sources for select in source(people)]
    return union_all(*selects) if selects else None


def _holds_own_channel(subject: SubjectId, grants: Sequence[Grant]) -> bool:
    own = own_channel(subject)
    return any(grant.channel == own for grant in grants)


@dataclass(frozen=True, slots=True)
class Authorization:
    """The grants of each subject, and the expiry (ms) of each live session or API key."""

    grants: Mapping[SubjectId, Collection[Grant]]
    sessions: Mapping[str, Millis]
