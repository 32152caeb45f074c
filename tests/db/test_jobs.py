"""Test jobs: slices that survive a kill, take turns, and can be paused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select, update
from sqlalchemy.exc import OperationalError

from deskwire.jobs import store
from deskwire.jobs.runner import MAX_ATTEMPTS, JobRunner, find_runnable_jobs, run_slice
from deskwire.jobs.store import HasTimeLeft, JobKind, Slice
from deskwire.kit.db import Database
from deskwire.kit.errors import Conflict, Invalid, NotFound
from deskwire.tickets.search_index import ticket_words
from deskwire.tickets.search_rebuild import SEARCH_REBUILD
from deskwire.tickets.tables import tickets
from deskwire.webhooks.deliveries import deliveries, store_deliveries
from deskwire.webhooks.replay_job import PAGE_SIZE, REPLAY_PARKED
from deskwire.webhooks.source import IncomingDelivery
from tests.fixtures.accounts import NOON
from tests.fixtures.cast import BO
from tests.fixtures.databases import create_database
from tests.fixtures.staffed_portal import StaffedPortalFixture

counted = Table(
    "counted_here",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("number", Integer, nullable=False),
)


def count_to(tx: Connection, arguments: Mapping[str, Any], cursor: str, left: HasTimeLeft) -> Slice:
    number, done = int(cursor or 0), 0
    while number < arguments["to"] and (not done or left()):
        number, done = number + 1, done + 1
        tx.execute(insert(counted).values(number=number))
        if number == arguments.get("fails_at"):
            raise ValueError("a text")
    return Slice(str(number), done, number >= arguments["to"])


COUNT = JobKind("count", lambda _tx, arguments: arguments["to"], count_to)
KINDS = {"count": COUNT}


def stopped_clock() -> float:
    return 0.0


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = create_database(tmp_path)
    opened.write_sync(counted.create)
    yield opened
    opened.close()


def list_counted(db: Database) -> list[int]:
    return db.read_sync(
        lambda tx: list(tx.execute(select(counted.c.number).order_by(counted.c.id)).scalars())
    )


def test_a_job_does_its_work_in_slices_from_its_cursor(db: Database) -> None:
    id_ = db.write_sync(store.start_job, COUNT, NOON, {"to": 7})
    times = iter(range(1000))

    slices = list[int]()
    while db.read_sync(find_runnable_jobs):
        slices.append(db.write_sync(run_slice, KINDS, id_, NOON, lambda: next(times) * 0.002))

    assert list_counted(db) == list(range(1, 8))
    assert sum(slices) == 7
    assert len(slices) > 1
    job = db.read_sync(store.read_job, id_)
    assert (job.state, job.done, job.total, job.finished_at) == ("done", 7, 7, NOON)


def test_a_slice_that_fails_is_undone_and_tried_again(db: Database) -> None:
    id_ = db.write_sync(store.start_job, COUNT, NOON, {"to": 7, "fails_at": 3})
    for _ in range(MAX_ATTEMPTS):
        assert db.write_sync(run_slice, KINDS, id_, NOON, stopped_clock) == 0
    job = db.read_sync(store.read_job, id_)
    assert (job.state, job.error, job.done) == ("failed", "ValueError", 0)
    assert list_counted(db) == []

    db.write_sync(lambda tx: tx.execute(update(store.jobs).values(arguments='{"to": 2}')))
    db.write_sync(store.resume_job, id_)
    assert db.write_sync(run_slice, KINDS, id_, NOON, stopped_clock) == 2


def test_a_paused_or_canceled_job_does_nothing(db: Database) -> None:
    id_ = db.write_sync(store.start_job, COUNT, NOON, {"to": 7})
    db.write_sync(store.pause_job, id_)
    assert db.write_sync(run_slice, KINDS, id_, NOON) == 0
    db.write_sync(store.resume_job, id_)
    db.write_sync(store.cancel_job, id_, NOON)
    assert db.write_sync(run_slice, KINDS, id_, NOON) == 0
    assert list_counted(db) == []
    with pytest.raises(Conflict, match="is failed"):
        db.write_sync(store.cancel_job, id_, NOON)
    with pytest.raises(NotFound, match="jobs list"):
        db.write_sync(store.cancel_job, 77, NOON)


def test_only_one_job_of_a_kind_runs(db: Database) -> None:
    db.write_sync(store.start_job, COUNT, NOON, {"to": 7})
    with pytest.raises(Conflict, match="Job 1 does this already"):
        db.write_sync(store.start_job, COUNT, NOON, {"to": 7})


def test_a_job_that_is_resumed_has_not_ended(db: Database) -> None:
    id_ = db.write_sync(store.start_job, COUNT, NOON, {"to": 7})
    db.write_sync(store.cancel_job, id_, NOON)
    assert db.read_sync(store.read_job, id_).finished_at == NOON

    db.write_sync(store.resume_job, id_)
    job = db.read_sync(store.read_job, id_)
    assert (job.state, job.error, job.finished_at) == ("queued", None, None)
    with pytest.raises(Conflict, match="is queued"):
        db.write_sync(store.resume_job, id_)


def test_a_job_is_not_resumed_beside_another_of_its_kind(db: Database) -> None:
    id_ = db.write_sync(store.start_job, COUNT, NOON, {"to": 7})
    db.write_sync(store.cancel_job, id_, NOON)
    other = db.write_sync(store.start_job, COUNT, NOON, {"to": 7})
    with pytest.raises(Conflict, match=f"Job {other} does this already"):
        db.write_sync(store.resume_job, id_)
    with pytest.raises(Invalid, match="Choose one of: count"):
        store.find_kind(KINDS, "cuont")


def test_a_kind_of_another_version_fails(db: Database) -> None:
    id_ = db.write_sync(store.start_job, COUNT, NOON, {"to": 7})
    db.write_sync(run_slice, {}, id_, NOON)
    assert db.read_sync(store.read_job, id_).state == "failed"


async def test_the_runner_goes_on_after_an_outage(db: Database) -> None:
    failures = iter(range(2))

    def fail_twice(
        tx: Connection, arguments: Mapping[str, Any], cursor: str, left: HasTimeLeft
    ) -> Slice:
        if next(failures, None) is not None:
            raise OperationalError("", None, Exception("gone"))
        return count_to(tx, arguments, cursor, left)

    runner = JobRunner(
        db, {"count": JobKind("count", lambda *_: None, fail_twice)}, first_retry_delay=0.001
    )
    id_ = db.write_sync(store.start_job, COUNT, NOON, {"to": 3})
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(30):
        while (await db.read(store.read_job, id_)).state != "done":  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.wait({running})
    assert list_counted(db) == [1, 2, 3]


def run_to_end(db: Database, kind: JobKind) -> store.Job:
    id_ = db.write_sync(store.start_job, kind, NOON)
    for _ in range(1000):
        if not db.read_sync(find_runnable_jobs):
            break
        db.write_sync(run_slice, {kind.name: kind}, id_, NOON)
    return db.read_sync(store.read_job, id_)


def test_parked_deliveries_are_replayed_once_each(db: Database) -> None:
    count = 2 * PAGE_SIZE + 3
    for number in range(count):
        fields = ("bot", f"d{number}", f"e{number}", "ticket.created", NOON, NOON, b"{}")
        db.write_sync(store_deliveries, [IncomingDelivery(*fields)])
    erased = (deliveries.c.id == 2) | (deliveries.c.id == count)
    parked = {"state": "parked", "reasons": '["unknown"]'}
    db.write_sync(lambda tx: tx.execute(update(deliveries).values(parked)))
    db.write_sync(lambda tx: tx.execute(update(deliveries).where(erased).values(body=b"")))

    job = run_to_end(db, REPLAY_PARKED)

    assert (job.state, job.done, job.total) == ("done", count - 2, count - 2)
    states = db.read_sync(
        lambda tx: list(tx.execute(select(deliveries.c.state).order_by(deliveries.c.id)).scalars())
    )
    assert states.count("pending") == count - 2
    assert states[1] == states[-1] == "parked", "an erased body cannot be replayed"


def test_the_search_index_is_built_again(staffed_portal: StaffedPortalFixture) -> None:
    db = staffed_portal.desk.db
    for number in range(3):
        staffed_portal.create_request(BO, f"Anchor {number}", "A rope is missing")

    def read(tx: Connection) -> list[tuple[str, str]]:
        query = select(ticket_words.c.head, ticket_words.c.talk).order_by(ticket_words.c.ticket)
        return [(row[0], row[1]) for row in tx.execute(query)]

    before = db.read_sync(read)
    db.write_sync(lambda tx: tx.execute(update(ticket_words).values(head="", talk=None)))
    job = run_to_end(db, SEARCH_REBUILD)

    total = db.read_sync(lambda tx: len(tx.execute(select(tickets.c.id)).all()))
    assert (job.state, job.done, job.total) == ("done", total, total)
    assert [(set(h.split()), set(t.split())) for h, t in db.read_sync(read)] == [
        (set(h.split()), set(t.split())) for h, t in before
    ]
