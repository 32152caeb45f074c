"""Test that an invitation that expires is recorded, once and at its time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy import update as update_rows

from deskwire.dispatches.timers import has_due_timers, run_due_timers
from deskwire.events.log import log
from deskwire.kit.clock import DAY
from deskwire.server.reach import TIMER_ACTIONS
from deskwire.tickets.actions import offboarding
from deskwire.workspaces.organizations import invitation_acceptance, invitations
from deskwire.workspaces.organizations.invitations import LIFETIME
from tests.fixtures.cast import BO, EVE
from tests.fixtures.dispatching import read_dispatches
from tests.fixtures.erasure import sweep_erasures
from tests.fixtures.staffed_portal import StaffedPortalFixture


def invite(portal: StaffedPortalFixture, email: str = "guest@desk.test") -> str:
    """Let Bo invite an address into the Quay; return the secret of the link."""
    quay = portal.organization_ids["quay"]
    return portal.act_as(BO, invitations.invite, quay, email, "member")


def run_timers(portal: StaffedPortalFixture, at: int) -> None:
    while portal.desk.db.read_sync(has_due_timers, at):
        portal.desk.db.write_sync(run_due_timers, TIMER_ACTIONS, at)


def list_expired(portal: StaffedPortalFixture) -> list[dict[str, Any]]:
    """Return the events of expired invitations, with their channels."""
    expired = log.c.type == "invitation.expired"
    query = select(log.c.data, log.c.channels).where(expired).order_by(log.c.position)
    return portal.desk.db.read_sync(
        lambda tx: [
            {**json.loads(row.data), "channels": json.loads(row.channels)}
            for row in tx.execute(query)
        ]
    )


def read_due_times(portal: StaffedPortalFixture) -> list[int]:
    """Return when the pending timers are due."""
    return [row.due_at for row in read_dispatches(portal.desk.db) if row.state == "ready"]


def test_an_invitation_that_expires_is_recorded_once_at_its_time(
    staffed_portal: StaffedPortalFixture,
) -> None:
    portal, quay = staffed_portal, staffed_portal.organization_ids["quay"]
    invite(portal)
    end = portal.desk.now + LIFETIME

    run_timers(portal, end - 1)
    assert list_expired(portal) == []
    run_timers(portal, end)
    run_timers(portal, end + DAY)

    [expired] = list_expired(portal)
    assert (expired["email"], expired["role"], expired["actor"]) == (
        "g…@desk.test",
        "member",
        "desk",
    )
    assert expired["channels"] == [f"org:{quay}", "staff"]


def test_accepting_or_revoking_an_invitation_cancels_its_timer(
    staffed_portal: StaffedPortalFixture,
) -> None:
    portal, quay = staffed_portal, staffed_portal.organization_ids["quay"]
    secret = invite(portal, EVE.email)
    portal.act_as(EVE, invitation_acceptance.accept, secret)
    assert read_dispatches(portal.desk.db) == []

    invite(portal)
    [open_one] = portal.desk.db.read_sync(invitations.list_open_invitations, quay, portal.desk.now)
    portal.act_as(BO, invitations.revoke, quay, open_one.id)
    assert read_dispatches(portal.desk.db) == []


def test_inviting_an_address_again_replaces_the_timer(
    staffed_portal: StaffedPortalFixture,
) -> None:
    portal = staffed_portal
    invite(portal)
    first_end = portal.desk.now + LIFETIME
    invite(portal)
    second_end = portal.desk.now + LIFETIME

    assert read_due_times(portal) == [second_end]
    run_timers(portal, first_end)
    assert list_expired(portal) == []
    run_timers(portal, second_end)
    assert len(list_expired(portal)) == 1


def test_deleting_the_organization_removes_the_timers_of_its_invitations(
    staffed_portal: StaffedPortalFixture, tmp_path: Path
) -> None:
    portal, quay = staffed_portal, staffed_portal.organization_ids["quay"]
    invite(portal)
    invite(portal, "other@desk.test")
    first_end = min(read_due_times(portal))
    portal.act_as(BO, offboarding.delete_organization, quay, "The Quay")

    run_timers(portal, first_end)
    assert list_expired(portal) == [], "nothing is said about a deleted organization"
    sweep_erasures(portal.desk.db, tmp_path / "files")
    assert read_due_times(portal) == []


def test_an_invitation_whose_expiry_was_moved_expires_then(
    staffed_portal: StaffedPortalFixture,
) -> None:
    portal = staffed_portal
    invite(portal)
    end = portal.desk.now + LIFETIME
    later = update_rows(invitations.invitations).values(expires_at=end + DAY)
    portal.desk.db.write_sync(lambda tx: tx.execute(later))

    run_timers(portal, end)
    assert list_expired(portal) == []
    assert read_due_times(portal) == [end + DAY]
    run_timers(portal, end + DAY)
    assert len(list_expired(portal)) == 1
