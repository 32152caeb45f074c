"""The circle of an organization's requests: its members, and the team."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, or_, select

from deskwire.accounts.people import people
from deskwire.events.catalogue import Who
from deskwire.events.channels import PersonId, Workspace
from deskwire.workspaces.organizations import organization_members, organizations


@dataclass(frozen=True, slots=True)
class Circle:
    """Who may be mentioned in a request and watch it, by id, each by name."""

    members: Mapping[PersonId, Who]
    staff: Mapping[PersonId, Who]

    @property
    def everybody(self) -> dict[PersonId, Who]:
        return {**self.members, **self.staff}


def read_circle(tx: Connection, workspace: Workspace) -> Circle:
    """The members of an organization, and of the team, in one statement."""
    member, id_ = organization_members, workspace.removeprefix("org:")
    rows = tx.execute(
        select(people.c.id, people.c.name, organizations.c.internal)
        .select_from(
            member.join(organizations, organizations.c.id == member.c.organization).join(
                people, people.c.id == member.c.person
            )
        )
        .where(
            and_(people.c.deleted_at.is_(None), organizations.c.deleted_at.is_(None)),
            or_(organizations.c.id == id_, organizations.c.internal),
        )
        .order_by(people.c.name, people.c.id)
    ).all()
    named = [(Who(id=row.id, name=row.name), row.internal) for row in rows]
    return Circle(
        {who.id: who for who, internal in named if not internal},
        {who.id: who for who, internal in named if internal},
    )
