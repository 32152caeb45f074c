"""Sessions: their secret is nowhere, they roll while used, and end with a fact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.accounts import links, rate_limit, sessions
from deskwire.accounts.purge import purge
from deskwire.accounts.sessions import LIFETIME, read_living
from deskwire.events.access import ReadSessions
from deskwire.kit.clock import DAY, HOUR, MINUTE, now
from deskwire.kit.db import Database
from deskwire.kit.ids import digest
from tests.fixtures.accounts import NOON, dump_of, events_of, move_in, open_session
from tests.fixtures.databases import new_database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = new_database(tmp_path)
    yield database
    database.close()


def test_a_secret_opens_its_session_and_no_other(db: Database) -> None:
    opened = open_session(db, move_in(db))

    assert db.read_here(sessions.find, opened.token, NOON) == opened.session
    assert db.read_here(sessions.find, opened.token[:-1], NOON) is None
    assert db.read_here(sessions.find, digest(opened.token), NOON) is None


def test_the_secret_is_neither_stored_nor_shown(db: Database) -> None:
    opened = open_session(db, move_in(db))

    assert opened.token not in dump_of(db)
    assert opened.token not in repr(opened)
    assert len(opened.token) == 43  # 32 bytes in base64url


def test_a_session_lives_seven_days_to_the_millisecond(db: Database) -> None:
    opened = open_session(db, move_in(db))

    assert db.read_here(sessions.find, opened.token, NOON + 7 * DAY - 1) is not None
    assert db.read_here(sessions.find, opened.token, NOON + 7 * DAY) is None


def test_a_used_session_is_written_down_at_most_once_an_hour(db: Database) -> None:
    session = open_session(db, move_in(db)).session

    assert not sessions.is_due(session, NOON + HOUR - 1)
    assert sessions.is_due(session, NOON + HOUR)


def test_extending_gives_seven_days_from_then(db: Database) -> None:
    opened = open_session(db, move_in(db))
    later = NOON + 6 * DAY

    assert db.write_here(sessions.extend, opened.session.id, later)

    found = db.read_here(sessions.find, opened.token, later)
    assert found is not None
    assert (found.expires_at, found.seen_at) == (later + LIFETIME, later)


def test_an_expired_session_cannot_be_extended_back_to_life(db: Database) -> None:
    opened = open_session(db, move_in(db))

    assert not db.write_here(sessions.extend, opened.session.id, NOON + 7 * DAY)


def test_ending_a_session_silences_the_streams_of_its_person(db: Database) -> None:
    ada = move_in(db)
    opened = open_session(db, ada)

    assert db.write_here(sessions.end, opened.session.id)

    own = [f"user:{ada.id}"]
    fact = {"actor": ada.id, "session": opened.session.id}
    assert events_of(db) == [("session.revoked", fact, own, own)]
    assert db.read_here(sessions.find, opened.token, NOON) is None


def test_ending_a_session_twice_makes_one_fact(db: Database) -> None:
    opened = open_session(db, move_in(db))
    db.write_here(sessions.end, opened.session.id)

    assert not db.write_here(sessions.end, opened.session.id)

    assert len(events_of(db)) == 1


def test_ending_all_leaves_other_people_alone(db: Database) -> None:
    ada, bo = move_in(db), move_in(db, "Bo")
    open_session(db, ada)
    open_session(db, ada)
    of_bo = open_session(db, bo)

    assert db.write_here(sessions.end_all, ada.id) == 2

    assert db.read_here(sessions.find, of_bo.token, NOON) is not None


def test_only_living_sessions_are_read_as_living(db: Database) -> None:
    ada = move_in(db)
    living, ended = open_session(db, ada, NOON + 1), open_session(db, ada)
    expired = open_session(db, ada, NOON - LIFETIME)
    db.write_here(sessions.end, ended.session.id)

    asked = [living.session.id, ended.session.id, expired.session.id, "nobody's"]
    found = db.read_here(sessions.read_living, asked, NOON)

    assert found == {living.session.id: NOON + 1 + LIFETIME}


def test_an_ended_session_is_no_longer_what_streams_may_hang_on(db: Database) -> None:
    ask: ReadSessions = read_living
    opened = open_session(db, move_in(db), now())

    before = db.read_here(ask, [opened.session.id])
    db.write_here(sessions.end, opened.session.id)
    after = db.read_here(ask, [opened.session.id])

    assert (before, after) == ({opened.session.id: opened.session.expires_at}, {})


def test_a_long_user_agent_is_cut(db: Database) -> None:
    ada = move_in(db)

    opened = db.write_here(sessions.begin, ada.id, user_agent="x" * 5000, address=None, at=NOON)

    assert opened.session.user_agent == "x" * 200


def test_purging_takes_what_is_over_and_nothing_else(db: Database) -> None:
    ada = move_in(db)
    living = open_session(db, ada)
    open_session(db, ada, NOON - LIFETIME)
    db.write_here(links.issue, ada.id, "sign-in", NOON)
    db.write_here(links.issue, ada.id, "reset", NOON - HOUR)
    db.write_here(rate_limit.count, "ada@desk.test", None, NOON)
    db.write_here(rate_limit.count, "ada@desk.test", None, NOON - 15 * MINUTE)

    assert db.write_here(purge, NOON) == 3

    assert db.write_here(purge, NOON) == 0
    assert db.read_here(sessions.find, living.token, NOON) is not None
    assert events_of(db) == []
