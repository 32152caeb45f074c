"""Test authentication where two transactions meet: sign-in, activation, password changes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deskwire.accounts import authentication, links, passwords, people, sessions
from deskwire.accounts.authentication import Browser
from deskwire.accounts.sessions import NewSession
from deskwire.kit.db import Database
from deskwire.kit.errors import Conflict, NotFound
from tests.fixtures.accounts import (
    NOON,
    VISIT,
    count_failed_sign_ins,
    create_person,
    create_session,
    read_events,
)
from tests.fixtures.databases import create_database

ADA = "ada@desk.test"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = create_database(tmp_path)
    yield database
    database.close()


def begin_sign_in(db: Database) -> authentication.SignInAttempt:
    return db.write_sync(authentication.begin_sign_in, ADA, VISIT.client_ip, NOON)


def test_an_old_password_is_refused_if_changed_meanwhile(db: Database) -> None:
    ada = create_person(db)
    db.write_sync(passwords.store_hash, ada.id, "old", NOON)
    matched_the_old = begin_sign_in(db)
    db.write_sync(passwords.store_hash, ada.id, "new", NOON)

    assert db.write_sync(authentication.complete_sign_in, matched_the_old, VISIT, NOON) is None


def test_an_unknown_address_never_signs_in(db: Database) -> None:
    unknown = begin_sign_in(db)

    assert (unknown.person_id, unknown.password_hash) == (None, None)
    assert db.write_sync(authentication.complete_sign_in, unknown, VISIT, NOON) is None


def test_a_person_without_a_password_cannot_sign_in(db: Database) -> None:
    create_person(db)

    attempt = begin_sign_in(db)

    assert attempt.password_hash is None
    assert db.write_sync(authentication.complete_sign_in, attempt, VISIT, NOON) is None


def test_a_hash_with_outdated_parameters_is_upgraded(db: Database) -> None:
    ada = create_person(db)
    db.write_sync(passwords.store_hash, ada.id, "cheap", NOON)

    db.write_sync(authentication.complete_sign_in, begin_sign_in(db), VISIT, NOON, "dear")

    assert db.read_sync(passwords.read_hash, ada.id) == "dear"


def test_signing_in_ends_the_previous_session_of_the_browser(db: Database) -> None:
    ada = create_person(db)
    db.write_sync(passwords.store_hash, ada.id, "hash", NOON)
    before, elsewhere = create_session(db, ada), create_session(db, ada)

    opened = db.write_sync(
        authentication.complete_sign_in, begin_sign_in(db), Browser(None, "", before.token), NOON
    )

    assert opened is not None
    assert db.read_sync(sessions.find_by_token, before.token, NOON) is None
    assert db.read_sync(sessions.find_by_token, elsewhere.token, NOON) is not None
    assert [(type_, data["session"]) for type_, data, _, _ in read_events(db)] == [
        ("session.revoked", before.session.id),
        ("session.created", opened.session.id),
    ]


def test_a_new_password_ends_every_session_and_creates_one(db: Database) -> None:
    ada = create_person(db)
    db.write_sync(passwords.store_hash, ada.id, "old", NOON)
    here, elsewhere = create_session(db, ada), create_session(db, ada)
    visit = Browser(None, "", here.token)

    opened = db.write_sync(authentication.change_password, begin_sign_in(db), "new", visit, NOON)

    assert opened is not None
    events = [(type_, data["session"]) for type_, data, _, _ in read_events(db)]
    ended = {session for type_, session in events if type_ == "session.revoked"}
    assert ended == {here.session.id, elsewhere.session.id}
    living = [here.session.id, elsewhere.session.id, opened.session.id]
    assert list(db.read_sync(sessions.read_expiry_times, living, NOON)) == [opened.session.id]


def test_a_successful_sign_in_clears_earlier_failures(db: Database) -> None:
    ada = create_person(db)
    db.write_sync(passwords.store_hash, ada.id, "hash", NOON)
    count_failed_sign_ins(db, 4, at=NOON)

    db.write_sync(authentication.complete_sign_in, begin_sign_in(db), VISIT, NOON)

    count_failed_sign_ins(db, 5, at=NOON)


def test_an_activation_link_sets_name_and_password_and_verifies_the_address(db: Database) -> None:
    ada = create_person(db, "ada")
    token = db.write_sync(links.issue, ada.id, "sign-in", NOON)

    db.write_sync(authentication.redeem_activation_link, token, "Ada Lovelace", "hash", VISIT, NOON)

    person = db.read_sync(people.find, ada.id)
    assert person is not None
    assert (person.name, person.email_verified_at) == ("Ada Lovelace", NOON)
    assert db.read_sync(passwords.read_hash, ada.id) == "hash"


def test_a_used_activation_link_changes_nothing(db: Database) -> None:
    ada = create_person(db)
    token = db.write_sync(links.issue, ada.id, "sign-in", NOON)
    db.write_sync(authentication.redeem_activation_link, token, "Ada", "first", VISIT, NOON)

    with pytest.raises(NotFound):
        db.write_sync(authentication.redeem_activation_link, token, "Eve", "second", VISIT, NOON)

    assert db.read_sync(passwords.read_hash, ada.id) == "first"


def test_of_eight_concurrent_activations_one_signs_in(db: Database) -> None:
    ada = create_person(db)
    token = db.write_sync(links.issue, ada.id, "sign-in", NOON)

    def attempt(number: int) -> NewSession | None:
        try:
            return db.write_sync(
                authentication.redeem_activation_link, token, "Ada", str(number), VISIT, NOON
            )
        except NotFound:
            return None

    with ThreadPoolExecutor(8) as threads:
        opened = [each for each in threads.map(attempt, range(8)) if each is not None]

    assert len(opened) == 1


def test_a_reset_ends_the_sessions_opened_with_the_old_password(db: Database) -> None:
    ada = create_person(db)
    of_eve = create_session(db, ada)
    token = db.write_sync(links.issue, ada.id, "reset", NOON)

    db.write_sync(authentication.redeem_activation_link, token, "Ada", "new", VISIT, NOON)

    assert db.read_sync(sessions.find_by_token, of_eve.token, NOON) is None


def test_an_address_can_sign_up_once(db: Database) -> None:
    create_person(db)

    with pytest.raises(Conflict):
        db.write_sync(authentication.sign_up, "Eve", ADA, "hash", VISIT, NOON)


def test_secrets_are_not_in_a_repr(db: Database) -> None:
    ada = create_person(db)
    db.write_sync(passwords.store_hash, ada.id, "the-hash", NOON)

    assert "the-hash" not in repr(begin_sign_in(db))
    assert "the-token" not in repr(Browser(None, "", "the-token"))
