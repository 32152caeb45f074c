"""Test sessions: the token is stored nowhere, they roll while used, and end with an event."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.accounts import links, rate_limit, sessions
from deskwire.accounts.purge import delete_expired
from deskwire.accounts.sessions import LIFETIME, read_expiry_times
from deskwire.events.access import ReadExpiries
from deskwire.kit.clock import DAY, HOUR, MINUTE, now
from deskwire.kit.db import Database
from deskwire.kit.ids import hash_secret
from tests.fixtures.accounts import NOON, create_person, create_session, dump_database, read_events
from tests.fixtures.databases import create_database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = create_database(tmp_path)
    yield database
    database.close()


def test_a_token_opens_its_session_and_no_other(db: Database) -> None:
    opened = create_session(db, create_person(db))

    assert db.read_sync(sessions.find_by_token, opened.token, NOON) == opened.session
    assert db.read_sync(sessions.find_by_token, opened.token[:-1], NOON) is None
    assert db.read_sync(sessions.find_by_token, hash_secret(opened.token), NOON) is None


def test_a_token_is_neither_stored_nor_in_a_repr(db: Database) -> None:
    opened = create_session(db, create_person(db))

    assert opened.token not in dump_database(db)
    assert opened.token not in repr(opened)
    assert len(opened.token) == 43  # 32 bytes in base64url


def test_a_session_lives_seven_days_to_the_millisecond(db: Database) -> None:
    opened = create_session(db, create_person(db))

    assert db.read_sync(sessions.find_by_token, opened.token, NOON + 7 * DAY - 1) is not None
    assert db.read_sync(sessions.find_by_token, opened.token, NOON + 7 * DAY) is None


def test_the_use_of_a_session_is_stored_at_most_once_an_hour(db: Database) -> None:
    session = create_session(db, create_person(db)).session

    assert not sessions.is_extension_due(session, NOON + HOUR - 1)
    assert sessions.is_extension_due(session, NOON + HOUR)


def test_extending_gives_seven_days_from_then(db: Database) -> None:
    opened = create_session(db, create_person(db))
    later = NOON + 6 * DAY

    assert db.write_sync(sessions.extend, opened.session.id, later)

    found = db.read_sync(sessions.find_by_token, opened.token, later)
    assert found is not None
    assert (found.expires_at, found.seen_at) == (later + LIFETIME, later)


def test_an_expired_session_cannot_be_extended(db: Database) -> None:
    opened = create_session(db, create_person(db))

    assert not db.write_sync(sessions.extend, opened.session.id, NOON + 7 * DAY)


def test_ending_a_session_makes_the_streams_of_its_person_reauthorize(db: Database) -> None:
    ada = create_person(db)
    opened = create_session(db, ada)

    assert db.write_sync(sessions.revoke, opened.session.id)

    own = [f"user:{ada.id}"]
    fact = {"actor": ada.id, "session": opened.session.id}
    assert read_events(db) == [("session.revoked", fact, own, own)]
    assert db.read_sync(sessions.find_by_token, opened.token, NOON) is None


def test_ending_a_session_twice_makes_one_event(db: Database) -> None:
    opened = create_session(db, create_person(db))
    db.write_sync(sessions.revoke, opened.session.id)

    assert not db.write_sync(sessions.revoke, opened.session.id)

    assert len(read_events(db)) == 1


def test_ending_all_sessions_leaves_those_of_other_people(db: Database) -> None:
    ada, bo = create_person(db), create_person(db, "Bo")
    create_session(db, ada)
    create_session(db, ada)
    of_bo = create_session(db, bo)

    assert db.write_sync(sessions.revoke_all, ada.id) == 2

    assert db.read_sync(sessions.find_by_token, of_bo.token, NOON) is not None


def test_expired_and_ended_sessions_are_not_listed_as_active(db: Database) -> None:
    ada = create_person(db)
    living, ended = create_session(db, ada, NOON + 1), create_session(db, ada)
    expired = create_session(db, ada, NOON - LIFETIME)
    db.write_sync(sessions.revoke, ended.session.id)

    asked = [living.session.id, ended.session.id, expired.session.id, "unassigned"]
    found = db.read_sync(sessions.read_expiry_times, asked, NOON)

    assert found == {living.session.id: NOON + 1 + LIFETIME}


def test_an_ended_session_has_no_expiry_time_for_streams(db: Database) -> None:
    ask: ReadExpiries = read_expiry_times
    opened = create_session(db, create_person(db), now())

    before = db.read_sync(ask, [opened.session.id])
    db.write_sync(sessions.revoke, opened.session.id)
    after = db.read_sync(ask, [opened.session.id])

    assert (before, after) == ({opened.session.id: opened.session.expires_at}, {})


def test_a_long_user_agent_is_truncated(db: Database) -> None:
    ada = create_person(db)

    opened = db.write_sync(sessions.create, ada.id, user_agent="x" * 5000, client_ip=None, at=NOON)

    assert opened.session.user_agent == "x" * 200


def test_purging_deletes_expired_sessions_and_nothing_else(db: Database) -> None:
    ada = create_person(db)
    living = create_session(db, ada)
    create_session(db, ada, NOON - LIFETIME)
    db.write_sync(links.issue, ada.id, "sign-in", NOON)
    db.write_sync(links.issue, ada.id, "reset", NOON - HOUR)
    db.write_sync(rate_limit.count_sign_in, "ada@desk.test", None, NOON)
    db.write_sync(rate_limit.count_sign_in, "ada@desk.test", None, NOON - 15 * MINUTE)

    assert db.write_sync(delete_expired, NOON) == 3

    assert db.write_sync(delete_expired, NOON) == 0
    assert db.read_sync(sessions.find_by_token, living.token, NOON) is not None
    assert read_events(db) == []
