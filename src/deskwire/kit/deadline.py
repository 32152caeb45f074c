"""Limit how long tasks may take, with one timer for all of them.

Meant for very many short operations: `asyncio.timeout` sets a loop timer each time, which costs
twice as much as verifying a signature (docs/performance.md).
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

CHECKS_PER_TIMEOUT = 4  # so an overrun is noticed at most a quarter of the timeout late


class Deadline:
    """A context manager that raises TimeoutError in a task that stays in it for over `timeout` s.

    One instance serves any number of tasks. Raises RuntimeError outside of a task.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._deadlines: dict[asyncio.Task[Any], float] = {}  # on the loop's clock, s
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("Deadline works only inside an asyncio task")
        self._deadlines[task] = loop.time() + self._timeout
        if self._timer is None:
            self._timer = loop.call_later(self._timeout / CHECKS_PER_TIMEOUT, self._cancel_overdue)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        if task is None or self._deadlines.pop(task, None) is not None:
            return  # finished in time
        # A remaining cancellation came from elsewhere, and stays one.
        if task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _cancel_overdue(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task in [task for task, deadline in self._deadlines.items() if deadline <= now]:
            del self._deadlines[task]
            task.cancel()
        self._timer = (
            loop.call_later(self._timeout / CHECKS_PER_TIMEOUT, self._cancel_overdue)
            if self._deadlines
            else None
        )
