"""Test that a wake-up ends the backoff of a service at once, however long it would have been."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress

import pytest

from deskwire.events.access import Authorization
from deskwire.kit.backoff import Backoff
from deskwire.kit.clock import Millis
from deskwire.realtime.authorization import AuthorizationQueue
from deskwire.realtime.grant_cache import GrantCache
from deskwire.realtime.subscription import ChannelSets
from tests.fixtures.hub import wait_until

AN_HOUR = 3600.0  # s; far more than a test waits


async def test_a_wake_up_ends_the_backoff() -> None:
    wake_event = asyncio.Event()
    pause = asyncio.create_task(Backoff(wake_event, first=AN_HOUR, longest=AN_HOUR).wait())

    wake_event.set()

    async with asyncio.timeout(10):
        await pause


async def test_a_wake_up_during_a_failing_attempt_counts() -> None:
    wake_event = asyncio.Event()
    wake_event.set()

    async with asyncio.timeout(10):
        await Backoff(wake_event, first=AN_HOUR, longest=AN_HOUR).wait()


@pytest.mark.parametrize("failures", [1, 3, 40, 2000])
async def test_without_a_wake_up_delays_grow_to_the_maximum(failures: int) -> None:
    backoff = Backoff(asyncio.Event(), first=0.001, longest=0.001)

    async with asyncio.timeout(10):
        for _ in range(failures):
            await backoff.wait()


async def test_a_new_stream_ends_the_backoff_of_streams_awaiting_authorization() -> None:
    is_down, tries, authorized = True, 0, set[str]()

    async def authorize(_people: Collection[str], _sessions: Collection[str]) -> Authorization:
        nonlocal tries
        tries += 1
        if is_down:
            raise ConnectionError
        return Authorization({}, {})

    def apply(person: str, _sets: ChannelSets, _sessions: Mapping[str, Millis]) -> None:
        authorized.add(person)

    queue = AuthorizationQueue(authorize, GrantCache(), lambda _: (), apply, AN_HOUR)
    running = asyncio.create_task(queue.run())
    queue.enqueue("ada")
    await wait_until(lambda: tries == 1 and not queue.in_flight)

    is_down = False
    queue.enqueue("bo")

    await wait_until(lambda: authorized == {"ada", "bo"})
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
