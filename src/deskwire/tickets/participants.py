"""The circle of an organization's requests: its members, and the team."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, null, or_, select, union_all

from deskwire.accounts.people import people
from deskwire.events.channels import PersonId, Workspace
from deskwire.events.types.registry import Who
from deskwire.tickets.tables import participants
from deskwire.workspaces.names import read_names, stand_in, who_of
from deskwire.workspaces.organizations.organizations import organization_members, organizations


@dataclass(frozen=True, slots=True)
class Circle:
    """Who may be mentioned in a request and watch it, by id, each by name."""

    members: Mapping[PersonId, Who]
    staff: Mapping[PersonId, Who]
    others: Mapping[PersonId, Who] = field(default_factory=dict)  # asked for by their ids
    taking_part: Sequence[tuple[Who, str]] = ()  # in the ticket asked for, each with their role

    @property
    def everybody(self) -> dict[PersonId, Who]:
        return {**self.members, **self.staff}

    def names_of(self, tx: Connection, principals: Iterable[str | None]) -> dict[str, Who]:
        """Everybody in `principals` by name; who is no person here takes a statement more."""
        known = {**self.others, **self.everybody}
        wanted = {principal for principal in principals if principal}
        return {p: known[p] for p in wanted & known.keys()} | read_names(tx, wanted - known.keys())


def read_circle(
    tx: Connection, workspace: Workspace, also: Iterable[str | None] = (), ticket: str = ""
) -> Circle:
    """The members of an organization and of the team, the persons in `also`, and who takes part
    in a ticket: one statement."""
    wanted = [principal for principal in also if principal]
    asked = [_members(workspace.removeprefix("org:"))]
    if wanted:
        others = select(people.c.id, people.c.name, people.c.avatar, null(), null())
        asked.append(others.where(people.c.id.in_(wanted)))
    if ticket:
        asked.append(_taking_part(ticket))
    found: dict[bool | None, dict[PersonId, Who]] = {False: {}, True: {}, None: {}}
    taking_part = []
    for id_, name, avatar, internal, role in sorted(tx.execute(union_all(*asked)), key=_by_name):
        who = who_of(id_, name or stand_in(id_), avatar)
        found[internal][id_] = who
        if role is not None:
            taking_part.append((who, role))
    return Circle(found[False], found[True], found[None], taking_part)


def _members(organization: str) -> Select[Any]:
    member = organization_members
    theirs = organizations.c.id == member.c.organization
    joined = member.join(organizations, theirs).join(people, people.c.id == member.c.person)
    return (
        select(people.c.id, people.c.name, people.c.avatar, organizations.c.internal, null())
        .select_from(joined)
        .where(
            and_(people.c.deleted_at.is_(None), organizations.c.deleted_at.is_(None)),
            people.c.deactivated_at.is_(None),
            or_(organizations.c.id == organization, organizations.c.internal),
        )
    )


def _taking_part(ticket: str) -> Select[Any]:
    part = participants.c
    return (
        select(part.principal, people.c.name, people.c.avatar, null(), part.role)
        .outerjoin_from(participants, people, people.c.id == part.principal)
        .where(part.ticket == ticket)
    )


def _by_name(row: Row[Any]) -> tuple[str, str]:
    return row.name or "", row.id
