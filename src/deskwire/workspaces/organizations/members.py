"""Members of organizations: joining, another role, leaving; open streams follow at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from deskwire.accounts.people import people
from deskwire.events import channels, log
from deskwire.events.channels import STAFF_CHANNEL, Channel, PersonId
from deskwire.events.types.registry import (
    MemberJoined,
    MemberRemoved,
    MemberRoleChanged,
    NamedRef,
    PrincipalRef,
)
from deskwire.events.types.shapes import Event
from deskwire.kit.clock import Millis
from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import named_person, read_names
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_members,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import CLIENT_ROLES, Permission, require

LAST_ADMIN_MESSAGE = N_(
    "An organization needs an admin who can sign in. Make somebody else one first."
)


@dataclass(frozen=True, slots=True)
class OrganizationMember:
    """Somebody in an organization."""

    person: PrincipalRef
    email: str | None
    role: str
    joined_at: Millis


def read_members(tx: Connection, organization_id: str) -> list[OrganizationMember]:
    """Everybody in an organization, by name."""
    member = organization_members
    rows = tx.execute(
        select(people.c.id, people.c.name, people.c.avatar, people.c.email, member.c.role)
        .add_columns(member.c.joined_at)
        .join(member, member.c.person == people.c.id)
        .where(member.c.organization == organization_id)
        .order_by(people.c.name, people.c.id)
    )
    return [
        OrganizationMember(named_person(*row[:3]), row.email, row.role, row.joined_at)
        for row in rows
    ]


def add_member(
    tx: Connection, actor: Actor, organization: Organization, person_id: PersonId, role: str
) -> None:
    """Make somebody a member; whether they may be was asked before. Again changes nothing."""
    if role not in CLIENT_ROLES:
        raise Invalid(
            gettext(
                "%(role)s is no role here; one of %(words)s.",
                role=repr(role[:40]),
                words=", ".join(CLIENT_ROLES),
            )
        )
    acquire_advisory_lock(tx, f"members of {organization.id}")
    if _read_role(tx, organization.id, person_id) is not None:
        return
    row = {
        "organization": organization.id,
        "person": person_id,
        "role": role,
        "joined_at": actor.at,
    }
    tx.execute(insert(organization_members).values({**row, "revision": 1}))
    event = MemberJoined(**_event_fields(tx, actor, organization, person_id), role=role, revision=1)
    record_organization_member_event(tx, event, organization, person_id)


def update_membership_role(
    tx: Connection, actor: Actor, organization_id: str, person_id: PersonId, role: str
) -> None:
    """Give a member another role; nobody their own."""
    place = _lock_client_organization(tx, actor, organization_id)
    require(actor.viewer, Permission.MEMBERS, place.workspace)
    if person_id == actor.person_id:
        raise Forbidden(gettext("Nobody changes their own role. Ask another admin."))
    if role not in CLIENT_ROLES:
        raise Invalid(
            gettext("There is no such role."),
            {"role": gettext("One of %(words)s", words=", ".join(CLIENT_ROLES))},
        )
    before = _read_role(tx, place.id, person_id)
    if before is None:
        raise NotFound(gettext("There is no such member."))
    if before == role:
        return
    if before == "admin":
        _require_other_admin(tx, place.id, person_id)
    mine = update(organization_members).where(*_where_member(place.id, person_id))
    changed = mine.values(role=role, revision=organization_members.c.revision + 1)
    revision = tx.execute(changed.returning(organization_members.c.revision)).scalar_one()
    told = _event_fields(tx, actor, place, person_id)
    event = MemberRoleChanged(**told, permissions=[], role=role, revision=revision)
    record_organization_member_event(tx, event, place, person_id)


def delete_membership(
    tx: Connection, actor: Actor, organization_id: str, person_id: PersonId
) -> None:
    """Take a member out of an organization, or leave it oneself; their requests stay."""
    place = _lock_client_organization(tx, actor, organization_id)
    if person_id != actor.person_id:
        require(actor.viewer, Permission.MEMBERS, place.workspace)
    before = _read_role(tx, place.id, person_id)
    if before is None:
        raise NotFound(gettext("There is no such member."))
    if before == "admin":
        _require_other_admin(tx, place.id, person_id)
    delete_membership_row(tx, place.id, person_id)
    record_organization_member_event(
        tx, MemberRemoved(**_event_fields(tx, actor, place, person_id)), place, person_id
    )


def _lock_client_organization(tx: Connection, actor: Actor, organization_id: str) -> Organization:
    acquire_advisory_lock(tx, f"members of {organization_id}")
    place = read_visible_by_id(tx, actor.viewer, organization_id)
    if place.internal:
        raise Forbidden(
            gettext("Who is of the team is decided in the shell: deskwire people employ.")
        )
    return place


def _require_other_admin(tx: Connection, organization_id: str, except_id: PersonId) -> None:
    """Conflict if nobody else is an admin who can sign in."""
    member = organization_members
    admins = (
        select(member.c.person, people.c.deactivated_at)
        .join(people, people.c.id == member.c.person)
        .where(member.c.organization == organization_id, member.c.role == "admin")
        .order_by(member.c.person)
    )
    held = tx.execute(admins.with_for_update(of=member))  # as who deletes their account does
    if not any(row.person != except_id and row.deactivated_at is None for row in held.all()):
        raise Conflict(gettext(LAST_ADMIN_MESSAGE))


def _read_role(tx: Connection, organization_id: str, person_id: PersonId) -> str | None:
    chosen = select(organization_members.c.role).where(*_where_member(organization_id, person_id))
    return tx.execute(chosen).scalar_one_or_none()


def _where_member(organization_id: str, person_id: PersonId) -> tuple[Any, Any]:
    return (
        organization_members.c.organization == organization_id,
        organization_members.c.person == person_id,
    )


def _event_fields(
    tx: Connection, actor: Actor, organization: Organization, person_id: PersonId
) -> dict[str, Any]:
    return {
        "workspace": organization.workspace,
        "actor": actor.person_id,
        "member": read_names(tx, [person_id])[person_id],
        "place": NamedRef(id=organization.id, name=organization.name),
    }


def record_organization_member_event(
    tx: Connection,
    event: Event,
    organization: Organization,
    person_id: PersonId,
    cause: str | None = None,
) -> None:
    """Append an event about a member: to them, whose rights it touches, and to who knows them."""
    own: Channel = channels.user(person_id)
    log.append(
        tx,
        event,
        channels=[own, organization.workspace, STAFF_CHANNEL],
        access_changes=[own],
        cause=cause,
    )


def delete_membership_row(tx: Connection, organization_id: str, person_id: PersonId) -> None:
    """Delete a member's row as an action of ours: one that is marked is no edit by hand."""
    table, here = organization_members, _where_member(organization_id, person_id)
    tx.execute(update(table).where(*here).values(revision=-1))
    tx.execute(delete(table).where(*here))
