"""Test that invitations end with the account, or the permission, of the person who invited."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import OperationalError

from deskwire.kit.errors import Forbidden
from deskwire.tickets.actions import offboarding
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations import invitations, members
from tests.fixtures.cast import BO, CY, DEE, EVE, MO, UNA
from tests.fixtures.staffed_portal import StaffedPortalFixture


def test_deleting_an_account_erases_unaccepted_invitations_to_its_address(
    staffed_portal: StaffedPortalFixture,
) -> None:
    organization_id, loft = (
        staffed_portal.organization_ids["quay"],
        staffed_portal.organization_ids["loft"],
    )
    staffed_portal.act_as(BO, invitations.invite, organization_id, EVE.email, "member")
    staffed_portal.act_as(
        BO, invitations.invite, organization_id, EVE.email, "manager"
    )  # ends the one before
    staffed_portal.act_as(CY, invitations.invite, loft, EVE.email, "member")

    staffed_portal.desk.db.write_sync(
        offboarding.delete_account, staffed_portal.desk.person_id(EVE), staffed_portal.desk.now
    )

    open_invitations = select(invitations.invitations.c.role).where(
        invitations.invitations.c.email == EVE.email
    )
    roles = staffed_portal.desk.db.read_sync(lambda tx: [*tx.execute(open_invitations).scalars()])
    assert sorted(roles) == ["manager", "member"], "only those that are open"


def test_a_demotion_revokes_invitations_the_new_role_may_not_send(
    staffed_portal: StaffedPortalFixture,
) -> None:
    organization_id, una = (
        staffed_portal.organization_ids["quay"],
        staffed_portal.desk.person_id(UNA),
    )
    staffed_portal.act_as(BO, members.change_member_role, organization_id, una, "admin")
    for role in ("admin", "member"):
        staffed_portal.act_as(
            UNA, invitations.invite, organization_id, f"una+{role}@desk.test", role
        )
    staffed_portal.act_as(DEE, invitations.invite, organization_id, "dee+@desk.test", "manager")

    def open_ones() -> set[str]:
        found = staffed_portal.desk.db.read_sync(
            invitations.list_open_invitations, organization_id, staffed_portal.desk.now
        )
        return {each.email.partition("@")[0] for each in found}

    at_first = open_ones()
    staffed_portal.act_as(BO, members.change_member_role, organization_id, una, "manager")
    as_manager = open_ones()
    staffed_portal.act_as(BO, members.change_member_role, organization_id, una, "member")
    as_member = open_ones()
    staffed_portal.act_as(MO, offboarding.remove_staff, staffed_portal.desk.person_id(DEE))

    assert at_first == {"una+admin", "una+member", "dee+"}
    assert as_manager == {"una+member", "dee+"}
    assert as_member == {"dee+"}
    assert open_ones() == set()


def test_a_role_lost_meanwhile_gives_no_right_to_invite(
    staffed_portal: StaffedPortalFixture,
) -> None:
    organization_id, una = (
        staffed_portal.organization_ids["quay"],
        staffed_portal.desk.person_id(UNA),
    )
    staffed_portal.act_as(BO, members.change_member_role, organization_id, una, "manager")
    before = {
        each: Actor(staffed_portal.desk.read_viewer(each), staffed_portal.desk.now)
        for each in (UNA, DEE)
    }
    staffed_portal.act_as(BO, members.change_member_role, organization_id, una, "member")
    staffed_portal.act_as(MO, offboarding.remove_staff, staffed_portal.desk.person_id(DEE))

    for actor_before in before.values():
        with pytest.raises(Forbidden, match="invite people"):
            staffed_portal.desk.db.write_sync(
                invitations.invite, actor_before, organization_id, "n@desk.test", "member"
            )

    assert (
        staffed_portal.desk.db.read_sync(
            invitations.list_open_invitations, organization_id, staffed_portal.desk.now
        )
        == []
    )


@pytest.mark.database("postgresql")
@pytest.mark.parametrize(
    "shrink",
    [
        members.change_member_role,
        offboarding.remove_staff,
        offboarding.deactivate_person,
        offboarding.delete_account,
    ],
)
def test_a_concurrent_demotion_leaves_no_forbidden_invitation(
    staffed_portal: StaffedPortalFixture, shrink: Callable[..., None]
) -> None:
    organization_id, actor = (
        staffed_portal.organization_ids["quay"],
        DEE if shrink is offboarding.remove_staff else UNA,
    )
    staffed_portal.act_as(
        BO,
        members.change_member_role,
        organization_id,
        staffed_portal.desk.person_id(UNA),
        "manager",
    )
    person, at = staffed_portal.desk.person_id(actor), staffed_portal.desk.now

    def at_once(tx: Connection) -> None:
        tx.execute(text("SET LOCAL lock_timeout = '50ms'"))
        match shrink:
            case members.change_member_role:
                members.change_member_role(
                    tx,
                    Actor(staffed_portal.desk.read_viewer(BO), at),
                    organization_id,
                    person,
                    "member",
                )
            case offboarding.delete_account:
                offboarding.delete_account(tx, person, at)
            case _:
                shrink(tx, Actor(staffed_portal.desk.read_viewer(MO), at), person)

    def invite(tx: Connection) -> None:
        inviting_actor = Actor(staffed_portal.desk.read_viewer(actor), at)
        invitations.invite(tx, inviting_actor, organization_id, "n@desk.test", "member")
        with pytest.raises(OperationalError, match="lock timeout"):
            staffed_portal.desk.db.write_sync(
                at_once
            )  # nothing is committed yet that it could find

    staffed_portal.desk.db.write_sync(invite)
