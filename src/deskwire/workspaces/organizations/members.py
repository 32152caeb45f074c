"""Add and remove members of organizations, and change their roles.

Open streams of the member authorize again at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from deskwire.accounts.people import people
from deskwire.events import channels, log
from deskwire.events.channels import STAFF_CHANNEL, PersonId
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
from deskwire.kit.rows import fetch_all
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import named_person, read_names
from deskwire.workspaces.organizations.invitations import revoke_all_by, revoke_unauthorized
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_members,
    organizations,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    Permission,
    may_give,
    parse_client_role,
    permissions_in,
    require,
)

LAST_ADMIN_MESSAGE = N_(
    "An organization needs an admin who can sign in. Make someone else an admin first."
)


class Membership:
    """A row of `list_memberships`: an organization and the person's role in it."""

    id: str
    name: str
    slug: str
    internal: bool
    role: str
    joined_at: int


@dataclass(frozen=True, slots=True)
class OrganizationMember:
    """A member of an organization."""

    person: PrincipalRef
    email: str | None
    role: str
    joined_at: Millis


def read_members(tx: Connection, organization_id: str) -> list[OrganizationMember]:
    """List the members of an organization, by name."""
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


def list_memberships(tx: Connection, person_id: PersonId) -> Sequence[Membership]:
    """List the existing organizations a person is a member of, by id."""
    org, member = organizations.c, organization_members.c
    query = (
        select(org.id, org.name, org.slug, org.internal, member.role, member.joined_at)
        .select_from(organization_members.join(organizations, org.id == member.organization))
        .where(member.person == person_id, org.deleted_at.is_(None))
        .order_by(org.id)
    )
    return fetch_all(tx, query, Membership)


def add_member(
    tx: Connection, actor: Actor, organization: Organization, person_id: PersonId, role: str
) -> None:
    """Make a person a member, without a permission check; a member keeps their role.

    Raises Invalid if there is no such role.
    """
    if role not in CLIENT_ROLES:
        raise Invalid(
            gettext(
                "%(role)s is not a role here. Choose one of: %(words)s.",
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


def change_member_role(
    tx: Connection, actor: Actor, organization_id: str, person_id: PersonId, role: str
) -> None:
    """Change the role of a member, and revoke their invitations that the new role does not allow.

    Raises Forbidden for the actor's own role and for one that allows more than theirs, and Conflict
    if it is the last admin's.
    """
    organization = _lock_client_organization(tx, actor, organization_id)
    require(actor.viewer, Permission.MEMBERS, organization.workspace)
    if person_id == actor.subject:
        raise Forbidden(gettext("You can’t change your own role. Ask another admin."))
    given = parse_client_role(role)
    before = _read_role(tx, organization.id, person_id)
    if before is None:
        raise NotFound(gettext("This member doesn’t exist."))
    if before == given:
        return
    if not may_give(permissions_in(actor.viewer, organization.workspace), given):
        raise Forbidden(gettext("Only an admin can make someone else an admin."))
    if before == "admin":
        _require_other_admin(tx, organization.id, person_id)
    member = organization_members
    statement = update(member).where(_where_member(organization.id, person_id))
    statement = statement.values(role=role, revision=member.c.revision + 1)
    revision = tx.execute(statement.returning(member.c.revision)).scalar_one()
    fields = _event_fields(tx, actor, organization, person_id)
    event = MemberRoleChanged(**fields, permissions=[], role=role, revision=revision)
    record_organization_member_event(tx, event, organization, person_id)
    revoke_unauthorized(tx, person_id, actor.subject, actor.at)


def remove_member_except_tickets(
    tx: Connection, actor: Actor, organization_id: str, person_id: PersonId
) -> None:
    """Remove a member from an organization, or leave it, and revoke their invitations into it.

    They stay participants of its requests: call `offboarding.remove_member` instead. Raises
    Conflict if they are the last admin.
    """
    organization = _lock_client_organization(tx, actor, organization_id)
    if person_id != actor.subject:
        require(actor.viewer, Permission.MEMBERS, organization.workspace)
    before = _read_role(tx, organization.id, person_id)
    if before is None:
        raise NotFound(gettext("This member doesn’t exist."))
    if before == "admin":
        _require_other_admin(tx, organization.id, person_id)
    delete_membership_row(tx, organization.id, person_id)
    event = MemberRemoved(**_event_fields(tx, actor, organization, person_id))
    record_organization_member_event(tx, event, organization, person_id)
    revoke_all_by(tx, person_id, actor.subject, actor.at, organization_id)


def _lock_client_organization(tx: Connection, actor: Actor, organization_id: str) -> Organization:
    acquire_advisory_lock(tx, f"members of {organization_id}")
    organization = read_visible_by_id(tx, actor.viewer, organization_id)
    if organization.internal:
        raise Forbidden(
            gettext("Team membership is managed from the command line: deskwire people employ.")
        )
    return organization


def _require_other_admin(tx: Connection, organization_id: str, except_id: PersonId) -> None:
    """Raise Conflict if no other member is an admin who can sign in."""
    member = organization_members
    admins = (
        select(member.c.person, people.c.deactivated_at)
        .join(people, people.c.id == member.c.person)
        .where(member.c.organization == organization_id, member.c.role == "admin")
        .order_by(member.c.person)
    )
    # Row locks, as in account deletion: of two admins who leave at once, one must stay.
    rows = tx.execute(admins.with_for_update(of=member)).all()
    if not any(row.person != except_id and row.deactivated_at is None for row in rows):
        raise Conflict(gettext(LAST_ADMIN_MESSAGE))


def _read_role(tx: Connection, organization_id: str, person_id: PersonId) -> str | None:
    query = select(organization_members.c.role).where(_where_member(organization_id, person_id))
    return tx.execute(query).scalar_one_or_none()


def _where_member(organization_id: str, person_id: PersonId) -> ColumnElement[bool]:
    member = organization_members.c
    return and_(member.organization == organization_id, member.person == person_id)


def _event_fields(
    tx: Connection, actor: Actor, organization: Organization, person_id: PersonId
) -> dict[str, Any]:
    return {
        "workspace": organization.workspace,
        "actor": actor.subject,
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
    """Record an event about a member, for them, the other members and the staff.

    The member's streams authorize again.
    """
    own_channel = channels.user(person_id)
    log.append(
        tx,
        event,
        channels=[own_channel, organization.workspace, STAFF_CHANNEL],
        access_changes=[own_channel],
        cause=cause,
    )


def delete_membership_row(tx: Connection, organization_id: str, person_id: PersonId) -> None:
    """Delete a member's row only; the caller records the event and revokes invitations.

    The revision -1 marks the deletion as ours: the triggers take any other for a direct edit.
    """
    where = _where_member(organization_id, person_id)
    tx.execute(update(organization_members).where(where).values(revision=-1))
    tx.execute(delete(organization_members).where(where))
