"""The circle of an organization's requests: its members, and the team."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, null, or_, select, union_all

from deskwire.accounts.people import people
from deskwire.events.channels import PersonId, Workspace
from deskwire.events.types.registry import PrincipalRef
from deskwire.tickets.tables import participants
from deskwire.workspaces.names import named_person, placeholder_name, read_names
from deskwire.workspaces.organizations.organizations import organization_members, organizations


@dataclass(frozen=True, slots=True)
class RequestPeople:
    """Who may be mentioned in a request and watch it, by id, each by name."""

    members: Mapping[PersonId, PrincipalRef]
    staff: Mapping[PersonId, PrincipalRef]
    others: Mapping[PersonId, PrincipalRef] = field(default_factory=dict)  # asked for by their ids
    participants: Sequence[
        tuple[PrincipalRef, str]
    ] = ()  # in the ticket asked for, each with their role

    @property
    def members_and_staff(self) -> dict[PersonId, PrincipalRef]:
        return {**self.members, **self.staff}

    def resolve_names(
        self, tx: Connection, principals: Iterable[str | None]
    ) -> dict[str, PrincipalRef]:
        """Everybody in `principals` by name; who is no person here takes a statement more."""
        known = {**self.others, **self.members_and_staff}
        wanted = {principal for principal in principals if principal}
        return {p: known[p] for p in wanted & known.keys()} | read_names(tx, wanted - known.keys())


def read_request_people(
    tx: Connection,
    workspace: Workspace,
    extra_people: Iterable[str | None] = (),
    ticket_id: str = "",
) -> RequestPeople:
    """The members of an organization and of the team, the persons in `also`, and who takes part
    in a ticket: one statement."""
    wanted = [principal for principal in extra_people if principal]
    asked = [_select_members_and_staff(workspace.removeprefix("org:"))]
    if wanted:
        others = select(people.c.id, people.c.name, people.c.avatar, null(), null())
        asked.append(others.where(people.c.id.in_(wanted)))
    if ticket_id:
        asked.append(_select_participants(ticket_id))
    found: dict[bool | None, dict[PersonId, PrincipalRef]] = {False: {}, True: {}, None: {}}
    taking_part = []
    for id_, name, avatar, internal, role in sorted(
        tx.execute(union_all(*asked)), key=_sort_key_by_name
    ):
        who = named_person(id_, name or placeholder_name(id_), avatar)
        found[internal][id_] = who
        if role is not None:
            taking_part.append((who, role))
    return RequestPeople(found[False], found[True], found[None], taking_part)


def _select_members_and_staff(organization_id: str) -> Select[Any]:
    member = organization_members
    theirs = organizations.c.id == member.c.organization
    joined = member.join(organizations, theirs).join(people, people.c.id == member.c.person)
    return (
        select(people.c.id, people.c.name, people.c.avatar, organizations.c.internal, null())
        .select_from(joined)
        .where(
            and_(people.c.deleted_at.is_(None), organizations.c.deleted_at.is_(None)),
            people.c.deactivated_at.is_(None),
            or_(organizations.c.id == organization_id, organizations.c.internal),
        )
    )


def _select_participants(ticket_id: str) -> Select[Any]:
    part = participants.c
    return (
        select(part.principal, people.c.name, people.c.avatar, null(), part.role)
        .outerjoin_from(participants, people, people.c.id == part.principal)
        .where(part.ticket == ticket_id)
    )


def _sort_key_by_name(row: Row[Any]) -> tuple[str, str]:
    return row.name or "", row.id
