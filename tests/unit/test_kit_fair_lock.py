"""Test the order in which a fair lock is given to its waiters."""

from __future__ import annotations

import asyncio

import pytest

from deskwire.kit.fair_lock import FairLock

LONG = 60.0  # s; never reached


class LockFixture:
    """A lock, and the tasks that take it; each holds it until it is told to go on."""

    def __init__(self) -> None:
        self.lock = FairLock()
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._may_leave: dict[str, asyncio.Event] = {}

    async def take(self, name: str, key: str, max_wait: float = LONG) -> None:
        self._may_leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, key, max_wait))
        await settle()

    async def leave(self, name: str) -> None:
        self._may_leave[name].set()
        await settle()

    async def _hold(self, name: str, key: str, max_wait: float) -> None:
        async with self.lock.hold(key, max_wait):
            self.order.append(name)
            await self._may_leave[name].wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_many_waiters_of_one_person_delay_another_by_one_turn() -> None:
    fixture = LockFixture()
    for number in range(5):
        await fixture.take(f"eve {number}", "eve")
    await fixture.take("ada", "ada")

    for name in ("eve 0", "eve 1", "ada", "eve 2", "eve 3", "eve 4"):
        await fixture.leave(name)

    assert fixture.order == ["eve 0", "eve 1", "ada", "eve 2", "eve 3", "eve 4"]


async def test_the_lock_has_one_holder_and_can_be_taken_again() -> None:
    fixture = LockFixture()
    await fixture.take("first", "ada")
    await fixture.take("second", "bo")
    assert fixture.order == ["first"]

    await fixture.leave("first")
    await fixture.leave("second")
    await fixture.take("third", "ada")

    assert fixture.order == ["first", "second", "third"]
    await fixture.leave("third")


async def test_a_cancelled_waiter_loses_only_its_own_turn() -> None:
    fixture = LockFixture()
    await fixture.take("first", "ada")
    await fixture.take("gone", "bo")
    await fixture.take("last", "bo")

    fixture.tasks["gone"].cancel()
    await settle()
    await fixture.leave("first")

    assert fixture.order == ["first", "last"]
    await fixture.leave("last")


async def test_a_turn_given_to_a_cancelled_task_is_passed_on() -> None:
    fixture = LockFixture()
    await fixture.take("first", "ada")
    await fixture.take("gone", "bo")
    await fixture.take("last", "cy")

    fixture._may_leave["first"].set()
    await asyncio.sleep(0)  # the turn is given, and not taken yet
    fixture.tasks["gone"].cancel()
    await settle()

    assert fixture.order[-1] == "last"
    await fixture.leave("last")


async def test_waiting_for_the_lock_has_a_timeout() -> None:
    fixture = LockFixture()
    await fixture.take("first", "ada")

    with pytest.raises(TimeoutError):
        async with fixture.lock.hold("bo", 0):
            pass

    await fixture.leave("first")
    await fixture.take("next", "bo")
    assert fixture.order == ["first", "next"]
    await fixture.leave("next")
