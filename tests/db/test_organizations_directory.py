"""Test the directory: every person and organization is found, page by page, on every database."""

from __future__ import annotations

import pytest

from deskwire.accounts import people
from deskwire.events.redaction import FORMER_MEMBER
from deskwire.kit.clock import DAY
from deskwire.kit.errors import Conflict, Forbidden, Invalid
from deskwire.tickets.actions import offboarding
from deskwire.tickets.queries.counts import count_open_requests_in
from deskwire.workspaces.organizations import create, directory
from deskwire.workspaces.organizations.create import create_organization
from deskwire.workspaces.organizations.directory import (
    DirectoryFilter,
    list_client_organizations,
    search_organizations,
    search_people,
)
from tests.fixtures.cast import ADA, BO, CY, DEE, MO, UNA, Persona
from tests.fixtures.staffed_portal import StaffedPortalFixture


def names(staffed_portal: StaffedPortalFixture, **seek: str) -> list[str]:
    db, viewer = staffed_portal.desk.db, staffed_portal.desk.read_viewer(MO)
    found, _ = db.read_sync(search_people, viewer, directory.parse_directory_filter(seek))
    return [each.person.name for each in found]


def test_people_are_found_by_parts_of_their_details(
    staffed_portal: StaffedPortalFixture,
) -> None:
    staffed_portal.desk.db.write_sync(
        people.create, name="100 %_Anne", email=None, at=staffed_portal.desk.now
    )

    assert names(staffed_portal, q="CASTELL") == [BO.name]
    assert names(staffed_portal, q="bo@desk") == [BO.name]
    assert names(staffed_portal, q=CY.discord_id) == [CY.name]
    assert names(staffed_portal, q="%_") == ["100 %_Anne"], "signs of LIKE are letters here"
    assert names(staffed_portal, q="\0\ud800") == names(staffed_portal)
    assert len(names(staffed_portal, group="made-up")) == 8
    assert names(staffed_portal, group="deactivated") == []


def test_former_members_are_in_no_list(staffed_portal: StaffedPortalFixture) -> None:
    staffed_portal.desk.db.write_sync(
        offboarding.delete_account, staffed_portal.desk.person_id(UNA), staffed_portal.desk.now
    )

    assert UNA.name not in names(staffed_portal)
    assert FORMER_MEMBER not in names(staffed_portal)


def test_a_person_is_listed_with_their_organizations(staffed_portal: StaffedPortalFixture) -> None:
    db, viewer = staffed_portal.desk.db, staffed_portal.desk.read_viewer(MO)

    bo, mo = (
        db.read_sync(directory.read_person, viewer, staffed_portal.desk.person_id(each))
        for each in (BO, MO)
    )

    assert [(each.name, each.href, each.role) for each in bo.client_memberships] == [
        ("The Quay", "/orgs/quay", "admin")
    ]
    assert (bo.staff_role, bo.discord_id, mo.staff_role, mo.client_memberships) == (
        None,
        BO.discord_id,
        "super_admin",
        (),
    )


def test_organizations_are_paginated_including_deleted_ones(
    staffed_portal: StaffedPortalFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "PAGE_SIZE", 2)
    for name in ("Pier", "Mole"):
        staffed_portal.act_as(BO, create_organization, name)
    staffed_portal.act_as(
        CY, offboarding.delete_organization, staffed_portal.organization_ids["loft"], "The Loft"
    )
    staffed_portal.create_request(BO, "The mast is dark")
    db, viewer = staffed_portal.desk.db, staffed_portal.desk.read_viewer(ADA)

    first, after = db.read_sync(search_organizations, viewer, DirectoryFilter())
    second, end = db.read_sync(search_organizations, viewer, DirectoryFilter(after=after))

    known = {each.organization.name: each for each in (*first, *second)}
    assert (len(first), len(second), end) == (2, 2, "")
    assert known.keys() == {"Pier", "Mole", "The Quay", "The Loft"}
    assert [name for name, each in known.items() if each.deleted_at] == ["The Loft"]
    assert known["The Quay"].member_count == 2
    workspace = known["The Quay"].organization.workspace
    assert db.read_sync(count_open_requests_in, viewer, [workspace]) == {workspace: 1}
    assert (
        db.read_sync(count_open_requests_in, staffed_portal.desk.read_viewer(BO), [workspace]) == {}
    )


def test_visible_organizations_are_paginated_in_order_of_creation(
    staffed_portal: StaffedPortalFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "PAGE_SIZE", 2)
    for name in ("Pier", "Mole", "Mole"):
        staffed_portal.act_as(CY, create_organization, name)
    db = staffed_portal.desk.db

    def pages(persona: Persona) -> list[list[str]]:
        found, after = [], ""
        while True:
            page, following = db.read_sync(
                list_client_organizations, staffed_portal.desk.read_viewer(persona), after
            )
            found.append([each.name for each in page])
            if following is None:
                return found
            after = following

    assert pages(ADA) == [["The Quay", "The Loft"], ["Pier", "Mole"], ["Mole"]]
    assert pages(CY) == [["The Loft", "Pier"], ["Mole", "Mole"]]
    assert pages(BO) == [["The Quay"]]
    for nonsense in ("x", "x.Mole", "\0"):
        with pytest.raises(Invalid):
            db.read_sync(list_client_organizations, staffed_portal.desk.read_viewer(ADA), nonsense)


def test_the_organizations_a_person_creates_are_limited(
    staffed_portal: StaffedPortalFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "MAX_ADMINISTERED_ORGANIZATIONS", 2)
    pier = staffed_portal.act_as(CY, create_organization, "Pier")

    with pytest.raises(Conflict, match="admin of 2 organizations"):
        staffed_portal.act_as(CY, create_organization, "Mole")
    staffed_portal.act_as(CY, offboarding.delete_organization, pier.id, "Pier")
    with pytest.raises(Conflict):
        staffed_portal.act_as(CY, create_organization, "Mole")
    staffed_portal.desk.now += DAY
    staffed_portal.act_as(CY, create_organization, "Mole")
    for name in ("Dock", "Slip", "Lock"):
        staffed_portal.act_as(DEE, create_organization, name)


def test_only_permitted_staff_read_the_directory(staffed_portal: StaffedPortalFixture) -> None:
    for actor in (ADA, BO):
        with pytest.raises(Forbidden):
            staffed_portal.desk.db.read_sync(
                search_people, staffed_portal.desk.read_viewer(actor), DirectoryFilter()
            )
    with pytest.raises(Forbidden):
        staffed_portal.desk.db.read_sync(
            search_organizations, staffed_portal.desk.read_viewer(BO), DirectoryFilter()
        )
