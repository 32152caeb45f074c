"""Test durable readers of the log: every event planned once, in order, through any failure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert, select
from sqlalchemy.exc import OperationalError

from deskwire.events import log
from deskwire.events.consumers import admin
from deskwire.events.consumers.planning import (
    BATCH_SIZE,
    CHUNK_SIZE,
    FIRST_RETRY_DELAY,
    LONGEST_RETRY_DELAY,
    plan_batch,
)
from deskwire.events.consumers.runner import ConsumerRunner
from deskwire.events.consumers.store import (
    Consumer,
    LoggedEvent,
    consumers,
    failures,
    find_consumers_behind,
    register_consumers,
)
from deskwire.events.redaction import ERASED
from deskwire.events.retention import MAX_WAIT, trim_log
from deskwire.events.types.registry import EVENT_CLASS_BY_TYPE
from deskwire.kit.clock import DAY
from deskwire.kit.db import Database
from deskwire.kit.errors import Invalid, NotFound
from deskwire.server.reach import CONSUMERS
from tests.fixtures.databases import create_database

NOON = 1_790_000_000_000  # ms
WANTED = "guild.left"
planned = Table(
    "planned_here",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("position", Integer, nullable=False),
    Column("ticket", Text),
)


class Planner:
    """Records what it plans; refuses the events whose data says so."""

    def __init__(self) -> None:
        self.refused = set[int]()  # positions
        self.database_failures = 0  # of the next calls

    def plan(self, tx: Connection, events: Sequence[LoggedEvent]) -> None:
        for event in events:
            tx.execute(insert(planned).values(position=event.position, ticket=event.ticket))
            if event.position in self.refused:
                raise ValueError("a text that no one may read in a table")
        if self.database_failures:
            self.database_failures -= 1
            raise OperationalError("", None, Exception("gone"))

    @property
    def consumer(self) -> Consumer:
        return Consumer("toy", frozenset({WANTED}), self.plan)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = create_database(tmp_path)
    made.write_sync(planned.create)
    made.write_sync(register_consumers, ["toy"])
    yield made
    made.close()


def fill_log(
    tx: Connection,
    count: int = 1,
    *,
    ticket: str | None = None,
    type_: str = WANTED,
    at: int = NOON,
) -> None:
    row = {"type": type_, "actor": "bot", "channels": '["staff"]', "touches": "[]", "data": "{}"}
    for _ in range(count):
        tx.execute(insert(log.log).values(**row, ticket=ticket, at=at, workspace="guild:1"))


def list_planned(tx: Connection) -> list[int]:
    return list(tx.execute(select(planned.c.position).order_by(planned.c.id)).scalars())


def list_failures(tx: Connection) -> list[tuple[int, int, int]]:
    columns = failures.c.position, failures.c.tries, failures.c.due_at
    return [tuple(row) for row in tx.execute(select(*columns).order_by(failures.c.position))]


def read_position(tx: Connection) -> int:
    return int(tx.execute(select(consumers.c.position)).scalar_one())


def catch_up(db: Database, planner: Planner, at: int = NOON) -> None:
    while (progress := db.write_sync(plan_batch, planner.consumer, at, lambda: 0.0)) is not None:
        if progress.is_caught_up:
            return


def test_each_wanted_event_is_planned_once_and_in_order(db: Database) -> None:
    planner = Planner()
    db.write_sync(fill_log, BATCH_SIZE + 7)
    db.write_sync(fill_log, type_="guild.joined")
    catch_up(db, planner)
    catch_up(db, planner)

    assert db.read_sync(list_planned) == list(range(1, BATCH_SIZE + 8))
    assert db.read_sync(read_position) == BATCH_SIZE + 8, "also past what it does not want"


def test_a_new_consumer_starts_at_the_head(db: Database) -> None:
    db.write_sync(fill_log, 3)
    db.write_sync(register_consumers, ["toy", "late"])
    db.write_sync(register_consumers, ["toy", "late"])

    states = {state.name: state for state in db.read_sync(admin.list_consumers)}
    assert (states["late"].position, states["late"].lag) == (3, 0)
    assert (states["toy"].position, states["toy"].lag) == (0, 3)
    assert states["toy"].behind_since == NOON


def test_an_erased_event_is_not_planned(db: Database) -> None:
    planner = Planner()
    db.write_sync(fill_log, 2)
    db.write_sync(
        lambda tx: tx.execute(log.log.update().where(log.log.c.position == 1).values(data=ERASED))
    )
    catch_up(db, planner)
    assert db.read_sync(list_planned) == [2]


def test_an_event_that_cannot_be_planned_holds_back_only_its_ticket(db: Database) -> None:
    planner = Planner()
    for ticket in ("a", "b", "a", "b", None):
        db.write_sync(fill_log, ticket=ticket)
    planner.refused = {1}
    catch_up(db, planner)

    assert db.read_sync(list_planned) == [2, 4, 5], "what it wrote before it raised is undone"
    assert db.read_sync(list_failures) == [(1, 1, NOON + FIRST_RETRY_DELAY), (3, 0, NOON)]
    assert db.read_sync(read_position) == 5

    db.write_sync(fill_log, ticket="a")  # 6: also later ones wait
    catch_up(db, planner)
    assert [position for position, *_ in db.read_sync(list_failures)] == [1, 3, 6]

    planner.refused = set()
    catch_up(db, planner, NOON + FIRST_RETRY_DELAY - 1)
    assert db.read_sync(list_planned) == [2, 4, 5], "not before it is due"
    catch_up(db, planner, NOON + FIRST_RETRY_DELAY)
    assert db.read_sync(list_planned) == [2, 4, 5, 1, 3, 6]
    assert db.read_sync(list_failures) == []


def test_retries_wait_longer_each_time_and_never_longer_than_an_hour(db: Database) -> None:
    planner, at, delays = Planner(), NOON, list[int]()
    db.write_sync(fill_log)
    planner.refused = {1}
    catch_up(db, planner)
    for _ in range(14):
        due = db.read_sync(list_failures)[0][2]
        delays.append(due - at)
        at = due
        catch_up(db, planner, at)

    assert delays[:3] == [FIRST_RETRY_DELAY, 2 * FIRST_RETRY_DELAY, 4 * FIRST_RETRY_DELAY]
    assert delays[-1] == LONGEST_RETRY_DELAY


def test_an_error_is_recorded_without_its_text(db: Database) -> None:
    planner = Planner()
    db.write_sync(fill_log)
    planner.refused = {1}
    catch_up(db, planner)

    (state,) = db.read_sync(admin.list_consumers)
    assert state.last_error is not None
    assert state.last_error.startswith("ValueError")
    assert "a text" not in state.last_error + str(state.failures)


def test_a_failing_database_counts_against_no_event(db: Database) -> None:
    planner = Planner()
    db.write_sync(fill_log, 3)
    planner.database_failures = 1
    with pytest.raises(OperationalError):
        catch_up(db, planner)
    assert db.read_sync(list_planned) == []
    assert db.read_sync(list_failures) == []

    catch_up(db, planner)
    assert db.read_sync(list_planned) == [1, 2, 3]


def test_a_batch_ends_after_its_time(db: Database) -> None:
    planner, times = Planner(), iter(range(1000))
    db.write_sync(fill_log, 5 * CHUNK_SIZE)
    progress = db.write_sync(plan_batch, planner.consumer, NOON, lambda: next(times) * 0.002)

    assert progress is not None
    assert not progress.is_caught_up
    assert 0 < db.read_sync(read_position) < 5 * CHUNK_SIZE
    catch_up(db, planner)
    assert db.read_sync(list_planned) == list(range(1, 5 * CHUNK_SIZE + 1))


def test_a_batch_plans_something_however_slow_the_machine_is(db: Database) -> None:
    planner, times = Planner(), iter(range(1000))
    db.write_sync(fill_log, 3 * CHUNK_SIZE)
    for _ in range(3):
        db.write_sync(plan_batch, planner.consumer, NOON, lambda: next(times) * 60.0)
    assert db.read_sync(list_planned) == list(range(1, 3 * CHUNK_SIZE + 1))


def test_a_consumer_keeps_its_position_on_another_epoch(db: Database) -> None:
    planner = Planner()
    db.write_sync(fill_log, 3)
    catch_up(db, planner)
    db.write_sync(fill_log, 2)
    db.write_sync(log.begin_epoch)
    catch_up(db, planner)
    assert db.read_sync(list_planned) == [1, 2, 3, 4, 5]


def test_a_position_above_the_head_becomes_the_head(db: Database) -> None:
    planner = Planner()
    db.write_sync(fill_log, 3)
    db.write_sync(lambda tx: tx.execute(consumers.update().values(position=50)))
    assert db.read_sync(find_consumers_behind, ["toy"], NOON) == ["toy"]
    catch_up(db, planner)
    db.write_sync(fill_log)
    catch_up(db, planner)
    assert db.read_sync(list_planned) == [4]


def test_events_trimmed_before_their_turn_are_counted(db: Database) -> None:
    planner = Planner()
    db.write_sync(fill_log, 3)
    planner.refused = {1}
    db.write_sync(plan_batch, Consumer("toy", frozenset({WANTED}), planner.plan), NOON)
    db.write_sync(fill_log, 5)
    assert db.write_sync(trim_log, NOON + MAX_WAIT + 1, 6) == 6
    catch_up(db, planner, NOON + DAY)

    (state,) = db.read_sync(admin.list_consumers)
    assert state.lost == 3 + 1, "three before their turn, and the one set aside"
    assert db.read_sync(list_planned) == [2, 3, 7, 8]


def test_retention_waits_a_week_for_a_running_consumer(db: Database) -> None:
    db.write_sync(fill_log, 4)
    db.write_sync(admin.rewind, "toy", 2)
    assert db.write_sync(trim_log, NOON + 1, 100) == 2
    assert db.write_sync(trim_log, NOON + MAX_WAIT, 100) == 0

    db.write_sync(admin.set_stopped, "toy", stopped=True)
    assert db.write_sync(trim_log, NOON + 1, 1) == 1, "it does not wait for a stopped one"
    db.write_sync(admin.set_stopped, "toy", stopped=False)
    assert db.write_sync(trim_log, NOON + MAX_WAIT + 1, 100) == 1


def test_an_operator_stops_rewinds_retries_and_dismisses(db: Database) -> None:
    planner = Planner()
    db.write_sync(fill_log, 2, ticket="a")
    db.write_sync(admin.set_stopped, "toy", stopped=True)
    assert db.read_sync(find_consumers_behind, ["toy"], NOON) == []
    assert db.write_sync(plan_batch, planner.consumer, NOON) is None
    db.write_sync(admin.set_stopped, "toy", stopped=False)

    planner.refused = {1}
    catch_up(db, planner)
    db.write_sync(admin.retry_failures, "toy", NOON)
    catch_up(db, planner)
    assert db.read_sync(list_failures)[0][:2] == (1, 2)
    db.write_sync(admin.dismiss_failure, "toy", 1)
    catch_up(db, planner)
    assert db.read_sync(list_planned) == [2]

    planner.refused = set()
    db.write_sync(admin.rewind, "toy", 0)
    catch_up(db, planner)
    assert db.read_sync(list_planned) == [2, 1, 2]
    for position in (-1, 3):
        with pytest.raises(Invalid, match="from position 0 to 2"):
            db.write_sync(admin.rewind, "toy", position)
    with pytest.raises(NotFound, match="consumers list"):
        db.write_sync(admin.rewind, "tow", 0)
    with pytest.raises(NotFound, match="position 7"):
        db.write_sync(admin.dismiss_failure, "toy", 7)


@pytest.mark.database("postgresql")
def test_only_one_process_plans_a_consumer_at_a_time(db: Database) -> None:
    planner = Planner()
    db.write_sync(fill_log)

    def plan_while_held(tx: Connection) -> None:
        tx.execute(select(consumers).with_for_update()).all()
        assert db.write_sync(plan_batch, planner.consumer, NOON) is None

    db.write_sync(plan_while_held)
    catch_up(db, planner)
    assert db.read_sync(list_planned) == [1]


@pytest.mark.anyio
async def test_the_runner_plans_what_is_appended_and_goes_on_after_an_outage(db: Database) -> None:
    planner = Planner()
    runner = ConsumerRunner(db, [planner.consumer], first_retry_delay=0.01)
    planner.database_failures = 2
    db.write_sync(fill_log, 2)
    running = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(20):
            while len(await db.read(list_planned)) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await db.write(fill_log)
            runner.wake()
            while len(await db.read(list_planned)) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
    assert db.read_sync(list_planned) == [1, 2, 3]
    assert runner.planned["toy"] == 3


def test_consumers_name_types_of_the_registry() -> None:
    for consumer in CONSUMERS:
        assert consumer.types <= EVENT_CLASS_BY_TYPE.keys(), consumer.name
