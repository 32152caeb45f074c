"""Test dispatches: in order per key, at most one at a time, retried by the class of the answer."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.exc import OperationalError

from deskwire.dispatches import admin, claims, dispatcher
from deskwire.dispatches.claims import LEASE, Settlement, Wanted, claim_due, settle
from deskwire.dispatches.dispatcher import FIRST_PAUSE, LONGEST_PAUSE, Dispatcher
from deskwire.dispatches.store import Dispatch, dispatches, hold_unfinished, queue
from deskwire.dispatches.target import BeginFunction, Done, Outcome, Refused, Unavailable
from deskwire.kit.clock import DAY, SECOND
from deskwire.kit.db import Database
from deskwire.kit.errors import Conflict, NotFound
from tests.fixtures.accounts import NOON, FakeClock
from tests.fixtures.databases import create_database
from tests.fixtures.dispatching import read_dispatches, send_due_dispatches


@dataclass
class ToyTarget:
    """Another system that answers what the test tells it to."""

    name: str = "toy"
    limit: int = 10
    timeout: float = 10.0
    stop_timeout: float = 1.0
    max_age: int | None = None
    on_dead: Literal["blocks", "skips"] = "skips"
    has_secrets: bool = False
    answers: defaultdict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    sent: list[str] = field(default_factory=list)  # what each payload said, in order
    running: Counter[str] = field(default_factory=Counter)  # by key
    may_answer: asyncio.Event | None = None
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, dispatch: Dispatch, begin: BeginFunction) -> Outcome:
        begin()
        self.has_begun.set()
        self.running[dispatch.key] += 1
        assert self.running[dispatch.key] == 1, "two of one key at the same time"
        assert self.running.total() <= self.limit
        try:
            if self.may_answer is not None:
                await self.may_answer.wait()
            self.sent.append(dispatch.payload["say"])
            return (self.answers[dispatch.key] or [Done("200")]).pop(0)
        finally:
            self.running[dispatch.key] -= 1


@dataclass
class FakeTimer:
    """Seconds that the test lets pass."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = create_database(tmp_path)
    yield opened
    opened.close()


def put(db: Database, key: str, say: str, kind: str = "k", at: int = NOON) -> int:
    return db.write_sync(queue, "toy", key, kind, {"say": say}, at=at)


def make(
    db: Database,
    target: ToyTarget,
    clock: FakeClock | None = None,
    timer: FakeTimer | None = None,
) -> Dispatcher:
    return Dispatcher(
        db,
        [target],
        clock or FakeClock(),
        timer=timer or FakeTimer(),
        jitter=lambda: 1.0,
        first_retry_delay=0.001,
    )


def list_states(db: Database) -> list[str]:
    return [row.state for row in read_dispatches(db)]


async def test_dispatches_of_a_key_are_sent_in_order_and_keys_do_not_wait(db: Database) -> None:
    target = ToyTarget(limit=3)
    for number in range(4):
        for key in "abcde":
            put(db, key, f"{key}{number}")
    await send_due_dispatches(make(db, target))

    for key in "abcde":
        assert [say for say in target.sent if say[0] == key] == [f"{key}{n}" for n in range(4)]
    assert list_states(db) == ["done"] * 20


async def test_a_dispatch_waits_until_it_is_due(db: Database) -> None:
    target, clock = ToyTarget(), FakeClock()
    db.write_sync(queue, "toy", "a", "k", {"say": "later"}, at=NOON, due_at=NOON + 5)
    await send_due_dispatches(make(db, target, clock))
    assert target.sent == []

    clock.at += 5
    await send_due_dispatches(make(db, target, clock))
    assert target.sent == ["later"]


