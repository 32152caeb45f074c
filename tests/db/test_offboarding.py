"""Test offboarding: requests are unassigned, and what a smaller role forbids is revoked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Connection, insert, select, text, update

from deskwire.events.log import log
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.tickets.actions import offboarding
from deskwire.tickets.actions import update as actions_update
from deskwire.workspaces.name_changes import rename_person
from deskwire.workspaces.name_index import find_by_name_prefix
from deskwire.workspaces.organizations import (
    categories,
    create,
    invitations,
    members,
    settings,
    staff,
)
from deskwire.workspaces.organizations.categories import read_categories
from deskwire.workspaces.organizations.create import create_organization
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_members,
    read_organizations_by_id,
)
from deskwire.workspaces.organizations.staff import read_staff_roles
from tests.fixtures.cast import ADA, BO, CY, DEE, EVE, MO, UNA, Persona
from tests.fixtures.erasure import sweep_erasures
from tests.fixtures.staffed_portal import StaffedPortalFixture


def read_event_types(staffed_portal: StaffedPortalFixture) -> list[str]:
    return staffed_portal.desk.db.read_sync(
        lambda tx: list(tx.execute(select(log.c.type).order_by(log.c.position)).scalars())
    )


def is_super(staffed_portal: StaffedPortalFixture, persona: Persona) -> bool:
    roles = staffed_portal.desk.db.read_sync(read_staff_roles)
    return roles.get(staffed_portal.desk.person_id(persona)) == "super_admin"


def test_tickets_of_a_server_belong_to_no_organization(
    staffed_portal: StaffedPortalFixture,
) -> None:
    staffed_portal.desk.open_ticket(1, "The crane is stuck")

    assert any(each.startswith("ticket:") for each in staffed_portal.desk.read_viewer(BO).channels)


def test_people_are_found_by_their_current_name(staffed_portal: StaffedPortalFixture) -> None:
    staffed_portal.create_request(UNA, "The mast is dark")
    una, organization_id = (
        staffed_portal.desk.person_id(UNA),
        f"org:{staffed_portal.organization_ids['quay']}",
    )

    def is_found(word: str) -> bool:
        return bool(
            staffed_portal.desk.db.read_sync(find_by_name_prefix, organization_id, [word])[word]
        )

    before = is_found("fairweather")
    staffed_portal.desk.db.write_sync(rename_person, una, "Una Storm", staffed_portal.desk.now)
    renamed = (is_found("fairweather"), is_found("storm"))
    staffed_portal.desk.db.write_sync(offboarding.delete_account, una, staffed_portal.desk.now)

    assert before
    assert renamed == (False, True)
    assert (is_found("storm"), is_found("former")) == (False, True)


def test_no_event_names_the_owner_of_a_deleted_account(
    staffed_portal: StaffedPortalFixture, tmp_path: Path
) -> None:
    una, ada, organization_id = (
        staffed_portal.desk.person_id(UNA),
        staffed_portal.desk.person_id(ADA),
        staffed_portal.organization_ids["quay"],
    )
    first, name = (
        staffed_portal.create_request(UNA, "The mast is dark"),
        staffed_portal.read_person(ADA).name,
    )
    staffed_portal.post_message(UNA, first, "Who has seen the mast?")
    staffed_portal.act_as(MO, actions_update.update, first, {"assignee": ada})
    staffed_portal.act_as(
        MO, actions_update.update, first, {"assignee": staffed_portal.desk.person_id(DEE)}
    )
    staffed_portal.act_as(
        UNA,
        actions_update.remove_watcher,
        staffed_portal.create_request(BO, "The quay is wet"),
        una,
    )
    staffed_portal.act_as(
        BO, actions_update.add_watcher, staffed_portal.create_request(BO, "The crane is stuck"), una
    )
    staffed_portal.act_as(BO, members.change_member_role, organization_id, una, "manager")

    def read_stored_text() -> str:
        here = "(workspace LIKE 'org:%' OR workspace IS NULL)"  # what the bot told is Discord's
        rows = text(f"SELECT data FROM log WHERE {here} UNION ALL SELECT html FROM messages")
        return staffed_portal.desk.db.read_sync(lambda tx: "".join(tx.execute(rows).scalars()))

    before = read_stored_text()
    for person in (una, ada):
        staffed_portal.desk.db.write_sync(
            offboarding.delete_account, person, staffed_portal.desk.now + 1000
        )
    sweep_erasures(staffed_portal.desk.db, tmp_path / "files")

    assert all(each in before for each in (UNA.name, f"to {name}"))
    assert not any(each in read_stored_text() for each in (UNA.name, name))
    assert read_stored_text().count("assigned the request to Former member") == 2
    assert "Who has seen the mast?" in read_stored_text()


def test_a_deactivated_admin_does_not_count_as_the_last_admin(
    staffed_portal: StaffedPortalFixture,
) -> None:
    organization_id, una, bo = (
        staffed_portal.organization_ids["quay"],
        staffed_portal.desk.person_id(UNA),
        staffed_portal.desk.person_id(BO),
    )
    staffed_portal.act_as(BO, members.change_member_role, organization_id, una, "admin")
    staffed_portal.act_as(DEE, offboarding.deactivate_person, una)

    with pytest.raises(Conflict, match="needs an admin"):
        staffed_portal.act_as(BO, offboarding.remove_member, organization_id, bo)
    staffed_portal.act_as(DEE, staff.reactivate, una)
    staffed_portal.act_as(BO, offboarding.remove_member, organization_id, bo)


def test_concurrent_profile_changes_do_not_undo_each_other(
    staffed_portal: StaffedPortalFixture,
) -> None:
    organization_id, at_once = staffed_portal.organization_ids["quay"], Barrier(2)

    def rename(given: dict[str, str]) -> None:
        at_once.wait(10)
        staffed_portal.act_as(BO, settings.update_profile, organization_id, **given)

    def add(_nth: int) -> None:
        at_once.wait(10)
        with suppress(Conflict):
            staffed_portal.act_as(BO, categories.add_category, organization_id, "Masts")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(rename, ({"name": "The New Quay"}, {"about": "Boats"})))
        list(threads.map(add, range(2)))

    organization = staffed_portal.desk.db.read_sync(read_organizations_by_id, [organization_id])[
        organization_id
    ]
    assert (organization.name, organization.about, organization.slug) == (
        "The New Quay",
        "Boats",
        "quay",
    )
    assert len(staffed_portal.desk.db.read_sync(read_categories, organization_id)) == 1


def test_a_refused_category_is_explained(
    staffed_portal: StaffedPortalFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization_id = staffed_portal.organization_ids["quay"]
    staffed_portal.act_as(BO, categories.add_category, organization_id, "Masts")
    monkeypatch.setattr(categories, "MAX_CATEGORIES", 1)

    for name, message in (("Masts", "a category “Masts”"), ("Hulls", "limit of .* categories")):
        with pytest.raises(Conflict, match=message):
            staffed_portal.act_as(BO, categories.add_category, organization_id, name)


def test_of_two_concurrent_claims_of_a_slug_one_is_refused(
    staffed_portal: StaffedPortalFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization_id, loft, at_once = (
        staffed_portal.organization_ids["quay"],
        staffed_portal.organization_ids["loft"],
        Barrier(2),
    )

    def attempt(act: Callable[[], Organization]) -> str:
        at_once.wait(10)
        try:
            return act().slug
        except Invalid as refusal:
            return str(refusal.fields)

    def both(*acts: Callable[[], Organization]) -> list[str]:
        with ThreadPoolExecutor(2) as threads:
            return sorted(threads.map(attempt, acts))

    named = both(
        *(partial(staffed_portal.act_as, each, create_organization, "Pier") for each in (BO, CY))
    )
    moved = both(
        partial(staffed_portal.act_as, BO, settings.update_profile, organization_id, slug="mole"),
        partial(staffed_portal.act_as, CY, settings.update_profile, loft, slug="mole"),
    )
    # Direct edits of the database do not take the advisory lock.
    for module in (settings, create):
        monkeypatch.setattr(module, "require_slug_available", lambda *_: None)
    with pytest.raises(Invalid, match="The web address pier is taken") as founded:
        staffed_portal.act_as(EVE, create_organization, "Dock", "pier")
    with pytest.raises(Invalid, match="The web address pier is taken"):
        staffed_portal.act_as(BO, settings.update_profile, organization_id, slug="pier")

    assert named == ["pier", "pier-2"]
    assert moved == ["mole", "{'slug': 'The web address mole is taken. Choose another one.'}"]
    assert founded.value.fields.keys() == {"slug"}


def test_deleting_an_account_unassigns_its_requests(
    staffed_portal: StaffedPortalFixture,
) -> None:
    ticket, ada = (
        staffed_portal.create_request(BO, "The mast is dark"),
        staffed_portal.desk.person_id(ADA),
    )
    staffed_portal.act_as(ADA, actions_update.update, ticket, {"assignee": ada})

    staffed_portal.desk.db.write_sync(
        offboarding.delete_account, ada, staffed_portal.desk.now + 1000
    )

    assert staffed_portal.read_assignee(ticket) is None
    assert read_event_types(staffed_portal)[-1] == "ticket.unclaimed"


def test_deleting_an_account_revokes_its_invitations(staffed_portal: StaffedPortalFixture) -> None:
    una = organization_members.c.person == staffed_portal.desk.person_id(UNA)
    staffed_portal.desk.db.write_sync(
        lambda tx: tx.execute(update(organization_members).where(una).values(role="manager"))
    )
    secret = staffed_portal.act_as(
        UNA, invitations.invite, staffed_portal.organization_ids["quay"], "n@desk.test", "member"
    )

    staffed_portal.desk.db.write_sync(
        offboarding.delete_account,
        staffed_portal.desk.person_id(UNA),
        staffed_portal.desk.now + 1000,
    )

    with pytest.raises(NotFound, match="was revoked"):
        staffed_portal.desk.db.read_sync(invitations.find_by_token, secret, staffed_portal.desk.now)
    assert "invitation.revoked" in read_event_types(staffed_portal)


def test_removing_a_member_revokes_their_invitations_there(
    staffed_portal: StaffedPortalFixture,
) -> None:
    quay, loft, at = (
        staffed_portal.organization_ids["quay"],
        staffed_portal.organization_ids["loft"],
        staffed_portal.desk.now,
    )
    for actor, organization_id in ((DEE, loft), (DEE, quay), (BO, quay)):
        staffed_portal.act_as(
            actor, invitations.invite, organization_id, f"{actor.discord_id}@desk.test", "member"
        )
    row = {"organization": quay, "person": staffed_portal.desk.person_id(DEE), "role": "member"}
    staffed_portal.desk.db.write_sync(
        Connection.execute, insert(organization_members).values(**row, revision=1)
    )

    staffed_portal.act_as(BO, offboarding.remove_member, quay, staffed_portal.desk.person_id(DEE))

    left = {
        organization_id: staffed_portal.desk.db.read_sync(
            invitations.list_open_invitations, organization_id, at
        )
        for organization_id in (quay, loft)
    }
    assert [each.email for each in left[quay]] == [f"{BO.discord_id}@desk.test"]
    assert len(left[loft]) == 1


def test_removing_a_staff_role_unassigns_requests(staffed_portal: StaffedPortalFixture) -> None:
    ticket, ada = (
        staffed_portal.create_request(BO, "The mast is dark"),
        staffed_portal.desk.person_id(ADA),
    )
    staffed_portal.act_as(ADA, actions_update.update, ticket, {"assignee": ada})

    staffed_portal.act_as(MO, offboarding.remove_staff, ada)

    assert staffed_portal.read_assignee(ticket) is None
    assert "staff" not in staffed_portal.desk.read_viewer(ADA).channels


def test_the_last_super_admin_who_can_sign_in_cannot_be_removed(
    staffed_portal: StaffedPortalFixture,
) -> None:
    mo, dee = staffed_portal.desk.person_id(MO), staffed_portal.desk.person_id(DEE)
    staffed_portal.act_as(MO, staff.set_staff_role, dee, "super_admin")
    staffed_portal.act_as(DEE, offboarding.deactivate_person, mo)

    with pytest.raises(Forbidden, match="own account"):
        staffed_portal.act_as(DEE, offboarding.remove_staff, dee)
    with pytest.raises(Conflict, match="last super admin"):
        staffed_portal.desk.db.write_sync(offboarding.delete_account, dee, staffed_portal.desk.now)

    assert is_super(staffed_portal, DEE)
