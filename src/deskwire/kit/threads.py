"""Run blocking calls in threads, a bounded pool for each kind of work, that no exit waits for.

The standard library's pools and anyio's are shared by whatever is called in them, and the process
cannot end before their last call has. A call to a system that stopped answering never ends, so it
would take the threads that others need, and hold up every shutdown.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

MAX_QUEUED = 200  # calls of a pool that wait for a thread; more would only wait to time out
IDLE_TIMEOUT = 10.0  # s without a call, after which a thread ends

P = ParamSpec("P")
T = TypeVar("T")


class PoolOverloaded(Exception):
    """Too many calls already wait for a thread of the pool."""


@dataclass(frozen=True, slots=True)
class _Call:
    future: Future[Any]
    function: Callable[[], Any]

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return  # cancelled while it was queued
        try:
            result = self.function()
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class DaemonThreadPool:
    """Run calls in at most `size` daemon threads, started when they are needed.

    Cancelling the task that awaits a call ends the wait at once, but not a call that has begun: it
    keeps its thread until it returns.
    """

    def __init__(self, name: str, size: int, *, max_queued: int = MAX_QUEUED) -> None:
        self._name, self._size, self._max_queued = name, size, max_queued
        self._calls: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._thread_count = self._idle_count = 0

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call in a thread, in this task's context. Raises PoolOverloaded.

        What it returns after the task was cancelled is closed, if it has `close`.
        """
        context = contextvars.copy_context()
        future = self.submit(partial(context.run, partial(function, *args, **kwargs)))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(_close_result)
            raise

    def submit(self, function: Callable[[], T], *, even_if_overloaded: bool = False) -> Future[T]:
        """Queue a call, from any thread, without waiting for it. Raises PoolOverloaded."""
        future: Future[T] = Future()
        with self._changed:
            if len(self._calls) >= self._max_queued and not even_if_overloaded:
                raise PoolOverloaded(f"{len(self._calls)} calls wait for a thread ({self._name})")
            self._calls.append(_Call(future, function))
            if len(self._calls) > self._idle_count and self._thread_count < self._size:
                self._thread_count += 1
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            else:
                self._changed.notify()
        return future

    def _work(self) -> None:
        while (call := self._take_call()) is not None:
            call.run()
            del call  # or an idle thread would keep its arguments and its result

    def _take_call(self) -> _Call | None:
        """Wait for a call; None if none came and the thread is to end."""
        with self._changed:
            self._idle_count += 1
            has_call = self._changed.wait_for(lambda: self._calls, IDLE_TIMEOUT)
            self._idle_count -= 1
            if has_call:
                return self._calls.popleft()
            self._thread_count -= 1
            return None


def _close_result(future: Future[Any]) -> None:
    if not future.cancelled() and future.exception() is None:
        close = getattr(future.result(), "close", None)
        if close is not None:
            close()