async def test_refusals_count_and_wait_longer_each_time(db: Database) -> None:
    target, clock, delays = ToyTarget(), FakeClock(), list[int]()
    target.answers["a"] = [Refused("no")] * 10
    sender = make(db, target, clock)
    put(db, "a", "a1")
    put(db, "a", "a2")
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
    first, second = put(db, "a", "a1"), put(db, "a", "a2")
    put(db, "b", "b1")
    sender = make(db, target)
    await send_due_dispatches(sender)
    put(db, "a", "a3")
    await send_due_dispatches(sender)

    assert sorted(target.sent) == ["a1", "b1"]
    assert list_states(db) == ["dead", "waiting", "done", "waiting"]
    behind = db.read_sync(admin.read_dispatch, second)
    assert db.read_sync(admin.find_blocking, behind) == first

    db.write_sync(admin.retry_dispatch, first, NOON)
    await send_due_dispatches(sender)
    assert list_states(db) == ["done"] * 4
    assert [say for say in target.sent if say[0] == "a"] == ["a1", "a1", "a2", "a3"]


async def test_dismissing_a_dead_one_lets_the_next_go(db: Database) -> None:
    target = ToyTarget(on_dead="blocks")
    target.answers["a"] = [Refused("never", permanent=True)]
    first = put(db, "a", "a1")
    put(db, "a", "a2")
    sender = make(db, target)
    await send_due_dispatches(sender)
    db.write_sync(admin.dismiss_dispatch, first, NOON)
    await send_due_dispatches(sender)
    assert list_states(db) == ["dismissed", "done"]


async def test_an_unavailable_target_is_probed_with_one_of_another_key(db: Database) -> None:
    target, clock, timer = ToyTarget(), FakeClock(), FakeTimer()
    for key in "abc":
        target.answers[key] = [Unavailable("down")] * 2
        put(db, key, key)
    sender, pauses = make(db, target, clock, timer), list[float]()
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
    put(db, "a", "a")
    sender = make(db, target, timer=timer)
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
    put(db, "a", "create", kind="create")
    sender = make(db, target, timer=timer)
    await send_due_dispatches(sender)
    put(db, "b", "create", kind="create")
    put(db, "c", "update", kind="update")
    await send_due_dispatches(sender)
    assert target.sent == ["create", "update"]

    timer.seconds = FIRST_PAUSE
    await send_due_dispatches(sender)
    assert list_states(db) == ["done"] * 3


async def test_an_effect_that_fails_while_others_succeed_counts_as_refused(db: Database) -> None:
    target, clock, timer = ToyTarget(), FakeClock(), FakeTimer()
    failing: list[Outcome] = [Unavailable("500", may_be_the_effect=True) for _ in range(40)]
    target.answers["a"] = failing
    put(db, "a", "a")
    sender = make(db, target, clock, timer)
    for number in range(60):
        put(db, f"b{number}", "b", at=clock.at)
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

    put(db, "a", "a")
    await send_due_dispatches(make(db, Broken()))
    [row] = read_dispatches(db)
    assert (row.state, row.attempts) == ("ready", 1)
    assert row.last_error == "internal error: KeyError; see the log"


async def test_an_attempt_without_an_answer_ends_after_its_time(db: Database) -> None:
    put(db, "a", "a")
    target = ToyTarget(timeout=0.01, may_answer=asyncio.Event())
    await send_due_dispatches(make(db, target))
    [row] = read_dispatches(db)
    assert (row.state, row.attempts, row.last_error) == ("ready", 0, "no answer within 0 s")


def test_a_process_whose_lease_has_ended_changes_nothing(db: Database) -> None:
    target = ToyTarget()
    put(db, "a", "a")
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
    put(db, "a", "a")
    target, clock, timer = ToyTarget(may_answer=asyncio.Event()), FakeClock(), FakeTimer()
    sender = make(db, target, clock, timer)
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
    put(db, "a", "a")
    target = ToyTarget()
    running = asyncio.create_task(make(db, target).run())
    async with asyncio.timeout(30):
        while list_states(db) != ["done"]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.wait({running})
    assert target.sent == ["a"]


