"""What is changed of a person or a category with SQL is told, and silences who is shut out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from deskwire.accounts import links, people, sessions
from deskwire.direct_edits import watcher
from deskwire.direct_edits.change_log import is_anything, outside_changes
from deskwire.direct_edits.processor import work_off
from deskwire.events import channels
from deskwire.events.log import log
from deskwire.kit.errors import NotFound
from deskwire.tickets.actions import offboarding, update
from deskwire.workspaces.names import find_called, rename_person
from deskwire.workspaces.organizations import settings
from deskwire.workspaces.organizations.organizations import read_categories
from tests.fixtures.cast import ADA, BO, DEE, MO, UNA
from tests.fixtures.live_guild import Harbour, open_harbour
from tests.fixtures.staffed_portal import Office

Told = list[tuple[str, dict[str, Any], set[str], set[str]]]


@pytest.fixture
async def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harbour]:
    monkeypatch.setattr(watcher, "EVERY", 0.02)
    async with open_harbour(tmp_path) as built:
        yield built


def edit(office: Office, statement: str, **values: str) -> Told:
    """Run a statement as an operator does; type, fields, channels and touches of what it told."""
    db = office.house.db

    def run(tx: Connection) -> int:
        head = tx.execute(select(log.c.position).order_by(log.c.position.desc())).scalar() or 0
        tx.execute(text(statement), values)
        return int(head)

    head = db.write_here(run)
    while db.write_here(work_off):
        pass
    newer = select(log).where(log.c.position > head).order_by(log.c.position)
    rows = db.read_here(lambda tx: tx.execute(newer).all())
    return [
        (row.type, json.loads(row.data), {*json.loads(row.channels)}, {*json.loads(row.touches)})
        for row in rows
    ]


def test_another_name_is_told_and_they_are_found_by_it_alone(office: Office) -> None:
    una, here = office.house.id_of(UNA), channels.organization(office.ids["quay"])
    office.file(UNA, "The crane")

    [(type_, fields, heard, touches)] = edit(
        office, "UPDATE people SET name = 'Ferry', avatar = 'key' WHERE id = :una", una=una
    )

    assert (type_, fields["actor"], fields["person"]) == ("person.changed", "sql", una)
    assert fields["name"] == "Ferry"
    assert (heard, touches) == ({channels.user(una), "people"}, set())
    found = office.house.db.read_here(find_called, here, ["ferry", "fairweather"])
    assert found == {"ferry": {una}, "fairweather": set()}


def test_who_is_deactivated_loses_browsers_invitations_and_what_they_had_taken_on(
    office: Office,
) -> None:
    db, ada = office.house.db, office.house.id_of(ADA)
    crane = office.file(BO, "The crane")
    office.act(ADA, update.assign, crane, ada)
    db.write_here(sessions.begin, ada, user_agent="", address=None, at=office.house.at)

    told = edit(office, "UPDATE people SET deactivated_at = 5 WHERE id = :ada", ada=ada)

    assert [each[0] for each in told] == ["person.changed", "session.revoked", "ticket.unclaimed"]
    assert told[0][3] == {channels.user(ada)}
    assert {each[1]["actor"] for each in told} == {"sql"}
    assert office.assignee(crane) is None
    assert db.read_here(sessions.read_own, ada, 0) == []
    back = edit(office, "UPDATE people SET deactivated_at = NULL WHERE id = :ada", ada=ada)
    assert [(each[0], each[3]) for each in back] == [("person.changed", {channels.user(ada)})]


def test_a_role_in_the_team_is_told_and_asked_about(office: Office) -> None:
    ada = office.house.id_of(ADA)

    [(type_, fields, _, touches)] = edit(
        office,
        "UPDATE organization_members SET role = 'super_admin' WHERE person = :ada",
        ada=ada,
    )

    assert (type_, fields["role"]) == ("member.role_changed", "super_admin")
    assert touches == {channels.user(ada)}


def test_what_cannot_be_is_put_back_and_names_no_address(office: Office) -> None:
    before = office.person(UNA)
    wrong = "name = ' ', email = 'Una@Desk.test', theme = 'pink', time_zone = 'Nirgends'"

    edit(office, f"UPDATE people SET {wrong} WHERE id = :una", una=before.id)

    after = office.person(UNA)
    assert (after.name, after.email, after.theme, after.time_zone) == (
        before.name, before.email, before.theme, before.time_zone,
    )  # fmt: skip
    problem = select(outside_changes.c.problem)
    said = office.house.db.read_here(lambda tx: tx.execute(problem).scalar_one())
    assert [f"{each} must be" in said for each in ("name", "email", "theme", "time_zone")] == [
        True
    ] * 4
    assert "@" not in said


def test_another_address_is_not_proven_and_old_links_open_nothing(office: Office) -> None:
    una, db = office.house.id_of(UNA), office.house.db
    secret = db.write_here(links.issue, una, "reset")

    edit(office, "UPDATE people SET email = 'una@ferry.test' WHERE id = :una", una=una)

    assert office.person(UNA).email_verified_at is None
    with pytest.raises(NotFound):
        db.read_here(links.find, secret, ["reset"])
    assert not db.read_here(is_anything)


def test_a_row_that_is_deleted_is_told_and_shuts_out(office: Office) -> None:
    dee = office.house.id_of(DEE)

    told = edit(office, "DELETE FROM people WHERE id = :dee", dee=dee)

    assert (told[0][0], told[0][3]) == ("person.changed", {channels.user(dee)})
    assert DEE.name not in json.dumps([each[1] for each in told])


def test_another_category_is_another_list_of_its_organization(office: Office) -> None:
    quay = office.ids["quay"]
    office.act(BO, settings.add_category, quay, "Cranes")
    [category] = office.house.db.read_here(read_categories, quay)
    here = {"category": category.id}
    insert = (
        "INSERT INTO categories (id, organization, name, place) VALUES ('new', :quay, 'Boats', 9)"
    )

    told = [
        *edit(office, "UPDATE categories SET name = 'Hoists' WHERE id = :category", **here),
        *edit(office, "UPDATE categories SET archived_at = 5 WHERE id = :category", **here),
        *edit(office, "DELETE FROM categories WHERE id = :category", **here),
        *edit(office, insert, quay=quay),
    ]

    assert [each[0] for each in told] == ["organization.updated"] * 4
    assert {each[1]["organization"] for each in told} == {quay}
    assert told[0][2] == {channels.organization(quay), "staff"}


def test_no_action_on_people_and_categories_is_taken_for_an_edit(office: Office) -> None:
    db, una, quay = office.house.db, office.house.id_of(UNA), office.ids["quay"]
    session = db.write_here(sessions.begin, una, user_agent="", address=None, at=office.house.at)
    db.write_here(sessions.extend, session.session.id, office.house.at + 1)
    db.write_here(people.show, una, theme="dark", time_zone="Europe/Oslo", at=1)
    db.write_here(people.depict, una, "key", at=1)
    db.write_here(rename_person, una, "Una Ferry", 1)
    office.act(BO, settings.add_category, quay, "Cranes")
    [category] = db.read_here(read_categories, quay)
    office.act(BO, settings.archive_category, quay, category.id)
    office.act(BO, settings.create, "Boats & Co")
    office.act(MO, offboarding.deactivate, una)
    db.write_here(offboarding.depart, office.house.id_of(DEE), 1)

    assert not db.read_here(is_anything)


async def test_the_streams_of_who_is_deactivated_end_at_once(harbour: Harbour) -> None:
    bo = harbour.people[BO]

    await harbour.desk.by_hand(f"UPDATE people SET deactivated_at = 5 WHERE id = '{bo}'")
    await harbour.say(1, UNA, "Nobody of them hears this")

    assert harbour.streams[BO].ended
    assert "ticket.message_sent" not in harbour.types(BO)
