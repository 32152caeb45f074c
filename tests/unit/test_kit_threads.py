"""Test the thread pools: bounded, and neither a cancelled task nor an exit waits for a call."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextvars import ContextVar
from threading import Event, current_thread

import pytest

from deskwire.kit.threads import DaemonThreadPool, PoolOverloaded

TIMEOUT = 30.0  # s; for what happens at once, on a busy machine too

LANGUAGE: ContextVar[str] = ContextVar("LANGUAGE", default="en")


@pytest.fixture
def released() -> Iterator[Event]:
    """Block calls that wait for it until the end of the test."""
    event = Event()
    yield event
    event.set()


async def test_a_call_returns_its_result_or_raises_its_error() -> None:
    pool = DaemonThreadPool("test", 2)

    assert await pool.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 1, 0)


async def test_a_call_has_the_context_of_its_task() -> None:
    LANGUAGE.set("de")

    assert await DaemonThreadPool("test", 1).run(LANGUAGE.get) == "de"


async def test_a_cancelled_task_does_not_wait_for_its_call(released: Event) -> None:
    pool, has_begun = DaemonThreadPool("test", 2), Event()

    def block() -> None:
        has_begun.set()
        released.wait()

    task = asyncio.create_task(pool.run(block))
    await pool.run(has_begun.wait)
    task.cancel()

    async with asyncio.timeout(TIMEOUT):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_result_after_the_cancellation_is_closed(released: Event) -> None:
    pool, has_begun, closed = DaemonThreadPool("test", 2), Event(), Event()

    class File:
        def close(self) -> None:
            closed.set()

    def open_slowly() -> File:
        has_begun.set()
        released.wait()
        return File()

    task = asyncio.create_task(pool.run(open_slowly))
    await pool.run(has_begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    released.set()
    assert await pool.run(closed.wait, TIMEOUT)


def test_a_call_cancelled_in_the_queue_never_starts(released: Event) -> None:
    pool = DaemonThreadPool("test", 1)
    running = pool.submit(released.wait)
    queued: Future[None] = pool.submit(lambda: pytest.fail("it was begun"))

    assert queued.cancel()
    released.set()

    assert running.result(TIMEOUT)
    assert pool.submit(lambda: "next").result(TIMEOUT) == "next"


def test_calls_beyond_the_threads_are_queued_and_beyond_the_queue_refused(released: Event) -> None:
    pool = DaemonThreadPool("test", 2, max_queued=1)
    running, begun = [], [Event(), Event()]
    for each in begun:

        def block(begun: Event = each) -> None:
            begun.set()
            released.wait()

        running.append(pool.submit(block))
        assert each.wait(TIMEOUT)
    queued = pool.submit(lambda: current_thread().daemon)

    with pytest.raises(PoolOverloaded, match="1 calls wait for a thread"):
        pool.submit(lambda: None)
    last = pool.submit(lambda: "closed", even_if_overloaded=True)

    released.set()
    assert queued.result(TIMEOUT)
    assert last.result(TIMEOUT) == "closed"


def test_an_exit_does_not_wait_for_a_call() -> None:
    program = (
        "import asyncio, threading\n"
        "from deskwire.kit.threads import DaemonThreadPool\n"
        "async def main():\n"
        "    begun = threading.Event()\n"
        "    block = lambda: begun.set() or threading.Event().wait()\n"
        "    task = asyncio.create_task(DaemonThreadPool('test', 1).run(block))\n"
        "    while not begun.is_set():\n"
        "        await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
    )

    assert subprocess.run([sys.executable, "-c", program], timeout=TIMEOUT).returncode == 0