async def test_a_shutdown_waits_for_what_has_begun_even_if_the_database_fails(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(db, "a", "a")
    target = ToyTarget(may_answer=asyncio.Event())
    running = asyncio.create_task(make(db, target).run())
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


async def test_held_dispatches_are_sent_only_once_they_are_released(db: Database) -> None:
    target = ToyTarget()
    for say in ("a1", "a2"):
        put(db, "a", say)
    db.write_sync(hold_unfinished)
    sender = make(db, target)
    await send_due_dispatches(sender)
    assert target.sent == []

    assert db.write_sync(admin.release_dispatches, target="other") == 0
    assert db.write_sync(admin.release_dispatches) == 2
    await send_due_dispatches(sender)
    assert target.sent == ["a1", "a2"]

    put(db, "a", "a3")
    db.write_sync(hold_unfinished)
    assert db.write_sync(admin.dismiss_held, NOON) == 1
    await send_due_dispatches(sender)
    assert list_states(db) == ["done", "done", "dismissed"]


async def test_what_cannot_be_retried_or_dismissed_says_why(db: Database) -> None:
    target = ToyTarget(has_secrets=True)
    sent = put(db, "a", "a")
    await send_due_dispatches(make(db, target))
    with pytest.raises(Conflict, match="is done"):
        db.write_sync(admin.retry_dispatch, sent, NOON)
    with pytest.raises(Conflict, match="already finished"):
        db.write_sync(admin.dismiss_dispatch, sent, NOON)
    with pytest.raises(NotFound, match="no dispatch 77"):
        db.write_sync(admin.retry_dispatch, 77, NOON)

    target.answers["b"] = [Refused("never", permanent=True)]
    refused = put(db, "b", "b")
    await send_due_dispatches(make(db, target))
    with pytest.raises(Conflict, match="one-time link"):
        db.write_sync(admin.retry_dispatch, refused, NOON)

    running = put(db, "c", "c")
    db.write_sync(claim_due, target, NOON, [Wanted(1)])
    with pytest.raises(Conflict, match="being sent right now"):
        db.write_sync(admin.dismiss_dispatch, running, NOON)


async def test_finished_dispatches_are_deleted_after_a_while(db: Database) -> None:
    put(db, "a", "a")
    await send_due_dispatches(make(db, ToyTarget()))
    put(db, "b", "b")
    assert db.write_sync(admin.delete_finished, NOON, 10) == 0
    assert db.write_sync(admin.delete_finished, NOON + 1, 10) == 1
    assert list_states(db) == ["new"]


def test_operators_see_counts_and_the_oldest(db: Database) -> None:
    put(db, "a", "a")
    put(db, "a", "b", at=NOON + 1)
    db.write_sync(queue, "mail", "m", "link", {}, at=NOON)
    counts = db.read_sync(admin.count_by_target_and_state)
    assert counts == {("toy", "new"): 2, ("mail", "new"): 1}
    assert db.read_sync(admin.find_oldest_due) == {"toy": NOON, "mail": NOON}
    listed = db.read_sync(admin.list_dispatches, 10, target="toy", before=3)
    assert [json.dumps(each.payload) for each in listed] == ['{"say": "b"}', '{"say": "a"}']
    assert "say" not in repr(listed)


@pytest.mark.parametrize("seed", range(4))
async def test_random_outcomes_lose_nothing_and_keep_the_order(db: Database, seed: int) -> None:
    """Three processes, many keys, every kind of answer: each is done once, in order per key."""
    rng = random.Random(seed)
    target, clock, timer = ToyTarget(limit=5), FakeClock(), FakeTimer()
    said = defaultdict[str, list[str]](list)
    for number in range(60):
        key = f"k{rng.randrange(8)}"
        put(db, key, f"{key}-{number}")
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
    senders = [make(db, target, clock, timer) for _ in range(3)]
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
        put(db, f"k{number % 7}", str(number))
    for _ in range(2):
        db.write_sync(claim_due, target, NOON, [])
    assert Counter(list_states(db)) == {"ready": 7, "waiting": claims.ADMITTED_AT_ONCE - 2}


def test_a_retry_by_an_operator_is_due_at_once(db: Database) -> None:
    id_ = put(db, "a", "a")
    db.write_sync(lambda tx: tx.execute(update(dispatches).values(due_at=NOON + 9)))
    db.write_sync(admin.retry_dispatch, id_, NOON)
    assert read_dispatches(db)[0].due_at == NOON
