"""Test one-time links: valid once, for an hour, for their purpose only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deskwire.accounts import links
from deskwire.kit.clock import HOUR
from deskwire.kit.db import Database
from deskwire.kit.errors import NotFound
from tests.fixtures.accounts import NOON, create_person, dump_database
from tests.fixtures.databases import create_database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = create_database(tmp_path)
    yield database
    database.close()


def test_a_link_leads_to_its_person(db: Database) -> None:
    ada = create_person(db)
    token = db.write_sync(links.issue, ada.id, "sign-in", NOON)

    assert db.write_sync(links.redeem, token, ["sign-in"], NOON).person == ada.id


def test_a_link_works_once(db: Database) -> None:
    token = db.write_sync(links.issue, create_person(db).id, "sign-in", NOON)
    db.write_sync(links.redeem, token, ["sign-in"], NOON)

    with pytest.raises(NotFound, match="Ask an administrator for a new one"):
        db.write_sync(links.redeem, token, ["sign-in"], NOON)


def test_of_eight_concurrent_redemptions_one_succeeds(db: Database) -> None:
    token = db.write_sync(links.issue, create_person(db).id, "sign-in", NOON)

    def attempt(_: int) -> bool:
        try:
            db.write_sync(links.redeem, token, ["sign-in"], NOON)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1


def test_reading_a_link_does_not_use_it_up(db: Database) -> None:
    token = db.write_sync(links.issue, create_person(db).id, "sign-in", NOON)
    db.read_sync(links.find_usable, token, ["sign-in"], NOON)

    assert db.write_sync(links.redeem, token, ["sign-in"], NOON)


@pytest.mark.parametrize(("after", "usable"), [(HOUR - 1, True), (HOUR, False)])
def test_a_link_expires_after_an_hour(db: Database, after: int, usable: bool) -> None:
    token = db.write_sync(links.issue, create_person(db).id, "sign-in", NOON)

    try:
        db.write_sync(links.redeem, token, ["sign-in"], NOON + after)
    except NotFound:
        assert not usable
    else:
        assert usable


def test_a_link_is_valid_for_its_purpose_only(db: Database) -> None:
    token = db.write_sync(links.issue, create_person(db).id, "verify", NOON)

    with pytest.raises(NotFound):
        db.write_sync(links.redeem, token, ["sign-in", "reset"], NOON)


def test_a_newer_link_invalidates_the_older_one(db: Database) -> None:
    ada = create_person(db)
    older = db.write_sync(links.issue, ada.id, "reset", NOON)
    db.write_sync(links.issue, ada.id, "reset", NOON)

    with pytest.raises(NotFound):
        db.write_sync(links.redeem, older, ["reset"], NOON)


def test_the_secret_of_a_link_is_not_stored(db: Database) -> None:
    token = db.write_sync(links.issue, create_person(db).id, "sign-in", NOON)

    assert token not in dump_database(db)
