"""Read the people around a request: the organization's members, the staff, the participants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    null,
    or_,
    select,
    union_all,
)

from deskwire.accounts.people import people
from deskwire.events.channels import PersonId, Workspace, is_key
from deskwire.events.types.registry import PrincipalRef
from deskwire.kit.rows import fetch_all
from deskwire.tickets.tables import participants
from deskwire.workspaces.names import named_person, placeholder_name, read_names
from deskwire.workspaces.organizations.organizations import organization_members, organizations


class PersonOfRequestRow:
    """A person of a request: a member (`internal` is False), staff (True), or neither (None).

    `role` is set in the rows of participants.
    """

    id: PersonId
    name: str | None
    avatar: str | None
    internal: bool | None
    role: str | None


@dataclass(frozen=True, slots=True)
class RequestPeople:
    """The people who may be mentioned in a request and watch it, by their id."""

    members: Mapping[PersonId, PrincipalRef]
    staff: Mapping[PersonId, PrincipalRef]
    others: Mapping[PersonId, PrincipalRef] = field(default_factory=dict)  # `extra_people`
    participants: Sequence[tuple[PrincipalRef, str]] = ()  # of the ticket, with their roles

    @property
    def members_and_staff(self) -> dict[PersonId, PrincipalRef]:
        return {**self.members, **self.staff}

    def resolve_names(
        self, tx: Connection, principals: Iterable[str | None]
    ) -> dict[str, PrincipalRef]:
        """Return the names of `principals`; those not read before take one more statement."""
        known = {**self.others, **self.members_and_staff}
        wanted = {principal for principal in principals if principal}
        return {p: known[p] for p in wanted & known.keys()} | read_names(tx, wanted - known.keys())


def read_request_people(
    tx: Connection,
    workspace: Workspace,
    extra_people: Iterable[str | None] = (),
    ticket_id: str = "",
) -> RequestPeople:
    """Read, in one statement, the members of an organization and the staff.

    The same statement reads `extra_people` and, if `ticket_id` is given, the ticket's participants.
    """
    wanted = [principal for principal in extra_people if principal]
    queries = [_select_members_and_staff(workspace.removeprefix("org:"))]
    if wanted:
        others = select(people.c.id, people.c.name, people.c.avatar, null(), null())
        queries.append(others.where(people.c.id.in_(wanted)))
    if ticket_id:
        queries.append(_select_participants(ticket_id))
    by_group: dict[bool | None, dict[PersonId, PrincipalRef]] = {False: {}, True: {}, None: {}}
    participating = []
    rows = fetch_all(tx, union_all(*queries), PersonOfRequestRow)
    keys = read_names(tx, {row.id for row in rows if is_key(row.id)})
    for row in sorted(rows, key=lambda row: (row.name or "", row.id)):
        person = keys.get(row.id) or named_person(
            row.id, row.name or placeholder_name(row.id), row.avatar
        )
        by_group[row.internal][row.id] = person
        if row.role is not None:
            participating.append((person, row.role))
    return RequestPeople(by_group[False], by_group[True], by_group[None], participating)


def is_member(tx: Connection, workspace: Workspace, person: PersonId) -> bool:
    """Whether a person is a member of the organization."""
    return _has_role(tx, workspace, person, internal=False)


def is_staff_member(tx: Connection, workspace: Workspace, person: PersonId) -> bool:
    """Whether a person is one of the staff, who see every request."""
    return _has_role(tx, workspace, person, internal=True)


def _has_role(tx: Connection, workspace: Workspace, person: PersonId, *, internal: bool) -> bool:
    query = _select_members_and_staff(workspace.removeprefix("org:"))
    is_theirs = (people.c.id == person) & (organizations.c.internal == internal)
    return tx.execute(query.where(is_theirs)).first() is not None


def read_mentionable_names(
    tx: Connection, workspace: Workspace, *, only_staff: bool
) -> dict[PersonId, str]:
    """Return the names of the organization's members and the staff, or of the staff alone."""
    organization_id = "" if only_staff else workspace.removeprefix("org:")
    # Plain tuples: there may be a thousand people, and the transaction keeps the writer.
    rows = tx.execute(_SELECT_MENTIONABLE, {"organization": organization_id}).all()
    return {id_: name or placeholder_name(id_) for id_, name in rows}


def _select_members_and_staff(organization_id: str | BindParameter[str]) -> Select[Any]:
    member = organization_members
    joined = member.join(organizations, organizations.c.id == member.c.organization).join(
        people, people.c.id == member.c.person
    )
    return (
        select(
            people.c.id,
            people.c.name,
            people.c.avatar,
            organizations.c.internal,
            null().label("role"),
        )
        .select_from(joined)
        .where(
            and_(people.c.deleted_at.is_(None), organizations.c.deleted_at.is_(None)),
            people.c.deactivated_at.is_(None),
            or_(organizations.c.id == organization_id, organizations.c.internal),
        )
    )


_SELECT_MENTIONABLE = _select_members_and_staff(
    bindparam("organization", type_=Text)
).with_only_columns(people.c.id, people.c.name)


def _select_participants(ticket_id: str) -> Select[Any]:
    columns = participants.c
    return (
        select(columns.principal, people.c.name, people.c.avatar, null(), columns.role)
        .outerjoin_from(participants, people, people.c.id == columns.principal)
        .where(columns.ticket == ticket_id)
    )
