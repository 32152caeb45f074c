"""Test the CLI commands on accounts, and how they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.accounts import admin_actions, authentication, identities, passwords
from deskwire.kit.clock import now
from deskwire.kit.db import Database
from deskwire.kit.errors import Conflict, Invalid, NotFound
from tests.fixtures.accounts import VISIT, create_person, read_events
from tests.fixtures.databases import create_database

BO_AT_DISCORD = "900000000000000002"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = create_database(tmp_path)
    yield database
    database.close()


def test_a_person_created_in_the_cli_signs_in_through_their_link(db: Database) -> None:
    person, token = db.write_sync(admin_actions.create_person, " Ada@Desk.test ")

    opened = db.write_sync(
        authentication.redeem_activation_link, token, "Ada Lovelace", "hash", VISIT, now()
    )

    assert (person.email, person.name) == ("ada@desk.test", "ada")
    assert opened.session.person == person.id
    [listed] = db.read_sync(admin_actions.list_people)
    assert (listed.person.name, listed.person.email_verified_at is None) == ("Ada Lovelace", False)


def test_a_lost_link_can_be_issued_again_until_a_password_is_set(db: Database) -> None:
    ada, lost = db.write_sync(admin_actions.create_person, "ada@desk.test")

    again, token = db.write_sync(admin_actions.create_person, "ada@desk.test")

    assert (again.id, token == lost) == (ada.id, False)


def test_a_person_with_a_password_cannot_be_created_again(db: Database) -> None:
    ada = create_person(db)
    db.write_sync(passwords.store_hash, ada.id, "hash", 0)

    with pytest.raises(Conflict, match="create a reset link with"):
        db.write_sync(admin_actions.create_person, "ADA@desk.test")


def test_a_reset_link_leaves_the_old_password_until_it_is_used(db: Database) -> None:
    ada = create_person(db)
    db.write_sync(passwords.store_hash, ada.id, "old", 0)

    _, token = db.write_sync(admin_actions.issue_reset_link, "ada@desk.test")

    assert db.read_sync(passwords.read_hash, ada.id) == "old"
    db.write_sync(authentication.redeem_activation_link, token, "Ada", "new", VISIT, now())
    assert db.read_sync(passwords.read_hash, ada.id) == "new"


def test_people_are_listed_with_their_linked_accounts(db: Database) -> None:
    ada, bo = create_person(db), create_person(db, "Bo")
    db.write_sync(admin_actions.link_discord_by_email, "bo@desk.test", BO_AT_DISCORD)

    listed = {each.person.id: each.principals for each in db.read_sync(admin_actions.list_people)}

    assert listed == {ada.id: (), bo.id: (f"discord:{BO_AT_DISCORD}",)}


def test_unlinking_in_the_cli_names_the_cli_as_actor(db: Database) -> None:
    bo = create_person(db, "Bo")
    db.write_sync(admin_actions.link_discord_by_email, "bo@desk.test", BO_AT_DISCORD)

    db.write_sync(admin_actions.unlink_discord_by_email, "Bo@desk.test")

    assert db.read_sync(identities.read_principals, bo.id) == []
    assert [data["actor"] for _, data, _, _ in read_events(db)] == ["shell", "shell"]


def test_an_unknown_address_is_refused(db: Database) -> None:
    with pytest.raises(NotFound, match=r"No account has the address 'cy@desk\.test'"):
        db.write_sync(admin_actions.link_discord_by_email, "cy@desk.test", BO_AT_DISCORD)


def test_an_invalid_address_creates_no_one(db: Database) -> None:
    with pytest.raises(Invalid, match=r"like name@example\.org"):
        db.write_sync(admin_actions.create_person, "ada")

    assert db.read_sync(admin_actions.list_people) == []
