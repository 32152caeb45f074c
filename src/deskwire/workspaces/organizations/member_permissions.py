"""Read and lock a person's permissions in an organization, from their stored memberships.

Permissions of a viewer are in their grants (`permissions.permissions_in`); these are for people
other than the viewer, and for decisions that must not race with the removal of a role.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from deskwire.accounts import people
from deskwire.events.channels import PersonId
from deskwire.kit.rows import fetch_all
from deskwire.workspaces.organizations.organizations import organization_members, organizations
from deskwire.workspaces.organizations.permissions import ROLE_PERMISSIONS, Permission, Role


class OrganizationRole:
    """A row of `list_roles`: a role in an organization."""

    organization: str
    role: Role
    internal: bool


def list_roles(tx: Connection, person_id: PersonId) -> Sequence[OrganizationRole]:
    """List a person's roles in all organizations."""
    return fetch_all(tx, _select_roles(person_id), OrganizationRole)


def permissions_from_roles(
    roles: Iterable[OrganizationRole], organization_id: str
) -> frozenset[Permission]:
    """Return what roles allow in an organization; staff roles apply in every one."""
    applicable = (row.role for row in roles if row.internal or row.organization == organization_id)
    return frozenset[Permission]().union(*(ROLE_PERMISSIONS[role] for role in applicable))


def lock_permissions(
    tx: Connection, person_id: PersonId, organization_id: str
) -> frozenset[Permission]:
    """Return a person's permissions in an organization, and lock the rows they come from.

    A concurrent removal of a role or account updates those rows before it revokes invitations, so
    one of the two transactions always sees the other's change.
    """
    query = _select_roles(person_id).with_for_update(of=organization_members)
    roles = fetch_all(tx, query, OrganizationRole)
    account = people.people.c
    query_account = select(account.deactivated_at).where(account.id == person_id).with_for_update()
    is_deactivated = tx.execute(query_account).scalar_one() is not None
    return frozenset() if is_deactivated else permissions_from_roles(roles, organization_id)


def _select_roles(person_id: PersonId) -> Select[Any]:
    member, org = organization_members.c, organizations.c
    return (
        select(member.organization, member.role, org.internal)
        .join(organizations, org.id == member.organization)
        .where(member.person == person_id)
        .order_by(member.organization)
    )
