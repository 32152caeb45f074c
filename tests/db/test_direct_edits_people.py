"""Test that direct edits of people and categories become events, and end access they remove."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from deskwire.accounts import links, people, sessions
from deskwire.accounts.preferences import set_preferences
from deskwire.direct_edits import watcher
from deskwire.direct_edits.change_log import has_pending_changes, outside_changes
from deskwire.direct_edits.processor import record_edits
from deskwire.events import channels
from deskwire.events.log import log
from deskwire.kit.errors import NotFound
from deskwire.tickets.actions import offboarding, update
from deskwire.workspaces.name_changes import rename_person
from deskwire.workspaces.name_index import find_by_name_prefix
from deskwire.workspaces.organizations import categories
from deskwire.workspaces.organizations.categories import read_categories
from deskwire.workspaces.organizations.create import create_organization
from tests.fixtures.cast import ADA, BO, DEE, MO, UNA
from tests.fixtures.live_guild import LiveGuildFixture, open_live_guild
from tests.fixtures.staffed_portal import StaffedPortalFixture

Announced = list[tuple[str, dict[str, Any], set[str], set[str]]]


@pytest.fixture
async def live_guild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveGuildFixture]:
    monkeypatch.setattr(watcher, "SQLITE_POLL_INTERVAL", 0.02)
    async with open_live_guild(tmp_path) as built:
        yield built


def edit(staffed_portal: StaffedPortalFixture, statement: str, **values: str) -> Announced:
    """Run a statement as an operator does; return the type and parts of its events."""
    db = staffed_portal.desk.db

    def run(tx: Connection) -> int:
        head = tx.execute(select(log.c.position).order_by(log.c.position.desc())).scalar() or 0
        tx.execute(text(statement), values)
        return int(head)

    head = db.write_sync(run)
    while db.write_sync(record_edits):
        pass
    newer = select(log).where(log.c.position > head).order_by(log.c.position)
    rows = db.read_sync(lambda tx: tx.execute(newer).all())
    return [
        (row.type, json.loads(row.data), {*json.loads(row.channels)}, {*json.loads(row.touches)})
        for row in rows
    ]


def test_a_renamed_person_makes_an_event_and_is_found_by_the_new_name_only(
    staffed_portal: StaffedPortalFixture,
) -> None:
    una, here = (
        staffed_portal.desk.person_id(UNA),
        channels.organization(staffed_portal.organization_ids["quay"]),
    )
    staffed_portal.create_request(UNA, "The crane")

    [(type_, fields, heard, touches)] = edit(
        staffed_portal, "UPDATE people SET name = 'Ferry', avatar = 'key' WHERE id = :una", una=una
    )

    assert (type_, fields["actor"], fields["person"]) == ("person.changed", "sql", una)
    assert fields["name"] == "Ferry"
    assert (heard, touches) == ({channels.user(una), "people"}, set())
    found = staffed_portal.desk.db.read_sync(find_by_name_prefix, here, ["ferry", "fairweather"])
    assert found == {"ferry": {una}, "fairweather": set()}


def test_deactivating_a_person_ends_sessions_invitations_and_assignments(
    staffed_portal: StaffedPortalFixture,
) -> None:
    db, ada = staffed_portal.desk.db, staffed_portal.desk.person_id(ADA)
    crane = staffed_portal.create_request(BO, "The crane")
    staffed_portal.act_as(ADA, update.update, crane, {"assignee": ada})
    db.write_sync(sessions.create, ada, user_agent="", client_ip=None, at=staffed_portal.desk.now)

    events = edit(staffed_portal, "UPDATE people SET deactivated_at = 5 WHERE id = :ada", ada=ada)

    assert [each[0] for each in events] == ["person.changed", "session.revoked", "ticket.unclaimed"]
    assert events[0][3] == {channels.user(ada)}
    assert {each[1]["actor"] for each in events} == {"sql"}
    assert staffed_portal.read_assignee(crane) is None
    assert db.read_sync(sessions.list_sessions, ada, 0) == []
    back = edit(staffed_portal, "UPDATE people SET deactivated_at = NULL WHERE id = :ada", ada=ada)
    assert [(each[0], each[3]) for each in back] == [("person.changed", {channels.user(ada)})]


def test_a_directly_changed_staff_role_is_announced(
    staffed_portal: StaffedPortalFixture,
) -> None:
    ada = staffed_portal.desk.person_id(ADA)

    [(type_, fields, _, touches)] = edit(
        staffed_portal,
        "UPDATE organization_members SET role = 'super_admin' WHERE person = :ada",
        ada=ada,
    )

    assert (type_, fields["role"]) == ("member.role_changed", "super_admin")
    assert touches == {channels.user(ada)}


def test_invalid_values_are_reverted_and_the_problem_names_no_address(
    staffed_portal: StaffedPortalFixture,
) -> None:
    before = staffed_portal.read_person(UNA)
    wrong = "name = ' ', email = 'Una@Desk.test', theme = 'pink', time_zone = 'Nirgends'"

    edit(staffed_portal, f"UPDATE people SET {wrong} WHERE id = :una", una=before.id)

    after = staffed_portal.read_person(UNA)
    assert (after.name, after.email, after.theme, after.time_zone) == (
        before.name, before.email, before.theme, before.time_zone,
    )  # fmt: skip
    problem = select(outside_changes.c.problem)
    problem_text = staffed_portal.desk.db.read_sync(lambda tx: tx.execute(problem).scalar_one())
    assert [
        f"{each} must be" in problem_text for each in ("name", "email", "theme", "time_zone")
    ] == [True] * 4
    assert "@" not in problem_text


def test_a_changed_address_is_unverified_and_old_links_are_invalid(
    staffed_portal: StaffedPortalFixture,
) -> None:
    una, db = staffed_portal.desk.person_id(UNA), staffed_portal.desk.db
    secret = db.write_sync(links.issue, una, "reset")

    edit(staffed_portal, "UPDATE people SET email = 'una@ferry.test' WHERE id = :una", una=una)

    assert staffed_portal.read_person(UNA).email_verified_at is None
    with pytest.raises(NotFound):
        db.read_sync(links.find_usable, secret, ["reset"])
    assert not db.read_sync(has_pending_changes)


def test_a_deleted_person_row_makes_an_event_and_ends_access(
    staffed_portal: StaffedPortalFixture,
) -> None:
    dee = staffed_portal.desk.person_id(DEE)

    events = edit(staffed_portal, "DELETE FROM people WHERE id = :dee", dee=dee)

    assert (events[0][0], events[0][3]) == ("person.changed", {channels.user(dee)})
    assert DEE.name not in json.dumps([each[1] for each in events])


def test_an_added_category_updates_the_list_of_its_organization(
    staffed_portal: StaffedPortalFixture,
) -> None:
    organization_id = staffed_portal.organization_ids["quay"]
    staffed_portal.act_as(BO, categories.add_category, organization_id, "Cranes")
    [category] = staffed_portal.desk.db.read_sync(read_categories, organization_id)
    here = {"category": category.id}
    insert = (
        "INSERT INTO categories (id, organization, name, place) VALUES ('new', :quay, 'Boats', 9)"
    )

    events = [
        *edit(staffed_portal, "UPDATE categories SET name = 'Hoists' WHERE id = :category", **here),
        *edit(staffed_portal, "UPDATE categories SET archived_at = 5 WHERE id = :category", **here),
        *edit(staffed_portal, "DELETE FROM categories WHERE id = :category", **here),
        *edit(staffed_portal, insert, quay=organization_id),
    ]

    assert [each[0] for each in events] == ["organization.updated"] * 4
    assert {each[1]["organization"] for each in events} == {organization_id}
    assert events[0][2] == {channels.organization(organization_id), "staff"}


def test_no_action_on_people_or_categories_is_taken_for_a_direct_edit(
    staffed_portal: StaffedPortalFixture,
) -> None:
    db, una, organization_id = (
        staffed_portal.desk.db,
        staffed_portal.desk.person_id(UNA),
        staffed_portal.organization_ids["quay"],
    )
    session = db.write_sync(
        sessions.create, una, user_agent="", client_ip=None, at=staffed_portal.desk.now
    )
    db.write_sync(sessions.extend, session.session.id, staffed_portal.desk.now + 1)
    db.write_sync(set_preferences, una, theme="dark", time_zone="Europe/Oslo", at=1)
    db.write_sync(people.set_avatar_key, una, "key", at=1)
    db.write_sync(rename_person, una, "Una Ferry", 1)
    staffed_portal.act_as(BO, categories.add_category, organization_id, "Cranes")
    [category] = db.read_sync(read_categories, organization_id)
    staffed_portal.act_as(
        BO, categories.set_category_archived, organization_id, category.id, archived=True
    )
    staffed_portal.act_as(BO, create_organization, "Boats & Co")
    staffed_portal.act_as(MO, offboarding.deactivate_person, una)
    db.write_sync(offboarding.delete_account, staffed_portal.desk.person_id(DEE), 1)

    assert not db.read_sync(has_pending_changes)


async def test_the_streams_of_a_deactivated_person_end_at_once(
    live_guild: LiveGuildFixture,
) -> None:
    bo = live_guild.person_ids[BO]

    await live_guild.desk.edit_database(f"UPDATE people SET deactivated_at = 5 WHERE id = '{bo}'")
    await live_guild.post_message(1, UNA, "Nobody of them hears this")

    assert live_guild.streams[BO].ended
    assert "ticket.message_sent" not in live_guild.read_new_types(BO)
