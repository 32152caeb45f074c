"""Test that people take part in requests only where they have a role, and are told nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, insert, select, text

from deskwire.direct_edits.processor import record_edits
from deskwire.events.log import log
from deskwire.tickets.actions import offboarding, update
from deskwire.tickets.participants import read_request_people
from deskwire.tickets.tables import participants
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations import members
from deskwire.workspaces.organizations.organizations import organization_members
from tests.fixtures.cast import ADA, BO, DEE, MO, UNA, Persona
from tests.fixtures.staffed_portal import StaffedPortalFixture

Leave = Callable[[StaffedPortalFixture, str], object]  # ends the membership of Una, by her id


def list_participants(portal: StaffedPortalFixture, request: str) -> set[str]:
    """The ids of a request's participants, as its page and the API list them."""
    workspace = f"org:{portal.organization_ids['quay']}"

    def read(tx: Connection) -> set[str]:
        people = read_request_people(tx, workspace, ticket_id=request)
        return {person.id for person, _role in people.participants}

    return portal.desk.db.read_sync(read)


def join(portal: StaffedPortalFixture, persona: Persona) -> None:
    """Make a persona a member of the Quay."""
    person_id, organization_id = portal.desk.person_id(persona), portal.organization_ids["quay"]

    def add(tx: Connection, actor: Actor) -> None:
        organization = portal.read_organization(tx, actor, "quay")
        assert organization.id == organization_id
        members.add_member(tx, actor, organization, person_id, "member")

    portal.act_as(BO, add)


def delete_row(portal: StaffedPortalFixture, una: str) -> None:
    statement = text("DELETE FROM organization_members WHERE person = :una")
    portal.desk.db.write_sync(lambda tx: tx.execute(statement, {"una": una}))
    while portal.desk.db.write_sync(record_edits):
        pass


LEAVING: dict[str, Leave] = {
    "is removed": lambda portal, una: portal.act_as(
        BO, offboarding.remove_member, portal.organization_ids["quay"], una
    ),
    "leaves": lambda portal, una: portal.act_as(
        UNA, offboarding.remove_member, portal.organization_ids["quay"], una
    ),
    "is deleted with SQL": delete_row,
}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
def test_a_member_who_left_participates_in_nothing_even_when_invited_again(
    staffed_portal: StaffedPortalFixture, leave: Leave
) -> None:
    staffed_portal.set_visibility("quay", "participants")
    una = staffed_portal.desk.person_id(UNA)
    opened, watched = (
        staffed_portal.create_request(UNA, "The mast is dark"),
        staffed_portal.create_request(BO, "The crane is stuck"),
    )
    staffed_portal.act_as(BO, update.add_watcher, watched, una)
    before = staffed_portal.desk.read_viewer(UNA).channels

    leave(staffed_portal, una)
    listed = [list_participants(staffed_portal, each) for each in (opened, watched)]
    join(staffed_portal, UNA)

    assert {f"ticket:{opened}", f"ticket:{watched}"} <= before
    assert listed == [set(), {staffed_portal.desk.person_id(BO)}]
    again = staffed_portal.desk.read_viewer(UNA).channels
    assert not any(channel.startswith("ticket:") for channel in again)


def test_a_deleted_account_participates_in_nothing(staffed_portal: StaffedPortalFixture) -> None:
    una, at = staffed_portal.desk.person_id(UNA), staffed_portal.desk.now
    request = staffed_portal.create_request(UNA, "The mast is dark")

    staffed_portal.desk.db.write_sync(offboarding.delete_account, una, at + 1000)

    assert list_participants(staffed_portal, request) == set()


def test_a_staff_watcher_stays_one_until_they_leave_the_staff(
    staffed_portal: StaffedPortalFixture,
) -> None:
    ada, request = staffed_portal.desk.person_id(ADA), staffed_portal.create_request(BO, "A buoy")
    staffed_portal.act_as(ADA, update.add_watcher, request, ada)
    join(staffed_portal, ADA)

    staffed_portal.act_as(
        BO, offboarding.remove_member, staffed_portal.organization_ids["quay"], ada
    )
    as_staff = list_participants(staffed_portal, request)
    staffed_portal.act_as(MO, offboarding.remove_staff, ada)

    assert ada in as_staff
    assert list_participants(staffed_portal, request) == {staffed_portal.desk.person_id(BO)}


def test_leaving_one_organization_keeps_participation_in_another(
    staffed_portal: StaffedPortalFixture,
) -> None:
    una, at = staffed_portal.desk.person_id(UNA), staffed_portal.desk.now
    loft = staffed_portal.organization_ids["loft"]
    row = {"organization": loft, "person": una, "role": "member", "joined_at": at, "revision": 1}
    table = organization_members
    staffed_portal.desk.db.write_sync(lambda tx: tx.execute(insert(table).values(row)))
    elsewhere = staffed_portal.create_request(UNA, "A window", slug="loft")

    staffed_portal.act_as(
        UNA, offboarding.remove_member, staffed_portal.organization_ids["quay"], una
    )

    assert f"ticket:{elsewhere}" in staffed_portal.desk.read_viewer(UNA).channels


def test_removing_a_former_member_as_a_watcher_sends_them_no_event(
    staffed_portal: StaffedPortalFixture,
) -> None:
    una, request = staffed_portal.desk.person_id(UNA), staffed_portal.create_request(BO, "A buoy")
    staffed_portal.act_as(
        UNA, offboarding.remove_member, staffed_portal.organization_ids["quay"], una
    )
    row = {"ticket": request, "principal": una, "role": "watcher"}  # of before they were struck
    staffed_portal.desk.db.write_sync(lambda tx: tx.execute(insert(participants).values(row)))

    staffed_portal.act_as(BO, update.remove_watcher, request, una)

    assert not set(read_channels(staffed_portal)) & staffed_portal.desk.read_viewer(UNA).channels


def test_watching_is_announced_only_to_viewers_of_the_request(
    staffed_portal: StaffedPortalFixture,
) -> None:
    request, dee = staffed_portal.create_request(BO, "A buoy"), staffed_portal.desk.person_id(DEE)

    staffed_portal.act_as(BO, update.add_watcher, request, dee)

    workspace = f"org:{staffed_portal.organization_ids['quay']}"
    assert read_channels(staffed_portal) == ["staff", f"{workspace}:1", f"ticket:{request}"]


def read_channels(portal: StaffedPortalFixture) -> list[str]:
    """The channels of the newest event."""
    newest = select(log.c.channels).order_by(log.c.position.desc()).limit(1)
    channels: list[str] = json.loads(
        portal.desk.db.read_sync(lambda tx: tx.execute(newest).scalar_one())
    )
    return channels
