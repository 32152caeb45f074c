"""Test that no one invites themselves, and no one gives a role that allows more than their own."""

from __future__ import annotations

import pytest

from deskwire.accounts import people
from deskwire.kit.errors import Forbidden
from deskwire.workspaces.organizations import invitation_acceptance, invitations, members
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    INTERNAL_ROLES,
    ROLE_PERMISSIONS,
    Permission,
    may_give,
)
from tests.fixtures.cast import ADA, BO, CY, DEE, EVE, MO, UNA, Persona
from tests.fixtures.staffed_portal import StaffedPortalFixture


@pytest.mark.parametrize("role", CLIENT_ROLES)
@pytest.mark.parametrize("persona", [DEE, MO], ids=["operations manager", "super admin"])
def test_inviting_yourself_is_refused(
    staffed_portal: StaffedPortalFixture, persona: Persona, role: str
) -> None:
    quay = staffed_portal.organization_ids["quay"]

    with pytest.raises(Forbidden, match="invite yourself"):
        staffed_portal.act_as(persona, invitations.invite, quay, f" {persona.email.upper()}", role)


def test_an_inviter_cannot_accept_their_own_invitation(
    staffed_portal: StaffedPortalFixture,
) -> None:
    quay, dee = staffed_portal.organization_ids["quay"], staffed_portal.desk.person_id(DEE)
    token = staffed_portal.act_as(DEE, invitations.invite, quay, "dee+@desk.test", "member")
    statement = people.people.update().where(people.people.c.id == dee)
    staffed_portal.desk.db.write_sync(
        lambda tx: tx.execute(statement.values(email="dee+@desk.test"))
    )

    with pytest.raises(Forbidden, match="invite yourself"):
        staffed_portal.act_as(DEE, invitation_acceptance.accept, token)


def test_an_operations_manager_cannot_make_admins(staffed_portal: StaffedPortalFixture) -> None:
    quay, una = staffed_portal.organization_ids["quay"], staffed_portal.desk.person_id(UNA)

    with pytest.raises(Forbidden, match="Only an admin can invite"):
        staffed_portal.act_as(DEE, invitations.invite, quay, EVE.email, "admin")
    with pytest.raises(Forbidden, match="Only an admin can make"):
        staffed_portal.act_as(DEE, members.change_member_role, quay, una, "admin")
    staffed_portal.act_as(DEE, invitations.invite, quay, EVE.email, "manager")
    staffed_portal.act_as(DEE, members.change_member_role, quay, una, "manager")


@pytest.mark.parametrize("persona", [BO, MO], ids=["admin", "super admin"])
def test_people_with_all_permissions_of_an_admin_can_make_admins(
    staffed_portal: StaffedPortalFixture, persona: Persona
) -> None:
    quay, una = staffed_portal.organization_ids["quay"], staffed_portal.desk.person_id(UNA)

    staffed_portal.act_as(persona, invitations.invite, quay, EVE.email, "admin")
    staffed_portal.act_as(persona, members.change_member_role, quay, una, "admin")


def test_the_permissions_of_an_admin_count_only_in_their_organization(
    staffed_portal: StaffedPortalFixture,
) -> None:
    loft, quay = (staffed_portal.organization_ids[slug] for slug in ("loft", "quay"))
    members_of_loft = {"person_id": staffed_portal.desk.person_id(DEE), "role": "admin"}
    staffed_portal.act_as(
        CY,
        lambda tx, actor: members.add_member(
            tx, actor, staffed_portal.read_organization(tx, actor, "loft"), **members_of_loft
        ),
    )

    staffed_portal.act_as(DEE, invitations.invite, loft, EVE.email, "admin")
    with pytest.raises(Forbidden):
        staffed_portal.act_as(DEE, invitations.invite, quay, EVE.email, "admin")


@pytest.mark.parametrize("giver", [*CLIENT_ROLES, *INTERNAL_ROLES])
@pytest.mark.parametrize("role", [*CLIENT_ROLES, *INTERNAL_ROLES])
def test_a_role_can_be_given_only_by_holders_of_all_its_permissions(giver: str, role: str) -> None:
    held = {str(name): permissions for name, permissions in ROLE_PERMISSIONS.items()}
    named = next(name for name in ROLE_PERMISSIONS if name == role)

    assert may_give(held[giver], named) == (held[giver] | held[role] == held[giver])
    if Permission.EMPLOY in held[giver] and role in INTERNAL_ROLES:
        assert may_give(held[giver], named), "those who give roles in the team hold each of them"


def test_an_analyst_cannot_invite(staffed_portal: StaffedPortalFixture) -> None:
    with pytest.raises(Forbidden):
        staffed_portal.act_as(
            ADA, invitations.invite, staffed_portal.organization_ids["quay"], EVE.email, "member"
        )
