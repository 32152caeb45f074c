"""Test the rows of calls with an `Idempotency-Key`: leases, takeovers, retention and erasure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from deskwire.accounts.idempotency import (
    LEASE,
    RETENTION,
    CallInProgress,
    KeyedCall,
    KeyReused,
    RecordedResult,
    abandon_call,
    begin_call,
    delete_old_calls,
    finish_call,
    idempotency_keys,
)
from deskwire.kit.clock import DAY
from deskwire.kit.db import Database
from deskwire.kit.ids import new_id
from deskwire.realtime.buffer import EventBuffer
from deskwire.server.retention import Retention, RetentionDays
from deskwire.tickets.actions import erase, update
from tests.fixtures.cast import BO, MO
from tests.fixtures.databases import create_database
from tests.fixtures.staffed_portal import create_staffed_portal

NOON = 1_795_348_800_000  # ms
CALL = KeyedCall("ada", "POST /api/requests", "7f9c", "a-digest", None, NOON)
MADE = RecordedResult(201, "made")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = create_database(tmp_path)
    yield made
    made.close()


def later(ms: int) -> KeyedCall:
    """Return the same call, sent again after some time."""
    return replace(CALL, started_at=NOON + ms)


def read_keys(tx: Connection) -> set[str]:
    return set(tx.execute(select(idempotency_keys.c.key)).scalars())


def test_a_second_try_waits_for_the_first_until_its_lease_ends(db: Database) -> None:
    assert db.write_sync(begin_call, CALL) is None

    with pytest.raises(CallInProgress):
        db.write_sync(begin_call, later(LEASE - 1))
    assert db.write_sync(begin_call, later(LEASE)) is None


def test_of_two_tries_only_the_one_that_took_over_can_commit(db: Database) -> None:
    db.write_sync(begin_call, CALL)
    second = later(LEASE)
    db.write_sync(begin_call, second)

    with pytest.raises(CallInProgress):
        db.write_sync(finish_call, CALL, MADE)
    db.write_sync(abandon_call, CALL)  # as the first try does then: the second is unharmed
    db.write_sync(finish_call, second, MADE)

    assert db.write_sync(begin_call, later(LEASE + 1)) == MADE


def test_what_was_done_stays_when_its_caller_thinks_it_failed(db: Database) -> None:
    db.write_sync(begin_call, CALL)
    db.write_sync(finish_call, CALL, MADE)

    db.write_sync(abandon_call, CALL)  # the connection broke after the commit

    assert db.write_sync(begin_call, later(1)) == MADE


def test_a_result_counts_for_a_day(db: Database) -> None:
    db.write_sync(begin_call, CALL)
    db.write_sync(finish_call, CALL, MADE)

    assert db.write_sync(begin_call, later(RETENTION - 1)) == MADE
    with pytest.raises(KeyReused):
        db.write_sync(begin_call, replace(later(RETENTION - 1), body_hash="another"))
    assert db.write_sync(begin_call, replace(later(RETENTION), body_hash="another")) is None


async def test_retention_deletes_calls_after_a_day(db: Database) -> None:
    for key, age in (("old", DAY), ("young", DAY - 1)):
        db.write_sync(begin_call, replace(CALL, key=key, started_at=NOON - age))
    retention = Retention(db, EventBuffer(), RetentionDays(0, 0), clock=lambda: NOON)

    await retention.sweep()

    assert db.read_sync(read_keys) == {"young"}


def test_old_calls_are_deleted_in_batches(db: Database) -> None:
    for number in range(3):
        db.write_sync(begin_call, replace(CALL, key=f"k{number}"))

    assert [db.write_sync(delete_old_calls, NOON, 2) for _ in range(3)] == [2, 1, 0]


def test_the_erasure_of_a_request_removes_the_calls_about_it(tmp_path: Path) -> None:
    portal = create_staffed_portal(tmp_path)
    erased, kept = (portal.create_request(BO, each) for each in ("The mast", "The lamp"))
    db = portal.desk.db
    for id_ in (erased, kept):
        for key, ticket, made in (("filed", None, id_), ("posted", id_, new_id())):
            call = replace(CALL, key=f"{key} {id_}", ticket=ticket)
            db.write_sync(begin_call, call)
            db.write_sync(finish_call, call, RecordedResult(201, made))
    portal.act_as(MO, update.delete_request, erased)

    while not db.write_sync(erase.erase_ticket, erased):
        pass

    assert db.read_sync(read_keys) == {f"filed {kept}", f"posted {kept}"}
    db.close()
