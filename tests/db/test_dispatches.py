"""Test dispatches: in order per key, at most one at a time, retried by the class of the answer."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from deskwire.dispatches import admin, claims, dispatcher
from deskwire.dispatches.claims import LEASE, Settlement, Wanted, claim_due, settle
from deskwire.dispatches.dispatcher import FIRST_PAUSE, LONGEST_PAUSE
from deskwire.dispatches.store import Dispatch, queue
from deskwire.dispatches.target import BeginFunction, Done, Outcome, Refused, Unavailable
from deskwire.kit.clock import DAY, SECOND
from deskwire.kit.db import Database
from tests.fixtures.accounts import NOON, FakeClock
from tests.fixtures.databases import create_database
from tests.fixtures.dispatching import (
    FakeTimer,
    ToyTarget,
    list_states,
    make_dispatcher,
    queue_toy,
    read_dispatches,
    send_due_dispatches,
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = create_database(tmp_path)
    yield opened
    opened.close()


async def test_dispatches_of_a_key_are_sent_in_order_and_keys_do_not_wait(db: Database) -> None:
    target = ToyTarget(limit=3)
    for number in range(4):
        for key in "abcde":
            queue_toy(db, key, f"{key}{number}")
    await send_due_dispatches(make_dispatcher(db, target))

    for key in "abcde":
        assert [say for say in target.sent if say[0] == key] == [f"{key}{n}" for n in range(4)]
    assert list_states(db) == ["done"] * 20


async def test_a_dispatch_waits_until_it_is_due(db: Database) -> None:
    target, clock = ToyTarget(), FakeClock()
    db.write_sync(queue, "toy", "a", "k", {"say": "later"}, at=NOON, due_at=NOON + 5)
    await send_due_dispatches(make_dispatcher(db, target, clock))
    assert target.sent == []

    clock.at += 5
    await send_due_dispatches(make_dispatcher(db, target, clock))
    assert target.sent == ["later"]


async def test_refusals_count_and_wait_longer_each_time(db: Database) -> None:
    target, clock, delays = ToyTarget(), FakeClock(), list[int]()
    target.answers["a"] = [Refused("no")] * 10
    sender = make_dispatcher(db, target, clock)
    queue_toy(db, "a", "a1")
    queue_toy(db, "a", "a2")
    while (row := read_dispatches(db)[0]).state != "dead":
        await send_due_dispatches(sender)
        row = read_dispatches(db)[0]
        if row.state == "ready":
            delays.append(row.due_at - clock.at)
            clock.at = row.due_at

    assert delays == [5 * SECOND * 2**n for n in range(9)]
    assert target.sent == ["a1"] * 10 + ["a2"], "a dead one lets the next of its key go"
    assert list_states(db) == ["dead", "done"]


async def test_a_dead_one_blocks_its_key_until_an_operator_decides(db: Database) -> None:
    target = ToyTarget(on_dead="blocks")
    target.answers["a"] = [Refused("never", permanent=True)]
    first, second = queue_toy(db, "a", "a1"), queue_toy(db, "a", "a2")
    queue_toy(db, "b", "b1")
    sender = make_dispatcher(db, target)
    await send_due_dispatches(sender)
    queue_toy(db, "a", "a3")
    await send_due_dispatches(sender)

    assert sorted(target.sent) == ["a1", "b1"]
    assert list_states(db) == ["dead", "waiting", "done", "waiting"]
    behind = db.read_sync(admin.read_dispatch, second)
    assert db.read_sync(admin.find_blocking, behind) == first

    db.write_sync(admin.retry_dispatch, first, NOON)
    await send_due_dispatches(sender)
    assert list_states(db) == ["done"] * 4
    assert [say for say in target.sent if say[0] == "a"] == ["a1", "a1", "a2", "a3"]


async def test_a_waiting_one_is_behind_the_next_of_its_key_and_not_a_dead_one(db: Database) -> None:
    target = ToyTarget()
    target.answers["a"] = [Refused("never", permanent=True), Refused("not now")]
    queue_toy(db, "a", "a1")
    sender = make_dispatcher(db, target)
    await send_due_dispatches(sender)
    second, third = queue_toy(db, "a", "a2"), queue_toy(db, "a", "a3")
    await send_due_dispatches(sender)

    assert list_states(db) == ["dead", "ready", "waiting"]
    behind = db.read_sync(admin.read_dispatch, third)
    assert db.read_sync(admin.find_blocking, behind) == second


async def test_dismissing_a_dead_one_lets_the_next_go(db: Database) -> None:
    target = ToyTarget(on_dead="blocks")
    target.answers["a"] = [Refused("never", permanent=True)]
    first = queue_toy(db, "a", "a1")
    queue_toy(db, "a", "a2")
    sender = make_dispatcher(db, target)
    await send_due_dispatches(sender)
    db.write_sync(admin.dismiss_dispatch, first, NOON)
    await send_due_dispatches(sender)
    assert list_states(db) == ["dismissed", "done"]


async def test_an_unavailable_target_is_probed_with_one_of_another_key(db: Database) -> None:
    target, clock, timer = ToyTarget(), FakeClock(), FakeTimer()
    for key in "abc":
        target.answers[key] = [Unavailable("down")] * 2
        queue_toy(db, key, key)
    sender, pauses = make_dispatcher(db, target, clock, timer), list[float]()
    await send_due_dispatches(sender)
    assert sorted(target.sent) == ["a", "b", "c"]
    target.sent.clear()

    pause = FIRST_PAUSE
    for _ in range(3):
        timer.seconds += pause - 0.5
        await send_due_dispatches(sender)
        assert len(target.sent) == len(pauses), "not before the pause is over"
        timer.seconds += 0.5
        clock.at += 1
        await send_due_dispatches(sender)
        pauses.append(pause)
        pause = min(LONGEST_PAUSE, 2 * pause)
    assert sorted(target.sent) == ["a", "b", "c"], "each probe is one of another key"

    timer.seconds += LONGEST_PAUSE
    await send_due_dispatches(sender)
    assert list_states(db) == ["done"] * 3
    assert [row.attempts for row in read_dispatches(db)] == [0, 0, 0], "no attempt is used up"


async def test_a_pause_lasts_as_long_as_the_other_side_says(db: Database) -> None:
    target, timer = ToyTarget(), FakeTimer()
    target.answers["a"] = [Unavailable("busy", retry_after=100.0)]
    queue_toy(db, "a", "a")
    sender = make_dispatcher(db, target, timer=timer)
    await send_due_dispatches(sender)
    timer.seconds = 99.0
    await send_due_dispatches(sender)
    assert target.sent == ["a"]
    timer.seconds = 100.0
    await send_due_dispatches(sender)
    assert target.sent == ["a", "a"]


async def test_one_kind_may_pause_while_others_go_on(db: Database) -> None:
    target, timer = ToyTarget(), FakeTimer()
    target.answers["a"] = [Unavailable("plan is full", scope="kind")]
    queue_toy(db, "a", "create", kind="create")
    sender = make_dispatcher(db, target, timer=timer)
    await send_due_dispatches(sender)
    queue_toy(db, "b", "create", kind="create")
    queue_toy(db, "c", "update", kind="update")
    await send_due_dispatches(sender)
    assert target.sent == ["create", "update"]

    timer.seconds = FIRST_PAUSE
    await send_due_dispatches(sender)
    assert list_states(db) == ["done"] * 3


async def test_an_effect_that_fails_while_others_succeed_counts_as_refused(db: Database) -> None:
    target, clock, timer = ToyTarget(), FakeClock(), FakeTimer()
    failing: list[Outcome] = [Unavailable("500", may_be_the_effect=True) for _ in range(40)]
    target.answers["a"] = failing
    queue_toy(db, "a", "a")
    sender = make_dispatcher(db, target, clock, timer)
    for number in range(60):
        queue_toy(db, f"b{number}", "b", at=clock.at)
        await send_due_dispatches(sender)
        timer.seconds += LONGEST_PAUSE
        clock.at += DAY
        if read_dispatches(db)[0].state == "dead":
            break
    [first, *others] = read_dispatches(db)
    assert (first.state, first.attempts) == ("dead", 10)
    assert sum(row.state == "done" for row in others) >= 10


async def test_an_exception_counts_as_a_refusal(db: Database) -> None:
    class Broken(ToyTarget):
        async def send(self, dispatch: Dispatch, begin: BeginFunction) -> Outcome:
            raise KeyError("a text of a person")

    queue_toy(db, "a", "a")
    await send_due_dispatches(make_dispatcher(db, Broken()))
    [row] = read_dispatches(db)
    assert (row.state, row.attempts) == ("ready", 1)
    assert row.last_error == "internal error: KeyError; see the log"


async def test_an_attempt_without_an_answer_ends_after_its_time(db: Database) -> None:
    queue_toy(db, "a", "a")
    target = ToyTarget(timeout=0.01, may_answer=asyncio.Event())
    await send_due_dispatches(make_dispatcher(db, target))
    [row] = read_dispatches(db)
    assert (row.state, row.attempts, row.last_error) == ("ready", 0, "no answer within 0 s")


def test_a_process_whose_lease_has_ended_changes_nothing(db: Database) -> None:
    target = ToyTarget()
    queue_toy(db, "a", "a")
    [slow] = db.write_sync(claim_due, target, NOON, [Wanted(5)])
    assert db.write_sync(claim_due, target, NOON + LEASE - 1, [Wanted(5)]) == []
    [quick] = db.write_sync(claim_due, target, NOON + LEASE, [Wanted(5)])
    late = Settlement(slow, Done("late"))

    assert db.write_sync(settle, target, [late], NOON + LEASE) == [late]
    assert list_states(db) == ["ready"]
    assert db.write_sync(settle, target, [Settlement(quick, Done("200"))], NOON + LEASE) == []
    [row] = read_dispatches(db)
    assert (row.state, row.result) == ("done", "200")


async def test_the_lease_of_a_running_attempt_is_extended(db: Database) -> None:
    queue_toy(db, "a", "a")
    target, clock, timer = ToyTarget(may_answer=asyncio.Event()), FakeClock(), FakeTimer()
    sender = make_dispatcher(db, target, clock, timer)
    await sender.send_due()
    clock.at += LEASE - 1
    timer.seconds += dispatcher.EXTEND_INTERVAL
    await sender.send_due()
    assert read_dispatches(db)[0].claimed_until == clock.at + LEASE
    assert target.may_answer is not None
    target.may_answer.set()
    await send_due_dispatches(sender)
    assert target.sent == ["a"]


async def test_an_outcome_is_recorded_once_the_database_works_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = iter(range(3))

    def refuse(tx: Connection, *arguments: object) -> list[Settlement]:
        if next(refusals, None) is not None:
            raise OperationalError("UPDATE", None, Exception("the database is locked"))
        return settle(tx, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(dispatcher, "settle", refuse)
    queue_toy(db, "a", "a")
    target = ToyTarget()
    running = asyncio.create_task(make_dispatcher(db, target).run())
    async with asyncio.timeout(30):
        while list_states(db) != ["done"]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.wait({running})
    assert target.sent == ["a"]


async def test_a_shutdown_waits_for_what_has_begun_even_if_the_database_fails(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_toy(db, "a", "a")
    target = ToyTarget(may_answer=asyncio.Event())
    running = asyncio.create_task(make_dispatcher(db, target).run())
    await target.has_begun.wait()
    refusals = iter(range(2))

    def refuse(tx: Connection, *arguments: object) -> list[Settlement]:
        if next(refusals, None) is not None:
            raise OperationalError("UPDATE", None, Exception("the database is locked"))
        return settle(tx, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(dispatcher, "settle", refuse)
    running.cancel()
    await asyncio.sleep(0)
    assert target.may_answer is not None
    target.may_answer.set()
    await asyncio.wait({running})
    assert list_states(db) == ["done"]


@pytest.mark.parametrize("seed", range(4))
async def test_random_outcomes_lose_nothing_and_keep_the_order(db: Database, seed: int) -> None:
    """Three processes, many keys, every kind of answer: each is done once, in order per key."""
    rng = random.Random(seed)
    target, clock, timer = ToyTarget(limit=5), FakeClock(), FakeTimer()
    said = defaultdict[str, list[str]](list)
    for number in range(60):
        key = f"k{rng.randrange(8)}"
        queue_toy(db, key, f"{key}-{number}")
        said[key].append(f"{key}-{number}")
    kinds: list[Outcome] = [
        Done("200"),
        Done("200"),
        Refused("409"),
        Unavailable("503"),
        Unavailable("500", may_be_the_effect=True),
    ]
    for key in said:
        target.answers[key] = [rng.choice(kinds) for _ in range(12)]
    senders = [make_dispatcher(db, target, clock, timer) for _ in range(3)]
    target.limit = 15  # of the three together
    for _ in range(400):
        await rng.choice(senders).send_due()
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        clock.at += rng.choice((0, 1, SECOND))
        timer.seconds += rng.choice((0.0, 0.1, FIRST_PAUSE))
    for sender in senders:
        await send_due_dispatches(sender)
    for _ in range(200):
        clock.at += LEASE
        timer.seconds += LONGEST_PAUSE
        for sender in senders:
            await send_due_dispatches(sender)
        if set(list_states(db)) == {"done"}:
            break

    assert set(list_states(db)) == {"done"}
    for key, expected in said.items():
        firsts = list(dict.fromkeys(say for say in target.sent if say.startswith(f"{key}-")))
        assert firsts == expected


def test_admission_is_bounded_and_misses_none(db: Database) -> None:
    target = ToyTarget()
    for number in range(claims.ADMITTED_AT_ONCE + 5):
        queue_toy(db, f"k{number % 7}", str(number))
    for _ in range(2):
        db.write_sync(claim_due, target, NOON, [])
    assert Counter(list_states(db)) == {"ready": 7, "waiting": claims.ADMITTED_AT_ONCE - 2}
