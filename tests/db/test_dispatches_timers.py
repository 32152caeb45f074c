"""Test timers: each action runs once, at its time, in the transaction that finishes it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert, select
from sqlalchemy.exc import OperationalError

from deskwire.dispatches import admin
from deskwire.dispatches.store import hold_unfinished
from deskwire.dispatches.timers import (
    UNKNOWN_KIND_DELAY,
    TimerRunner,
    cancel,
    has_due_timers,
    run_due_timers,
    schedule,
)
from deskwire.kit.clock import SECOND
from deskwire.kit.db import Database
from tests.fixtures.accounts import NOON, FakeClock
from tests.fixtures.databases import create_database
from tests.fixtures.dispatching import read_dispatches

rung = Table(
    "rung_here",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False),
    Column("at", Text, nullable=False),
)


def ring(tx: Connection, key: str, payload: Mapping[str, Any], at: int) -> None:
    tx.execute(insert(rung).values(key=key, at=str(at - NOON)))
    if payload.get("fails"):
        raise ValueError("a text")


ACTIONS = {"ring": ring}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = create_database(tmp_path)
    opened.write_sync(rung.create)
    yield opened
    opened.close()


def put(db: Database, key: str, due_in: int, kind: str = "ring", **payload: Any) -> None:
    db.write_sync(schedule, kind, key, NOON + due_in, at=NOON, payload=payload)


def run(db: Database, after: int) -> None:
    while db.read_sync(has_due_timers, NOON + after):
        db.write_sync(run_due_timers, ACTIONS, NOON + after, lambda: 1.0)


def list_rung(db: Database) -> list[tuple[str, str]]:
    query = select(rung.c.key, rung.c.at).order_by(rung.c.id)
    return db.read_sync(lambda tx: [(row[0], row[1]) for row in tx.execute(query)])


def test_a_timer_runs_once_when_it_is_due(db: Database) -> None:
    put(db, "a", 5)
    run(db, 4)
    assert list_rung(db) == []
    run(db, 5)
    run(db, 50)
    assert list_rung(db) == [("a", "5")]
    assert [row.state for row in read_dispatches(db)] == ["done"]


def test_scheduling_again_replaces_and_cancelling_forgets(db: Database) -> None:
    put(db, "a", 5)
    put(db, "a", 9)
    put(db, "b", 5)
    db.write_sync(cancel, "ring", "b")
    run(db, 8)
    assert list_rung(db) == []
    run(db, 9)
    assert list_rung(db) == [("a", "9")]
    put(db, "a", 11)
    run(db, 11)
    assert list_rung(db) == [("a", "9"), ("a", "11")], "one that has run is not replaced"


def test_an_action_that_fails_is_undone_and_tried_again(db: Database) -> None:
    put(db, "a", 0, fails=True)
    put(db, "b", 0)
    run(db, 0)
    assert list_rung(db) == [("b", "0")]
    [row, _] = read_dispatches(db)
    assert (row.attempts, row.due_at, row.last_error) == (1, NOON + 5 * SECOND, "ValueError")

    at = 0
    while row.state != "dead":
        at = row.due_at - NOON
        run(db, at)
        [row, _] = read_dispatches(db)
    assert row.attempts == 10


def test_a_timer_that_is_scheduled_again_has_all_its_attempts(db: Database) -> None:
    put(db, "a", 0, fails=True)
    run(db, 0)
    put(db, "a", 1, fails=True)
    [row] = read_dispatches(db)
    assert (row.attempts, row.last_error) == (0, None)


def test_an_action_can_schedule_its_next_run(db: Database) -> None:
    def ring_twice(tx: Connection, key: str, payload: Mapping[str, Any], at: int) -> None:
        ring(tx, key, {}, at)
        if payload:
            schedule(tx, "ring", key, at + 5, at=at)

    put(db, "a", 1, again=True)
    for after in (1, 6, 50):
        while db.read_sync(has_due_timers, NOON + after):
            db.write_sync(run_due_timers, {"ring": ring_twice}, NOON + after, lambda: 1.0)

    assert list_rung(db) == [("a", "1"), ("a", "6")]
    assert [row.state for row in read_dispatches(db)] == ["done", "done"]


def test_a_kind_of_a_newer_version_waits(db: Database) -> None:
    put(db, "a", 0, kind="sing")
    run(db, 0)
    [row] = read_dispatches(db)
    assert (row.state, row.due_at, row.attempts) == ("ready", NOON + UNKNOWN_KIND_DELAY, 0)


def test_held_timers_run_only_once_they_are_released(db: Database) -> None:
    put(db, "a", 0)
    db.write_sync(hold_unfinished)
    run(db, 1)
    assert list_rung(db) == []
    db.write_sync(admin.release_dispatches)
    run(db, 2)
    assert list_rung(db) == [("a", "2")]


async def test_the_runner_goes_on_after_an_outage(db: Database) -> None:
    failures = iter(range(2))

    def fail_twice(tx: Connection, key: str, payload: Mapping[str, Any], at: int) -> None:
        if next(failures, None) is not None:
            raise OperationalError("", None, Exception("gone"))
        ring(tx, key, payload, at)

    put(db, "a", 0)
    runner = TimerRunner(db, {"ring": fail_twice}, FakeClock(), first_retry_delay=0.001)
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(30):
        while runner.outcomes["done"] < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.wait({running})
    assert list_rung(db) == [("a", "0")]
