"""Test how the bodies being read share their bound: which network gives way."""

from __future__ import annotations

import asyncio

import pytest

from deskwire.webhooks.body_budget import GRACE, MIN_PACE, BodyBudget, IncomingBody, TooManyBodies


class BudgetFixture:
    """A budget of a few bodies, on a clock of its own; each body is read by a task."""

    def __init__(self, max_bodies: int) -> None:
        self.now = 0.0
        self.budget = BodyBudget(max_bodies, lambda: self.now)
        self.bodies: dict[str, IncomingBody] = {}
        self.outcomes: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def send(self, name: str, network: str) -> None:
        """Begin to send a body that does not end."""
        self._tasks.append(asyncio.create_task(self._read(name, network)))
        for _ in range(5):
            await asyncio.sleep(0)

    async def _read(self, name: str, network: str) -> None:
        try:
            with self.budget.admit(network) as body:
                self.bodies[name], self.outcomes[name] = body, "reading"
                await asyncio.Event().wait()
        except TooManyBodies:
            self.outcomes[name] = "refused"
        except TimeoutError:
            self.outcomes[name] = "cut off"

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_a_network_that_fills_the_budget_makes_room_for_another() -> None:
    fixture = BudgetFixture(3)
    for number in range(3):
        await fixture.send(f"stranger {number}", "192.0.2.1")

    await fixture.send("sender", "198.51.100.1")

    assert fixture.outcomes["sender"] == "reading"
    assert fixture.outcomes["stranger 0"] == "cut off"
    assert fixture.outcomes["stranger 2"] == "reading"
    await fixture.stop()


async def test_a_trickling_body_makes_room_even_for_its_own_network() -> None:
    fixture = BudgetFixture(2)
    await fixture.send("steady", "192.0.2.1")
    await fixture.send("trickling", "192.0.2.1")
    fixture.now = GRACE
    fixture.bodies["steady"].size = int(MIN_PACE * GRACE)
    fixture.bodies["trickling"].size = 10

    await fixture.send("next", "192.0.2.1")

    assert fixture.outcomes == {"steady": "reading", "trickling": "cut off", "next": "reading"}
    await fixture.stop()


async def test_the_network_with_the_most_bodies_displaces_no_other() -> None:
    fixture = BudgetFixture(3)
    await fixture.send("sender", "198.51.100.1")
    await fixture.send("stranger 0", "192.0.2.1")
    await fixture.send("stranger 1", "192.0.2.1")

    await fixture.send("stranger 2", "192.0.2.1")

    assert fixture.outcomes["stranger 2"] == "refused"
    assert fixture.outcomes["sender"] == "reading"
    await fixture.stop()


async def test_a_body_that_was_read_frees_its_slot() -> None:
    budget = BodyBudget(1)
    for _ in range(3):
        with budget.admit("192.0.2.1"):
            pass

    with budget.admit("192.0.2.1"), pytest.raises(TooManyBodies):
        budget.admit("192.0.2.1")


async def test_a_cancellation_from_outside_is_passed_on() -> None:
    fixture = BudgetFixture(1)
    await fixture.send("sender", "192.0.2.1")
    await fixture.stop()

    assert fixture.outcomes["sender"] == "reading"
