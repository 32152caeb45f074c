"""Test the account settings: sessions, appearance, data export, deletion."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, insert, select, update

from deskwire.accounts import identities, links, passwords, people, sessions
from deskwire.accounts.people import Person
from deskwire.accounts.preferences import parse_theme, parse_time_zone, set_preferences
from deskwire.accounts.sessions import LIFETIME
from deskwire.dispatches import mail
from deskwire.dispatches.mail import MailContent
from deskwire.events.channels import PersonId
from deskwire.kit.db import Database
from deskwire.kit.errors import Conflict, Invalid, NotFound
from deskwire.kit.ids import UUID7_PATTERN
from deskwire.server.services import ACCESS
from deskwire.tickets.data_export import read_data_export
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import tickets
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.account_deletion import delete_account_except_tickets
from deskwire.workspaces.organizations.invitations import invitations
from deskwire.workspaces.organizations.organizations import organization_members, organizations
from tests.fixtures.accounts import NOON, create_person, create_session, dump_database, read_events
from tests.fixtures.databases import create_database

ADAS_DISCORD = "900000000000000001"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = create_database(tmp_path)
    yield opened
    opened.close()


def create_organization(
    db: Database, id_: str = "acme", *, internal: bool = False, **roles: Person
) -> None:
    """An organization in which each person holds the role they are given under."""

    def write(tx: Connection) -> None:
        row = {"id": id_, "slug": id_, "name": id_.title(), "internal": internal}
        tx.execute(insert(organizations).values(**row, created_at=NOON, revision=1))
        for role, person in roles.items():
            join(tx, id_, person.id, role)

    db.write_sync(write)


def join(tx: Connection, organization: str, person: PersonId, role: str) -> None:
    row = {"organization": organization, "person": person, "role": role, "revision": 1}
    tx.execute(insert(organization_members).values(row))


def members(db: Database) -> list[tuple[str, PersonId]]:
    def read(tx: Connection) -> list[tuple[str, PersonId]]:
        shown = organization_members.c.organization, organization_members.c.person
        return [(row[0], row[1]) for row in tx.execute(select(*shown))]

    return db.read_sync(read)


def write_request(db: Database, by: str, text: str, id_: str = "t1") -> None:
    def write(tx: Connection) -> None:
        row = {"id": id_, "workspace": "org:acme", "number": int(id_[1:]), "subject": "Lost key"}
        state = {"status": "new", "opener": by, "tags": "[]", "messages": 1}
        tx.execute(insert(tickets).values({**row, **state, "opened_at": NOON, "active_at": NOON}))
        line = {"id": f"m-{id_}", "ticket": id_, "kind": "reply", "type": "ticket.message_sent"}
        values = {"origin": "portal", "author": by, "at": NOON, "data": "{}", "text": text}
        tx.execute(insert(messages).values({**line, **values, "html": ""}))

    db.write_sync(write)


# Browsers


def test_only_browsers_still_signed_in_are_listed(db: Database) -> None:
    ada, bo = create_person(db), create_person(db, "Bo")
    here, there = create_session(db, ada), create_session(db, ada, NOON + 1)
    create_session(db, ada, NOON - LIFETIME)
    create_session(db, bo)

    mine = db.read_sync(sessions.list_sessions, ada.id, NOON)

    assert [each.id for each in mine] == [there.session.id, here.session.id]


def test_ending_the_own_session_makes_an_event_that_ends_its_streams(db: Database) -> None:
    ada = create_person(db)
    opened = create_session(db, ada)

    db.write_sync(sessions.revoke_own, ada.id, opened.session.id, at=NOON)

    [(type_, events, _, touches)] = read_events(db)
    assert (type_, events["session"], touches) == (
        "session.revoked",
        opened.session.id,
        [f"user:{ada.id}"],
    )


def test_a_session_of_someone_else_is_not_found(db: Database) -> None:
    ada, eve = create_person(db), create_person(db, "Eve")
    opened = create_session(db, ada)

    refusals = []
    for session in (opened.session.id, "made-up"):
        with pytest.raises(NotFound) as refusal:
            db.write_sync(sessions.revoke_own, eve.id, session, at=NOON)
        refusals.append(str(refusal.value))

    assert refusals[0] == refusals[1]
    assert db.read_sync(sessions.find_by_token, opened.token, NOON) is not None


def test_ending_all_others_keeps_this_session_and_those_of_other_people(db: Database) -> None:
    ada, bo = create_person(db), create_person(db, "Bo")
    here, there, other = create_session(db, ada), create_session(db, ada), create_session(db, bo)

    count = db.write_sync(sessions.revoke_others, ada.id, here.session.id, at=NOON)

    living = [
        db.read_sync(sessions.find_by_token, each.token, NOON) for each in (here, there, other)
    ]
    assert count == 1
    assert [each is not None for each in living] == [True, False, True]


# How pages look


def test_theme_and_time_zone_are_stored_and_announced(db: Database) -> None:
    ada = create_person(db)

    db.write_sync(set_preferences, ada.id, theme="dark", time_zone="Europe/Oslo", at=NOON)
    changed = db.write_sync(set_preferences, ada.id, theme=None, time_zone=None, at=NOON)

    assert (changed.theme, changed.time_zone, changed.revision) == (None, None, 3)
    assert [type_ for type_, *_ in read_events(db)] == ["person.changed"] * 2


@pytest.mark.parametrize("text", ["Mars/Olympus", "../../etc/passwd", "europe/oslo", "\0"])
def test_an_unlisted_time_zone_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_time_zone(text)


def test_the_systems_theme_and_the_browsers_time_zone_are_stored_as_none() -> None:
    assert (parse_theme("system"), parse_time_zone("")) == (None, None)
    with pytest.raises(Invalid):
        parse_theme("pink")


# One's data


def test_exported_data_is_complete_and_has_no_secret(db: Database) -> None:
    ada = create_person(db)
    opened = create_session(db, ada)
    db.write_sync(passwords.store_hash, ada.id, "the-hash", NOON)
    db.write_sync(identities.link, ada.id, "discord", ADAS_DISCORD, at=NOON)
    token = db.write_sync(links.issue, ada.id, "verify", NOON)
    create_organization(db, admin=ada)
    write_request(db, ada.id, "Where is my key?")
    write_request(db, f"discord:{ADAS_DISCORD}", "And in Discord", "t2")

    taken = db.read_sync(read_data_export, ACCESS, ada.id, NOON)

    text = json.dumps(taken)
    assert taken["person"]["email"] == "ada@desk.test"
    assert taken["identities"] == [f"discord:{ADAS_DISCORD}"]
    assert [each["id"] for each in taken["sessions"]] == [opened.session.id]
    assert [(each["organization"], each["role"]) for each in taken["memberships"]] == [
        ("Acme", "admin")
    ]
    assert [each["id"] for each in taken["tickets"]] == ["t1", "t2"]
    assert [each["text"] for each in taken["messages"]] == ["Where is my key?", "And in Discord"]
    assert not any(secret in text for secret in ("the-hash", token, opened.token))


def test_exported_data_has_nothing_of_other_people(db: Database) -> None:
    ada, eve = create_person(db), create_person(db, "Eve")
    create_session(db, ada)
    create_organization(db, admin=ada, member=eve)
    write_request(db, ada.id, "Where is my key?")

    taken = db.read_sync(read_data_export, ACCESS, eve.id, NOON)

    assert (taken["sessions"], taken["tickets"], taken["messages"]) == ([], [], [])
    dump = json.dumps(taken).lower()
    assert ada.id not in dump
    assert "ada" not in re.sub(UUID7_PATTERN, "", dump)  # an id may have these digits


# The end


def test_deleting_an_account_keeps_its_messages_and_no_personal_data(db: Database) -> None:
    ada, bo = create_person(db), create_person(db, "Bo")
    opened = create_session(db, ada)
    db.write_sync(passwords.store_hash, ada.id, "the-hash", NOON)
    db.write_sync(identities.link, ada.id, "discord", ADAS_DISCORD, at=NOON)
    db.write_sync(links.issue, ada.id, "verify", NOON)
    content = MailContent("Hello", "text", "html")
    db.write_sync(mail.queue_mail, "person:1", "ada@desk.test", content, NOON)
    create_organization(db, admin=bo, member=ada)
    invite(db, "ada@desk.test", ada)
    write_request(db, ada.id, "Where is my key?")

    db.write_sync(delete_account_except_tickets, ada.id, NOON + 5)

    left = db.read_sync(people.find, ada.id)
    assert left is not None
    assert (left.name, left.email, left.deleted_at) == ("Former member", None, NOON + 5)
    assert db.read_sync(read_names, [ada.id])[ada.id].name == "Former member"
    assert db.read_sync(sessions.find_by_token, opened.token, NOON) is None
    assert members(db) == [("acme", bo.id)]
    assert db.read_sync(read_data_export, ACCESS, bo.id, NOON)["tickets"] == []
    dump = dump_database(db)
    assert "Where is my key?" in dump
    assert not any(trace in dump for trace in ("ada@desk.test", "the-hash"))
    assert db.read_sync(identities.read_principals, ada.id) == []


def test_account_deletion_is_announced_and_ends_access(db: Database) -> None:
    ada, bo = create_person(db), create_person(db, "Bo")
    create_organization(db, admin=bo, member=ada)
    create_session(db, ada)

    db.write_sync(delete_account_except_tickets, ada.id, NOON)

    own = f"user:{ada.id}"
    events = {type_: (channels, touches) for type_, _, channels, touches in read_events(db)}
    assert events["member.removed"] == ([own, "org:acme", "staff"], [own])
    assert events["person.changed"] == ([own, "people"], [own])
    assert events["session.revoked"] == ([own], [own])


def test_the_last_admin_of_an_organization_with_members_cannot_be_deleted(db: Database) -> None:
    ada, bo = create_person(db), create_person(db, "Bo")
    create_organization(db, admin=ada, member=bo)
    before = dump_database(db)

    with pytest.raises(Conflict, match="last admin of Acme"):
        db.write_sync(delete_account_except_tickets, ada.id, NOON)

    assert dump_database(db) == before
    db.write_sync(make_admin, bo.id)
    db.write_sync(delete_account_except_tickets, ada.id, NOON)
    assert members(db) == [("acme", bo.id)]


def test_no_organization_is_left_without_an_admin(db: Database) -> None:
    ada, bo, cy = create_person(db), create_person(db, "Bo"), create_person(db, "Cy")
    for name in ("acme", "globex"):
        create_organization(db, name, admin=ada, member=bo)
    create_organization(db, "solo", admin=ada, manager=cy)
    db.write_sync(people.mark_deactivated, cy.id, actor_id="shell", at=NOON)

    with pytest.raises(Conflict) as refused:
        db.write_sync(delete_account_except_tickets, ada.id, NOON)

    assert str(refused.value) == (
        "You are the last admin of Acme, Globex, which have other members. Make one of them an "
        "admin in each first, or delete the organizations. You are the only member of Solo. Delete "
        "the organization first, or invite someone and make them an admin."
    )
    db.write_sync(make_admin, bo.id)
    db.write_sync(lambda tx: tx.execute(update(organizations).values(deleted_at=NOON)))
    db.write_sync(delete_account_except_tickets, ada.id, NOON)


def test_the_last_super_admin_cannot_be_deleted(db: Database) -> None:
    ada = create_person(db)
    create_organization(db, "team", internal=True, super_admin=ada)

    with pytest.raises(Conflict, match="last super admin"):
        db.write_sync(delete_account_except_tickets, ada.id, NOON)


def test_an_account_cannot_be_deleted_twice(db: Database) -> None:
    ada = create_person(db)
    db.write_sync(delete_account_except_tickets, ada.id, NOON)

    with pytest.raises(NotFound):
        db.write_sync(delete_account_except_tickets, ada.id, NOON)


async def test_of_two_admins_who_delete_their_accounts_at_once_one_stays(db: Database) -> None:
    ada, bo, cy = create_person(db), create_person(db, "Bo"), create_person(db, "Cy")
    create_organization(db, admin=ada, member=cy)
    db.write_sync(join, "acme", bo.id, "admin")
    refused = []

    async def leave(person: Person) -> None:
        try:
            await db.write(delete_account_except_tickets, person.id, NOON)
        except Conflict as refusal:
            refused.append(str(refusal))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave, ada)
        tasks.start_soon(leave, bo)

    assert len(refused) == 1
    assert len(members(db)) == 2


def test_the_address_of_a_deleted_account_can_be_used_again(db: Database) -> None:
    ada = create_person(db)
    db.write_sync(delete_account_except_tickets, ada.id, NOON)

    again = create_person(db)

    assert again.id != ada.id


def make_admin(tx: Connection, person: PersonId) -> None:
    table = organization_members
    tx.execute(table.update().where(table.c.person == person).values(role="admin"))


def invite(db: Database, email: str, by: Person) -> None:
    row = {"id": "i1", "organization": "acme", "email": email, "role": "member", "token_hash": "h"}
    when = {"created_at": NOON, "expires_at": NOON, "accepted_at": NOON, "accepted_by": by.id}
    db.write_sync(
        lambda tx: tx.execute(insert(invitations).values({**row, **when, "invited_by": "x"}))
    )
