"""Test identities: one person per external account, and open streams follow at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.accounts import identities, people
from deskwire.kit.db import Database
from deskwire.kit.errors import Conflict, Invalid, NotFound
from tests.fixtures.accounts import create_person, read_events
from tests.fixtures.databases import create_database

BO_AT_DISCORD = "900000000000000002"
OTHER = "900000000000000003"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = create_database(tmp_path)
    yield database
    database.close()


def test_a_linked_account_leads_to_its_person(db: Database) -> None:
    bo = create_person(db, "Bo")

    db.write_sync(identities.link, bo.id, "discord", BO_AT_DISCORD)

    assert db.read_sync(identities.find_person_id, f"discord:{BO_AT_DISCORD}") == bo.id
    assert db.read_sync(identities.read_principals, bo.id) == [f"discord:{BO_AT_DISCORD}"]


def test_linking_makes_open_streams_of_the_person_reauthorize(db: Database) -> None:
    bo = create_person(db, "Bo")

    db.write_sync(identities.link, bo.id, "discord", BO_AT_DISCORD, actor_id="shell")

    [(type_, data, heard_on, touches)] = read_events(db)
    assert (type_, heard_on, touches) == (
        "person.changed",
        [f"user:{bo.id}", "people"],
        [f"user:{bo.id}"],
    )
    fields = {"actor": "shell", "person": bo.id, "name": "Bo", "revision": 2}
    assert data == fields | {"linked": "discord"}


def test_unlinking_makes_open_streams_of_the_person_reauthorize(db: Database) -> None:
    bo = create_person(db, "Bo")
    db.write_sync(identities.link, bo.id, "discord", BO_AT_DISCORD)

    db.write_sync(identities.unlink, bo.id, "discord")

    *_, (type_, data, _, touches) = read_events(db)
    assert (type_, data["revision"], touches) == ("person.changed", 3, [f"user:{bo.id}"])
    assert db.read_sync(identities.read_principals, bo.id) == []


def test_linking_the_same_account_again_changes_nothing(db: Database) -> None:
    bo = create_person(db, "Bo")
    db.write_sync(identities.link, bo.id, "discord", BO_AT_DISCORD)

    db.write_sync(identities.link, bo.id, "discord", BO_AT_DISCORD)

    assert len(read_events(db)) == 1
    person = db.read_sync(people.find, bo.id)
    assert person is not None
    assert person.revision == 2


def test_an_account_linked_to_someone_else_is_refused_with_a_solution(db: Database) -> None:
    bo, eve = create_person(db, "Bo"), create_person(db, "Eve")
    db.write_sync(identities.link, bo.id, "discord", BO_AT_DISCORD)

    with pytest.raises(Conflict, match=r"another person\. Unlink it"):
        db.write_sync(identities.link, eve.id, "discord", BO_AT_DISCORD)

    assert db.read_sync(identities.find_person_id, f"discord:{BO_AT_DISCORD}") == bo.id


def test_a_second_account_at_the_same_provider_is_refused(db: Database) -> None:
    bo = create_person(db, "Bo")
    db.write_sync(identities.link, bo.id, "discord", BO_AT_DISCORD)

    with pytest.raises(Conflict, match=f"Unlink that account first, then link {OTHER}"):
        db.write_sync(identities.link, bo.id, "discord", OTHER)


@pytest.mark.parametrize(
    "snowflake",
    [
        "",
        "1" * 16,
        "1" * 21,
        "90000000000000000x",
        " 900000000000000002",
        "٩" * 18,
        "1" * 18 + "\n",
    ],
)
def test_an_invalid_snowflake_is_refused(db: Database, snowflake: str) -> None:
    bo = create_person(db, "Bo")

    with pytest.raises(Invalid, match="17 to 20 digits"):
        db.write_sync(identities.link, bo.id, "discord", snowflake)


def test_an_unknown_provider_is_refused_by_name(db: Database) -> None:
    bo = create_person(db, "Bo")

    with pytest.raises(Invalid, match="'myspace' is not a known provider: discord"):
        db.write_sync(identities.link, bo.id, "myspace", BO_AT_DISCORD)


def test_unlinking_an_account_that_is_not_linked_is_refused(db: Database) -> None:
    bo = create_person(db, "Bo")

    with pytest.raises(NotFound, match="nothing to unlink"):
        db.write_sync(identities.unlink, bo.id, "discord")

    assert read_events(db) == []
